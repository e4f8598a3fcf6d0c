"""A terminal's screen of 24 lines of 80 characters, as far as busybox drives it: what a user would see of a console's output."""
import re

ROWS, COLUMNS = 24, 80
ESCAPE = re.compile(r"\x1b(?:\[([0-9;?]*)([A-Za-z])|([^\[]))")
PARTIAL = re.compile(r"\x1b(?:\[[0-9;?]*)?$")


class Screen:
    def __init__(self):
        self.pending = ""
        self.clear()

    def clear(self):
        self.lines = [[" "] * COLUMNS for _ in range(ROWS)]
        self.row = self.column = 0

    def feed(self, text):
        text = self.pending + text
        cut = PARTIAL.search(text)
        self.pending = text[cut.start():] if cut else ""
        text = text[:cut.start()] if cut else text
        at = 0
        while at < len(text):
            escape = ESCAPE.match(text, at)
            if escape:
                self.control(escape[1] or "", escape[2] or escape[3])
                at = escape.end()
            else:
                self.put(text[at])
                at += 1

    def put(self, character):
        if character == "\n":
            self.line_feed()
        elif character == "\r":
            self.column = 0
        elif character == "\b":
            self.column = max(min(self.column, COLUMNS - 1) - 1, 0)
        elif character == "\t":
            self.column = min((self.column | 7) + 1, COLUMNS - 1)
        elif character >= " ":
            if self.column == COLUMNS:
                self.column = 0
                self.line_feed()
            self.lines[self.row][self.column] = character
            self.column += 1

    def line_feed(self):
        if self.row < ROWS - 1:
            self.row += 1
            return
        self.lines.pop(0)
        self.lines.append([" "] * COLUMNS)

    def control(self, numbers, letter):
        values = [int(number) if number.isdigit() else 0 for number in numbers.split(";")]
        step = max(values[0], 1)
        if letter in "Hf":
            self.row = min(step, ROWS) - 1
            self.column = min(max(values[1] if len(values) > 1 else 1, 1), COLUMNS) - 1
        elif letter == "J":
            self.erase_line(values[0])
            for row in range(*((self.row + 1, ROWS) if values[0] == 0 else (0, self.row) if values[0] == 1 else (0, ROWS))):
                self.lines[row] = [" "] * COLUMNS
        elif letter == "K":
            self.erase_line(values[0])
        elif letter in "ABCD":
            self.row = min(max(self.row + {"A": -step, "B": step}.get(letter, 0), 0), ROWS - 1)
            self.column = min(max(self.column + {"D": -step, "C": step}.get(letter, 0), 0), COLUMNS - 1)

    def erase_line(self, how):
        first, last = ((self.column, COLUMNS), (0, self.column + 1), (0, COLUMNS))[min(how, 2)]
        self.lines[self.row][first:last] = [" "] * len(self.lines[self.row][first:last])

    def shown(self):
        return "\n".join("".join(line).rstrip() for line in self.lines).rstrip("\n")
