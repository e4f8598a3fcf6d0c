"""Disks of the machine that `exo run` makes: [machine] disks = ["64M", "data.img", ...] and --disk.

A size is an empty image, made anew for each run; else a raw image in the build folder, or beside the manifest. Words may follow:
read-only; errors=FILE, what fails and when, as QEMU's blkdebug reads it (QEMU's docs/devel/blkdebug.rst); iops=N, requests a second
at most; null=US, a disk that keeps nothing and takes so many microseconds for a request; logged, every write and flush is noted in order
in a file beside the image (IMAGE.log), in Linux's dm-log-writes format.
"""
import re
from pathlib import Path

from . import device, manifest
from .trouble import Trouble

WORDS = ("read-only", "errors=FILE", "iops=N", "null=US", "logged")
WORD = re.compile(r"read-only|logged|errors=.+|(iops|null)=[1-9][0-9]*")


def problem_of(text):
    """What is wrong with one entry of `disks` and its mend, or None."""
    what, *words = text.split(" ") if text else ("",)
    if not what:
        return "a disk is empty text", 'write a size, such as "64M", or the name of an image'
    if " null=" in text and not manifest.size_of(what):
        return f'"{what}" is an image, but null keeps nothing', "give a size"
    if "," in text:
        return f'"{text}" has a comma in it', "choose another file name"
    for word in words:
        if not WORD.fullmatch(word):
            return f'"{word}" says nothing of a disk', f"known are {', '.join(WORDS)}"
    return None


def blocks_of(text):
    """How many blocks the disk has, or None if only its file tells."""
    size = manifest.size_of(text.split(" ")[0])
    return size // manifest.FRAME if size else None


def attached(build, system, name):
    """The devices for machine.command; images of sizes are made."""
    return [device.Device("blk", f"drive=disk{index}", drive(build, system, name, index, text))
            for index, text in enumerate(system.machine["disks"])]


def drive(build, system, name, index, text):
    what, *words = text.split(" ")
    size, given = manifest.size_of(what), "disks" in system.given
    where = "--disk" if given else f"{system.path}:{system.lines.of('machine', 0, 'disks')}"
    file = build / "systems" / f"{name}-disk{index}.img" if size else Path(what) if given else build / what
    if not size and not given and not file.is_file():
        file = system.path.parent / what
    if size:
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "wb") as image:
            image.truncate(size)
    elif not file.is_file():
        raise Trouble(f'{where}: no image "{file}": correct its path, or give a size, such as 64M')
    options = ["if=none", f"id=disk{index}", "discard=unmap"]
    errors = next((word[7:] for word in words if word.startswith("errors=")), None)
    null = next((word[5:] for word in words if word.startswith("null=")), None)
    if null:
        options += ["driver=null-co", f"size={size}", f"latency-ns={null}000", "read-zeroes=on"]
    elif "logged" in words:
        log = file.with_suffix(".log")
        log.write_bytes(b"")
        options += ["driver=blklogwrites", "file.driver=file", f"file.filename={file}", "log.driver=file", f"log.filename={log}"]
    elif errors:
        rules = system.path.parent / errors
        if not rules.is_file():
            raise Trouble(f'{where}: no file "{rules}" that says which errors the disk has: correct its path')
        options += ["driver=blkdebug", f"config={rules}", "image.driver=raw", "image.file.driver=file",
                    f"image.file.filename={file}"]
    else:
        options += ["format=raw", f"file={file}"]
    options += [f"throttling.iops-total={word[5:]}" for word in words if word.startswith("iops=")]
    return ["-drive", ",".join(options + ["read-only=on"] * ("read-only" in words))]
