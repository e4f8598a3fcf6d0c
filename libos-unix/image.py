"""An assembler file that holds another file: image.py FILE OUTPUT.S NAME SECTION defines NAME and NAME_end in the section, page-aligned."""
import sys
from pathlib import Path

source, target = map(Path, sys.argv[1:3])
name, section = sys.argv[3:5]
target.write_text(f"""    .section {section}
    .balign 4096
    .globl {name}, {name}_end
{name}:
    .incbin "{source.resolve()}"
{name}_end:
    .section .note.GNU-stack, "", @progbits
""")
