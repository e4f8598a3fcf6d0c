"""An image of 1 MiB: each 64-bit word is its own offset in it."""
import struct
import sys

SIZE = 1 << 20

with open(sys.argv[1], "wb") as image:
    image.write(struct.pack(f"<{SIZE // 8}Q", *range(0, SIZE, 8)))
