"""The ABI keeps its promises: frozen lists, refused changes, headers that stand alone, a whole manual.

The changes are tried on copies of exo.toml, so that each refusal is seen to happen.
"""
import os
import re
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

ABI = Path(__file__).resolve().parents[1]
PUBLIC = ABI.parent / "include"
GENERATED = Path(os.environ["EXO_ABI_INCLUDE"])
TEXT = (ABI / "exo.toml").read_text()
VERSION = tomllib.loads(TEXT)["version"]


def generate(kind, text):
    """(exit status, output, complaint) of the generator for an ABI of this text."""
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(text)
        file.flush()
        done = subprocess.run([sys.executable, ABI / "generate.py", kind, file.name], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr


def check_frozen(frozen, now, version):
    """(exit status, output) of the comparison of two lists."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{version}.txt", Path(folder) / "now.txt"]
        for path, text in zip(paths, (frozen, now)):
            path.write_text(text)
        done = subprocess.run([sys.executable, ABI / "check_frozen.py", *paths], capture_output=True, text=True)
        return done.returncode, done.stdout


class Promises(unittest.TestCase):
    def test_every_frozen_list_is_kept(self):
        now = generate("frozen", TEXT)[1]
        lists = sorted((ABI / "frozen").glob("*.txt"))
        self.assertIn(f"{VERSION}.txt", [path.name for path in lists])
        for path in lists:
            with self.subTest(path.stem):
                status, output = check_frozen(path.read_text(), now, path.stem)
                self.assertEqual(status, 0, output)

    def changed(self, pattern, replacement, kept):
        """The ABI with one change that the generator itself cannot see: no list may let it pass."""
        text, count = re.subn(pattern, replacement, TEXT, count=1)
        self.assertEqual(count, 1, pattern)
        status, now, complaint = generate("frozen", text)
        self.assertEqual(status, 0, complaint)
        frozen = generate("frozen", TEXT)[1]
        self.assertEqual(check_frozen(frozen, now, "0.1")[0], 1)
        status, output = check_frozen(frozen, now, "1.0")
        self.assertEqual(status, 0 if kept else 1, output)

    def test_changed_status_is_refused(self):
        self.changed(r"value =  -2, name = \"BAD_ARGUMENT\"", 'value = -99, name = "BAD_ARGUMENT"', kept=False)

    def test_changed_constant_is_refused(self):
        self.changed(r'\["BATCH_MAX",( *)"64"', r'["BATCH_MAX",\1"32"', kept=False)

    def test_changed_enumeration_is_refused(self):
        self.changed(r'\["FRAMES", 1,', '["FRAMES", 9,', kept=False)

    def test_changed_argument_is_refused(self):
        self.changed(r'\["u16", "slot"', '["u32", "slot"', kept=False)

    def test_renamed_call_is_refused(self):
        self.changed(r'name   = "null"', 'name   = "nothing"', kept=False)

    def test_swapped_calls_are_refused(self):
        text = TEXT.replace('name   = "capability_derive"', 'name   = "swap"')
        text = text.replace('name   = "capability_withdraw"', 'name   = "capability_derive"')
        text = text.replace('name   = "swap"', 'name   = "capability_withdraw"')
        frozen, now = generate("frozen", TEXT)[1], generate("frozen", text)[1]
        self.assertEqual(check_frozen(frozen, now, "1.0")[0], 1)

    def test_moved_field_is_refused(self):
        self.changed(r'"0 u32 owner",(.*)\n(.*)"4 u32 capability"', r'"0 u32 capability",\1\n\2"4 u32 owner"', kept=False)

    def test_new_status_is_no_broken_promise_after_version_1(self):
        self.changed(r"\nstatus = \[", '\nstatus = [\n  { value = -99, name = "NEW", doc = "New." },', kept=True)


class Generator(unittest.TestCase):
    def refused(self, pattern, replacement, words):
        text, count = re.subn(pattern, replacement, TEXT, count=1)
        self.assertEqual(count, 1, pattern)
        for kind in ("header", "frozen"):
            status, _, complaint = generate(kind, text)
            self.assertNotEqual(status, 0, kind)
            self.assertIn(words, complaint)

    def test_renumbered_call_is_refused(self):
        self.refused(r"\nnumber = 2\n", "\nnumber = 3\n", "call numbers must be")

    def test_hole_between_calls_is_refused(self):
        self.refused(r"\[\[call\]\]\nnumber = 1\n[^[]*(\[(?!\[)[^[]*)*(?=\[\[call\]\]\nnumber = 2\n)", "",
                     "call numbers must be")

    def test_hole_in_a_structure_is_refused(self):
        self.refused(r'"8 u64 stamp"', '"16 u64 stamp"', "stated offset 16, the fields before it end at 8")

    def test_overlapping_fields_are_refused(self):
        self.refused(r'"8 u64 stamp"', '"4 u64 stamp"', "stated offset 4")

    def test_other_size_is_refused(self):
        self.refused(r'name = "frame"\nsize = 32', 'name = "frame"\nsize = 40', "stated size 40")

    def test_unknown_error_is_refused(self):
        self.refused(r'errors = \["BAD_CAPABILITY"', 'errors = ["BAD_LUCK"', "unknown errors")


class Headers(unittest.TestCase):
    """Each compiles alone, twice over, as a libOS sees it."""

    def headers(self):
        found = [path.relative_to(root) for root in (PUBLIC, GENERATED) for path in sorted(root.glob("exo/*.h"))]
        self.assertGreater(len(found), 2)
        return found

    def test_every_public_header_compiles_alone(self):
        for name in self.headers():
            with self.subTest(str(name)):
                source = f"#include <{name}>\n#include <{name}>\nint one_definition;\n"
                done = subprocess.run(
                    ["gcc", "-std=gnu11", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fsyntax-only", "-x", "c",
                     f"-I{PUBLIC}", f"-I{GENERATED}", "-"], input=source, capture_output=True, text=True)
                self.assertEqual(done.returncode, 0, done.stderr)


class Manual(unittest.TestCase):
    def test_every_call_status_and_structure_is_in_it(self):
        abi, manual = tomllib.loads(TEXT), generate("manual", TEXT)[1]
        for call in abi["call"]:
            self.assertIn(f"### {call['number']}. `{call['name']}(", manual)
            self.assertTrue(call["doc"].strip())
            text = manual.split(f"### {call['number']}. `")[1].split("###")[0]
            fails = re.search(r"^- Fails with (.*)\.$", text, re.MULTILINE)[1].split(", ")
            self.assertLessEqual({*call.get("errors", []), "BAD_ARGUMENT"}, set(fails))
            self.assertEqual("GONE" in fails, bool(call.get("locked")) or "GONE" in call.get("errors", []))
        for status in abi["status"]:
            self.assertIn(f"| {status['value']} | {status['name']} | {status['doc']} |", manual)
        for struct in abi["struct"]:
            self.assertIn(f"## `struct exo_{struct['name']}`", manual)
