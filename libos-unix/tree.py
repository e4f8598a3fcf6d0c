"""A root file system for libos-unix as a cpio archive (newc, by the standard tool), from what Debian installed and what the build made.

tree.py OUTPUT BUSYBOX CASES [FILE ...]: /bin/busybox with a link for each applet, /etc and other folders, each FILE in /test. CASES has
shell scripts below lines `== NAME`: each becomes /test/cases/NAME.sh.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDERS = ("bin", "etc", "root", "tmp", "test", "usr", "var")


def busybox_put(root, busybox):
    shutil.copy(busybox, root / "bin/busybox")
    (root / "bin/busybox").chmod(0o755)
    for applet in subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True).stdout.split():
        if applet != "busybox":
            (root / "bin" / applet).symlink_to("busybox")


def file_put(root, source):
    target = root / "test" / source.name
    shutil.copy(source, target)
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def texts_put(root):
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    (root / "etc/motd").write_text("Welcome to Unix in a library.\n")


def cases_of(text):
    """[(name, script)] of a file of cases."""
    return [tuple(part.split("\n", 1)) for part in re.split("^== ", text, flags=re.MULTILINE)[1:]]


def cases_put(root, text):
    (root / "test/cases").mkdir()
    for name, script in cases_of(text):
        (root / f"test/cases/{name}.sh").write_text(script)


def archive(root, target):
    """The same tree gives the same bytes."""
    names = sorted(path.relative_to(root) for path in root.rglob("*"))
    for name in names:
        os.utime(root / name, (0, 0), follow_symlinks=False)
    with open(target, "wb") as out:
        subprocess.run(["cpio", "--create", "--format=newc", "--owner=+0:+0", "--reproducible", "--quiet"], cwd=root,
                       input="".join(f"{name}\n" for name in names).encode(), stdout=out, check=True)


def main(target, busybox, cases, *files):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for name in FOLDERS:
            (root / name).mkdir()
        busybox_put(root, busybox)
        texts_put(root)
        cases_put(root, Path(cases).read_text())
        for file in files:
            file_put(root, Path(file))
        archive(root, Path(target))


if __name__ == "__main__":
    main(*sys.argv[1:])
