"""What QEMU's monitor says of a machine that is set wrongly is noticed."""
import unittest

from exo import protection

REGISTERS = """CPU#0
CR0=80010033 CR2=0000000000000000 CR3=0000000003da2000 CR4=00350e20
EFER=0000000000000d01
CPU#1
CR0=80010033 CR2=0000000000000000 CR3=0000000003ec9000 CR4=00350e20
EFER=0000000000000d01
"""
PAGES = """0000000000400000: 0000000003a00000 ----A--U-
ffff800000000000: 0000000000000000 X--DA---W
ffffffff80100000: 0000000000100000 ---DA----
"""


class Settings(unittest.TestCase):
    def test_good_ones_pass(self):
        self.assertEqual(protection.register_complaints(REGISTERS), [])
        self.assertEqual(protection.page_complaints(PAGES), [])

    def test_each_missing_bit_is_named_with_its_processor(self):
        first, second = REGISTERS.split("CPU#1")
        wrong = first + second.replace("CR4=00350e20", "CR4=00150e20").replace("d01", "501")
        self.assertEqual(protection.register_complaints(wrong)[0], "processor 1 is without SMAP")
        self.assertIn("processor 1 is without NX", protection.register_complaints(wrong))

    def test_missing_processor_is_named(self):
        self.assertIn("CR4 of 1 processors instead of 2", protection.register_complaints(REGISTERS[:REGISTERS.index("CPU#1")]))

    def test_pages_that_are_open_are_named(self):
        self.assertEqual(protection.page_complaints(PAGES.replace("---DA----", "---DA---W")), ["ffffffff80100000 can be written and executed"])
        self.assertEqual(protection.page_complaints(PAGES.replace("---DA----", "---DA--U-")), ["ffffffff80100000 can be executed by programs"])
        self.assertEqual(len(protection.page_complaints("")), 1)
