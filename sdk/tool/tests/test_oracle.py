"""The suite `linux`: how outputs come from the console and are compared."""
import base64
import unittest

from exo import oracle


def line_of(data):
    return base64.encodebytes(data).decode().rstrip("\n")


class Outputs(unittest.TestCase):
    def test_output_comes_back_from_labelled_lines(self):
        data = bytes(range(200))
        text = "\n".join(f"unix| {line}" for line in ["case one", *line_of(data).splitlines(), "end one", "other"])
        self.assertEqual(oracle.gathered(text), {"one": data})

    def test_output_comes_back_from_plain_lines(self):
        self.assertEqual(oracle.gathered(f"Linux\ncase a\n{line_of(b'x')}\nend a\ncase b\n{line_of(b'y')}\nend b\n"),
                         {"a": b"x", "b": b"y"})

    def test_what_is_damaged_or_cut_is_left_out(self):
        self.assertEqual(oracle.gathered("case a\n!!!\nend a\ncase b\neA==\n"), {})

    def test_a_case_is_a_name_and_a_script(self):
        self.assertEqual(oracle.cases_of("== a\necho 1\n== b\necho 2\necho 3\n"), {"a": "echo 1\n", "b": "echo 2\necho 3\n"})


    def test_a_case_that_a_signal_ended_is_not_one_that_came_to_its_end(self):
        for output, wanted in ((b"a\nstatus 0\n", False), (b"status 3\n", False), (b"a\nstatus 139\n", True), (b"a\n", True)):
            self.assertEqual(oracle.is_crash(output), wanted)


class Comparison(unittest.TestCase):
    def test_a_difference_is_a_failure_with_both_sides(self):
        same, other, none = oracle.compared({"a": b"1\n", "b": b"1\n2\n", "c": b""}, {"a": b"1\n", "b": b"1\n3\n"}, "on 1")
        self.assertTrue(same.passed)
        self.assertFalse(other.passed)
        self.assertIn("-2", other.notes)
        self.assertIn("+3", other.notes)
        self.assertFalse(none.passed)


if __name__ == "__main__":
    unittest.main()
