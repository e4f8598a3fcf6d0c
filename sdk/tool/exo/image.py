"""System images: the boot module (root, then an archive with `system` and the programs), and GRUB discs of them."""
import subprocess
import sys

from . import archive, elf, manifest, place
from .trouble import Trouble

GRUB_FOLDER = "/usr/lib/grub/i386-pc"  # the BIOS part; others would need more packages
DISC_SECONDS = 60
GRUB_MENU = """\
serial --unit=0 --speed=115200
terminal_output serial
set timeout=0
menuentry exo {
    multiboot2 /boot/kernel.elf
    module2 /boot/system.img
    boot
}
"""


def find_file(build, system, environment, key):
    """What the key names: in the build folder, else beside the manifest."""
    name = getattr(environment, key)
    for folder in (build, system.path.parent):
        if (folder / name).is_file():
            return folder / name
    line = system.lines.of("environment", environment.index, key)
    what = {"image": "program"}.get(key, key)
    raise Trouble(f'{system.path}:{line}: {environment.name}: no {what} "{name}" in '
                  f"{place.shown(build)} or {place.shown(system.path.parent)}: correct its path, or build it first")


def find_program(build, system, environment):
    return find_file(build, system, environment, "image")


def programs(build, system, warn):
    """({name in the module: contents}, the name of each environment's program)."""
    names, contents = {}, {}
    for environment in system.environments:
        path = find_program(build, system, environment)
        if path not in names:
            name = path.name if path.name not in contents else f"{len(names)}-{path.name}"
            names[path], contents[name] = name, path.read_bytes()
            if warn:
                warn_if_bad(path, contents[name], environment)
    return contents, [names[find_program(build, system, environment)] for environment in system.environments]


def archives(build, system):
    """The same of their archives; None for an environment without one."""
    paths = [environment.archive and find_file(build, system, environment, "archive")
             for environment in system.environments]
    names = {path: f"archive-{number}" for number, path in enumerate(dict.fromkeys(filter(None, paths)))}
    return {name: path.read_bytes() for path, name in names.items()}, [names.get(path) for path in paths]


def warn_if_bad(path, contents, environment):
    try:
        elf.check(contents, place.abi_version())
    except elf.BadImage as error:
        print(f"exo: warning: {environment.name}: {place.shown(path)} {error}; the root will refuse it",
              file=sys.stderr)


def pack(build, system, target, warn=False):
    """Write the boot module of a manifest to `target`; with `warn`, say which programs the root will refuse."""
    contents, names = programs(build, system, warn)
    kept, kept_names = archives(build, system)
    files = {"system": manifest.compiled(system, names, kept_names).encode()} | contents
    module = archive.pad(place.root(build).read_bytes(), manifest.FRAME) + archive.archive(files, kept)
    check_room(system, len(module))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(module)
    return target


def check_room(system, size):
    """The machine must hold the programs beside what the environments may take."""
    taken = sum(environment.memory for environment in system.environments)
    most = manifest.available(system.machine["memory"])
    if taken + size > most:
        line = system.lines.of("machine", 0, "memory")
        raise Trouble(f"{system.path}:{line}: the programs' {(size >> 20) + 1}M and the environments' {taken >> 20}M are more than "
                      f"the {most >> 20}M that the machine has to give: give it more memory, or take less")


def make_disc(build, module, target):
    """A GRUB disc that boots the kernel by multiboot2 with this module."""
    boot = target.with_suffix(".d") / "boot"
    (boot / "grub").mkdir(parents=True, exist_ok=True)
    (boot / "kernel.elf").write_bytes(place.kernel(build).read_bytes())
    (boot / "system.img").write_bytes(module.read_bytes())
    (boot / "grub/grub.cfg").write_text(GRUB_MENU)
    line = ["grub-mkrescue", "-d", GRUB_FOLDER, "-o", str(target), str(boot.parent)]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=DISC_SECONDS)
    except subprocess.TimeoutExpired:
        raise Trouble(f"grub-mkrescue made no disc within {DISC_SECONDS} s") from None
    if done.returncode:
        raise Trouble(*done.stderr.splitlines()[-5:], "grub-mkrescue could not make the disc")
    return target
