"""The database that the system left on its disk, as this computer's SQLite sees it."""
import contextlib
import sqlite3
import sys
import tempfile
from pathlib import Path

from exo import database

with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "exported"
    database.export(sys.argv[1], 0, file)
    with contextlib.closing(sqlite3.connect(file)) as db:
        checked = db.execute("PRAGMA integrity_check").fetchall()
        count, total = db.execute("SELECT count(*), sum(length(text)) FROM word").fetchone()
    assert checked == [("ok",)], checked
    assert (count, total) == (103, 1621), (count, total)
