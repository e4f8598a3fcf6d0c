"""Derive the C header, the stubs, the kernel's dispatch, the manual and the list of promises
from the ABI definition.  usage: generate.py header|stubs|errors|dispatch|handlers|manual|frozen exo.toml"""
import json
import re
import sys
import tomllib

C_TYPE = {"u8": "uint8_t", "u16": "uint16_t", "u32": "uint32_t", "u64": "uint64_t", "s32": "int32_t", "char": "char"}
SIZE = {"u8": 1, "u16": 2, "u32": 4, "u64": 8, "s32": 4, "char": 1}
HANDLERS = 64
NOTE = "/* Made by sdk/abi/generate.py from sdk/abi/exo.toml. */"


class AbiError(Exception):
    pass


def size_of(abi, kind):
    """Bytes of `u32`, `struct mapping`, or an array `KIND[n]` of either."""
    match = re.fullmatch(r"(.+?)\[(\d+)\]", kind)
    if match:
        return size_of(abi, match[1]) * int(match[2])
    if kind.startswith("struct "):
        return next(s["size"] for s in abi["struct"] if s["name"] == kind[7:])
    return SIZE[kind]


def fields_of(abi, struct):
    """(offset, kind, name, doc) of each field; refuses holes, overlaps and a size that does not add up."""
    at, fields = 0, []
    for spec, doc in struct["fields"]:
        offset, rest = spec.split(" ", 1)
        kind, name = rest.rsplit(" ", 1)
        if int(offset) != at:
            raise AbiError(f"{struct['name']}.{name}: stated offset {offset}, the fields before it end at {at}")
        fields.append((at, kind, name, doc))
        at += size_of(abi, kind)
    if at != struct["size"]:
        raise AbiError(f"{struct['name']}: stated size {struct['size']}, the fields fill {at}")
    return fields


def resolve(abi):
    """Arrays whose length is a constant of the ABI get it as a number."""
    values = {name: value for name, value, _ in abi["constant"]}
    for struct in abi["struct"]:
        struct["fields"] = [(re.sub(r"\[([A-Z_]+)\]", lambda match: f"[{values[match[1]]}]", spec), doc)
                            for spec, doc in struct["fields"]]


def errors_of(abi, call):
    """All that the call may fail with, in the order of the statuses: its own errors and those of all of its kind."""
    common = abi["common_errors"]
    names = set(call.get("errors", []) + common["all"])
    for mark in ("subject", "locked"):
        names |= set(common[mark] if call.get(mark) else [])
    return [s["name"] for s in abi["status"] if s["name"] in names]


def check(abi):
    """What every kind of output relies on: numbers without holes, known errors, at most six arguments."""
    numbers = [c["number"] for c in abi["call"]]
    if numbers != list(range(len(numbers))) or len(numbers) > HANDLERS:
        raise AbiError(f"call numbers must be 0, 1, 2 … in order: {numbers}")
    statuses = {s["name"] for s in abi["status"]}
    for call in abi["call"]:
        unknown = set(call.get("errors", [])).union(*abi["common_errors"].values()) - statuses
        if unknown:
            raise AbiError(f"{call['name']}: unknown errors {sorted(unknown)}")
        if len(call.get("args", [])) > 6:
            raise AbiError(f"{call['name']}: more than six arguments")
    for struct in abi["struct"]:
        fields_of(abi, struct)


def args_of(call):
    return [(kind, name) for kind, name, _ in call.get("args", [])]


def c_field(kind, name):
    match = re.fullmatch(r"(.+?)\[(\d+)\]", kind)
    array = f"[{match[2]}]" if match else ""
    base = match[1] if match else kind
    base = "struct exo_" + base[7:] if base.startswith("struct ") else C_TYPE[base]
    return f"{base} {name}{array};"


def c_value(value):
    """Values above 32 bits get a suffix, so that they have the same type everywhere."""
    return value + "ull" if int(value, 0) > 0xffffffff else value


def mask_of(abi, key):
    return sum(1 << c["number"] for c in abi["call"] if c.get(key))


