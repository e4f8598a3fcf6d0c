"""An assembler file that holds another file: image.py FILE OUTPUT.S defines process_image and process_image_end."""
import sys
from pathlib import Path

source, target = map(Path, sys.argv[1:3])
target.write_text(f"""    .section .rodata
    .balign 4096
    .globl process_image, process_image_end
process_image:
    .incbin "{source.resolve()}"
process_image_end:
    .section .note.GNU-stack, "", @progbits
""")
