"""exo bench: runs a measuring system under counted instructions and prints its rows with limits and peers.

The measuring libOS prints `bench ROW VALUE UNIT`; rows that stand in bench/peers.toml make the table, others are listed
below it. Counts are exact, so bench/limits.toml is a test: a passed limit or a missing row is a failure.
"""
import json
import re
import statistics
import sys
import tomllib

from . import beside, build as builder
from . import disk, elf, image, machine, manifest, network, oracle, package, peer, place, system, tap
from .trouble import Trouble

SUITES = {"kernel": ["bench/kernel/system.toml"], "io": ["bench/io/system.toml", "bench/io/echo.toml", "bench/io/sleepers.toml"],
          "unix": ["bench/unix/system.toml"], "rt": ["bench/rt/system.toml", "bench/rt/load.toml"],
          "db": ["bench/db/system.toml"]}
LINE = re.compile(r"\bbench (\w+) (\d+) (\S.*)")
KERNEL_FOLDERS = ("core", "code", "arch/x86_64", "device")
PATH = re.compile(r"longest path (\d+) ticks, (\d+) without a look")
PATH_SECONDS = 120
BOOTS = 5
READY = "bench/kernel/ready.toml"
MEMORY = 512 << 20
FACT_AIMS = {"kernel_memory": f" of {MEMORY >> 20} MiB; aim: at most 1 % of them and 2 MiB, {MEMORY // 100 + (2 << 20):,}",
             "environments": "; aim: thousands, each at the cost of the first"}
JSON_KEYS = ("row", "value", "unit", "limit", "linux", "paper")
ROW = "{:<16} {:>9} {:>7} {:>9} {:>18}  {}"


def table_of(name):
    with open(place.SOURCE / "bench" / name, "rb") as file:
        return tomllib.load(file)


def measured(build, suite, verbose=False):
    """{row: (value, unit)} as the suite's systems printed them."""
    values = {}
    for name in SUITES[suite]:
        values |= measured_by(build, name, f"bench-{suite}", verbose)
    return values | (longest_paths(build) if suite == "kernel" else {})


def measured_by(build, name, image_name, verbose):
    bench = manifest.read(place.SOURCE / name, processors=1, memory=MEMORY, machine="q35")
    module = image.pack(build, bench, build / "systems" / f"{image_name}.img")
    line = machine.command(bench.machine, place.kernel(build), module, counted=True,
                           devices=disk.attached(build, bench, image_name) + network.attached(bench))
    if verbose:
        machine.print_command(line)
    outcome = machine.run(line, bench.machine["timeout"], show=verbose, kernel=place.kernel(build))
    if outcome.status:
        raise Trouble(*outcome.output.splitlines()[-20:],
                      f"the measuring system {name} failed: {outcome.reason or f'status {outcome.status}'}")
    return {match[1]: (int(match[2]), match[3]) for match in LINE.finditer(outcome.output)}


def longest_paths(build):
    """Instructions of the kernel's longest path, and of the longest stretch without a look at its timer, in any system of the test suite.

    Each that asks for one processor runs once, on the kernel that times its paths: that costs each path some 30
    instructions.
    """
    paths, stretches = [], []
    for path in [*(place.SOURCE / name for name in SUITES["kernel"]), place.SOURCE / oracle.SYSTEMS[0], *system.manifests()]:
        tried = manifest.read(path, machine="q35")
        if tried.machine["processors"] > 1 or tried.test["client"]:
            continue  # processors take turns under counted instructions, and time jumps ahead of a client on this computer
        module = image.pack(build, tried, build / "systems/bench-path.img")
        line = machine.command(tried.machine, place.timed_kernel(build), module, counted=True,
                               devices=disk.attached(build, tried, "bench-path") + network.attached(tried))
        outcome = machine.run(line, PATH_SECONDS, show=False)
        found = PATH.search(outcome.output)
        name = place.shown(path)
        if not found:
            raise Trouble(*outcome.output.splitlines()[-20:], f"{name} did not tell its longest path")
        paths.append(int(found[1]))
        stretches.append(int(found[2]))
        print(f"exo: longest path in {name}: {found[1]}, {found[2]} without a look at the timer", file=sys.stderr, flush=True)
    return {"longest_path": (max(paths), "instructions"), "longest_stretch": (max(stretches), "instructions")}


def rows(values, suite):
    """A row of peers.toml each, value None when it did not come."""
    every, peers = table_of("limits.toml"), table_of("peers.toml")[suite]
    limits, least = every[suite], every.get(f"{suite}_least", {})
    return [{"row": row, "value": values.get(row, (None, ""))[0], "unit": values.get(row, (None, "instructions"))[1],
             "limit": limits.get(row), "least": least.get(row), "linux": peer.get("linux"), "paper": peer.get("paper_cycles")}
            for row, peer in peers.items()]


def json_rows(results):
    """What --json prints of them."""
    return [{key: row[key] for key in JSON_KEYS} for row in results]


def complaint(row):
    """Why a row fails, or None."""
    if row["value"] is None:
        return "was not measured"
    if row["limit"] is not None and row["value"] > row["limit"]:
        return f"{row['value']} {row['unit']} are more than the limit of {row['limit']}"
    if row.get("least") is not None and row["value"] < row["least"]:
        return f"{row['value']} {row['unit']} are less than {row['least']}"
    return None


