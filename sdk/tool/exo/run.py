"""exo run: build, pack, boot, and a verdict; exo debug: the same, halted under gdb."""
import subprocess
from pathlib import Path

from . import build as builder
from . import command, disk, image, judge, machine, manifest, network, package, place
from .trouble import Trouble


def prepared(args):
    """(build folder, manifest, packed module, devices) of the system named on the command line."""
    memory = manifest.size_of(args.memory) if args.memory else None
    if command.is_wanted(args.system):
        args.system = str(command.prepare(builder.build_all(args), args.system, args.words, args.cpus or 1,
                                          machine.has_terminal()))
    elif args.words:
        raise Trouble(f"{args.words[0]}: words after a manifest: what its programs are told stands in it", status=2)
    system = manifest.read(args.system, args.cpus, memory, args.machine, args.timeout, args.disk,
                           args.forward)
    build = builder.build_all(args)
    name = name_of(args)
    module = image.pack(build, system, build / "systems" / f"{name}.img", warn=True)
    return build, system, module, disk.attached(build, system, name) + network.attached(system)


def command_run(args):
    package.require(package.RUN)
    build, system, module, devices = prepared(args)
    line = machine.command(system.machine, place.kernel(build), module, devices=devices)
    if args.verbose:
        machine.print_command(line)
    print(f"exo: {args.system} on {machine.described(system.machine)}", flush=True)
    for text in system.machine["forward"]:
        print(f"exo: {text}: from this computer's port to the machine's", flush=True)
    if system.test["client"]:
        print(f"exo: meanwhile, in another terminal: {' '.join(network.client_line('python3', system))}", flush=True)
    if any(environment.terminal for environment in system.environments) and machine.has_terminal():
        limit = args.timeout and f"for at most {args.timeout} s" or "without a time limit"
        print(f"exo: this terminal is the machine's, {limit}; Ctrl-A X ends it", flush=True)
        outcome = machine.run_at_terminal(line, args.timeout)
    else:
        outcome = machine.run(line, system.machine["timeout"], kernel=place.kernel(build))
    problem = None
    if outcome.status == 0:
        said, problem = judge.judged(build, system, name_of(args), outcome.output)
        print(said, end="")
    print(verdict(outcome, system, problem))
    return outcome.status or (1 if problem else 0)


def name_of(args):
    return Path(args.system).resolve().parent.name


def verdict(outcome, system, problem=None):
    if problem:
        return f"exo: FAILED, {problem} (after {outcome.seconds:.1f} s)"
    waited = sum(environment.wait for environment in system.environments)
    if outcome.status == 0:
        return f"exo: ok, {waited} environment{'s' * (waited != 1)} ended well in {outcome.seconds:.1f} s"
    reason = outcome.reason or f"the system ended with status {outcome.status}"
    if outcome.status == machine.PANICKED:
        reason = "the kernel panicked"
    return f"exo: FAILED, {reason} (after {outcome.seconds:.1f} s)"


def command_debug(args):
    """QEMU waits at its first instruction; gdb connects over a unix socket and knows all symbols."""
    package.require(package.DEBUG)
    build, system, module, devices = prepared(args)
    socket, log = build / "gdb.sock", build / "debug.log"
    socket.unlink(missing_ok=True)
    line = machine.command(system.machine, place.kernel(build), module, devices=devices, extra=[
        "-S", "-chardev", f"socket,path={socket},server=on,wait=off,id=gdb", "-gdb", "chardev:gdb"])
    line[line.index("stdio")] = f"file:{log}"
    if args.verbose:
        machine.print_command(line)
    print(f"exo: the console goes to {place.shown(log)}; all libOSes are linked at the same addresses", flush=True)
    with subprocess.Popen(line, stdin=subprocess.DEVNULL) as process:
        try:
            wait_for(socket, process)
            return subprocess.run(gdb_command(build, system, socket)).returncode
        finally:
            process.kill()


def wait_for(socket, process):
    while not socket.exists() and process.poll() is None:
        try:
            process.wait(0.05)
        except subprocess.TimeoutExpired:
            pass


def gdb_command(build, system, socket):
    files = {place.root(build): None}
    files |= {image.find_program(build, system, environment): None for environment in system.environments}
    line = ["gdb", "-q", str(place.kernel(build)), "-ex", "set confirm off"]
    for path in files:
        line += ["-ex", f"add-symbol-file {path}"]
    return line + ["-ex", f"target remote {socket}"]
