"""Programs out of BPF objects: lines, what must be linked is refused with its line, broken objects are told as such."""
import random
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from exo import program

CLANG = shutil.which("clang") or shutil.which("clang-14")
SOURCE = """struct context { unsigned char *start, *end; };
static unsigned long long (*tell)(unsigned long long) = (void *)3;
int shared;
int elsewhere(int);
unsigned long long filter(struct context *c)
{
    unsigned char *p = c->start;
    if (p + 2 > c->end)
        return 0;
    return p[1] == 7;
}
unsigned long long helped(void *c) { return tell(4); }
__attribute__((noinline)) static int twice(int a) { return a * 2 + (long)&a; }
unsigned long long calling(void *c)
{
    return twice(9);
}
unsigned long long linking(int a)
{
    return elsewhere(a);
}
unsigned long long global(void *c)
{
    return shared++;
}
__attribute__((section("second"))) unsigned long long apart(void *c)
{
    return 77;
}
"""


def compiled(*options):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.c"
        path.write_text(SOURCE)
        subprocess.run([CLANG, "-target", "bpf", "-mcpu=v3", "-O2", *options, "-c", "a.c", "-o", "a.o"], cwd=folder, check=True)
        return (Path(folder) / "a.o").read_bytes()


@unittest.skipUnless(CLANG, "no clang")
class Programs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.image = compiled("-g")

    def refusal(self, name, image=None):
        with self.assertRaises(program.BadObject) as caught:
            program.extract(image or self.image, name)
        return str(caught.exception)

    def test_function_is_found_with_its_instructions(self):
        found = program.extract(self.image, "apart")
        self.assertEqual(found.instructions.hex(), "b70000004d000000" "9500000000000000")

    def test_instruction_has_its_line(self):
        found = program.extract(self.image, "filter")
        loads = [index for index in range(len(found.instructions) // 8) if found.instructions[8 * index] == 0x71]
        line = program.line_of(found.lines, loads[0])
        self.assertEqual((Path(line.file).name, line.line, line.text.strip()), ("a.c", 10, "return p[1] == 7;"))
        self.assertEqual({line.line for line in found.lines}, {5, 7, 8, 10, 11})

    def test_lines_of_another_section_do_not_count(self):
        self.assertEqual({line.line for line in program.extract(self.image, "apart").lines}, {28})

    def test_object_without_lines_names_the_instruction(self):
        image = compiled()
        self.assertEqual(program.extract(image, "filter").lines, [])
        self.assertRegex(self.refusal("global", image), "^instruction 0: uses a global variable")

    def test_helper_is_no_link(self):
        self.assertIn(bytes.fromhex("8500000003000000"), program.extract(self.image, "helped").instructions)

    def test_call_between_functions_is_refused_with_its_line(self):
        self.assertRegex(self.refusal("calling"), r"a\.c:16: calls another function: mark that one static inline")

    def test_call_out_of_the_object_is_refused_with_its_line(self):
        self.assertRegex(self.refusal("linking"), r"a\.c:20: uses a function that is not in it")

    def test_global_variable_is_refused_with_its_line(self):
        self.assertRegex(self.refusal("global"), r"a\.c:24: uses a global variable")

    def test_name_is_needed_among_several(self):
        self.assertIn("several functions, name one: apart, calling, filter,", self.refusal(None))
        self.assertEqual(self.refusal("nobody"), 'has no function "nobody"')

    def test_other_files_are_refused(self):
        self.assertEqual(self.refusal(None, b"hello"), "is no ELF file")
        self.assertEqual(self.refusal(None, Path(shutil.which("true")).read_bytes()), "is no object of clang -target bpf -c")

    def test_header_has_words_and_places(self):
        text = program.header(program.extract(self.image, "apart"))
        self.assertIn("static const uint64_t apart_code[2] = {\n    0x0000004d000000b7, 0x0000000000000095,\n};", text)
        self.assertRegex(text, r'static const char apart_places\[\] =\n    "0 a.c:28: return 77;\\n";')

    def test_source_in_a_header_is_one_literal(self):
        text = program.header(program.Program("odd", bytes(8), [program.Line(0, "a b.c", 3, 1, '  if (s[0] == "\\\\") /* \xe4 */')]))
        self.assertIn('odd_places[] =\n    "0 a b.c:3: if (s[0] == \\"\\\\\\\\\\") /* ? */\\n";', text)

    def test_broken_objects_give_a_refusal_or_a_program(self):
        source, refused = random.Random(1), 0
        for _ in range(3000):
            image = bytearray(self.image)
            for _ in range(source.randint(1, 4)):
                image[source.randrange(len(image)) if source.random() < 0.5 else source.randrange(64)] = source.randrange(256)
            image = bytes(image[:source.randrange(len(image))] if source.random() < 0.2 else image)
            try:
                program.extract(image, "filter")
            except program.BadObject:
                refused += 1
        self.assertGreater(refused, 1000)