def header(abi):
    major, minor = abi["version"].split(".")
    out = [NOTE, "#pragma once", "#include <stddef.h>", "#include <stdint.h>", "",
           f"#define EXO_ABI_MAJOR {major}", f"#define EXO_ABI_MINOR {minor}", ""]
    out += [f"#define EXO_{name} {c_value(value)} /* {doc} */" for name, value, doc in abi["constant"]]
    out += ["", "enum exo_status {"]
    out += [f"    EXO_{s['name']} = {s['value']}, /* {s['doc']} */" for s in abi["status"]]
    out += ["};"]
    for enum in abi["enum"]:
        prefix = enum["name"].upper() + "_" if enum["name"] in ("kind", "right") else ""
        out += ["", f"/* {enum['doc']} */", f"enum exo_{enum['name']} {{"]
        out += [f"    EXO_{prefix}{name} = {value}, /* {doc} */" for name, value, doc in enum["values"]]
        out += ["};"]
    out += ["", "enum exo_call {"]
    out += [f"    EXO_CALL_{c['name'].upper()} = {c['number']}," for c in abi["call"]]
    out += [f"    EXO_CALL_COUNT = {len(abi['call'])},", "};"]
    for struct in abi["struct"]:
        tag = f"struct exo_{struct['name']}"
        out += ["", f"/* {struct['doc']} */", tag + " {"]
        out += [f"    {c_field(kind, name)}" + (f" /* {doc} */" if doc else "")
                for _, kind, name, doc in fields_of(abi, struct)]
        out += ["};", f"_Static_assert(sizeof({tag}) == {struct['size']}, \"{tag}\");"]
        out += [f"_Static_assert(offsetof({tag}, {name}) == {offset}, \"{tag}.{name}\");"
                for offset, _, name, _ in fields_of(abi, struct)]
    return "\n".join(out)


def stubs(abi):
    """One inline function a call. Calls that switch have hand-written stubs where their registers matter."""
    out = [NOTE, "#pragma once", "#include <exo/abi.h>", "#include <exo/trap.h>"]
    for call in abi["call"]:
        args = args_of(call)
        params = (["uint16_t subject"] if call.get("subject") else []) + [f"{C_TYPE[k]} {n}" for k, n in args]
        word = f"EXO_CALL_MAGIC | EXO_CALL_{call['name'].upper()}"
        if call.get("subject"):
            word += " | (uint64_t)subject << 32"
        passed = ", ".join([word] + [n for _, n in args])
        out += ["", f"/* {call['doc']} */",
                f"static inline int64_t exo_{call['name']}({', '.join(params) or 'void'})", "{",
                f"    return exo_trap{len(args)}({passed});", "}"]
    return "\n".join(out)


def errors(abi):
    """Statuses and refusals in words; what each call may return below zero, for tests and fuzzers."""
    out = [NOTE, "#pragma once", "#include <exo/abi.h>", "", "/* Names of statuses, by -status. */",
           "static const char *const exo_status_names[] __attribute__((unused)) = {"]
    out += [f'    [{-s["value"]}] = "{s["name"]}",' for s in abi["status"]]
    refused = next(e for e in abi["enum"] if e["name"] == "refused")
    out += ["};", "", "/* Why the verifier refuses, by EXO_REFUSED_. */", "static const char *const exo_refused_texts[] __attribute__((unused)) = {"]
    out += [f"    [{value}] = {json.dumps(doc)}," for _, value, doc in refused["values"]]
    out += ["};", "", "/* Calls by number: the name, and 1 << -status for each that the call may fail with. */",
            "static const struct exo_call_errors {", "    const char *name;", "    uint32_t statuses;",
            "} exo_call_errors[EXO_CALL_COUNT] __attribute__((unused)) = {"]
    value = {s["name"]: s["value"] for s in abi["status"]}
    for call in abi["call"]:
        mask = sum(1 << -value[name] for name in errors_of(abi, call))
        out += [f'    [EXO_CALL_{call["name"].upper()}] = {{"{call["name"]}", {mask:#x}}},']
    return "\n".join(out + ["};"])


def way_of(call):
    """Through which of the dispatch functions a call goes."""
    return "switching" if call.get("switches") else "anyone" if call.get("anyone") else "caller"


PARAMETERS = {"anyone": [], "caller": ["const struct caller *caller"],
              "switching": ["const struct caller *caller", "struct exo_registers *registers"]}


def handler(call):
    """Checks the arguments of narrow types and calls with all of them typed."""
    args, way = args_of(call), way_of(call)
    narrow = [f"a[{i}] > {(1 << 8 * SIZE[k]) - 1:#x}" for i, (k, _) in enumerate(args) if k != "u64"]
    passed = [p.split("*")[1] for p in PARAMETERS[way]] + [f"({C_TYPE[k]})a[{i}]" for i, (k, _) in enumerate(args)]
    out = ["", f"static exo_result handle_{call['name']}({', '.join(PARAMETERS[way] + ['const uint64_t *a'])})", "{"]
    if not args:
        out += ["    (void)a;"]
    if narrow:
        out += [f"    if ({' || '.join(narrow)})", "        return EXO_BAD_ARGUMENT;"]
    return out + [f"    return call_{call['name']}({', '.join(passed)});", "}"]


