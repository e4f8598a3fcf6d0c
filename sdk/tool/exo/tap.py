"""Results of test programs: the Test Anything Protocol as Check and our own programs print it."""
import re
from dataclasses import dataclass, field

RESULT = re.compile(r"(not )?ok\b\s*\d*\s*(?:-\s*)?(.*)")
PLAN = re.compile(r"1\.\.(\d+)")
TAIL = 30


@dataclass
class Case:
    name: str
    passed: bool
    skipped: bool = False
    notes: list = field(default_factory=list)


def parse(output):
    """The cases in a program's output, and the number that its plan announced (or None)."""
    cases, plan = [], None
    for line in output.splitlines():
        result, planned = RESULT.match(line), PLAN.match(line)
        if result:
            skipped = bool(re.search(r"# *skip", result[2], re.IGNORECASE))
            cases.append(Case(result[2].strip(), not result[1], skipped))
        elif planned:
            plan = int(planned[1])
        elif cases and not cases[-1].passed and line:
            cases[-1].notes.append(line)
    return cases, plan


def judge(name, output, status, ended=""):
    """The cases of a whole run: also what TAP does not say (a crash, a time limit, cases that never came)."""
    cases, plan = parse(output)
    tail = output.splitlines()[-TAIL:]
    if ended:
        return cases + [Case(f"{name}: {ended}", False, notes=tail)]
    if status and all(case.passed for case in cases):
        return cases + [Case(f"{name}: ends with status {status}", False, notes=tail)]
    if plan is not None and plan != len(cases):
        return cases + [Case(f"{name}: {plan} cases planned, {len(cases)} came", False, notes=tail)]
    if not cases:
        return [Case(name, True, skipped=plan == 0)]
    return cases
