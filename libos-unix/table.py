"""The table of system calls in README.md, from process/call_list.h: `table.py` prints it, `table.py --write` puts it into README.md,
`table.py --check` fails when README.md has another."""
import re
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
LINE = re.compile(r'(FULL|PARTIAL|NONE)\((\d+), (\w+),(?: \w+,)? "(.*)"\)')
START = "| number | call | | |"


def table():
    rows = [START, "| --- | --- | --- | --- |"]
    for line in (FOLDER / "process/call_list.h").read_text().splitlines():
        match = LINE.fullmatch(line)
        if match:
            rows.append(f"| {match[2]} | {match[3]} | {match[1].lower()} | {match[4]} |")
        elif re.match(r"[A-Z]", line):
            sys.exit(f"call_list.h: not understood: {line}")
    return "\n".join(rows) + "\n"


def main(option=None):
    readme = FOLDER / "README.md"
    before, _, old = readme.read_text().partition(START)
    if option == "--write":
        readme.write_text(before + table())
    elif option == "--check" and START + old != table():
        sys.exit("libos-unix/README.md: the table of system calls is old: /usr/bin/python3 libos-unix/table.py --write")
    elif not option:
        print(table(), end="")


if __name__ == "__main__":
    main(*sys.argv[1:])
