"""How wide each argument of each call is, as a C header for tests.  usage: argument.py exo.toml"""
import sys
import tomllib

BYTES = {"u8": 1, "u16": 2, "u32": 4, "u64": 8}


def header(calls):
    subjects = sum(1 << call["number"] for call in calls if call.get("subject"))
    out = ["#pragma once", "#include <exo/abi.h>", "", f"#define CALLS_WITH_SUBJECT {subjects:#x}ull /* bit n: call n may have one */", "",
           "enum { ARGUMENTS = 6 };", "", "/* Bytes of each argument; 0 behind the last. */",
           "static const uint8_t argument_bytes[EXO_CALL_COUNT][ARGUMENTS] = {"]
    out += [f"    {{{', '.join(str(BYTES[kind]) for kind, _, _ in call.get('args', [])) or '0'}}}, /* {call['name']} */" for call in calls]
    return "\n".join(out + ["};"])


if __name__ == "__main__":
    with open(sys.argv[1], "rb") as file:
        print(header(tomllib.load(file)["call"]))
