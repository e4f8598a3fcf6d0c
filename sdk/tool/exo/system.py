"""The suite `system`: manifests with a [test] table, each combination of machine, processors and memory one case."""
import itertools
import re
import time

from . import disk, image, judge, machine, manifest, network, place, protection, tap
from .suites import SYSTEMS
from .trouble import Trouble

MACHINE = re.compile(r"^\W*root\| (\d+) processors, (\d+) frames, ", re.MULTILINE)  # behind what GRUB leaves on the line
LOST_MOST = 1 << 20  # at the end of memory, to firmware


def manifests():
    found = [path for pattern in SYSTEMS for path in sorted(place.SOURCE.glob(pattern))]
    return [path for path in found if manifest.read(path).test_given]


def name_of(path):
    return path.parent.name if path.stem == "system" else path.stem


def run_all(report, build, verbose, names=None):
    """All systems, or those of these names."""
    paths = manifests()
    if not paths:
        raise Trouble(f"no manifest with a [test] table in {', '.join(SYSTEMS)}")
    for path in paths:
        if names is not None and name_of(path) not in names:
            continue
        started = time.monotonic()
        cases = [run_case(build, path, *combination, verbose) for combination in combinations(path)]
        report.add("system", name_of(path), cases, time.monotonic() - started)
    if names is None:
        report.add("system", "panic", [panic_case(build)], 0)
        report.add("system", "protection", [protection_case(build)], 0)


def panic_case(build):
    """A module that holds no root makes the kernel panic: with names beside its addresses, and an end."""
    module = build / "systems/test-panic.img"
    module.write_bytes(bytes(8192))
    plain = {"machine": "q35", "memory": 64 << 20, "processors": 2}
    outcome = machine.run(machine.command(plain, place.kernel(build), module), 10, False, place.kernel(build))
    wanted = {"status": machine.PANICKED, "expect": [r"^panic: \S", r"^panic: backtrace.*\n +\w+ \(\w+\.[cS]:\d+\)"],
              "refuse": []}
    problems = complaints(wanted, outcome)
    return tap.Case("a panic names its calls and ends the machine", not problems,
                    notes=problems and problems + outcome.output.splitlines())


def protection_case(build):
    wrong = protection.complaints(build)
    return tap.Case("processors and page tables are set to protect", not wrong, notes=wrong)


def combinations(path):
    test = manifest.read(path).test
    return itertools.product(test["machines"], test["processors"], test["memory"] or [None])


def run_case(build, path, kind, processors, memory, verbose):
    """Boot one combination and compare what came with what the manifest expects."""
    name = name_of(path)
    size = manifest.size_of(memory) if memory else None
    try:
        system = manifest.read(path, processors, size, "q35" if kind == "iso" else kind)
        line = command(build, system, name, kind)
    except Trouble as trouble:
        return tap.Case(f"{name}: cannot be run", False, notes=list(trouble.lines))
    if verbose:
        machine.print_command(line)
    client = network.Client(system)
    outcome = machine.run(line, system.machine["timeout"], show=False, kernel=place.kernel(build))
    said, trouble = client.end()
    outcome.output += "\n" + said
    outcome.reason = outcome.reason or trouble or ""
    title = f"{name} on {kind}, {processors} processor{'s' * (processors != 1)}" + (f", {memory}" if memory else "")
    problems = complaints(system.test, outcome) or machine_complaints(system.machine, outcome.output)
    if not problems:
        said, wrong = judge.judged(build, system, f"test-{name}", outcome.output)
        outcome.output += "\n" + said
        problems = [wrong] if wrong else []
    notes = problems and problems + ["the end of its output:", *outcome.output.splitlines()[-40:],
                                     f"again: {' '.join(line)}"]
    return tap.Case(title, not problems, notes=notes)


def command(build, system, name, kind):
    module = image.pack(build, system, build / "systems" / f"test-{name}.img")
    disc = image.make_disc(build, module, build / "systems" / f"test-{name}.iso") if kind == "iso" else None
    return machine.command(system.machine, place.kernel(build), module, system.test["counted"], disc,
                           devices=disk.attached(build, system, f"test-{name}") + network.attached(system))


def machine_complaints(asked, output):
    """Whether the kernel uses the machine that was asked for: all its processors, and memory up to its end."""
    said = MACHINE.search(output)
    if not said:
        return ["the root did not tell of the machine"]
    found = [f"{said[1]} processors instead of {asked['processors']}"] if int(said[1]) != asked["processors"] else []
    end = int(said[2]) * manifest.FRAME
    return found + ([f"memory ends at {end >> 20} MiB"] if end < asked["memory"] - LOST_MOST else [])


def complaints(test, outcome):
    """What the run lacks of what its [test] table asks for."""
    found = [outcome.reason] if outcome.reason else []
    if not outcome.reason and outcome.status != test["status"]:
        found.append(f"exit status {outcome.status} instead of {test['status']}")
    found += [f"not in the output: {pattern}" for pattern in test["expect"]
              if not re.search(pattern, outcome.output, re.MULTILINE)]
    found += [f"in the output: {pattern}" for pattern in test["refuse"]
              if re.search(pattern, outcome.output, re.MULTILINE)]
    return found
