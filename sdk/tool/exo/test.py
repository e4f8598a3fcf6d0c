"""exo test: runs the suites, a line for each program, every failure with its diagnostics, the count at the end."""
import concurrent.futures
import json
import os
import signal
import subprocess
import time

from . import bench, build as builder, oracle, package, system, tap
from .suites import SUITES
from .trouble import Trouble

HEARTBEAT = 60


class Report:
    """Prints results as they come and keeps the count."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, suite, name, cases, seconds):
        bad = [case for case in cases if not case.passed]
        skipped = sum(case.passed and case.skipped for case in cases)
        good = len(cases) - len(bad) - skipped
        self.passed, self.failed, self.skipped = self.passed + good, self.failed + len(bad), self.skipped + skipped
        counts = [f"{good} passed"] + [f"{len(bad)} FAILED"] * bool(bad) + [f"{skipped} skipped"] * bool(skipped)
        print(f"{suite:<9} {name:<36} {', '.join(counts)}  {seconds:.1f} s", flush=True)
        for case in bad:
            notes = [f"        {note[:300]}" for note in case.notes[:60]]
            print(f"    not ok: {case.name}", *notes, sep="\n", flush=True)

    def verdict(self):
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{skipped}", flush=True)
        return 1 if self.failed or not self.passed else 0


def command_test(args):
    chosen = args.suites or list(SUITES)
    unknown = [suite for suite in chosen if suite not in SUITES]
    if unknown:
        raise Trouble(f"no suite {', '.join(unknown)}: there are {', '.join(SUITES)}", status=2)
    package.require(package.TEST)
    report = Report()
    try:
        run_suites(report, args, chosen)
    except Trouble as trouble:
        report.add("exo", "the tests", [tap.Case("could not be run", False, notes=trouble.lines)], 0)
    return report.verdict()


def run_suites(report, args, chosen):
    build = builder.build_all(args, tests=True)
    known = programs(build, chosen)
    if args.only:
        run_named(report, build, known, chosen, args)
        return
    for suite in chosen:
        if suite not in ("system", "linux", "bench") and not any(test["suite"] == suite for test in known):
            report.add(suite, "nothing", [tap.Case("the build registers no test in this suite", False)], 0)
    run_programs(report, known, args.long)
    if "system" in chosen:
        system.run_all(report, build, args.verbose)
    if "linux" in chosen:
        oracle.run_all(report, build, args.verbose)
    if "bench" in chosen:
        started = time.monotonic()
        report.add("bench", "kernel", bench.cases(build), time.monotonic() - started)


def run_named(report, build, known, chosen, args):
    systems = [name for name in map(system.name_of, system.manifests()) if "system" in chosen]
    unknown = set(args.only) - {test["name"] for test in known} - set(systems)
    if unknown:
        raise Trouble(f"no test {', '.join(sorted(unknown))} in {', '.join(chosen)}: the report of a whole suite names them")
    run_programs(report, [test for test in known if test["name"] in args.only], args.long)
    system.run_all(report, build, args.verbose, [name for name in args.only if name in systems])


def programs(build, chosen):
    """The tests that Meson knows in these suites, the longest first."""
    shown = subprocess.run(["meson", "introspect", str(build), "--tests"], capture_output=True, text=True, check=True)
    known = [test | {"suite": test["suite"][0].split(":")[-1], "workdir": test["workdir"] or build}
             for test in json.loads(shown.stdout)]
    return sorted((test for test in known if test["suite"] in chosen), key=lambda test: -test["timeout"])


def run_programs(report, tests, long_run):
    """Side by side, one a processor; then those that want the machine for themselves."""
    together = [test for test in tests if test["is_parallel"]]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        running = {pool.submit(run_program, test, long_run): test for test in together}
        while running:
            done, _ = concurrent.futures.wait(running, HEARTBEAT, concurrent.futures.FIRST_COMPLETED)
            for future in done:
                test = running.pop(future)
                report.add(test["suite"], test["name"], *future.result())
            if not done:
                names = ", ".join(test["name"] for future, test in running.items() if future.running())
                print(f"          ({names}: still running)", flush=True)
    for test in tests:
        if not test["is_parallel"]:
            report.add(test["suite"], test["name"], *run_program(test, long_run))


def run_program(test, long_run):
    """(cases, seconds). The program and all it started end at the time limit."""
    environment = os.environ | test["env"] | {"CK_TAP_LOG_FILE_NAME": "-"} | ({"EXO_LONG": "1"} if long_run else {})
    limit = test["timeout"] * (20 if long_run else 1)
    started, ended = time.monotonic(), ""
    with subprocess.Popen(test["cmd"], cwd=test["workdir"], env=environment, start_new_session=True, text=True,
                          errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT) as process:
        try:
            output, _ = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, ended = process.communicate()[0], f"not finished after {limit} s"
    return tap.judge(test["name"], output, process.returncode, ended), time.monotonic() - started
