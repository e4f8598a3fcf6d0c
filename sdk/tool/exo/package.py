"""What each subcommand needs from Debian, how its presence is seen, and how it is installed.

A package is present when its probe is found: a command, a file pattern, or a Python module.
"""
import glob
import importlib.util
import os
import shutil
import subprocess
import sys

from .trouble import Trouble

PROBES = {
    "gcc": ("command", "gcc"),
    "libc6-dev": ("file", "/usr/include/stdio.h"),
    "meson": ("command", "meson"),
    "ninja-build": ("command", "ninja"),
    "pkg-config": ("command", "pkg-config"),
    "busybox-static": ("file", "/var/lib/dpkg/info/busybox-static.list"),
    "musl-tools": ("command", "musl-gcc"),
    "cpio": ("command", "cpio"),
    "wamerican": ("file", "/usr/share/dict/american-english"),
    "dpkg-dev": ("command", "dpkg-source"),
    "tcl": ("command", "tclsh"),
    "qemu-system-x86": ("command", "qemu-system-x86_64"),
    "check": ("file", "/usr/include/check.h"),
    "libsubunit-dev": ("file", "/usr/lib/*/libsubunit.a"),
    "clang": ("command", "clang"),
    "llvm": ("command", "opt"),
    "libclang-rt-14-dev": ("file", "/usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a"),
    "python3-llvmlite": ("module", "llvmlite"),
    "python3-z3": ("module", "z3"),
    "grub-pc-bin": ("file", "/usr/lib/grub/i386-pc/multiboot2.mod"),
    "grub-common": ("command", "grub-mkrescue"),
    "xorriso": ("command", "xorriso"),
    "gdb": ("command", "gdb"),
    "e2fsprogs": ("file", "/sbin/mke2fs"),
}

BUILD = ("gcc", "libc6-dev", "meson", "ninja-build", "busybox-static", "musl-tools", "cpio",
         "wamerican", "dpkg-dev", "tcl")
RUN = BUILD + ("qemu-system-x86",)
BENCH = RUN + ("e2fsprogs",)
TEST = RUN + ("pkg-config", "check", "libsubunit-dev", "clang", "llvm", "libclang-rt-14-dev", "python3-llvmlite",
              "python3-z3", "grub-pc-bin", "grub-common", "xorriso")
DEBUG = RUN + ("gdb",)
ALL = tuple(PROBES)


def is_present(package):
    kind, what = PROBES[package]
    if kind == "command":
        return shutil.which(what) is not None
    if kind == "module":
        return importlib.util.find_spec(what) is not None
    return bool(glob.glob(what))


def missing(packages):
    return [package for package in packages if not is_present(package)]


def install_command(packages):
    sudo = [] if os.geteuid() == 0 else ["sudo"]
    return sudo + ["apt-get", "install", "-y", "--no-install-recommends", *packages]


def may_install():
    if not shutil.which("apt-get"):
        return False
    if os.geteuid() == 0:
        return True
    return bool(shutil.which("sudo")) and subprocess.run(["sudo", "-n", "true"], capture_output=True).returncode == 0


def lists_update():
    """Read Debian's lists of packages anew; false where that is not to be done, or fails."""
    command = install_command([])
    return may_install() and not subprocess.run(command[:command.index("apt-get") + 1] + ["update", "-qq"],
                                                stdout=subprocess.DEVNULL).returncode


def require(packages):
    """Install what is missing where that needs no password; else name the line that does."""
    absent = missing(packages)
    if not absent:
        return
    command = install_command(absent)
    if not may_install():
        raise Trouble(f"missing: {' '.join(absent)}", f"mend: {' '.join(command)}")
    print(f"exo: installing {' '.join(absent)}", file=sys.stderr, flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    step = command[:-len(absent)] + ["-qq"] + absent
    if not lists_update() or subprocess.run(step, env=environment, stdout=subprocess.DEVNULL).returncode:
        raise Trouble(f"apt could not install them; try: {' '.join(command)}")
    still = missing(absent)
    if still:
        raise Trouble(f"installed, yet not found: {' '.join(still)}", "mend: exo doctor")


def doctor(_args):
    """exo doctor: what is missing, for which subcommand, and the one line that mends it."""
    absent = missing(ALL)
    for name, packages in (("build", BUILD), ("run", RUN), ("bench", BENCH), ("test", TEST), ("debug", DEBUG)):
        lacks = [package for package in packages if package in absent]
        print(f"exo {name:<11} {'lacks ' + ' '.join(lacks) if lacks else 'has all it needs'}")
    if absent:
        print(f"mend: {' '.join(install_command(absent))}")
    return 1 if absent else 0
