"""Every kind of mistake in a manifest is refused with its file, its line and its mend."""
import unittest

from exo import manifest, place
from exo.trouble import Trouble
from with_manifest import ManifestCase

GOOD = """\
spec = 1

[machine]
memory = "128M"
processors = 2

[[environment]]
name = "unix"
image = "libos-unix/unix.elf"
arguments = "one two=2"
memory = "16M"
kept = "512K"
slots = [[0, 0, 16], [1, 0, 8]]
lend = "rt"

[[environment]]
name = "rt"
image = "libos-rt/rt.elf"
slots = [[0, 16, 4]]
restart = "always"
wait = false

[[environment]]
name = "db"
image = "libos-db/db.elf"
slots = [[0, 40, 8]]
"""


class Manifests(ManifestCase):
    good = GOOD

    def test_good_one_is_compiled(self):
        system = self.read(GOOD)
        self.assertEqual(manifest.compiled(system, ["unix.elf", "rt.elf", "db.elf"]), (
            "machine processors=2\n"
            "environment name=unix image=unix.elf memory=4096 kept=128 slots=0:0:16,1:0:8 wait=1 restart=0 console=1 "
            "trace=0 give=0 lend=rt:0:64 arguments=one two=2\n"
            "environment name=rt image=rt.elf memory=4096 kept=64 slots=0:16:4 wait=0 restart=1 console=1 trace=0 "
            "give=0 arguments=\n"
            "environment name=db image=db.elf memory=4096 kept=64 slots=0:40:8 wait=1 restart=0 console=1 trace=0 "
            "give=0 arguments=\n"))

    def test_command_line_comes_before_the_machine(self):
        system = self.read(GOOD, processors=4, memory=256 << 20, machine="microvm", timeout=5, disks=["a.img"])
        self.assertLessEqual({"processors": 4, "memory": 256 << 20, "machine": "microvm", "timeout": 5,
                              "disks": ["a.img"]}.items(), system.machine.items())

    def test_extents_are_compiled(self):
        text = self.disked('disks = ["64M", "b.img"]', "extents = [[0, 8, 16376], [1, 0, 99999]]")
        self.assertIn(" extents=0:8:16376,1:0:99999 ", manifest.compiled(self.read(text), ["a", "b", "c"]))

    def disked(self, disks, extents):
        return GOOD.replace("processors = 2", f"processors = 2\n{disks}").replace('lend = "rt"', f'lend = "rt"\n{extents}')

    def disk_refused(self, disks, extents, line, *words):
        with self.assertRaises(Trouble) as caught:
            self.read(self.disked(disks, extents))
        self.assertEqual(len(caught.exception.lines), 1, caught.exception.lines)
        for word in (f"{self.path}:{line}: ", *words):
            self.assertIn(word, caught.exception.lines[0])

    def test_wrong_disks(self):
        self.disk_refused('disks = [""]', "", 6, "a disk is empty text", 'such as "64M"')
        self.disk_refused('disks = ["64M fast"]', "", 6, '"fast" says nothing of a disk', "read-only, errors=FILE, iops=N, null=US")
        self.disk_refused('disks = ["a.img null=9"]', "", 6, "null keeps nothing", "give a size")
        self.disk_refused('disks = ["64M iops=0"]', "", 6, '"iops=0" says nothing of a disk')
        self.disk_refused('disks = ["64M errors="]', "", 6, '"errors=" says nothing of a disk')
        self.disk_refused('disks = ["a,b.img"]', "", 6, "has a comma", "another file name")
        self.disk_refused(f'disks = {["64M"] * 5}', "", 6, "5 disks", "at most 4")
        self.disk_refused("disks = [64]", "", 6, '"disks" is no list of texts')

    def test_wrong_extents(self):
        one = 'disks = ["64M"]'
        self.disk_refused(one, "extents = [[1, 0, 8]]", 16, "is on disk 1 of 1", "choose a lower one, or give the machine more")
        self.disk_refused(one, "extents = [[0, 16000, 385]]", 16, "is not within blocks 0 to 16383", "first + count up to 16384")
        self.disk_refused(one, "extents = [[0, 0, 0]]", 16, "choose a count from 1")
        self.disk_refused(one, "extents = [0, 0, 8]", 16, "is no list of [disk, first, count]", "[[0, 0, 1024]]")
        self.disk_refused(one, "extents = [[0, 0, 8], [0, 7, 1]]", 16, "has blocks that unix has on line 16", "to one environment")
        self.disk_refused(one, f"extents = {[[0, n, 1] for n in range(9)]}", 16, "9 extents", "at most 8")

    def loan_refused(self, keys, line, *words):
        self.refused("[[environment]]", f"[[loan]]\n{keys}\n\n[[environment]]", line, *words)

    def test_loan_is_compiled(self):
        system = self.read(GOOD + '[[loan]]\nmemory = "1M"\nholders = ["db", "unix", "db"]\nat = [20, 400]\n')
        self.assertTrue(manifest.compiled(system, ["a", "b", "c"]).endswith(
            "\nloan memory=256 within=1000 turns=db:0,unix:20,db:400\n"))

    def test_wrong_loans(self):
        self.loan_refused('memory = "1M"', 7, '[[loan]] lacks "holders"')
        self.loan_refused('memory = "1M"\nholders = ["x"]', 9, 'goes to "x"', "name environments of this manifest")
        self.loan_refused('memory = "1M"\nholders = []', 9, "0 holders", "name 1 to 8")
        self.loan_refused('memory = "1M"\nholders = ["db", "db"]\nat = [5]', 9, "goes from one environment to itself")
        self.loan_refused('memory = "1M"\nholders = ["db", "rt"]', 7, "0 times for 2 holders", "in order")
        self.loan_refused('memory = "1M"\nholders = ["db", "rt", "db"]\nat = [9, 5]', 10, "in order")
        self.loan_refused('memory = "1M"\nwithin = 0\nholders = ["db"]', 9, "no time to give it back", "give at least 1")
        self.loan_refused('memory = "200M"\nholders = ["db"]', 15, "bring the sum to")

    def test_unknown_key_names_the_near_one(self):
        self.refused("kept =", "kepd =", 12, 'unknown key "kepd" in [[environment]]', 'write "kept"')

    def test_unknown_key_lists_the_known(self):
        self.refused("processors = 2", "processors = 2\nxyzzy = 1", 6, "xyzzy", "known are memory, processors")

    def test_unknown_table(self):
        self.refused("[machine]", "[disk]\n[machine]", 3, 'unknown key "disk"', "remove it")

    def test_wrong_type(self):
        self.refused("processors = 2", 'processors = "two"', 5, '"processors" is no whole number', "write it like 1")

    def test_boolean_is_no_number(self):
        self.refused("processors = 2", "processors = true", 5, "is no whole number")

    def test_wrong_size(self):
        self.refused('memory = "16M"', 'memory = "16 megabytes"', 11, '"memory" is no size', '"16M"')

    def test_size_of_broken_frames(self):
        self.refused('kept = "512K"', 'kept = "513K"', 12, "is no size", "whole frames")

    def test_wrong_slots(self):
        self.refused("[[0, 16, 4]]", "[0, 16, 4]", 19, '"slots" is no list of [processor, first, count]')

    def test_argument_of_two_lines(self):
        self.refused('"one two=2"', '"one\\ntwo"', 10, '"arguments" is no text')

    def test_too_long_arguments(self):
        self.refused('"one two=2"', f'"{"x" * 232}"', 10, "232 bytes of arguments", "at most 231")

    def test_most_arguments_are_what_an_environment_is_given(self):
        self.assertTrue(f"char[{manifest.ARGUMENTS_MOST + 1}] arguments" in place.ABI_FILE.read_text())

    def test_missing_name(self):
        self.refused('name = "rt"\n', "", 16, 'lacks "name"', "add it")

    def test_missing_environments(self):
        self.refused(GOOD[GOOD.index("[[env"):], "", 1, 'lacks "environment"', "add it")

    def test_other_spec(self):
        self.refused("spec = 1", "spec = 2", 1, "spec 2 is not known", "write spec = 1")

    def test_bad_name(self):
        self.refused('name = "db"', 'name = "Data Base"', 24, "is no name", "1 to 8 of a-z")

    def test_name_taken(self):
        self.refused('name = "db"', 'name = "unix"', 24, "is taken on line 8", "choose another")

    def test_two_terminals(self):
        self.path.write_text(GOOD.replace('image = ', 'terminal = true\nimage = ', 2))
        with self.assertRaises(Trouble) as caught:
            manifest.read(self.path)
        self.assertIn("unix has the terminal already: give it to one environment", str(caught.exception))

    def test_slot_claimed_by_two(self):
        self.refused("[[0, 16, 4]]", "[[0, 15, 4]]", 19, "claims slot 15 of processor 0 too, as unix does on line 13",
                     "give each position to one environment")

    def test_slot_claimed_twice(self):
        self.refused("[1, 0, 8]]", "[0, 8, 2]]", 13, "claims slot 8 of processor 0 twice")

    def test_slots_beyond_the_vector(self):
        self.refused("[[0, 16, 4]]", "[[0, 60, 5]]", 19, "not within positions 0 to 63", "up to 64")

    def test_processor_beyond_the_machine(self):
        self.refused("processors = 2", "processors = 1", 13, "processor 1 of 1", "more processors")

    def test_processors_given_on_the_command_line_are_checked(self):
        self.refused("spec = 1", "spec = 1", 13, "processor 1 of 1", processors=1)

    def test_no_slot_left_for_the_root(self):
        self.refused("[[0, 16, 4]]", "[[0, 16, 24], [0, 48, 16]]", 26, "all slots of processor 0", "leave the root")

    def test_environment_that_never_runs(self):
        self.refused("slots = [[0, 0, 16], [1, 0, 8]]", "slots = []", 13, "never runs", "write slots")

    def test_borrower_needs_no_slots_of_its_own(self):
        self.assertEqual(self.read(GOOD.replace("slots = [[0, 16, 4]]\n", "")).environments[1].slots, [])

    def test_more_memory_than_the_machine_has(self):
        self.refused('memory = "16M"', 'memory = "96M"', 23, "bring the sum to 128M, the machine has 120M", "take less")

    def test_more_kept_than_memory(self):
        self.refused('kept = "512K"', 'kept = "32M"', 12, "keeps 32M of 16M", "at most its memory")

    def test_more_asked_back_than_it_may_lose(self):
        self.refused('kept = "512K"', 'kept = "512K"\ngive = "16M"', 13, "is asked for 16M", "ask for less")

    def test_too_many_ranges(self):
        ranges = ", ".join(f"[0, {n}, 1]" for n in range(40, 49))
        self.refused("[[0, 40, 8]]", f"[{ranges}]", 26, "9 ranges", "at most 8")

    def test_too_many_environments(self):
        more = "".join(f'[[environment]]\nname = "x{n}"\nimage = "x"\nmemory = "1M"\nslots = [[1, {n + 20}, 1]]\n'
                       for n in range(22))
        with self.assertRaises(Trouble) as caught:
            self.read(GOOD + more)
        self.assertIn("25 environments: have at most 24", str(caught.exception))

    def test_limits_are_the_root_s(self):
        header = (place.SOURCE / "sdk/root/root.h").read_text()
        self.assertRegex(header, rf"#define MEMBERS_MAX +{manifest.ENVIRONMENTS_MOST}\b")
        self.assertRegex(header, rf"#define RANGES_MAX +{manifest.RANGES_MOST}\b")
        self.assertIn(f"image[{manifest.IMAGE_NAME_MOST + 1}]", header)

    def test_clocks(self):
        self.assertEqual(self.read(GOOD).machine["clock"], "wall")
        self.assertEqual(self.read(GOOD.replace("[machine]", '[machine]\nclock = "counted"')).machine["clock"], "counted")
        self.refused("[machine]", '[machine]\nclock = "sand"', 4, 'no clock "sand"', "wall or counted")

    def test_lending_by_position(self):
        system = self.read(GOOD.replace('lend = "rt"', 'lend = "rt, root 5 2"'))
        self.assertEqual(manifest.lent(system.environments[0]), [("rt", 0, 64), ("root", 5, 2)])
        self.refused('lend = "rt"', 'lend = "rt 5"', 14, 'lends "rt 5"', "NAME FIRST COUNT")
        self.refused('lend = "rt"', 'lend = "rt 60 5"', 14, "lends positions 60 to 65", "up to 64")

    def test_the_root_may_borrow_instead_of_owning(self):
        rest = "slots = [[0, 40, 24], [0, 20, 20]]"
        with self.assertRaisesRegex(Trouble, "all slots of processor 0 are given away"):
            self.read(GOOD.replace("slots = [[0, 40, 8]]", rest))
        self.read(GOOD.replace("slots = [[0, 40, 8]]", f'{rest}\nlend = "root 62 2"'))

    def test_lending_to_nobody(self):
        self.refused('lend = "rt"', 'lend = "nobody"', 14, 'lends to "nobody"', "name another environment")

    def test_other_restart(self):
        self.refused('restart = "always"', 'restart = "sometimes"', 20, "no way to restart", "never or always")

    def test_too_many_processors(self):
        self.refused("processors = 2", "processors = 9", 5, "9 processors", "give 1 to 8")

    def test_too_little_memory(self):
        with self.assertRaises(Trouble) as caught:
            self.read(GOOD.replace('"128M"', '"32M"'))
        self.assertIn(f"{self.path}:4: 32M of memory: give 64M to 16G", caught.exception.lines)

    def test_other_machine(self):
        self.refused("processors = 2", 'processors = 2\nmachine = "pc"', 6, 'no machine "pc"', "q35 or microvm")

    def test_bad_expectation(self):
        self.refused("[machine]", '[test]\nexpect = ["("]\n[machine]', 4, "no regular expression")

    def test_all_mistakes_are_told_at_once(self):
        with self.assertRaises(Trouble) as caught:
            self.read(GOOD.replace("kept", "kepd").replace('"rt.elf"', "7").replace("wait = false", "wait = 0"))
        self.assertEqual(len(caught.exception.lines), 2)

    def test_broken_toml(self):
        self.refused("processors = 2", "processors = = 2", 5, "Invalid value", "write text in quotes")

    def test_text_saved_with_a_byte_order_mark(self):
        self.assertEqual(len(self.read("\ufeff" + GOOD).environments), 3)

    def test_other_encoding_names_the_line(self):
        self.path.write_bytes(GOOD.encode() + b"# caf\xe9\n")
        with self.assertRaises(Trouble) as caught:
            manifest.read(self.path)
        self.assertEqual(str(caught.exception), f"{self.path}:27: is no text in UTF-8: save it as UTF-8")

    def test_key_given_twice(self):
        self.refused('kept = "512K"', 'kept = "512K"\nkept = "256K"', 13, "Cannot overwrite", "give each key once")

    def test_table_given_twice(self):
        self.refused("[machine]", "[machine]\n[machine]", 4, "twice", "only [[environment]] may come again")

    def test_environment_in_single_brackets(self):
        self.refused("[[environment]]\nname = \"unix\"", "[environment]\nname = \"unix\"", 16, "write [[environment]]")

    def test_text_that_does_not_end(self):
        self.refused('name = "db"', 'name = "db', 24, "mend the TOML")

    def test_tables_in_one_line_have_that_line(self):
        table = GOOD[GOOD.index("[machine]"):GOOD.index("[[env")]
        self.refused(table, 'machine = {memory = "128M", procesors = 2}\n', 3, "procesors", 'write "processors"')

    def test_keys_in_single_quotes_have_their_line(self):
        self.refused('kept = "512K"', "'kepd' = '512K'", 12, 'unknown key "kepd"')

    def test_keys_within_text_are_none(self):
        self.refused('"one two=2"\nmemory = "16M"\nkept', '"""\\\nkepd = 3"""\nmemory = "16M"\nkepd', 13, 'write "kept"')

    def test_lists_nested_without_end(self):
        self.refused("spec = 1", "spec = " + "[" * 3000 + "]" * 3000, 1, "nested too deep")

    def test_name_of_the_root(self):
        self.refused('name = "db"', 'name = "root"', 24, "who starts the system", "choose another")

    def test_control_characters(self):
        for text in (r"a\u0000b", r"a\rb", r"\u001b[2J"):
            self.refused('"one two=2"', f'"{text}"', 10, '"arguments" is no text')

    def test_program_names_that_the_module_cannot_hold(self):
        for name in ("my db.elf", "a=b", "TRAILER!!!", "dé.elf", "system"):
            self.refused("libos-db/db.elf", name, 25, f'file name is "{name}"', "use letters, digits")

    def test_memory_in_which_nothing_starts(self):
        for size in ("0K", "4K"):
            self.refused('memory = "16M"', f'memory = "{size}"', 11, "of memory", "at least 128K")

    def test_time_limits(self):
        for seconds in (0, 10 ** 20):
            self.refused("processors = 2", f"processors = 2\ntimeout = {seconds}", 6, "seconds to run", "give 1 to 86400")

    def test_slots_of_no_length(self):
        self.refused("[[0, 16, 4]]", "[[0, 16, 0]]", 19, "a count from 1")

    def test_borrower_of_one_that_owns_nothing(self):
        self.refused('slots = [[0, 16, 4]]\nrestart = "always"\nwait = false\n\n[[environment]]\nname = "db"\n'
                     'image = "libos-db/db.elf"\nslots = [[0, 40, 8]]',
                     'lend = "db"\n[[environment]]\nname = "db"\nimage = "a"', 20, "db: owns no time slot and borrows none")

    def test_what_the_command_line_sets_is_named_by_its_option(self):
        for given, words in (({"processors": 9}, "--cpus: 9 processors: give 1 to 8"),
                             ({"memory": 1 << 20}, "--memory: 1M of memory: give 64M to 16G"),
                             ({"timeout": 10 ** 9}, "--timeout: 1000000000 seconds to run")):
            with self.assertRaises(Trouble) as caught:
                self.read(GOOD, **given)
            self.assertEqual(len(caught.exception.lines), 1)
            self.assertIn(words, caught.exception.lines[0])

    def test_bad_test_tables(self):
        for key, words in (("machines = []", '"machines" is empty'), ("processors = []", '"processors" is empty'),
                           ('memory = ["1M"]', "give 64M to 16G"), ("status = 128", "expect 0 to 127"),
                           ("processors = [0]", "cannot run with 0")):
            self.refused("[machine]", f"[test]\n{key}\n[machine]", 4, words)

    def test_folder_instead_of_a_file(self):
        with self.assertRaises(Trouble) as caught:
            manifest.read(self.folder.name)
        self.assertIn("Is a directory: name a system.toml", str(caught.exception))

    def test_missing_file(self):
        with self.assertRaises(Trouble) as caught:
            manifest.read("nowhere/system.toml")
        self.assertIn("nowhere/system.toml: No such file", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
