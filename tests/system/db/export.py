"""The database that the system left on its disk, as this computer's SQLite sees it."""
import contextlib
import sqlite3
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "sdk/tool"))
from exo import database  # noqa: E402

build, name = sys.argv[1:3]
with tempfile.TemporaryDirectory() as folder:
    file = Path(folder) / "exported"
    database.export(Path(build) / "systems" / f"{name}-disk0.img", 0, file)
    with contextlib.closing(sqlite3.connect(file)) as db:
        checked = db.execute("PRAGMA integrity_check").fetchall()
        count, total = db.execute("SELECT count(*), sum(length(text)) FROM word").fetchone()
    print(f"export: integrity_check {checked[0][0]}, {count} words of {total} letters")
    sys.exit(checked != [("ok",)] or (count, total) != (103, 1621))
