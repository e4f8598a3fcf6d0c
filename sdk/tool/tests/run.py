"""Run the unittest cases of a folder and print TAP.  usage: run.py FOLDER"""
import sys
import unittest
from pathlib import Path


class TapResult(unittest.TestResult):
    """A case's name is its class and method, spelled out. A case with parts fails by its failed parts."""

    lines = 0

    def line(self, test, ok, notes="", suffix=""):
        self.lines += 1
        words = test.id().split(".", 1)[-1].split(".")
        print(f"{'ok' if ok else 'not ok'} {self.lines} - {' '.join(words).replace('_', ' ')}{suffix}")
        for note in notes.splitlines():
            print(f"# {note}")

    def addSuccess(self, test):
        self.line(test, True)

    def addSkip(self, test, reason):
        self.line(test, True, suffix=f" # SKIP {reason}")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line(test, False, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.line(test, False, self.errors[-1][1])

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.line(subtest, False, str(err[1]))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    cases = unittest.TestLoader().discover(sys.argv[1], top_level_dir=sys.argv[1])
    result = cases.run(TapResult())
    print(f"1..{result.lines}")
    sys.exit(not result.wasSuccessful())
