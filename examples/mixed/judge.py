"""Compares what the mixed system printed with what this computer makes of the same input.  usage: judge.py BUILD NAME < OUTPUT"""
import collections
import contextlib
import hashlib
import re
import sqlite3
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "sdk/tool"))
from exo import database  # noqa: E402

WORDS = Path("/usr/share/dict/american-english")
TEXTS = Path("/usr/share/common-licenses")


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


def database_results(exported):
    """What words.sql prints: from the same words, and of its notes from the database as the system left it on its disk."""
    words = WORDS.read_bytes().splitlines()
    letters = collections.Counter(word[:1].decode() for word in words if b"q" <= word < b"t")
    with contextlib.closing(sqlite3.connect(exported)) as kept_database:
        noted = kept_database.execute("SELECT count(*), sum(word) FROM noted").fetchone()
        kept = [text.encode() for text, in kept_database.execute("SELECT text FROM word ORDER BY number")]
        checked = kept_database.execute("PRAGMA integrity_check").fetchone()[0]
    print(f"judge: the database on the disk: integrity_check {checked}, {len(kept)} words, {noted[0]} notes")
    return {
        "words": f"{len(words)} {sum(map(len, words))}",
        "beginning": "; ".join(f"{letter} {count}" for letter, count in sorted(letters.items())),
        "longest": max(words, key=len).decode(),
        "place": str(words.index(b"exotic") + 1),
        "noted": f"{noted[0]} {noted[1]}",
    }, checked == "ok" and kept == words


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


FACTS = (
    ("control", r"control\| control: period (\d+) us, (\d+) releases, (\d+) missed, latency min \d+ avg (\d+) max (\d+) ns",
     "{1} releases, one each {0} us, {2} missed; from the release to the task {3} ns, at most {4} ns"),
    ("unix", r"unix\| (\d+) processes made", "{0} processes"),
    ("unix", r"unix\| system calls: (\d+) through the kernel, (\d+) from rewritten sites", "system calls: {0} through the kernel, {1} without it"),
    ("db", r"db\| (\d+) transactions in (\d+) ms", "{0} durable commits in {1} ms"),
    ("db", r"db\| upcalls: (\d+) page faults, (\d+) events", "upcalls: {0} page faults, {1} events"),
    ("hostile", r"hostile\| tried (\d+) ways (.*)", "{0} ways {1}"),
    ("hostile", r"hostile\| attacked (\d+) times in (\d+) rounds, (.*)", "{0} times in all: {2}"),
    ("revoked", r"root\| loan of (\d+) frames: (\w+) had taken \d+ of them and gave (\d+) in (\d+) us, (\d+) were taken by force; now (\w+) has it",
     "{1} gave the {2} of {0} frames that it had in {3} us, {4} by force; then {5} had them"),
    ("machine", r"root\| (processor \d+: .*)", "{0}"),
)


def facts_print(output):
    """What each did, at a glance."""
    for name, pattern, sentence in FACTS:
        for match in re.finditer("^" + pattern, output, re.MULTILINE):
            print(f"judge: {name:<8} {sentence.format(*match.groups())}")


def texts_named():
    script = Path(__file__).with_name("words.sh").read_text()
    return re.search(r"^texts='(.*)'$", script, re.MULTILINE)[1].split()


def main():
    output = sys.stdin.read()
    build, name = sys.argv[1:3]
    facts_print(output)
    wrong = compare("unix", results_in(output, "unix"), unix_results(texts_named()))
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "words.sqlite"
        database.export(Path(build) / "systems" / f"{name}-disk0.img", 0, exported)
        wanted, is_whole = database_results(exported)
    wrong += compare("db", results_in(output, "db"), wanted)
    return 1 if wrong or not is_whole else 0


if __name__ == "__main__":
    sys.exit(main())
