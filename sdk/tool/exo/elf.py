"""Just enough of ELF64 to check a program image before it is packed: segments and the ABI note.

The root refuses such images when the system runs; this tells their author earlier.
"""
import struct

HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
NOTE = struct.Struct("<III")
LOAD, NOTES = 1, 4
NOTE_NAME, NOTE_TYPE = b"Exo\0", 1


class BadImage(Exception):
    pass


def segments(image):
    """Program headers as (type, offset, address, file size, memory size)."""
    if len(image) < HEADER.size or image[:4] != b"\x7fELF":
        raise BadImage("is no ELF file")
    fields = HEADER.unpack_from(image)
    kind, machine, at, size, count = fields[1], fields[2], fields[5], fields[9], fields[10]
    if image[4] != 2 or kind != 2 or machine != 62:
        raise BadImage("is no static x86-64 ELF program")
    if size != SEGMENT.size or at + size * count > len(image):
        raise BadImage("has a broken program header table")
    found = []
    for index in range(count):
        kind, _, offset, address, _, file_size, memory_size, _ = SEGMENT.unpack_from(image, at + index * size)
        if offset + file_size > len(image):
            raise BadImage(f"segment {index} reaches beyond the end of the file")
        found.append((kind, offset, address, file_size, memory_size))
    return found


def abi_note(image):
    """(major, minor) of the ABI that the image was built for, or None."""
    for kind, offset, _, size, _ in segments(image):
        end = offset + size
        while kind == NOTES and offset + NOTE.size <= end:
            name_size, desc_size, note_type = NOTE.unpack_from(image, offset)
            name_at = offset + NOTE.size
            desc_at = name_at + (name_size + 3) // 4 * 4
            if image[name_at:name_at + name_size] == NOTE_NAME and note_type == NOTE_TYPE and desc_size >= 8:
                return struct.unpack_from("<II", image, desc_at)
            offset = desc_at + (desc_size + 3) // 4 * 4
    return None


def overlap(image):
    """The first two LOAD segments whose pages overlap, as addresses, or None."""
    loads = sorted((address // 4096, -(-(address + size) // 4096))
                   for kind, _, address, _, size in segments(image) if kind == LOAD and size)
    for (start, end), (next_start, _) in zip(loads, loads[1:]):
        if next_start < end:
            return start * 4096, next_start * 4096
    return None


def check(image, version):
    """Raise BadImage for what the root will refuse."""
    clash = overlap(image)
    if clash:
        raise BadImage(f"has overlapping segments at {clash[0]:#x} and {clash[1]:#x}")
    note = abi_note(image)
    if note is None:
        raise BadImage("carries no Exo ABI note")
    if note[0] != version[0] or (version[0] == 0 and note != version) or note[1] > version[1]:
        raise BadImage(f"was built for ABI {note[0]}.{note[1]}, the kernel has {version[0]}.{version[1]}")
