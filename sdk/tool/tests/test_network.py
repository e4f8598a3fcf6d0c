"""Flows in manifests: what they mean, and mistakes with file, line and mend."""
import unittest

from exo import manifest, network
from with_manifest import ManifestCase

GOOD = """\
spec = 1

[machine]
network = "user"
forward = ["udp 5007:7"]

[[environment]]
name = "a"
image = "a.elf"
slots = [[0, 0, 16]]
flows = ["arp 10.0.2.15", "udp 10.0.2.15:7"]
positions = 3

[[environment]]
name = "b"
image = "b.elf"
slots = [[0, 16, 16]]
flows = ["tcp 80"]
"""


def packet(protocol=17, source="10.0.2.2", target="10.0.2.15", ports=(1000, 7), kind=b"\x08\x00", fragment=0):
    return (bytes(12) + kind + b"\x45\0" + bytes(4) + fragment.to_bytes(2, "big") + bytes([64, protocol]) + bytes(2) +
            network.address_of(source) + network.address_of(target) + b"".join(port.to_bytes(2, "big") for port in ports)).ljust(64, b"x")


def matches(mask, value, header):
    return all(h & m == v for m, v, h in zip(mask, value, header))


class Flows(unittest.TestCase):
    def test_datagrams_to_an_address_and_port(self):
        flow = network.parsed("udp 10.0.2.15:7")
        self.assertTrue(matches(flow.mask, flow.value, packet()))
        for other in (packet(protocol=6), packet(target="10.0.2.16"), packet(ports=(7, 8)), packet(kind=b"\x86\xdd"),
                      packet(fragment=1), packet(fragment=0x2000)):
            self.assertFalse(matches(flow.mask, flow.value, other))
        self.assertTrue(matches(flow.mask, flow.value, packet(fragment=0x4000)))

    def test_it_sends_from_there_only(self):
        flow = network.parsed("udp 10.0.2.15:7")
        answer = packet(source="10.0.2.15", target="1.2.3.4", ports=(7, 9))
        self.assertTrue(matches(flow.source_mask, flow.source, answer))
        self.assertFalse(matches(flow.source_mask, flow.source, packet()))

    def test_connection(self):
        flow = network.parsed("tcp 10.0.2.15:80 from 10.0.2.2:1000")
        self.assertTrue(matches(flow.mask, flow.value, packet(6, ports=(1000, 80))))
        self.assertFalse(matches(flow.mask, flow.value, packet(6, ports=(1001, 80))))

    def test_texts_that_are_no_flows(self):
        for text in ("", "udp", "udp 0", "udp 65536", "udp 10.0.2:7", "udp 256.0.0.1:7", "arp 7", "arp 1.2.3.4:5", "sctp 7", "udp 7 ",
                     "tcp 80 from 10.0.2.2:1", "tcp 1.2.3.4:80 from 10.0.2.2", "udp x:7", "arp from 1.2.3.4:5"):
            self.assertIsNone(network.parsed(text), text)

    def test_overlap_is_exact(self):
        for first, second, expected in (("udp 7", "udp 7", True), ("udp 7", "udp 8", False), ("udp 7", "tcp 7", False),
                                        ("udp 7", "udp 10.0.2.15:7", True), ("udp 10.0.2.16:7", "udp 10.0.2.15:7", False),
                                        ("arp", "arp 10.0.2.15", True), ("arp", "udp 7", False)):
            self.assertEqual(network.overlap(network.parsed(first), network.parsed(second)), expected, (first, second))


class Manifests(ManifestCase):
    good = GOOD

    def test_flows_have_positions_in_their_order(self):
        text = manifest.compiled(self.read(GOOD), ["a.elf", "b.elf"])
        self.assertIn(" flow=0 flows=2 position=64 positions=3 ", text)
        self.assertIn(" flow=2 flows=1 ", text)
        lines = [line for line in text.splitlines() if line.startswith("flow ")]
        self.assertEqual(len(lines), 3)
        self.assertIn(f"value={'00' * 12}0806{'00' * 24}0a00020f ", lines[0])
        self.assertTrue(all(len(line) < 1023 for line in lines))

    def test_text_that_is_no_flow(self):
        self.refused('"tcp 80"', '"tcp eighty"', 18, 'b: "tcp eighty" is no flow', "write it like")

    def test_packets_of_two(self):
        self.refused('"tcp 80"', '"udp 7"', 18, 'has packets of "udp 10.0.2.15:7" on line 11', "by its port or address")

    def test_too_many_positions(self):
        self.refused("positions = 3", "positions = 1985", 12, "1985 positions in all", "at most 1984")

    def test_unknown_network(self):
        self.refused('"user"', '"lan"', 4, 'no network "lan"', "none, user, wire")

    def test_forward_without_the_network(self):
        self.refused('"user"', '"none"', 5, "not on the user network", 'write network = "user"')

    def test_wrong_forward(self):
        for text in ("udp 7", "5007:7", "udp 5007:0", "udp 70000:7"):
            self.refused('"udp 5007:7"', f'"{text}"', 5, f'"{text}" forwards nothing', "here, there")

    def test_command_line_forwards_instead(self):
        self.assertEqual(self.read(GOOD, forward=["udp 0:9"]).machine["forward"], ["udp 0:9"])

    def test_device_is_attached(self):
        system = self.read(GOOD)
        (device,) = network.attached(system)
        self.assertIn("hostfwd=udp:127.0.0.1:5007-10.0.2.15:7", " ".join(device.backend))
        self.assertEqual(network.attached(self.read(GOOD.replace('"user"', '"none"').replace('forward = ["udp 5007:7"]', ""))), [])

    def test_free_port_is_found(self):
        system = self.read(GOOD.replace("5007", "0"))
        network.attached(system)
        self.assertRegex(system.machine["forward"][0], "udp [1-9][0-9]+:7")

    def test_client_is_given_the_ports(self):
        system = self.read(GOOD + '[test]\nclient = "client.py"\n')
        self.assertEqual(network.client_line("python3", system)[2:], ["5007"])
        self.assertRegex(network.client_line("python3", system)[1], "/client.py$")


if __name__ == "__main__":
    unittest.main()
