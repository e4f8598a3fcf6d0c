"""What the program that judges a run is given, and what becomes of its verdict."""
import tempfile
import unittest
from pathlib import Path
from types import SimpleNamespace

from exo import judge


class Judges(unittest.TestCase):
    def judged(self, program, output="one\ntwo\n"):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "judge.py").write_text(program)
            system = SimpleNamespace(judge="judge.py", path=Path(folder) / "system.toml")
            return judge.judged(Path("build"), system, "mixed", output)

    def test_without_one_nothing_is_said(self):
        self.assertEqual(judge.judged(Path("build"), SimpleNamespace(judge=""), "mixed", "x"), ("", None))

    def test_it_is_given_output_build_and_name(self):
        said = self.judged("import sys\nprint(sys.stdin.read().split(), sys.argv[1:])\n")
        self.assertEqual(said, ("['one', 'two'] ['build', 'mixed']\n", None))

    def test_its_status_is_the_verdict(self):
        said, problem = self.judged("print('wrong words')\nraise SystemExit(3)\n")
        self.assertEqual((said, problem), ("wrong words\n", "judge.py ended with status 3"))


if __name__ == "__main__":
    unittest.main()
