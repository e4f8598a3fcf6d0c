"""exo database: the file table of libos-db's extents, as docs/database.md has it."""
import io
import struct
import tempfile
import unittest
from pathlib import Path

from exo import database
from exo.trouble import Trouble


def table(sequence, files, version=1):
    """files: (name, first block, blocks, size, flags)."""
    block = struct.pack("<8sIIQII", database.MAGIC, version, len(files), sequence, 64, 0)
    block += b"".join(struct.pack("<24sIIQII", name, first, blocks, size, flags, 0) for name, first, blocks, size, flags in files)
    block = block.ljust(504, b"\0")
    return (block + struct.pack("<Q", database.checksum(block))).ljust(4096, b"\0")


class Database(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.target = Path(self.folder.name) / "out"

    def image(self, even, odd):
        return io.BytesIO(even + odd + b"a" * 4096 + b"b" * 4096 + b"log" + bytes(4093))

    def test_the_newer_table_counts(self):
        old, new = table(4, [(b"database", 2, 2, 5, 1)]), table(5, [(b"database", 2, 2, 4097, 1)])
        self.assertTrue(database.export_from(self.image(old, new), 0, self.target))
        self.assertEqual(self.target.read_bytes(), b"a" * 4096 + b"b")

    def test_a_torn_table_does_not_count(self):
        old, new = table(4, [(b"database", 2, 2, 5, 1)]), table(5, [(b"database", 2, 2, 4097, 1)])
        self.assertTrue(database.export_from(self.image(old, new[:300] + bytes(3796)), 0, self.target))
        self.assertEqual(self.target.read_bytes(), b"aaaaa")

    def test_a_log_goes_beside_it(self):
        both = table(4, [(b"database", 2, 2, 5, 1), (b"database-wal", 4, 1, 0, 3)])
        self.assertTrue(database.export_from(self.image(both, bytes(4096)), 0, self.target))
        self.assertEqual(Path(f"{self.target}-wal").read_bytes(), b"log")

    def test_what_does_not_exist_is_not_written(self):
        self.assertFalse(database.export_from(self.image(table(4, [(b"database", 2, 2, 0, 0)]), bytes(4096)), 0, self.target))

    def test_another_disk_is_refused(self):
        with self.assertRaises(Trouble):
            database.export_from(io.BytesIO(bytes(8192)), 0, self.target)

    def test_another_version_is_refused(self):
        with self.assertRaises(Trouble) as caught:
            database.export_from(self.image(table(4, [], 2), bytes(4096)), 0, self.target)
        self.assertIn("version 2", caught.exception.lines[0])
