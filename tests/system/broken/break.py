"""Make a program image that must be refused.  usage: break.py text|abi|overlap|cut IMAGE OUT"""
import struct
import sys
from pathlib import Path

LOAD, NOTE = 1, 4
HEADERS_AT, HEADER_SIZE = 64, 56


def headers(image):
    """(offset of the program header, its type) of each; the linker puts them right behind the ELF header."""
    count = struct.unpack_from("<H", image, 56)[0]
    offsets = [HEADERS_AT + index * HEADER_SIZE for index in range(count)]
    return [(at, struct.unpack_from("<I", image, at)[0]) for at in offsets]


def text(_image):
    return bytearray(b"This is no program.\n" * 300)


def abi(image):
    """Built for version 7.3."""
    note = next(at for at, kind in headers(image) if kind == NOTE)
    offset = struct.unpack_from("<Q", image, note + 8)[0]
    struct.pack_into("<II", image, offset + 16, 7, 3)
    return image


def overlap(image):
    """The second segment starts where the first one does."""
    first, second = [at for at, kind in headers(image) if kind == LOAD][:2]
    image[second + 16:second + 32] = image[first + 16:first + 32]
    return image


def cut(image):
    """The headers are there, most of what they name is not."""
    return image[:HEADERS_AT + len(headers(image)) * HEADER_SIZE]


if __name__ == "__main__":
    kind, source, target = sys.argv[1:]
    Path(target).write_bytes({"text": text, "abi": abi, "overlap": overlap, "cut": cut}[kind](
        bytearray(Path(source).read_bytes())))
