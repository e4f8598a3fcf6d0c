"""Compares what the mixed system printed with what this computer makes of the same input.  usage: judge.py BUILD NAME < OUTPUT"""
import collections
import hashlib
import re
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

WORDS = Path("/usr/share/dict/american-english")
TEXTS = Path("/usr/share/common-licenses")
COMMAND = Path(__file__).resolve().parents[2] / "exo"


def md5(data):
    return f"{hashlib.md5(data).hexdigest()}  -"


def unix_results(names):
    """What words.sh prints, from the same files."""
    words = WORDS.read_bytes().splitlines()
    texts = [(TEXTS / name).read_bytes() for name in names]
    lengths = collections.Counter(map(len, words))
    used = collections.Counter(re.findall(rb"[a-z]+", b"".join(texts).lower()))
    ranked = sorted(used.items(), key=lambda item: (-item[1], item[0]))
    table = b"".join(b"%7d %s\n" % (times, word) for word, times in ranked)
    return {
        "lines": str(len(words)),
        "capitals": str(sum(word[:1].isupper() for word in words)),
        "longest": max(words, key=len).decode(),
        "lengths": md5(b"".join(b"%d %d\n" % pair for pair in sorted(lengths.items()))),
        "reverse": md5(b"".join(word + b"\n" for word in sorted(words, reverse=True))),
        "used": f"{len(ranked)} {md5(table)}",
        "often": "; ".join(f"{word.decode()} {times}" for word, times in ranked[:3]),
        "unknown": md5(b"".join(word + b"\n" for word in sorted(set(used) - set(words)))),
        "packed": md5(b"".join(texts)),
        "the": str(sum(b"the" in line for text in texts for line in text.splitlines())),
    }


def results_in(output, name):
    """The lines `NAME| result KEY VALUE`, those of one key joined."""
    found = {}
    for key, value in re.findall(rf"^{name}\| result (\S+) (.*)$", output, re.MULTILINE):
        found.setdefault(key, []).append(value.strip())
    return {key: "; ".join(values) for key, values in found.items()}


def compare(who, found, wanted):
    wrong = 0
    for key, value in wanted.items():
        if found.get(key) != value:
            wrong += 1
            print(f"judge: {who}: {key} is {found.get(key, 'missing')!r}, this computer says {value!r}")
    print(f"judge: {who}: {len(wanted) - wrong} of {len(wanted)} results are those of this computer")
    return wrong


def texts_named():
    script = Path(__file__).with_name("words.sh").read_text()
    return re.search(r"^texts='(.*)'$", script, re.MULTILINE)[1].split()


def main():
    output = sys.stdin.read()
    wrong = compare("unix", results_in(output, "unix"), unix_results(texts_named()))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
