"""exo run PROGRAM: what system is made for a program of this computer."""
import tempfile
import unittest
from pathlib import Path

from exo import archive, command, manifest
from exo.trouble import Trouble


class Words(unittest.TestCase):
    def test_plain_words_stay(self):
        self.assertEqual(command.quoted("-c"), "-c")

    def test_blanks_and_empty_words_are_quoted(self):
        self.assertEqual(command.quoted("a b"), "'a b'")
        self.assertEqual(command.quoted("it's"), '"it\'s"')
        self.assertEqual(command.quoted(""), "''")

    def test_both_quotes_are_refused_with_a_mend(self):
        with self.assertRaises(Trouble) as caught:
            command.quoted("'\"")
        self.assertRegex(str(caught.exception), "put it into a script")


class Systems(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.build = Path(folder.name)
        (self.build / "libos-unix").mkdir()
        (self.build / "libos-unix/root.cpio").write_bytes(archive.archive({"usr": b""}))
        self.program = self.build / "tool"
        self.program.write_bytes(b"\x7fELF and more")

    def test_the_program_joins_the_archive(self):
        path = command.prepare(self.build, str(self.program), ["a b", "c"], 1)
        system = manifest.read(path)
        self.assertEqual(system.environments[0].arguments, "/usr/tool 'a b' c")
        tree = (path.parent / "root.cpio").read_bytes()
        self.assertIn(b"usr/tool\0", tree)
        self.assertIn(b"\x7fELF and more", tree)
        self.assertEqual(tree.count(b"TRAILER!!!"), 1)

    def test_each_processor_gives_slots(self):
        system = manifest.read(command.prepare(self.build, str(self.program), [], 2), 2)
        self.assertEqual(system.environments[0].slots, [[0, 0, 60], [1, 0, 64]])

    def test_what_is_no_program_is_refused(self):
        self.program.write_bytes(b"#!/bin/sh\n")
        with self.assertRaises(Trouble) as caught:
            command.prepare(self.build, str(self.program), [], 1)
        self.assertRegex(str(caught.exception), r"is no program for Linux")

    def test_a_long_command_line_is_refused(self):
        with self.assertRaises(Trouble) as caught:
            command.prepare(self.build, str(self.program), ["x" * 300], 1)
        self.assertRegex(str(caught.exception), "231 is the most")
