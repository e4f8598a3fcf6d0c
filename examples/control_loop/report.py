"""The control loop's report: reads what a run printed, prints its latencies as text and draws them, and the pendulum, as SVG.

    ./exo run examples/control_loop/system.toml | tee run.txt
    python3 examples/control_loop/report.py run.txt -o control_loop.svg

With --name NAME another environment of the same program, as in a larger system (control).
"""
import argparse
import re
import sys

WIDTH, HEIGHT, LEFT, RIGHT = 860, 220, 74, 74
INK, GRID, BLUE, RED, GREY = "#222222", "#dddddd", "#1f5fa8", "#b3261e", "#8a8a8a"
BAR = 40


class Run:
    """What one environment printed."""

    def __init__(self, text, name):
        lines = [match[1] for match in re.finditer(rf"^{re.escape(name)}\| (.*)$", text, re.MULTILINE)]
        whole = "\n".join(lines)
        self.tasks = [match.groups() for match in re.finditer(
            r"^(\w+): period (\d+) us, (\d+) releases, (\d+) missed, latency min (\d+) avg (\d+) max (\d+) ns$", whole, re.MULTILINE)]
        self.histogram = [(int(match[1]), int(match[2])) for match in
                          re.finditer(r"^histogram control latency (\d+) (\d+)$", whole, re.MULTILINE)]
        self.moments = [tuple(map(int, match.groups())) for match in
                        re.finditer(r"^moment (\d+) (-?\d+) (-?\d+) (-?\d+)$", whole, re.MULTILINE)]
        verdict = re.search(r"^(balanced|FALLEN): .*$", whole, re.MULTILINE)
        self.verdict = verdict[0] if verdict else None

    @property
    def width(self):
        """Of a bucket of the histogram: the least step between two."""
        starts = [start for start, _ in self.histogram]
        return min((b - a for a, b in zip(starts, starts[1:])), default=1000)


def text_report(run):
    print(f"{'task':<10} {'period':>9} {'releases':>9} {'missed':>7} {'latency: least':>15} {'average':>8} {'most':>8} ns")
    for name, period, releases, missed, least, average, most in run.tasks:
        print(f"{name:<10} {period:>6} us {releases:>9} {missed:>7} {least:>15} {average:>8} {most:>8}")
    most = max((count for _, count in run.histogram), default=1)
    print(f"\nlatency of control, release to first instruction ({run.width} ns a line)")
    for start, count in run.histogram:
        print(f"{start:>9} ns {count:>7} {'#' * -(-BAR * count // most)}")
    print(f"\n{run.verdict}")


class Chart:
    """One diagram, its top left corner at (LEFT, top): x from x0 to x1, y from y0 to y1."""

    def __init__(self, top, title, x, y, x_title, y_title):
        self.top, self.x, self.y, self.out = top, x, y, []
        self.text(LEFT, top - 12, title, weight="bold")
        self.text(WIDTH - RIGHT, top + HEIGHT + 34, x_title, anchor="end")
        self.out.append(f'<text transform="translate(16 {top + HEIGHT / 2}) rotate(-90)" text-anchor="middle" fill="{INK}">{y_title}</text>')

    def at(self, x, y):
        return (LEFT + (WIDTH - LEFT - RIGHT) * (x - self.x[0]) / (self.x[1] - self.x[0]),
                self.top + HEIGHT - HEIGHT * (y - self.y[0]) / (self.y[1] - self.y[0]))

    def text(self, x, y, text, anchor="start", weight="normal", colour=INK):
        self.out.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" fill="{colour}">{text}</text>')

    def grid_x(self, value, label):
        x, _ = self.at(value, self.y[0])
        self.out.append(f'<line x1="{x:.1f}" y1="{self.top}" x2="{x:.1f}" y2="{self.top + HEIGHT}" stroke="{GRID}"/>')
        self.text(x, self.top + HEIGHT + 16, label, "middle")

    def grid_y(self, value, label):
        _, y = self.at(self.x[0], value)
        self.out.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" stroke="{GRID}"/>')
        self.text(LEFT - 6, y + 4, label, "end")

    def line(self, points, colour, width=1.6):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.at(*point) for point in points))
        self.out.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>')

    def bar(self, x0, x1, y, colour):
        left, top = self.at(x0, y)
        right, bottom = self.at(x1, self.y[0])
        self.out.append(f'<rect x="{left:.1f}" y="{top:.1f}" width="{max(right - left - 0.6, 1):.1f}" height="{bottom - top:.1f}" fill="{colour}"/>')


