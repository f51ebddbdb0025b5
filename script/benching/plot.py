"""The growth as a picture: plain SVG, four curves over the number of containers and one over that of terminals."""

import math

from . import growth
from .figures import shown

WIDTH, HEIGHT = 300, 190
LEFT, TOP, RIGHT, BOTTOM = 46, 34, 16, 34
TITLES = {growth.MEMORY: "Idle memory, MiB", growth.START: "Start to ready, ms", growth.LIST: "Whole list, ms",
          growth.IDLE: "Processor time a day when idle, s"}
STYLE = """text{font:11px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:12px}.small{fill:#57606a}
.grid{stroke:#d8dee4}.axis{stroke:#8c959f}.line{fill:none;stroke:#0b6bcb;stroke-width:2}.dot{fill:#0b6bcb}"""


def ceiling(value):
    """A round number above it that has round quarters."""
    if value <= 0:
        return 1
    power = 10 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 6, 8, 10, 20) if step * power >= value * 1.08)


def panel(title, below, points, column, line):
    """One curve; the horizontal axis is logarithmic and has no zero."""
    points = {x: y for x, y in points.items() if x > 0}
    top, last = ceiling(max(points.values())), math.log10(max(points)) or 1
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x, y):
        return LEFT + math.log10(x) / last * width, TOP + height - y / top * height

    parts = [f'<g transform="translate({column * WIDTH},{line * HEIGHT})">',
             f'<text class="title" x="{LEFT}" y="18">{title}</text>']
    for quarter in range(5):
        value = top * quarter / 4
        y = at(1, value)[1]
        parts.append(f'<line class="{"grid" if quarter else "axis"}" x1="{LEFT}" y1="{y:.1f}" x2="{LEFT + width}" y2="{y:.1f}"/>'
                     f'<text class="small" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:,.6g}</text>')
    coordinates = {x: at(x, y) for x, y in points.items()}
    parts.append('<polyline class="line" points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in coordinates.values()) + '"/>')
    for x, (left, y) in coordinates.items():
        anchor = "start" if left == LEFT else "end" if left > LEFT + width - 20 else "middle"
        parts.append(f'<circle class="dot" cx="{left:.1f}" cy="{y:.1f}" r="3"/>'
                     f'<text x="{left:.1f}" y="{y - 8:.1f}" text-anchor="{anchor}">{shown(points[x])}</text>'
                     f'<text class="small" x="{left:.1f}" y="{TOP + height + 15}" text-anchor="{anchor}">{x:,}</text>')
    parts.append(f'<text class="small" x="{LEFT + width / 2}" y="{HEIGHT - 4}" text-anchor="middle">{below}</text></g>')
    return "".join(parts)


def draw(bench):
    panels = [(TITLES[what], "known containers", points) for what, points in bench.growth.items()]
    if bench.terminals:
        panels.append(("Memory with open terminals, MiB", "open terminals", bench.terminals))
    lines = (len(panels) + 1) // 2
    body = "\n".join(panel(*what, number % 2, number // 2) for number, what in enumerate(panels))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH * 2} {HEIGHT * lines}" role="img" '
            f'aria-label="Growth of memory, start, list and processor time">\n<style>{STYLE}</style>\n'
            f'<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n')
