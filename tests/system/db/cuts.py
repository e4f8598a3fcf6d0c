"""Cutting the power at every write that QEMU noted (dm-log-writes): the database is opened by this computer's SQLite from each disk that can be left.

The script's transactions are one after the other, so a write behind the last one of transaction K means that K was acknowledged: K must be there
whatever became of the writes since the last flush. What the rows must be is computed here, by running the script.
"""
import contextlib
import io
import random
import re
import sqlite3
import struct
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "sdk/tool"))
from exo import database  # noqa: E402
from exo.trouble import Trouble  # noqa: E402

SECTOR, FLUSH, OTHER = 512, 1, 2 | 4 | 8
SUPER, ENTRY = struct.Struct("<QQQI"), struct.Struct("<QQQQ")
ROWS = "SELECT id, value, length(text) FROM t ORDER BY id"
NONE = -1  # no database, or not its tables yet


def entries(log):
    """(byte, data) of each write; None for a flush."""
    _, version, count, sector = SUPER.unpack_from(log)
    assert version == 1 and sector == SECTOR, (version, sector)
    at = SECTOR
    for _ in range(count):
        where, sectors, flags, _ = ENTRY.unpack_from(log, at)
        at += SECTOR
        assert not flags & OTHER, flags
        if sectors:
            yield where * SECTOR, log[at:at + sectors * SECTOR]
            at += sectors * SECTOR
        if flags & FLUSH:
            yield None


def expected():
    """The rows after each transaction."""
    text = (Path(__file__).parent / "cuts.sql").read_text()
    count, step = re.search(r"^\.repeat (\d+) (.*)$", text, re.MULTILINE).groups()
    db = sqlite3.connect(":memory:")
    db.executescript("\n".join(line for line in text.split(".print")[0].splitlines() if not line.startswith("PRAGMA")))
    found = [db.execute(ROWS).fetchall()]
    for _ in range(int(count)):
        db.execute(step)
        found.append(db.execute(ROWS).fetchall())
    return found


class Judge:
    def __init__(self, folder):
        self.file, self.rows, self.looked = folder / "cut", expected(), 0

    def number(self, disk):
        """The last transaction that a database on this disk has, all of which must be right."""
        self.looked += 1
        try:
            if not database.export_from(io.BytesIO(disk), 0, self.file):
                return NONE
        except Trouble:
            return NONE
        with contextlib.closing(sqlite3.connect(self.file)) as db:
            db.execute("PRAGMA synchronous=OFF")
            if db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'counted'").fetchone()[0] == 0:
                return NONE
            number, = db.execute("SELECT number FROM last").fetchone() or (NONE,)
            assert number == NONE or db.execute(ROWS).fetchall() == self.rows[number], f"wrong rows after {number} transactions"
            checked = db.execute("PRAGMA integrity_check").fetchall()
            assert checked == [("ok",)], checked
        return number


def some_of(stable, writes):
    """The disk with any of the sectors of the writes."""
    disk = bytearray(stable)
    for at, data in writes:
        for offset in range(0, len(data), SECTOR):
            if random.random() < 0.5:
                disk[at + offset:at + offset + SECTOR] = data[offset:offset + SECTOR]
    return disk


def main(build, name):
    random.seed(1)
    image = Path(build) / "systems" / f"{name}-disk0.img"
    stable, pending, last = bytearray(image.stat().st_size), [], NONE
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        judge = Judge(Path(folder))
        whole = bytearray(stable)
        for number, entry in enumerate(entries(image.with_suffix(".log").read_bytes())):
            if entry is None:
                stable, pending = bytearray(whole), []
                continue
            pending.append(entry)
            whole[entry[0]:entry[0] + len(entry[1])] = entry[1]
            now = judge.number(whole)
            for disk in (stable, some_of(stable, pending)):
                found = judge.number(disk)
                assert last <= found <= now, f"cut after entry {number}: {last} transactions were acknowledged, {found} are there"
            last = now
        assert last == len(judge.rows) - 1, last
    assert stable == image.read_bytes(), "the log is not what the disk holds"
    print(f"cuts: {judge.looked} disks, {last} commits: each has all that was acknowledged")


main(*sys.argv[1:3])
