"""Linux in the same QEMU, for the libOSes to be held against: Debian's kernels, in the build folder only.

They are fetched by apt-get download and taken apart by dpkg; nothing is installed. Linux boots with libos-unix's own archive as its root
and a few files more: a script as process 1, and the modules that a disk needs.
"""
import re
import shutil
import subprocess

from . import archive, machine, package
from .trouble import Trouble

CLOUD, REALTIME = "linux-image-cloud-amd64", "linux-image-rt-amd64"  # each depends on the kernel of the day
LEAN = ("mitigations=off nokaslr norandmaps psi=0 init_on_alloc=0 lsm=capability audit=0 cgroup_disable=memory "
        "hardened_usercopy=off randomize_kstack_offset=off")
PLAIN = "console=ttyS0 quiet panic=-1 rdinit=/init"
MACHINE = {"machine": "q35", "memory": 512 << 20, "processors": 1}
DISK_MODULES = ("virtio_pci", "virtio_blk", "crc32c_generic", "ext4")  # those that the kernel does not have built in
NEEDS = re.compile(rb"\0depends=([^\0]*)\0")
EXECUTABLE_FILE = 0o100755
OVER = re.compile(r"^linux over (\d+)\r?$", re.MULTILINE)
INIT = """\
#!/bin/sh
mkdir -p /proc /dev /sys
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
exec > /dev/ttyS0 2>&1 < /dev/null
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/root TERM=dumb
cat /proc/version
{script}
echo "linux over $?"
poweroff -f
"""


class Unreachable(Trouble):
    """What Linux needs cannot be had from Debian."""


def said(*words):
    """What a command prints; Trouble with its last line when it fails."""
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise Trouble(f"{' '.join(words[:2])}: {lines[-1] if lines else f'status {done.returncode}'}")
    return done.stdout


def package_of_today(name):
    found = re.search(r"Depends: (linux-image-\S+)", said("apt-cache", "depends", name))
    if not found:
        raise Trouble(f"apt-cache: {name} names no kernel")
    return found[1]


def unpacked(names, folder):
    """Packages' files, below the folder, which is made anew."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    done = subprocess.run(["apt-get", "download", *names], cwd=folder, capture_output=True, text=True)
    files = list(folder.glob("*.deb"))
    if done.returncode or len(files) != len(names):
        raise Trouble(f"apt-get download: {(done.stderr.strip().splitlines() or ['no package came'])[-1]}")
    for file in files:
        said("dpkg", "-x", str(file), str(folder / "tree"))
    return folder / "tree"


def having_lists(fetch, what):
    """What fetch() returns. Package lists that are old are read anew once; Unreachable when Debian's server is."""
    try:
        return fetch()
    except Trouble as trouble:
        if not package.lists_update():
            raise Unreachable(*trouble.lines, f"Linux cannot be run beside: {what} could not be had from Debian; "
                              "mend: apt-get update, and a way to Debian's server") from None
    try:
        return fetch()
    except Trouble as trouble:
        raise Unreachable(*trouble.lines, f"Linux cannot be run beside: {what} could not be had from Debian") from None


def modules_in_order(tree, names, found=None):
    """The files of modules and of all that they need, each behind what it needs."""
    found = {} if found is None else found
    for name in names:
        path = next(tree.glob(f"lib/modules/**/{name.replace('-', '_')}.ko"), None) or next(
            tree.glob(f"lib/modules/**/{name.replace('_', '-')}.ko"), None)
        if path and name not in found:
            needs = NEEDS.search(path.read_bytes())
            modules_in_order(tree, [need for need in needs[1].decode().split(",") if need] if needs else [], found)
            found[name] = path
    return found


def fetched(name, folder):
    """The kernel's image, downloaded into the folder; the modules for a disk beside it, numbered in their order."""
    tree = unpacked([package_of_today(name)], folder / "parts")
    for number, path in enumerate(modules_in_order(tree, DISK_MODULES).values()):
        shutil.move(path, folder / f"{number:02}-{path.name}")
    image = next((tree / "boot").glob("vmlinuz-*"))
    target = folder / image.name
    shutil.move(image, target)
    shutil.rmtree(folder / "parts")
    return target


def kernel(build, name=CLOUD):
    """The kernel's image; Trouble when it cannot be had."""
    folder = build / "linux" / name
    present = sorted(folder.glob("vmlinuz-*"))
    return present[-1] if present else having_lists(lambda: fetched(name, folder), name)


def initramfs(build, script, name, files, has_disk):
    """libos-unix's archive, the modules for a disk, the files given and the first process, in a file."""
    path = build / "linux" / name / "initramfs.cpio"
    modules = {module.name: module.read_bytes() for module in sorted(path.parent.glob("*.ko")) if has_disk}
    load = "".join(f"insmod /{module}\n" for module in modules)
    files = {**modules, **files, "init": INIT.format(script=load + script).encode()}
    extra = b"".join(archive.member(name, contents, number, EXECUTABLE_FILE) for number, (name, contents) in enumerate(files.items(), 1))
    path.write_bytes((build / "libos-unix/root.cpio").read_bytes() + extra + archive.member("TRAILER!!!", b"", 0))
    return path


def command(build, script, counted=False, lean=True, name=CLOUD, files=None, devices=(), shape=None):
    """The line of QEMU that runs a script of the shell on Linux and ends. files: {name in the root folder: contents}; shape: the machine."""
    image = kernel(build, name)
    return machine.command(shape or MACHINE, image, initramfs(build, script, name, files or {}, bool(devices)), counted,
                           extra=["-append", f"{PLAIN} {LEAN}" if lean else PLAIN], devices=devices)


def run(line, timeout):
    """What the script printed; Trouble when Linux did not come to its end."""
    outcome = machine.run(line, timeout, show=False)
    if not OVER.search(outcome.output):
        raise Trouble(*outcome.output.splitlines()[-20:], f"Linux did not come to the end: {outcome.reason}")
    return outcome.output
