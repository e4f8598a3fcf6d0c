"""exo bench unix, db, rt: our rows and, measured at the same time in the same QEMU, those of Linux booted lean and by default.

A peer runs Linux once and returns ({row: figure}, what it says of itself). When Debian's server cannot be reached the figures known from
earlier runs (bench/peers.toml) stand in the table instead, and it says so.
"""
from . import bench, linux, machine, peer

ROW = "{:<21} {:>9} {:>9} {:>9} {:>10} {:>10} {:>9}  {}"


def known(suite):
    return {row: peer_row["linux"] for row, peer_row in bench.table_of("peers.toml")[suite].items() if "linux" in peer_row}


def both(build, suite, verbose):
    """(lean's figures, default's figures, lines about them)."""
    try:
        run = peer.RUNS[suite]
        lean, told = run(build, True, verbose)
        default, more = run(build, False, verbose)
        told += [line for line in more if line not in told]
        return lean, default, told + [f"  lean: {linux.PLAIN} {linux.LEAN}", f"  default: {linux.PLAIN}"]
    except linux.Unreachable as trouble:
        return known(suite), {}, [*trouble.lines, f"Linux's figures above are known from earlier runs, of {bench.table_of('peers.toml')['linux']['version']}, "
                                  "lean; none was measured now."]


def rows(build, suite, values, verbose=False):
    """(bench's rows with Linux's figures of today, lines about them)."""
    peers = bench.table_of("peers.toml")[suite]
    lean, default, told = both(build, suite, verbose)
    return [row | {"linux": lean.get(row["row"]), "linux_default": default.get(row["row"]), "aim": peers[row["row"]].get("aim")}
            for row in bench.rows(values, suite)], told


def ratio(row):
    """How many times as much Linux needs; below 1 it needs less: a loss."""
    if not row["linux"] or not row["value"]:
        return "–"
    times = row["linux"] / row["value"]
    return f"{times:.1f}" if times >= 1 else f"{times:.2f} loss"


def print_table(suite, results, told):
    peers = bench.table_of("peers.toml")[suite]
    print(ROW.format("row", "Exo", "limit", "aim", "Linux lean", "default", "ratio", "operation"))
    for row in results:
        print(ROW.format(row["row"], *(bench.shown(row[key]) for key in ("value", "limit", "aim", "linux", "linux_default")),
                         ratio(row), peers[row["row"]]["operation"]))
    lost = [row["row"] for row in results if row["linux"] and row["value"] and row["value"] > row["linux"]]
    open_aims = [row["row"] for row in results if row["aim"] and row["value"] and row["value"] > row["aim"]]
    print(f"\nLosses against Linux lean: {', '.join(lost) or 'none'}. Aims not reached: {', '.join(open_aims) or 'none'}.")
    print(f"{peer.ABOUT[suite]} Ratio: Linux lean to Exo.")
    print("\n".join(told))
    line = machine.command(peer.MACHINES.get(suite, linux.MACHINE), "KERNEL", "ARCHIVE", counted=True, devices=peer.DISKS[suite])
    print(f"  both systems: {' '.join(line)}; {machine.version()}")