def handler_table(abi, way):
    """By number, for all below HANDLER_COUNT: those of other ways are refused."""
    names = {c["number"]: f"handle_{c['name']}" for c in abi["call"] if way_of(c) == way}
    parameters = ", ".join(PARAMETERS[way] + ["const uint64_t *a"])
    out = ["", f"static exo_result refuse_{way}({parameters})", "{"]
    out += [f"    (void){p.split('*')[1]};" for p in parameters.split(", ")]
    out += ["    return EXO_BAD_CALL;", "}", "", f"static exo_result (*const handlers_{way}[HANDLER_COUNT])({parameters}) = {{"]
    return out + [f"    {names.get(number, f'refuse_{way}')}," for number in range(HANDLERS)] + ["};"]


def handlers(abi):
    out = [NOTE, "#pragma once", "#include <dispatch.h>", "", f"enum {{ HANDLER_COUNT = {HANDLERS} }}; /* a power of two */"]
    for call in abi["call"]:
        out += handler(call)
    for way in PARAMETERS:
        out += handler_table(abi, way)
    return "\n".join(out)


def dispatch(abi):
    out = [NOTE, "#pragma once"]
    for key in ("switches", "locked", "subject", "anyone"):
        name = {"switches": "SWITCHING"}.get(key, key.upper())
        out += [f"#define EXO_{name}_CALLS {mask_of(abi, key):#x}"]
    out += ["", "#ifndef __ASSEMBLER__", "#include <state.h>", ""]
    for call in abi["call"]:
        kinds = PARAMETERS[way_of(call)] + [f"{C_TYPE[k]} {n}" for k, n in args_of(call)]
        out += [f"exo_result call_{call['name']}({', '.join(kinds) or 'void'});"]
    return "\n".join(out + ["#endif"])


def manual(abi):
    out = [f"# The exokernel ABI, version {abi['version']}", "",
           "Made from `sdk/abi/exo.toml`; do not edit.", "", abi["intro"].strip(), "", "## Calls", ""]
    for call in abi["call"]:
        args = call.get("args", [])
        marks = [m for m, k in (("*subject*", "subject"), ("may switch", "switches")) if call.get(k)]
        out += [f"### {call['number']}. `{call['name']}({', '.join(f'{k} {n}' for k, n, _ in args)})`", ""]
        out += [call["doc"] + (f" ({', '.join(marks)})" if marks else ""), ""]
        out += [f"- `{name}`: {doc}" for _, name, doc in args if doc]
        out += [f"- Returns {call.get('returns', 'OK')}." if args or "returns" in call else "- Returns OK."]
        out += [f"- Fails with {', '.join(errors_of(abi, call))}.", ""]
    out += ["## Statuses", "", "| value | name | meaning |", "| --- | --- | --- |"]
    out += [f"| {s['value']} | {s['name']} | {s['doc']} |" for s in abi["status"]]
    out += ["", "## Constants", "", "| name | value | meaning |", "| --- | --- | --- |"]
    out += [f"| EXO_{name} | {value} | {doc} |" for name, value, doc in abi["constant"]] + [""]
    for enum in abi["enum"]:
        out += [f"## `enum exo_{enum['name']}`", "", enum["doc"], "", "| value | name | meaning |", "| --- | --- | --- |"]
        out += [f"| {value} | {name} | {doc} |" for name, value, doc in enum["values"]] + [""]
    for struct in abi["struct"]:
        out += [f"## `struct exo_{struct['name']}` ({struct['size']} bytes)", "", struct["doc"], "",
                "| offset | type | field | meaning |", "| --- | --- | --- | --- |"]
        out += [f"| {offset} | {kind} | {name} | {doc} |" for offset, kind, name, doc in fields_of(abi, struct)] + [""]
    return "\n".join(out)


def frozen(abi):
    """One line a promise; a release's lines must all stay true for its major version."""
    out = [f"constant {name} {value}" for name, value, _ in abi["constant"]]
    out += [f"status {s['value']} {s['name']}" for s in abi["status"]]
    for enum in abi["enum"]:
        out += [f"enum {enum['name']} {value} {name}" for name, value, _ in enum["values"]]
    for call in abi["call"]:
        subject = "subject; " if call.get("subject") else ""
        out += [f"call {call['number']} {call['name']}({subject}{', '.join(k for k, _ in args_of(call))})"]
    for struct in abi["struct"]:
        out += [f"struct {struct['name']} size {struct['size']}"]
        out += [f"struct {struct['name']} +{offset} {kind} {name}" for offset, kind, name, _ in fields_of(abi, struct)]
    return "\n".join(out)


if __name__ == "__main__":
    output, path = sys.argv[1:]
    with open(path, "rb") as file:
        definition = tomllib.load(file)
    try:
        resolve(definition)
        check(definition)
        print({"header": header, "stubs": stubs, "errors": errors, "dispatch": dispatch, "handlers": handlers,
               "manual": manual, "frozen": frozen}[output](definition))
    except AbiError as error:
        sys.exit(f"{path}: {error}")
