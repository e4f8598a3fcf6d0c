"""Verdicts: what TAP says and leaves out, what QEMU's end means, which limits are passed, what a panic shows."""
import contextlib
import io
import unittest

from exo import bench, machine, symbol, system, tap
from exo.test import Report


class Taps(unittest.TestCase):
    def test_cases_are_counted_with_their_notes(self):
        cases = tap.judge("x", "ok 1 - a\nnot ok 2 - b\n# why\nok 3 - c # SKIP no clang\n1..3\n", 1)
        self.assertEqual([(case.name, case.passed, case.skipped) for case in cases],
                         [("a", True, False), ("b", False, False), ("c # SKIP no clang", True, True)])
        self.assertEqual(cases[1].notes, ["# why"])

    def test_crash_after_good_cases_is_a_failure(self):
        self.assertFalse(tap.judge("x", "ok 1 - a\n", 139)[-1].passed)

    def test_cases_that_never_came_are_a_failure(self):
        self.assertIn("3 cases planned, 1 came", tap.judge("x", "1..3\nok 1 - a\n", 0)[-1].name)

    def test_time_limit_is_a_failure(self):
        self.assertFalse(tap.judge("x", "ok 1 - a\n1..1\n", 0, "not finished")[-1].passed)

    def test_program_without_tap_is_one_case(self):
        self.assertEqual([case.passed for case in tap.judge("x", "fine\n", 0)], [True])
        self.assertEqual([case.passed for case in tap.judge("x", "bad\n", 1)], [False])

    def test_verdict_counts_cases(self):
        report, out = Report(), io.StringIO()
        with contextlib.redirect_stdout(out):
            report.add("unit", "x", tap.judge("x", "ok 1 - a\nnot ok 2 - b\n", 1), 0.1)
            status = report.verdict()
        self.assertEqual((status, out.getvalue().splitlines()[-1]), (1, "1 passed, 1 failed"))

    def test_nothing_run_is_no_success(self):
        with contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(Report().verdict(), 1)


class Ends(unittest.TestCase):
    def meaning(self, returncode, complaint="", ended=None):
        return machine.meaning(returncode, complaint, ended, 5)

    def test_kernel_codes_come_back(self):
        self.assertEqual([self.meaning(code << 1 | 1) for code in (0, 1, 7)], [(0, ""), (1, ""), (7, "")])

    def test_warning_of_qemu_is_no_error(self):
        self.assertEqual(self.meaning(1, "qemu-system-x86_64: warning: TCG does not support it"), (0, ""))

    def test_qemu_that_cannot_start_is_no_success(self):
        self.assertEqual(self.meaning(1, "qemu-system-x86_64: could not load kernel")[0], machine.CRASHED)

    def test_reset_and_kill_are_no_success(self):
        self.assertEqual(self.meaning(0)[0], machine.CRASHED)
        self.assertEqual(self.meaning(-11)[0], machine.CRASHED)

    def test_time_limit(self):
        self.assertEqual(self.meaning(-9, "", "time"), (124, "the time limit of 5 s passed"))

    def test_endless_run_is_ended(self):
        outcome = machine.run(["sh", "-c", "echo begun; exec sleep 60"], 1, show=False)
        self.assertEqual((outcome.status, outcome.output), (124, "begun"))
        self.assertLess(outcome.seconds, 60)

    def test_session_at_a_terminal_is_ended_if_that_was_asked_for(self):
        line = ["sh", "-c", "exec sleep $0", "5", "-serial", "stdio"]
        outcome = machine.run_at_terminal(line, 0.2)
        self.assertEqual(outcome.status, machine.TIMED_OUT)
        self.assertLess(outcome.seconds, 4)

    def test_endless_output_is_ended(self):
        outcome = machine.run(["yes", 4000 * "y"], 60, show=False)
        self.assertEqual(outcome.status, 124)
        self.assertIn("more than 16 MiB", outcome.reason)

    def test_terminal_controls_are_not_passed_on(self):
        self.assertEqual(machine.printable("a\x1b[2Jb\tc"), "a?[2Jb\tc")


class Systems(unittest.TestCase):
    TEST = {"status": 0, "expect": ["^rt\\| .*missed 0"], "refuse": ["panic"]}

    def complaints(self, status, output, reason=""):
        return system.complaints(self.TEST, machine.Outcome(status, reason, 1.0, output, 0.1))

    def test_what_was_expected_passes(self):
        self.assertEqual(self.complaints(0, "boot\nrt| all, missed 0"), [])

    def test_each_difference_is_named(self):
        self.assertEqual(len(self.complaints(3, "panic: no")), 3)


class Machines(unittest.TestCase):
    def complaints(self, output):
        return system.machine_complaints({"processors": 8, "memory": 64 << 20}, output)

    def test_machine_that_was_asked_for_passes(self):
        line = "root| 8 processors, 16352 frames, 425 of them the kernel's\n"
        self.assertEqual(self.complaints(line), [])
        self.assertEqual(self.complaints("Booting\n?" + line), [])

    def test_missing_processors_and_memory_are_named(self):
        self.assertEqual(self.complaints("root| 7 processors, 8192 frames, 425 of them the kernel's\n"),
                         ["7 processors instead of 8", "memory ends at 32 MiB"])
        self.assertEqual(len(self.complaints("hello| 8 processors, 16352 frames\n")), 1)


class Figures(unittest.TestCase):
    def row(self, value, limit=70):
        return {"row": "null_call", "value": value, "unit": "instructions", "limit": limit}

    def test_limit_is_the_most_allowed(self):
        self.assertIsNone(bench.complaint(self.row(70)))
        self.assertIn("more than the limit", bench.complaint(self.row(71)))

    def test_missing_row_fails(self):
        self.assertIn("not measured", bench.complaint(self.row(None, None)))

    def test_json_has_all_rows_with_the_keys_that_were_promised(self):
        for suite in bench.SUITES:
            rows = bench.json_rows(bench.rows({"null_call": (59, "instructions")}, suite))
            self.assertEqual([row["row"] for row in rows], list(bench.table_of("peers.toml")[suite]))
            self.assertEqual({tuple(row) for row in rows}, {("row", "value", "unit", "limit", "linux", "paper")})
        null = bench.json_rows(bench.rows({"null_call": (59, "instructions")}, "kernel"))[0]
        self.assertEqual((null["row"], null["value"], null["unit"], null["linux"], null["paper"]), ("null_call", 59, "instructions", 295, 40))

    def test_limits_and_peers_name_the_same_rows(self):
        limits, peers = bench.table_of("limits.toml"), bench.table_of("peers.toml")
        for suite in bench.SUITES:
            self.assertLessEqual(set(limits[suite]), set(peers[suite]))


class Panics(unittest.TestCase):
    class Known(symbol.Names):
        def look_up(self, address):
            return {0xffffffff80101234: "call_null (call.c:12)"}.get(address)

    def test_addresses_get_names_after_a_panic_only(self):
        names = self.Known(None)
        line = "  at ffffffff80101234"
        self.assertEqual(names.beside(line), line)
        names.beside("panic: general protection fault")
        self.assertEqual(names.beside(line), line + "  call_null (call.c:12)")
        self.assertEqual(names.beside("  at ffffffff80999999"), "  at ffffffff80999999")

    def test_backtrace_names_the_calls(self):
        self.assertIn("call_null", self.Known(None).beside("panic: caller ffffffff80101235"))
        line = "panic: backtrace ffffffff80101235 ffffffff80999999"
        self.assertEqual(self.Known(None).beside(line), line + "\n    call_null (call.c:12)\n    ffffffff80999999")
