"""exo build: configure with Meson once, then build with Ninja and show progress.

Host tests are only configured when somebody asks for them, since they need more packages than a system does.
"""
import json
import os
import re
import subprocess
import sys

from . import package, place
from .trouble import Trouble

STEP = re.compile(r"\[(\d+)/(\d+)\] (.*)")


def configure(build, tests, verbose):
    """Make the build folder, or switch its tests on; never off, so that two subcommands do not fight over it."""
    if not (build / "build.ninja").exists():
        check_folder(build)
        command = ["meson", "setup", str(build), str(place.SOURCE), "--cross-file", str(place.CROSS_FILE),
                   f"-Dtests={'true' if tests else 'false'}"]
    elif tests and not option(build, "tests"):
        command = ["meson", "configure", str(build), "-Dtests=true"]
    else:
        return
    if verbose:
        print("+ " + " ".join(command), flush=True)
    done = subprocess.run(command, capture_output=not verbose, text=True)
    if done.returncode:
        raise Trouble(*(done.stdout or "").splitlines()[-20:], "Meson could not configure the build (all of it above)")


def check_folder(build):
    """A new build folder, or what an interrupted first build left: never somebody's other files."""
    mend = "name a new or empty folder with --build"
    if build.exists() and not build.is_dir():
        raise Trouble(f"{place.shown(build)} is no folder: {mend}")
    if build.is_dir() and any(build.iterdir()) and not (build / "meson-private").is_dir():
        raise Trouble(f"{place.shown(build)} is no build folder and holds other files: {mend}")
    try:
        build.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Trouble(f"{place.shown(build)}: {error.strerror}: {mend}") from None


def option(build, name):
    shown = subprocess.run(["meson", "introspect", str(build), "--buildoptions"], capture_output=True, text=True)
    if shown.returncode:
        raise Trouble(f"{place.shown(build)} is no whole build folder", f"mend: rm -r {place.shown(build)}")
    return next((o["value"] for o in json.loads(shown.stdout) if o["name"] == name), None)


def show_step(done, total, last_shown):
    """A live counter on a terminal, a line every quarter elsewhere; not among what the command prints. Returns what was shown last."""
    if done == 0:
        return last_shown
    if sys.stderr.isatty():
        print(f"\rexo: building {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done == total or done * 4 // total > last_shown:
        print(f"exo: building {done}/{total}", file=sys.stderr, flush=True)
    return done * 4 // total


def ninja(build, verbose, *targets):
    """Build the targets, or all that is built by default."""
    environment = {key: value for key, value in os.environ.items() if key != "NINJA_STATUS"}
    command = ["ninja", "-C", str(build), *(["-v"] if verbose else []), *targets]
    shown, complaints = -1, []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", env=environment) as process:
        for line in process.stdout:
            step = STEP.match(line)
            if verbose:
                print(line, end="", flush=True)
            elif step:
                shown = show_step(int(step[1]), int(step[2]), shown)
            elif not line.startswith("ninja: ") or "error" in line:
                complaints.append(line)
    if process.returncode:
        sys.stderr.writelines(complaints[-200:])
        raise Trouble("the build failed: see above")


def build_all(args, tests=False):
    """Everything that subcommands rely on; returns the build folder."""
    package.require(package.TEST if tests else package.BUILD)
    build = place.build_folder(args)
    configure(build, tests, args.verbose)
    ninja(build, args.verbose and args.command == "build")
    return build


def command_build(args):
    build = build_all(args)
    print(f"exo: built {place.shown(place.kernel(build))}")
    return 0
