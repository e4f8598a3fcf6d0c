"""fetch.py OUTPUT_FOLDER WORK_FOLDER: liblmdb.a and lmdb.h of Debian's liblmdb-dev, which apt fetches and checks; nothing is installed."""
import pathlib
import shutil
import subprocess
import sys

FILES = ("usr/lib/x86_64-linux-gnu/liblmdb.a", "usr/include/lmdb.h")


def run(*command, folder):
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode:
        sys.exit(f"LMDB is not to be had: {' '.join(command[:3])} failed: {(done.stdout.strip().splitlines() or ['no word'])[-1]}")


def main(output, work):
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    run("apt-get", "download", "liblmdb-dev", folder=work)
    run("dpkg", "-x", next(work.glob("*.deb")).name, "tree", folder=work)
    for name in FILES:
        shutil.copyfile(work / "tree" / name, output / pathlib.Path(name).name)
    shutil.rmtree(work)


main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
