"""fetch.py OUTPUT_FOLDER WORK_FOLDER: the amalgamation of SQLite (sqlite3.c, sqlite3.h), made of Debian's source package.

apt fetches and checks the package, by the mirrors that this computer already uses for Debian; nothing of apt's own state is changed.
"""
import pathlib
import shutil
import subprocess
import sys

MEND = ("mend: let this computer reach its Debian mirror once; or put a sqlite3.c and a sqlite3.h of your own into a folder and configure "
        "with -Dsqlite_source=FOLDER")


def run(command, folder):
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode:
        print("\n".join(done.stdout.splitlines()[-20:]), file=sys.stderr)
        sys.exit(f"SQLite's source is not to be had: {' '.join(command[:6])} failed with {done.returncode} (its last lines above)\n{MEND}")
    return done.stdout


def source_lines():
    """The lines of a sources list that name Debian's sources where this computer has Debian's packages from."""
    where = run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages",
                 "Origin: Debian"], ".")
    lines = sorted({f"deb-src {line}" for line in where.splitlines() if line.strip()})
    if not lines:
        sys.exit(f"SQLite's source is not to be had: apt knows no mirror of Debian (apt-get update?)\n{MEND}")
    return "\n".join(lines) + "\n"


def fetch(work):
    """The package's folder below `work`, unpacked with what Debian mended."""
    for folder in ("lists", "cache/archives"):
        (work / folder / "partial").mkdir(parents=True)
    (work / "sources.list").write_text(source_lines())
    apt = ["apt-get", "-o", f"Dir::Etc::sourcelist={work / 'sources.list'}", "-o", "Dir::Etc::sourceparts=-",
           "-o", f"Dir::State::lists={work / 'lists'}", "-o", f"Dir::Cache={work / 'cache'}", "-o", "APT::Sandbox::User=root"]
    run([*apt, "update"], work)
    run([*apt, "source", "--download-only", "sqlite3"], work)
    run(["dpkg-source", "--no-check", "-x", next(work.glob("*.dsc")).name, "unpacked"], work)
    return work / "unpacked"


def main(output, work):
    work = work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    source = fetch(work)
    run(["./configure", "--disable-tcl", "--disable-readline"], source)
    run(["make", "sqlite3.c"], source)
    for name in ("sqlite3.c", "sqlite3.h"):
        shutil.copyfile(source / name, output / name)
    shutil.rmtree(work)


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
