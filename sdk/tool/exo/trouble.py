"""What goes wrong, as the user is told it: one exception that carries its lines and the exit status."""


class Trouble(Exception):
    """Ends the command: prints `exo: LINE` for each line on stderr and exits with `status`."""

    def __init__(self, *lines, status=1):
        super().__init__("\n".join(lines))
        self.lines = lines
        self.status = status
