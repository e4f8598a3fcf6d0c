"""The claims of invariant.c: of which sorts of names each speaks, and what names of a sort occur in a term."""
import re

import z3

import term as t

# Sort: the widths of its names' parts. A frame's name has 23 bits, a capability's position 7.
SORTS = {"frame": (23,), "binding": (23, 9), "capability": (30,), "tables": (23, 5), "vcpu": (23, 3), "gate": (23, 4),
         "slot": (13,), "processor": (6,), "index": (9,), "position": (3,), "ring": (23, 2), "disk": (2,), "place": (2, 6), "turn": (6,),
         "flow": (11,), "bucket": (12,), "order": (4,)}
CLAIMS = {
    "claim_environment": ("frame",), "claim_environment_table": ("tables",), "claim_capability_table": ("frame",),
    "claim_capability": ("capability",), "claim_frame_pair": ("frame",), "claim_frame_owner": ("frame",),
    "claim_binding": ("binding",), "claim_binding_list": ("binding",), "claim_binding_next": ("binding",),
    "claim_binding_previous": ("binding",), "claim_frame_bindings": ("frame",),
    "claim_creation": ("frame",), "claim_processor": ("processor",), "claim_slot": ("slot",), "claim_vcpu": ("vcpu",), "claim_call": ("vcpu",),
    "claim_processor_pair": ("processor", "processor"), "claim_vcpu_pair": ("vcpu", "position"),
    "claim_derivation": ("capability",), "claim_depth": ("capability",), "claim_large": ("frame",), "claim_progress": ("frame",), "claim_large_part": ("frame",),
    "claim_binding_order": ("binding", "binding"), "claim_pass": ("frame",), "claim_kernel": (),
    "claim_net_ring": ("frame",), "claim_ring": ("ring",), "claim_queue": ("frame",),
    "claim_queue_list": ("frame",), "claim_disk": ("disk",), "claim_place": ("place",),
    "claim_flow": ("flow",), "claim_bucket": ("bucket",), "claim_order": ("order",), "claim_network": (),
}
ASSUMED = {"assumed_kernel": (), "assumed_ring": ("processor",), "assumed_trace": ("processor", "frame"),       # of every state
           "assumed_open": ("flow",)}
FRAMES = {"frame_table", "environment_pages", "capability_pages", "table_pages", "shadow_pages", "context_pages", "trace_pages",
          "queue_pages", "net_queue_pages"}
VCPUS = 10    # field numbers of struct environment: before the virtual processors it is padded
ENVIRONMENT_PARTS = {5: "tables", 7: "gate", 8: "ring", VCPUS: "vcpu"}
DISKS = 7     # field number of struct kernel
TABLES = {"slot_table": "slot", "disk_table": "disk", "flow_table": "flow"}
NETWORK_PARTS = {7: "order", 9: "bucket"}     # field numbers of struct network


def names_in(key, where):
    """(sort, names as the claims take them) of what a read of this field speaks of."""
    region, fields = key.region.name, key.fields
    wide = [t.fit(term, 32) for term in where]
    if region in FRAMES or region.startswith("ghost_of_"):
        yield "frame", (wide[0],)
    if region in ("table_pages", "ghost_of_binding"):
        yield "binding", (wide[0], wide[1])
        yield "index", (wide[1],)
    elif region == "shadow_pages":
        yield "index", (wide[1],)
    elif region == "capability_pages" and len(where) == 2 and fields[1] == 1:
        yield "capability", (t.concatenation([t.cut(wide[0], 24), where[1] + 1]),)
    elif region == "environment_pages" and len(where) >= 2 and fields[1] in ENVIRONMENT_PARTS:
        yield ENVIRONMENT_PARTS[fields[1]], (wide[0], wide[1])
        yield "position" if fields[1] == VCPUS else "index", (wide[1],)
    elif region in TABLES:
        yield TABLES[region], (wide[0],)
    elif where and region == "network" and fields[0] in NETWORK_PARTS:
        yield NETWORK_PARTS[fields[0]], (wide[0],)
    elif where and region == "kernel" and fields[0] == DISKS:
        yield "disk", (wide[0],)
        if len(where) > 1:
            yield "place", (wide[0], wide[1])
            yield "turn", (wide[1],)
    elif where and region in ("kernel", "processor_table"):
        yield "processor", (wide[0],)


def anything(sort, number):
    """Names of a thing that nothing is known of."""
    return tuple(t.extend(z3.BitVec(f"any_{sort}{number}_{i}", width), 32) for i, width in enumerate(SORTS[sort]))


def named(constant):
    """(sort, names) of the thing of which nothing is known that this constant is a part of."""
    sort, number = re.match(r"any_([a-z]+)(\d*)", constant).groups()
    return sort, anything(sort, number)

