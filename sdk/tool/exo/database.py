"""exo database: a database of libos-db, read out of a disk's image (docs/database.md has the layout).

What was committed and not yet moved into the database stands in its log, which is written beside it: SQLite, opening the file, takes
it from there.
"""
import struct
from collections import namedtuple
from pathlib import Path

from .trouble import Trouble

BLOCK, SUPERS, VERSION = 4096, 2, 1
MAGIC = b"exo-db\r\n"
SUPER = struct.Struct("<8sIIQII")
ENTRY = struct.Struct("<24sIIQII")
CHECKED = 504
EXISTS, IS_LOG = 1, 2

File = namedtuple("File", "name first blocks size exists is_log")


def checksum(data):
    """FNV-1a, 64 bits."""
    total = 0xCBF29CE484222325
    for byte in data:
        total = (total ^ byte) * 0x100000001B3 & (1 << 64) - 1
    return total


def table(block):
    """(sequence, files) of one of the two tables, or None if it is not whole."""
    if len(block) < CHECKED + 8 or struct.unpack_from("<Q", block, CHECKED)[0] != checksum(block[:CHECKED]):
        return None
    magic, version, count, sequence, _, _ = SUPER.unpack_from(block)
    if magic != MAGIC:
        return None
    if version != VERSION:
        raise Trouble(f"the database is of version {version}, this exo knows {VERSION}")
    files = []
    for index in range(count):
        name, first, blocks, size, flags, _ = ENTRY.unpack_from(block, SUPER.size + index * ENTRY.size)
        files.append(File(name.rstrip(b"\0").decode(), first, blocks, size, bool(flags & EXISTS), bool(flags & IS_LOG)))
    return sequence, files


def files_of(image, start):
    """The files of the extent that begins at this byte of the image."""
    image.seek(start)
    blocks = [image.read(BLOCK) for _ in range(SUPERS)]
    tables = [found for found in map(table, blocks) if found]
    if not tables:
        raise Trouble(f"{getattr(image, 'name', 'the image')}: holds no database at block {start // BLOCK}: name its extent's first block with --first")
    return {file.name: file for file in max(tables)[1]}


def contents(image, start, file):
    """Its bytes; of a log, what its place holds without the zeros at the end."""
    image.seek(start + file.first * BLOCK)
    if file.is_log:
        return image.read(file.blocks * BLOCK).rstrip(b"\0")
    return image.read(file.size)


def export_from(image, first, target):
    """Write the SQLite database to target, and its log, if there is one, beside it. False: there is no database yet."""
    target = Path(target)
    files = files_of(image, first * BLOCK)
    for name, suffix in (("database", ""), ("database-wal", "-wal"), ("database-journal", "-journal")):
        out = target.with_name(target.name + suffix)
        out.unlink(missing_ok=True)
        if name in files and files[name].exists:
            out.write_bytes(contents(image, first * BLOCK, files[name]))
    return target.exists()


def export(path, first, target):
    with open(path, "rb") as image:
        if not export_from(image, first, target):
            raise Trouble(f"{path}: has no SQLite database yet")


def command_database(args):
    export(args.image, args.first, args.target)
    print(f"exo: wrote {args.target}")
    return 0
