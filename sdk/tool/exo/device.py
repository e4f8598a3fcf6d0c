"""virtio devices of the machine that `exo run` makes, on either machine's transport."""
from dataclasses import dataclass

# QEMU's microvm: 24 places of 512 bytes with a line each on the second I/O APIC. The first place is left out: its line arrives
# as the third's (QEMU's ioapic_set_irq takes line 0 of every I/O APIC for the timer's).
MMIO_BASE, MMIO_SIZE, MMIO_LINE, MMIO_FIRST = 0xfeb00000, 512, 24, 1


@dataclass
class Device:
    driver: str    # blk, net
    options: str   # of the device
    backend: list  # arguments that make what stands behind it


def arguments(kind, devices):
    """QEMU's arguments for the devices, and what the kernel's command line has to tell of them."""
    line, told = [], []
    for place, device in enumerate(devices, MMIO_FIRST):
        line += device.backend
        if kind == "microvm":
            line += ["-device", f"virtio-{device.driver}-device,{device.options},bus=virtio-mmio-bus.{place}"]
            told.append(f"virtio_mmio.device={MMIO_SIZE}@{MMIO_BASE + MMIO_SIZE * place:#x}:{MMIO_LINE + place}")
        else:
            line += ["-device", f"virtio-{device.driver}-pci,{device.options}"]
    if told:
        line += ["-global", "virtio-mmio.force-legacy=false", "-append", " ".join(told)]
    return line
