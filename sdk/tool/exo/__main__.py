"""The command line of exo: one subcommand each for building, running, testing, measuring and mending."""
import argparse
import os
import sys

from . import bench, build, database, manifest, package, program, run, suites, test
from .trouble import Trouble

INTERRUPTED, NO_READER = 130, 141  # as a shell says that a signal ended a command


def positive(text):
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f'"{text}" is no number from 1')
    return int(text)


def size(text):
    if manifest.size_of(text) is None:
        raise argparse.ArgumentTypeError(f'"{text}" is no size: write it like 512M')
    return text


def add_common(parser):
    parser.add_argument("-v", "--verbose", action="store_true", help="print the commands that are run")
    parser.add_argument("--build", metavar="FOLDER", help="the build folder (default: build, beside exo)")


def add_system(parser):
    parser.add_argument("system", metavar="SYSTEM.toml", help="the manifest of the system, or a static Linux program of this computer, whose arguments follow --")
    parser.add_argument("--cpus", type=positive, metavar="N", help="processors, 1 to 8 (before the manifest's)")
    parser.add_argument("--memory", type=size, metavar="M", help="RAM, such as 512M (before the manifest's)")
    parser.add_argument("--timeout", type=positive, metavar="S", help="seconds until it is ended by force")
    parser.add_argument("--forward", action="append", metavar="'KIND HERE:THERE'", help="a port that leads into it (instead of the manifest's)")
    parser.add_argument("--disk", action="append", metavar="FILE", help="a disk's image, or a size (instead of the manifest's disks)")
    parser.add_argument("--machine", choices=manifest.MACHINES, help="the machine QEMU emulates")


def arguments():
    parser = argparse.ArgumentParser(prog="exo", description=sys.modules["exo"].__doc__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name, function, help_text):
        sub = commands.add_parser(name, help=help_text, description=help_text)
        sub.set_defaults(function=function)
        add_common(sub)
        return sub

    command("build", build.command_build, "build the kernel, the root, the libOSes and the examples")
    add_system(command("run", run.command_run, "boot a system in QEMU; its exit status becomes the command's"))
    sub = command("test", test.command_test, "run the tests; ends with `N passed, N failed`")
    sub.add_argument("suites", nargs="*", metavar="SUITE", help=f"of {', '.join(suites.SUITES)}; default: all")
    sub.add_argument("--long", action="store_true", help="explore, walk and fuzz for longer")
    sub.add_argument("--only", action="append", default=[], metavar="NAME", help="just the program or system of this name, as the report names it")
    sub = command("bench", bench.command_bench, "measure in counted instructions, compare with the limits")
    sub.add_argument("suite", nargs="?", default="kernel", choices=bench.SUITES, help="what to measure (kernel)")
    sub.add_argument("--json", action="store_true", help="print a JSON list of rows instead of the table")
    command("doctor", package.doctor, "what is missing on this computer, and the line that mends it")
    sub = command("code", program.command_code, "take a program for the kernel out of an object of clang -target bpf, as a C header")
    sub.add_argument("object", metavar="OBJECT.o")
    sub.add_argument("--function", metavar="NAME", dest="name", help="which one, if the object has several")
    sub.add_argument("--output", metavar="HEADER.h", help="the file to write (default: print)")
    sub = command("database", database.command_database, "write the SQLite database on a disk's image to a file")
    sub.add_argument("image", metavar="IMAGE")
    sub.add_argument("target", metavar="FILE")
    sub.add_argument("--first", type=int, default=0, metavar="BLOCK", help="where its extent begins on the disk (0)")
    add_system(command("debug", run.command_debug, "boot a system halted, with gdb attached"))
    own, words = split_words(sys.argv[1:])
    args = parser.parse_args(own)
    args.words = words
    if words and args.command not in ("run", "debug"):
        parser.error(f"{args.command} takes no words after --")
    return args


def split_words(line):
    """What is exo's, and what stands behind -- for the program that it runs."""
    at = line.index("--") if "--" in line else len(line)
    return line[:at], line[at + 1:]


def main():
    args = arguments()
    try:
        status = args.function(args)
        sys.stdout.flush()
        return status
    except Trouble as trouble:
        for line in trouble.lines:
            print(f"exo: {line}", file=sys.stderr)
        return trouble.status
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output has gone, and wants no more of it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except OSError as error:
        print(f"exo: {error.filename or 'a file'}: {error.strerror}: see to it and try again", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
