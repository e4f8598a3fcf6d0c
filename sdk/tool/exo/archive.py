"""cpio `newc` archives: the part of a system image after the root (format: Linux, early userspace, buffer format).

Members have no times or owners, so equal contents give equal bytes.
"""

MAGIC = "070701"
REGULAR_FILE = 0o100644
FRAME = 4096


def member(name, contents, number, mode=REGULAR_FILE):
    encoded = name.encode() + b"\0"
    fields = [number, mode if number else 0, 0, 0, 1, 0, len(contents), 0, 0, 0, 0, len(encoded), 0]
    header = (MAGIC + "".join(f"{field:08x}" for field in fields)).encode()
    return pad(header + encoded) + pad(contents)


def pad(data, unit=4):
    return data + bytes(-len(data) % unit)


def archive(files, aligned=None):
    """The archive of {name: contents}, in the order given; then those `aligned`, each on frames of its own."""
    out = b"".join(member(name, contents, number) for number, (name, contents) in enumerate(files.items(), 1))
    for name, contents in (aligned or {}).items():
        contents = pad(contents, FRAME)
        room = -(len(out) + len(member("filler", b"", 1)) + len(member(name, b"", 1))) % FRAME
        out += member("filler", bytes(room), 1) + member(name, contents, 1)
    return out + member("TRAILER!!!", b"", 0)
