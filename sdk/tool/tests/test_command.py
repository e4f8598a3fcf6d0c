"""The command line as a newcomer meets it: what is wrong is said at once, in a sentence, and nothing is touched."""
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from exo import place

GOOD = str(place.SOURCE / "examples/hello/system.toml")


class Commands(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def exo(self, *words, **more):
        line = [sys.executable, "-P", "-m", "exo", *map(str, words)]
        environment = os.environ | {"PYTHONPATH": str(place.SOURCE / "sdk/tool")}
        return subprocess.run(line, env=environment, stderr=subprocess.PIPE, text=True, timeout=60, check=False, **more)

    def refused(self, status, text, *words):
        done = self.exo(*words, stdout=subprocess.DEVNULL)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertIn(text, done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def test_numbers_are_checked(self):
        for option in ("--cpus", "--timeout"):
            for value in ("0", "-1", "x", "1.5", "\u0663"):
                self.refused(2, f'"{value}" is no number from 1', "run", GOOD, f"{option}={value}")

    def test_sizes_are_checked(self):
        for value in ("12", "12X", "1K", "-1M"):
            self.refused(2, f'"{value}" is no size: write it like 512M', "run", GOOD, f"--memory={value}")

    def test_options_are_named_when_they_ask_for_too_much(self):
        self.refused(1, "exo: --cpus: 9 processors: give 1 to 8", "run", GOOD, "--cpus", 9)

    def test_mistake_in_a_manifest_comes_before_the_build(self):
        build = self.folder / "new"
        self.refused(1, "nowhere.toml: No such file or directory: name a system.toml", "run", "nowhere.toml", "--build", build)
        self.assertFalse(build.exists())

    def test_folder_with_other_files_is_no_build_folder(self):
        (self.folder / "letter.txt").write_text("dear")
        self.refused(1, "holds other files: name a new or empty folder", "build", "--build", self.folder)
        self.assertEqual([path.name for path in self.folder.iterdir()], ["letter.txt"])

    def test_file_is_no_build_folder(self):
        (self.folder / "file").write_text("")
        self.refused(1, "is no folder: name a new or empty folder", "build", "--build", self.folder / "file")
        self.refused(1, "Not a directory: name a new or empty folder", "build", "--build", self.folder / "file/below")

    def test_unknown_suite_lists_the_known(self):
        self.refused(2, "no suite xyzzy: there are tool, abi, unit", "test", "xyzzy")

    def test_reader_that_leaves_ends_the_command_in_silence(self):
        read, write = os.pipe()
        os.close(read)
        done = self.exo("doctor", stdout=write)
        os.close(write)
        self.assertEqual((done.returncode, done.stderr), (141, ""))


if __name__ == "__main__":
    unittest.main()
