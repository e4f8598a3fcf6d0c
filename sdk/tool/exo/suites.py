"""The suites of `exo test`, in the order in which they are reported.

The contract of a test program: registered in Meson as `test(NAME, PROGRAM, suite: SUITE, timeout: SECONDS)`, prints TAP
(`ok 1 - name`, `not ok 2 - name` with `# diagnostics` below; Check does so by itself) and exits with 0 when all is
well. One that prints no TAP is one case, judged by its exit status. With --long the environment has EXO_LONG=1. Programs
that need all processors, or exact times, say `is_parallel: false`.

Systems: each manifest below with a [test] table is run in QEMU in every combination that the table names.
"""

SUITES = {
    "tool": "the exo command: manifests and their mistakes, images, reports",
    "abi": "the promises of the ABI, and that every public header compiles alone",
    "unit": "the kernel's modules on this computer, with sanitizers",
    "code": "downloaded code: the verifier and the compiler against the interpreter, programs in C",
    "explorer": "calls with every argument in small machines, long random walks, and that both find seeded faults",
    "prove": "the call handlers as compiled, by an SMT solver; what is not proved yet is skipped with its reason",
    "fuzz": "random and mutated sequences of calls",
    "system": "whole systems in QEMU",
    "linux": "cases of the shell on Linux 6.1 and on libos-unix in the same QEMU, outputs compared",
    "bench": "the limits in bench/limits.toml",
}

SYSTEMS = ("tests/system/*.toml", "tests/system/*/*.toml", "examples/*/system.toml",
           "sdk/template/system.toml", "libos-*/system.toml")
