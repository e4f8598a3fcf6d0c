"""Where things are: the source tree, the build folder, and what the build leaves in it."""
import os
import tomllib
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[3]
CROSS_FILE = SOURCE / "exokernel/arch/x86_64/cross.ini"
ABI_FILE = SOURCE / "sdk/abi/exo.toml"


def build_folder(args):
    return Path(args.build).resolve() if args.build else SOURCE / "build"


def kernel(build):
    return build / "exokernel/kernel.elf"


def timed_kernel(build):
    """The kernel that measures its longest path."""
    return build / "exokernel/kernel_timed.elf"


def root(build):
    return build / "sdk/root/root.elf"


def abi_version():
    """(major, minor) of the ABI that this tree builds."""
    with open(ABI_FILE, "rb") as file:
        major, minor = tomllib.load(file)["version"].split(".")
    return int(major), int(minor)


def shown(path):
    """A path as the user would type it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("../..") else relative
