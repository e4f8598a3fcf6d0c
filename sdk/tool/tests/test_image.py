"""Archives in the form that the root reads; program images that the root would refuse are seen when they are packed."""
import struct
import tempfile
import unittest
from pathlib import Path

from exo import archive, elf, image, manifest
from exo.trouble import Trouble

VERSION = (0, 1)


def program(loads=((0x400000, 100, 100),), note=VERSION, machine=62):
    """A static ELF64 with these (address, file size, memory size) segments and this ABI note."""
    count = len(loads) + (note is not None)
    data_at = 64 + 56 * count
    headers, data = b"", b""
    if note:
        data = struct.pack("<III4sII", 4, 8, 1, b"Exo\0", *note)
        headers = elf.SEGMENT.pack(elf.NOTES, 4, data_at, 0, 0, len(data), len(data), 4)
    for address, file_size, memory_size in loads:
        headers += elf.SEGMENT.pack(elf.LOAD, 5, data_at + len(data), address, 0, file_size, memory_size, 4096)
        data += bytes(file_size)
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    return elf.HEADER.pack(ident, 2, machine, 1, 0x400000, 64, 0, 0, 64, 56, count, 0, 0, 0) + headers + data


class Programs(unittest.TestCase):
    def refused(self, contents, words):
        with self.assertRaisesRegex(elf.BadImage, words):
            elf.check(contents, VERSION)

    def test_good_one_passes(self):
        elf.check(program(((0x400000, 100, 100), (0x401000, 10, 9000))), VERSION)

    def test_text_is_no_elf(self):
        self.refused(b"#!/bin/sh\n" * 20, "is no ELF file")

    def test_other_machine(self):
        self.refused(program(machine=183), "no static x86-64 ELF")

    def test_truncated_file(self):
        self.refused(program()[:-1], "beyond the end")

    def test_truncated_headers(self):
        self.refused(program()[:100], "broken program header")

    def test_overlapping_segments(self):
        self.refused(program(((0x400000, 100, 5000), (0x401000, 10, 10))),
                     "overlapping segments at 0x400000 and 0x401000")

    def test_missing_note(self):
        self.refused(program(note=None), "no Exo ABI note")

    def test_other_version_names_both(self):
        self.refused(program(note=(7, 3)), r"built for ABI 7\.3, the kernel has 0\.1")


class Archives(unittest.TestCase):
    def test_members_are_aligned_and_named(self):
        data = archive.archive({"system": b"abc"})
        self.assertEqual(data[:6], b"070701")
        self.assertEqual(int(data[54:62], 16), 3)
        self.assertEqual(data[110:117], b"system\0")
        self.assertEqual(data[120:123], b"abc")
        self.assertEqual(data[124:130], b"070701")
        self.assertEqual(len(data) % 4, 0)

    def test_aligned_members_have_frames_of_their_own(self):
        data = archive.archive({"system": b"abc"}, {"first": b"x" * 5000, "second": b"y"})
        for contents in (b"x" * 5000, b"y"):
            at = data.index(contents + bytes(-len(contents) % 4096))
            self.assertEqual(at % 4096, 0)
        self.assertEqual(len(data) % 4, 0)

    def test_equal_contents_give_equal_bytes(self):
        self.assertEqual(archive.archive({"a": b"1"}), archive.archive({"a": b"1"}))


class Modules(unittest.TestCase):
    MANIFEST = """\
spec = 1
[[environment]]
name = "a"
image = "a.elf"
slots = [[0, 0, 1]]
[[environment]]
name = "b"
image = "other/a.elf"
slots = [[0, 1, 1]]
"""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        (self.folder / "sdk/root").mkdir(parents=True)
        (self.folder / "sdk/root/root.elf").write_bytes(b"root")
        (self.folder / "other").mkdir()
        (self.folder / "system.toml").write_text(self.MANIFEST)

    def test_equal_file_names_stay_apart(self):
        (self.folder / "a.elf").write_bytes(program())
        (self.folder / "other/a.elf").write_bytes(program() + b"other")
        target = image.pack(self.folder, manifest.read(self.folder / "system.toml"), self.folder / "system.img")
        data = target.read_bytes()
        self.assertEqual(data[:4096], b"root" + bytes(4092))
        self.assertIn(b"name=a image=a.elf", data)
        self.assertIn(b"name=b image=1-a.elf", data)

    def test_archives_are_named_and_packed_once(self):
        (self.folder / "a.elf").write_bytes(program())
        (self.folder / "other/a.elf").write_bytes(program())
        (self.folder / "tree.cpio").write_bytes(b"tree" * 100)
        self.folder.joinpath("system.toml").write_text(
            self.MANIFEST.replace('name = "a"', 'name = "a"\narchive = "tree.cpio"').replace(
                'name = "b"', 'name = "b"\narchive = "tree.cpio"'))
        data = image.pack(self.folder, manifest.read(self.folder / "system.toml"), self.folder / "system.img").read_bytes()
        self.assertEqual(data.count(b"archive=archive-0"), 2)
        self.assertEqual(data.count(b"tree" * 100), 1)

    def test_missing_archive_names_line_and_mend(self):
        (self.folder / "a.elf").write_bytes(program())
        (self.folder / "other/a.elf").write_bytes(program())
        self.folder.joinpath("system.toml").write_text(
            self.MANIFEST.replace('name = "a"', 'name = "a"\narchive = "tree.cpio"'))
        with self.assertRaises(Trouble) as caught:
            image.pack(self.folder, manifest.read(self.folder / "system.toml"), self.folder / "system.img")
        self.assertRegex(str(caught.exception), r'a: no archive "tree\.cpio".*correct its path')

    def test_programs_that_fill_the_machine_are_refused(self):
        (self.folder / "a.elf").write_bytes(program())
        (self.folder / "other/a.elf").write_bytes(bytes(2 << 20))
        self.folder.joinpath("system.toml").write_text(
            self.MANIFEST.replace("spec = 1", 'spec = 1\n[machine]\nmemory = "64M"').replace(
                'name = "a"', 'name = "a"\nmemory = "40M"'))
        with self.assertRaises(Trouble) as caught:
            image.pack(self.folder, manifest.read(self.folder / "system.toml"), self.folder / "system.img")
        self.assertRegex(str(caught.exception), r"system\.toml:3: the programs' 3M and the environments' 56M are more than the 57M .*")

    def test_missing_program_names_line_and_mend(self):
        (self.folder / "a.elf").write_bytes(program())
        with self.assertRaises(Trouble) as caught:
            image.pack(self.folder, manifest.read(self.folder / "system.toml"), self.folder / "system.img")
        self.assertRegex(str(caught.exception), r'system\.toml:8: b: no program "other/a\.elf".*correct its path')
