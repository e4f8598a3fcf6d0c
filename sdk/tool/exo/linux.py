"""Linux in the same QEMU, for libos-unix to be held against: Debian's cloud kernel, in the build folder only.

It is fetched by apt-get download and taken apart by dpkg; nothing is installed. It boots with libos-unix's own archive as its root
and one file more: a script as process 1.
"""
import re
import shutil
import subprocess

from . import archive, machine, package
from .trouble import Trouble

PACKAGE = "linux-image-cloud-amd64"  # depends on the kernel of the day
LEAN = ("mitigations=off nokaslr norandmaps psi=0 init_on_alloc=0 lsm=capability audit=0 cgroup_disable=memory "
        "hardened_usercopy=off randomize_kstack_offset=off")
PLAIN = "console=ttyS0 quiet panic=-1 rdinit=/init"
MACHINE = {"machine": "q35", "memory": 512 << 20, "processors": 1}
EXECUTABLE_FILE = 0o100755
OVER = re.compile(r"^linux over (\d+)\r?$", re.MULTILINE)
INIT = """\
#!/bin/sh
mkdir -p /proc /dev /sys
mount -t proc none /proc
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
exec > /dev/ttyS0 2>&1 < /dev/null
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root TERM=dumb
cat /proc/version
{script}
echo "linux over $?"
poweroff -f
"""


def said(*words):
    """What a command prints; Trouble with its last line when it fails."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise Trouble(f"{' '.join(words[:2])}: {lines[-1] if lines else f'status {done.returncode}'}")
    return done.stdout


def package_of_today():
    found = re.search(r"Depends: (linux-image-\S+)", said("apt-cache", "depends", PACKAGE))
    if not found:
        raise Trouble(f"apt-cache: {PACKAGE} names no kernel")
    return found[1]


def fetched(folder):
    """The kernel's image, downloaded into the folder."""
    parts = folder / "parts"
    shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir(parents=True)
    done = subprocess.run(["apt-get", "download", package_of_today()], cwd=parts, capture_output=True, text=True)
    files = list(parts.glob("*.deb"))
    if done.returncode or not files:
        raise Trouble(f"apt-get download: {(done.stderr.strip().splitlines() or ['no package came'])[-1]}")
    said("dpkg", "-x", str(files[0]), str(parts / "tree"))
    image = next((parts / "tree/boot").glob("vmlinuz-*"))
    target = folder / image.name
    shutil.move(image, target)
    shutil.rmtree(parts)
    return target


def kernel(build):
    """The kernel's image; Trouble when it cannot be had. Package lists that are old are read anew once."""
    folder = build / "linux"
    present = sorted(folder.glob("vmlinuz-*"))
    if present:
        return present[-1]
    try:
        return fetched(folder)
    except Trouble as trouble:
        if not package.lists_update():
            raise Trouble(*trouble.lines, f"Linux cannot be run beside: {PACKAGE} could not be had from Debian; "
                          "mend: apt-get update, and a way to Debian's server") from None
    try:
        return fetched(folder)
    except Trouble as trouble:
        raise Trouble(*trouble.lines, f"Linux cannot be run beside: {PACKAGE} could not be had from Debian") from None


def initramfs(build, script):
    """libos-unix's archive and the first process, in a file."""
    path = build / "linux/initramfs.cpio"
    extra = archive.member("init", INIT.format(script=script).encode(), 1, EXECUTABLE_FILE) + archive.member("TRAILER!!!", b"", 0)
    path.write_bytes((build / "libos-unix/root.cpio").read_bytes() + extra)
    return path


def command(build, script, counted=False, lean=True):
    """The line of QEMU that runs a script of the shell on Linux and ends."""
    options = f"{PLAIN} {LEAN}" if lean else PLAIN
    return machine.command(MACHINE, kernel(build), initramfs(build, script), counted, extra=["-append", options])


def run(line, timeout):
    """What the script printed; Trouble when Linux did not come to its end."""
    outcome = machine.run(line, timeout, show=False)
    if not OVER.search(outcome.output):
        raise Trouble(*outcome.output.splitlines()[-20:], f"Linux did not come to the end: {outcome.reason}")
    return outcome.output