def cases(build):
    """The rows as test cases."""
    found = []
    for suite in SUITES:
        try:
            results = rows(measured(build, suite), suite)
        except Trouble as trouble:
            return found + [tap.Case(f"{suite} figures", False, notes=list(trouble.lines))]
        found += [tap.Case(row["row"], not complaint(row), notes=[complaint(row) or ""]) for row in results]
    return found


def command_bench(args):
    package.require(package.BENCH)
    build = builder.build_all(args, tests=args.suite == "io")  # clang makes what is downloaded
    values = measured(build, args.suite, args.verbose)
    has_peer = args.suite in peer.RUNS
    results, told = beside.rows(build, args.suite, values, args.verbose) if has_peer else (rows(values, args.suite), None)
    if args.json:
        print(json.dumps(json_rows(results), indent=1))
    elif has_peer:
        beside.print_table(args.suite, results, told)
    else:
        print_table(results, args.suite)
        known = table_of("peers.toml")[args.suite]
        print_facts(build, {row: value for row, value in values.items() if row not in known})
    bad = [row for row in results if complaint(row)]
    if bad:
        raise Trouble(*(f"{row['row']}: {complaint(row)}" for row in bad))
    return 0


def shown(value):
    return "–" if value is None else f"{value:,}"


def print_table(results, suite):
    peers = table_of("peers.toml")
    print(ROW.format("row", "measured", "limit", "Linux", "SOSP'95 µs/cycles", "operation"))
    for row in results:
        peer = peers[suite][row["row"]]
        paper = f"{peer['paper_us']} / {shown(peer['paper_cycles'])}" if "paper_us" in peer else "–"
        operation = peer["operation"] + (f" ({row['unit']})" if row["unit"] != "instructions" else "")
        limit = shown(row["limit"]) if row["least"] is None else f">= {row['least']}"
        print(ROW.format(row["row"], shown(row["value"]), limit, shown(row["linux"]), paper, operation))
    aims = {row["row"]: peers[suite][row["row"]].get("aim") for row in results}
    missed = [f"{row['row']} {shown(aims[row['row']])}" for row in results
              if aims[row["row"]] and row["value"] and row["value"] > aims[row["row"]]]
    if any(aims.values()):
        print(f"\nAims not reached: {', '.join(missed) or 'none'}.")
    print("\nInstructions by -icount shift=0 on QEMU's q35, from user mode, stub included.")
    if suite != "kernel":
        return
    print(f"Linux: {peers['linux']['version']}, booted lean ({peers['linux']['command_line']}), same QEMU flags;")
    print("the nearest operation that it has: " + "; ".join(
        f"{row}: {peer['linux_operation']}" for row, peer in peers[suite].items() if "linux_operation" in peer) + ".")
    print("SOSP'95: Aegis and ExOS on a 25 MHz DECstation 5000.\n")


def print_facts(build, others):
    for row, (value, unit) in others.items():
        print(f"{row.replace('_', ' ')}: {value:,} {unit}{FACT_AIMS.get(row, '')}")
    counts = {folder: lines_in(place.SOURCE / "exokernel" / folder) for folder in KERNEL_FOLDERS}
    folders = ", ".join(f"{folder} {count:,}" for folder, count in counts.items())
    print(f"lines of the kernel: {sum(counts.values()):,} ({folders}); aim: below 10,000 in all")
    print(f"size of the kernel: {loaded_size(build):,} bytes loaded")
    print(f"boot to the first libOS instruction's output, microvm: {boot_milliseconds(build):.0f} ms of wall time "
          f"from QEMU's start, median of {BOOTS}; aim: below 50")
    print(f"boot to the last of three libOSes ready (a Unix's first program, a database open, tasks admitted), microvm: "
          f"{ready_milliseconds(build):.0f} ms, likewise; aim 300")


def lines_in(folder):
    return sum(len(path.read_text().splitlines()) for path in folder.rglob("*") if path.suffix in (".c", ".h", ".S"))


def loaded_size(build):
    """Bytes of the kernel's LOAD segments in the file: code and initialised data."""
    segments = elf.segments(place.kernel(build).read_bytes())
    return sum(size for kind, _, _, size, _ in segments if kind == elf.LOAD)


def ready_milliseconds(build):
    """Median wall time from starting QEMU until all environments of bench/kernel/ready.toml have said that they are ready."""
    several = manifest.read(place.SOURCE / READY, machine="microvm")
    module = image.pack(build, several, build / "systems/bench-ready.img")
    line = machine.command(several.machine, place.kernel(build), module, devices=disk.attached(build, several, "bench-ready"))
    times = []
    for _ in range(BOOTS):
        outcome = machine.run(line, several.machine["timeout"], show=False)
        said = [moment for text, moment in zip(outcome.output.splitlines(), outcome.moments) if "| ready" in text]
        if len(said) != len(several.environments):
            raise Trouble(*outcome.output.splitlines()[-20:], f"{READY}: not all became ready")
        times.append(max(said))
    return statistics.median(times) * 1000


def boot_milliseconds(build):
    """Median wall time from starting QEMU to the first byte that the root prints."""
    small = manifest.read(place.SOURCE / SUITES["kernel"][0], processors=1, memory=MEMORY, machine="microvm")
    module = image.pack(build, small, build / "systems/bench-boot.img")
    line = machine.command(small.machine, place.kernel(build), module)
    times = [machine.run(line, 20, show=False, until_output=True).first_output for _ in range(BOOTS)]
    if None in times:
        raise Trouble("the system printed nothing on microvm within 20 s")
    return statistics.median(times) * 1000
