"""pack.py OUTPUT FILE ...: the files in a cpio archive (newc), by their names."""
import subprocess
import sys
import tempfile
from pathlib import Path


def main(output, *files):
    names = [Path(file).name for file in files]
    with tempfile.TemporaryDirectory() as folder, open(output, "wb") as out:
        for file, name in zip(files, names):
            (Path(folder) / name).write_bytes(Path(file).read_bytes())
        subprocess.run(["cpio", "--create", "--format=newc", "--owner=+0:+0", "--reproducible", "--quiet"], cwd=folder,
                       input="".join(f"{name}\n" for name in names).encode(), stdout=out, check=True)


main(*sys.argv[1:])