def step_of(span):
    """A round step that divides a span into four to ten."""
    size = 10 ** (len(str(max(int(span), 1))) - 1)
    return next(step for step in (size // 10 or 1, size // 5 or 1, size // 2 or 1, size, 2 * size) if span / step <= 8)


def latency_chart(run, top):
    last = max(start for start, _ in run.histogram) + run.width
    decades = len(str(max(count for _, count in run.histogram)))
    chart = Chart(top, "Latency: release to the task's first instruction", (0, last), (0, decades), "ns", "releases (log)")
    for decade in range(decades + 1):
        chart.grid_y(decade, f"{10 ** decade:,}")
    for value in range(0, last + 1, step_of(last)):
        chart.grid_x(value, f"{value:,}")
    for start, count in run.histogram:
        chart.bar(start, start + run.width, max(len(str(count)) - 1 + log_rest(count), 0.06), BLUE)
    return chart


def log_rest(count):
    """The fraction of log10 beyond its whole part."""
    from math import log10
    return log10(count) - (len(str(count)) - 1)


def angle_chart(run, top):
    degrees = [(time, angle * 1e-6 * 57.29578) for time, angle, _, _ in run.moments]
    most = max(abs(angle) for _, angle in degrees) * 1.15 or 1
    force_most = max(abs(force) for *_, force in run.moments) * 1.15 or 1
    end = run.moments[-1][0]
    chart = Chart(top, "The pendulum (blue) and the force on its cart (red); it is pushed once a second", (0, end), (-most, most),
                  "ms", "degrees from upright")
    for value in (-most, -most / 2, 0, most / 2, most):
        chart.grid_y(value, f"{value:.1f}")
    for value in range(0, end + 1, step_of(end)):
        chart.grid_x(value, f"{value:,}")
    chart.line([(time, force * most / force_most) for time, _, _, force in run.moments], RED, 1)
    chart.line(degrees, BLUE)
    for share in (-1, 0, 1):
        _, y = chart.at(0, share * most)
        chart.text(WIDTH - RIGHT + 6, y + 4, f"{share * force_most * 1e-6:.0f} N", colour=RED)
    return chart


def position_chart(run, top):
    low, high = min(m[2] for m in run.moments) * 1e-4, max(m[2] for m in run.moments) * 1e-4
    room = (high - low) * 0.1 or 1
    end = run.moments[-1][0]
    chart = Chart(top, "The cart", (0, end), (low - room, high + room), "ms", "cm")
    for part in range(5):
        value = low + (high - low) * part / 4
        chart.grid_y(value, f"{value:.0f}")
    for value in range(0, end + 1, step_of(end)):
        chart.grid_x(value, f"{value:,}")
    chart.line([(time, position * 1e-4) for time, _, position, _ in run.moments], GREY)
    return chart


def svg_report(run):
    charts = [latency_chart(run, 70), angle_chart(run, 370), position_chart(run, 670)]
    head = " · ".join(f"{name}: {releases} releases, {missed} missed" for name, _, releases, missed, *_ in run.tasks)
    body = "\n".join(line for chart in charts for line in chart.out)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="940" font-family="sans-serif" font-size="12">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n<text x="{LEFT}" y="26" fill="{INK}">{head}</text>\n{body}\n</svg>\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", nargs="?", help="what the run printed (standard input)")
    parser.add_argument("-o", "--svg", help="where the picture goes")
    parser.add_argument("--name", default="control", help="the environment (control)")
    args = parser.parse_args()
    text = open(args.output, errors="replace").read() if args.output else sys.stdin.read()
    run = Run(text, args.name)
    if not run.tasks or not run.histogram or not run.moments or not run.verdict:
        sys.exit(f"{args.output or 'standard input'}: {args.name} has printed no whole report")
    text_report(run)
    if args.svg:
        with open(args.svg, "w", encoding="utf-8") as file:
            file.write(svg_report(run))
    return 0 if run.verdict.startswith("balanced") else 1


if __name__ == "__main__":
    sys.exit(main())
