"""exo bench unix: the rows of libos-unix and, from the same program in the same QEMU, those of Linux booted lean and by default."""
from . import bench, linux, machine

PROGRAM = "/test/figures"
LINUX_SECONDS = 240
ROW = "{:<21} {:>9} {:>9} {:>9} {:>10} {:>10} {:>9}  {}"


def linux_values(build, lean, verbose):
    """({row: instructions}, Linux's own name)."""
    line = linux.command(build, PROGRAM, counted=True, lean=lean)
    if verbose:
        machine.print_command(line)
    output = linux.run(line, LINUX_SECONDS)
    name = next(text for text in output.splitlines() if text.startswith("Linux version"))
    return {match[1]: int(match[2]) for match in bench.LINE.finditer(output)}, name


def rows(build, values, verbose=False):
    """(bench's rows with Linux's figures of today, Linux's own name)."""
    aims = bench.table_of("peers.toml")["unix"]
    lean, name = linux_values(build, True, verbose)
    default, _ = linux_values(build, False, verbose)
    return [row | {"linux": lean.get(row["row"]), "linux_default": default.get(row["row"]), "aim": aims[row["row"]].get("aim")}
            for row in bench.rows(values, "unix")], name


def ratio(row):
    """How many times as much Linux needs; below 1 it needs less: a loss."""
    if not row["linux"] or not row["value"]:
        return "–"
    times = row["linux"] / row["value"]
    return f"{times:.1f}" if times >= 1 else f"{times:.2f} loss"


def print_table(results, name):
    peers = bench.table_of("peers.toml")["unix"]
    print(ROW.format("row", "Exo", "limit", "aim", "Linux lean", "default", "ratio", "operation"))
    for row in results:
        print(ROW.format(row["row"], *(bench.shown(row[key]) for key in ("value", "limit", "aim", "linux", "linux_default")),
                         ratio(row), peers[row["row"]]["operation"]))
    lost = [row["row"] for row in results if row["linux"] and row["value"] and row["value"] > row["linux"]]
    open_aims = [row["row"] for row in results if row["aim"] and row["value"] and row["value"] > row["aim"]]
    print(f"\nLosses against Linux lean: {', '.join(lost) or 'none'}. Aims not reached: {', '.join(open_aims) or 'none'}.")
    print("Instructions, medians, of one static binary (libos-unix/tests/figures.c) on both; ratio: Linux lean to Exo.")
    print(f"{name}\n  lean: {linux.PLAIN} {linux.LEAN}\n  default: {linux.PLAIN}")
    line = machine.command(linux.MACHINE, "KERNEL", "ARCHIVE", counted=True)
    print(f"  both systems: {' '.join(line)}; {machine.version()}")
