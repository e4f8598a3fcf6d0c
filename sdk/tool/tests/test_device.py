"""What QEMU is told of disks, on either machine's transport."""
import tempfile
import unittest
from pathlib import Path

from exo import device, disk, machine, manifest
from exo.trouble import Trouble

TEXT = """\
spec = 1
[machine]
disks = [%s]
[[environment]]
name = "a"
image = "a.elf"
slots = [[0, 0, 8]]
"""


class Devices(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def attached(self, disks, given=None):
        path = self.folder / "system.toml"
        path.write_text(TEXT % disks)
        return disk.attached(self.folder / "build", manifest.read(path, disks=given), "test")

    def test_a_size_is_an_empty_image(self):
        device, = self.attached('"1M"')
        image = self.folder / "build/systems/test-disk0.img"
        self.assertEqual((device.driver, device.options), ("blk", "drive=disk0"))
        self.assertIn(f"format=raw,file={image}", device.backend[1])
        self.assertEqual(image.read_bytes(), bytes(1 << 20))
        image.write_bytes(b"used")
        self.attached('"1M"')
        self.assertEqual(image.read_bytes(), bytes(1 << 20))

    def test_an_image_stands_in_the_build_folder_or_beside_the_manifest(self):
        beside, built = self.folder / "a.img", self.folder / "build/a.img"
        beside.write_bytes(bytes(4096))
        self.assertIn(f"file={beside},read-only=on", self.attached('"a.img read-only"')[0].backend[1])
        built.parent.mkdir()
        built.write_bytes(bytes(4096))
        self.assertIn(f"file={built}", self.attached('"a.img"')[0].backend[1])

    def test_a_missing_image_is_refused_with_its_line(self):
        with self.assertRaises(Trouble) as caught:
            self.attached('"1M", "b.img"')
        self.assertIn(f"{self.folder}/system.toml:3: no image", caught.exception.lines[0])
        with self.assertRaises(Trouble) as caught:
            self.attached("", ["c.img"])
        self.assertIn('--disk: no image "c.img"', caught.exception.lines[0])

    def test_errors_are_put_between(self):
        with self.assertRaises(Trouble) as caught:
            self.attached('"1M errors=e.conf"')
        self.assertRegex(caught.exception.lines[0], 'system.toml:3: no file ".*/e.conf" that says which errors')
        (self.folder / "e.conf").write_text("")
        backend = self.attached('"1M errors=e.conf"')[0].backend[1]
        self.assertIn(f"driver=blkdebug,config={self.folder}/e.conf", backend)
        self.assertIn("image.file.filename=", backend)

    def test_a_disk_can_be_slow(self):
        self.assertIn(",throttling.iops-total=50", self.attached('"1M iops=50"')[0].backend[1])

    def test_a_disk_can_keep_nothing(self):
        self.assertIn("driver=null-co,size=1048576,latency-ns=70000,read-zeroes=on", self.attached('"1M null=70"')[0].backend[1])

    def test_a_disk_can_be_logged(self):
        backend = self.attached('"1M logged"')[0].backend[1]
        self.assertIn("driver=blklogwrites,file.driver=file,file.filename=", backend)
        self.assertIn("log.filename=", backend)

    def test_transports(self):
        two = [device.Device("blk", "drive=disk0", ["-drive", "x"]), device.Device("net", "netdev=n0", [])]
        self.assertEqual(device.arguments("q35", two), ["-drive", "x", "-device", "virtio-blk-pci,drive=disk0",
                                                        "-device", "virtio-net-pci,netdev=n0"])
        self.assertEqual(device.arguments("microvm", two), [
            "-drive", "x", "-device", "virtio-blk-device,drive=disk0,bus=virtio-mmio-bus.1",
            "-device", "virtio-net-device,netdev=n0,bus=virtio-mmio-bus.2", "-global", "virtio-mmio.force-legacy=false",
            "-append", "virtio_mmio.device=512@0xfeb00200:25 virtio_mmio.device=512@0xfeb00400:26"])
        self.assertEqual(device.arguments("microvm", []), [])

    def test_counted_time_goes_on_while_a_disk_works(self):
        kind = {"machine": "q35", "memory": 64 << 20, "processors": 1}
        line = machine.command(kind, "k", "m", counted=True, devices=[device.Device("blk", "drive=disk0", [])])
        self.assertIn("shift=0,sleep=on", line)
        self.assertNotIn("shift=0,sleep=off", line)
        self.assertIn("shift=0,sleep=off", machine.command(kind, "k", "m", counted=True))


if __name__ == "__main__":
    unittest.main()
