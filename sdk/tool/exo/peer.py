"""What Linux runs beside our libOSes in `exo bench unix`, `db` and `rt`, and what of its output is which row."""
import re
import subprocess
from pathlib import Path

from . import bench, build as builder
from . import device, linux, machine
from .trouble import Trouble

SECONDS = 400
INTERVAL = 30  # us between releases, as in bench/rt/main.c
MACHINES = {"rt": linux.MACHINE | {"clock": "counted"}}  # with a disk, too
DISK_SIZE = 512 << 20
DISK = device.Device("blk", "drive=disk0", ["-drive", "if=none,id=disk0,discard=unmap,format=raw,file=DISK"])
DISKS = {"unix": (), "db": (DISK,), "rt": (DISK,)}
ABOUT = {
    "unix": "Instructions, medians, of one static binary (libos-unix/tests/figures.c) on both.",
    "db": "Instructions of kernel and program, idle time taken off; writes and flushes of the disk at most. bench/db/sql.c and tree.c on both: "
          "Linux has SQLite\non ext4, and LMDB for the key-value rows. Runs differ slightly, since the disk answers in real time.",
    "rt": "Instructions from the timer's moment to the task's first instruction, the worst, by a model of the machine without caches. "
          "Linux: PREEMPT_RT, cyclictest.",
}
RUN_DISK = "mkdir /mnt && mount -t ext4 /dev/vda /mnt && cd /mnt\n"

# As bench/rt/load.toml: a shell that forks and pipes, SQLite that commits, a program that is a nuisance; all with the ordinary policy.
LOAD = RUN_DISK + """\
(while true; do /test/forks 4; seq 1 2000 | sort -rn | head -n 2; done > /dev/null 2>&1) &
/db_peer commits &
/db_peer hostile > /dev/null 2>&1 &
sleep 1
"""
LOADED = 'echo "load average $(cut -d" " -f1 /proc/loadavg), $(cut -d" " -f4 /proc/loadavg) tasks; the disk: $(awk "{ print \\$5, \\$16 }" /sys/block/vda/stat) writes, flushes"'
LOADED_LINE = re.compile(r"^load average .*", re.MULTILINE)
CYCLIC = ("LD_LIBRARY_PATH=/ /ld-linux-x86-64.so.2 /cyclictest --quiet --nsecs --mlockall --priority=99 --policy=fifo --threads=1 "
          "--interval={interval} --loops={loops}")
CYCLIC_LINE = re.compile(r"Min:\s*(\d+) Act:\s*\d+ Avg:\s*(\d+) Max:\s*(\d+)")
CYCLIC_FILES = ("usr/bin/cyclictest", "usr/lib/x86_64-linux-gnu/libnuma.so.1", "lib/x86_64-linux-gnu/libc.so.6",
                "lib/x86_64-linux-gnu/libpthread.so.0", "lib/x86_64-linux-gnu/librt.so.1", "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
CYCLIC_PACKAGES = ("rt-tests", "libnuma1", "libc6")


def output_of(line, verbose):
    if verbose:
        machine.print_command(line)
    return linux.run(line, SECONDS)


def rows_of(output):
    return {match[1]: int(match[2]) for match in bench.LINE.finditer(output)}


def version_of(output):
    return next(text for text in output.splitlines() if text.startswith("Linux version"))


def run_unix(build, lean, verbose):
    output = output_of(linux.command(build, "/test/figures", counted=True, lean=lean), verbose)
    return rows_of(output), [version_of(output)]


def disk(build):
    """An empty ext4 file system on a disk of the size of ours."""
    file = build / "linux/disk.img"
    file.parent.mkdir(parents=True, exist_ok=True)
    with open(file, "wb") as image:
        image.truncate(DISK_SIZE)
    made = subprocess.run(["/sbin/mke2fs", "-q", "-F", "-t", "ext4", str(file)], capture_output=True, text=True)
    if made.returncode:
        raise Trouble(f"mke2fs: {made.stderr.strip()}")
    return device.Device(DISK.driver, DISK.options, [word.replace("DISK", str(file)) for word in DISK.backend])


def database_program(build, verbose):
    """SQLite, LMDB and the workloads as a static program."""
    def made():
        builder.ninja(build, verbose, "bench/db/db_peer")
        return (build / "bench/db/db_peer").read_bytes()
    return linux.having_lists(made, "liblmdb-dev")


def run_db(build, lean, verbose):
    files = {"db_peer": database_program(build, verbose)}
    output = output_of(linux.command(build, RUN_DISK + "/db_peer", True, lean, files=files, devices=[disk(build)]), verbose)
    told = [text for text in output.splitlines() if text.startswith(("SQLite ", "LMDB "))]
    return rows_of(output), [version_of(output), f"  {'; '.join(told)}"]


def cyclictest(build):
    """{name: contents} of cyclictest and its libraries."""
    folder = build / "linux/cyclictest"

    def fetched():
        tree = linux.unpacked(CYCLIC_PACKAGES, folder / "parts")
        for name in CYCLIC_FILES:
            (folder / Path(name).name).write_bytes((tree / name).read_bytes())
        return True
    if not all((folder / Path(name).name).exists() for name in CYCLIC_FILES):
        linux.having_lists(fetched, "rt-tests")
    return {Path(name).name: (folder / Path(name).name).read_bytes() for name in CYCLIC_FILES}


def cyclic(build, lean, verbose, load, loops, devices):
    """(min, average, max) of cyclictest on PREEMPT_RT, and what it printed."""
    files = cyclictest(build) | {"db_peer": database_program(build, verbose)}
    script = "\n".join((load + CYCLIC.format(interval=INTERVAL, loops=loops), *([LOADED] if load else [])))
    line = linux.command(build, script, True, lean, linux.REALTIME, files, devices, MACHINES["rt"])
    output = output_of(line, verbose)
    found = CYCLIC_LINE.search(output)
    if not found:
        raise Trouble(*output.splitlines()[-20:], "cyclictest printed no figures")
    return [int(word) for word in found.groups()], output


def run_rt(build, lean, verbose):
    idle, output = cyclic(build, lean, verbose, "", 4000, ())
    worst, loaded = cyclic(build, lean, verbose, LOAD, 100000, [disk(build)])
    told = [f"  cyclictest, {'lean' if lean else 'default'}, a release every {INTERVAL} us, min avg max: idle {' '.join(map(str, idle))}, "
            f"loaded {' '.join(map(str, worst))}", f"  the load's end: {LOADED_LINE.search(loaded)[0]}"]
    return {"wake_idle": idle[2], "wake_worst": worst[2]}, [version_of(output), *told]


RUNS = {"unix": run_unix, "db": run_db, "rt": run_rt}
