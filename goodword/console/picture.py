"""A chart as an SVG of its own: straight lines from a zero baseline, each with its dash and its mark besides its colour."""

from __future__ import annotations

from html import escape
from math import floor, log10

from goodword.console.chart import Chart, digits, scaled

WIDTH, HEIGHT = 960, 420
LEFT, RIGHT, TOP, BOTTOM = 72, 24, 84, 44
COLOURS = ("#0b5cad", "#b35900", "#00796b", "#a3357a", "#57606a")
DASHES = ("", "8 4", "2 4", "12 4 2 4", "5 5")
MARKS = ("●", "■", "▲", "◆", "○")
INK, MUTED, GRID = "#1b1f24", "#57606a", "#e1e5ea"
TICKS, LABELS_MAX = 4, 8
_FONT = 'font-family="system-ui, -apple-system, Segoe UI, Roboto, sans-serif"'


def draw(chart: Chart, subtitle: str) -> str:
    """The picture. What it says is escaped; its text alternative is its title and sums."""
    most = max((scaled(value, each.unit) for each in chart.series for value in each.values), default=0)
    whole = min((digits(each.unit) for each in chart.series), default=0) == 0
    step = _step(most, is_whole=whole)
    top = step * TICKS
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {_FONT}>',
        f"<title>{escape(chart.title)}: {escape(subtitle)}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff"/>',
        _text(LEFT - 48, 30, chart.title, 17, INK, weight="600"),
        _text(LEFT - 48, 50, subtitle, 12, MUTED),
        *_legend(chart),
        *_grid(step),
        *_labels(chart),
        *(
            line
            for place, each in enumerate(chart.series)
            for line in _line([scaled(value, each.unit) for value in each.values], top, place)
        ),
        "</svg>",
    ]
    return "\n".join(parts)


def _step(most: float, *, is_whole: bool) -> float:
    """What lies between two lines of the grid: 1, 2 or 5 times a power of ten, and a whole number for counts."""
    least = max(most / TICKS, 1 if is_whole else 0.01)
    power: float = 10.0 ** floor(log10(least))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= least * 0.999)


def _text(x: float, y: float, text: str, size: int, colour: str, *, anchor: str = "start", weight: str = "400") -> str:
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="{size}" font-weight="{weight}" fill="{colour}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _legend(chart: Chart) -> list[str]:
    parts, x = [], float(LEFT - 48)
    for place, each in enumerate(chart.series):
        colour, dash = COLOURS[place], DASHES[place]
        parts.append(f'<line x1="{x:g}" y1="68" x2="{x + 26:g}" y2="68" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dash}"/>')
        parts.append(_text(x + 32, 72, f"{MARKS[place]} {each.name}", 12, INK))
        x += 60 + 7.5 * len(each.name)
    return parts


def _grid(step: float) -> list[str]:
    parts = []
    for place in range(TICKS + 1):
        y = HEIGHT - BOTTOM - place * (HEIGHT - TOP - BOTTOM) / TICKS
        parts.append(f'<line x1="{LEFT}" y1="{y:g}" x2="{WIDTH - RIGHT}" y2="{y:g}" stroke="{GRID}"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{place * step:,.12g}", 11, MUTED, anchor="end"))
    return parts


def _labels(chart: Chart) -> list[str]:
    count = len(chart.starts)
    every = max(1, -(-count // LABELS_MAX))
    return [
        _text(_x(place, count), HEIGHT - BOTTOM + 20, label, 11, MUTED, anchor="middle")
        for place, label in enumerate(chart.labels)
        if place % every == 0
    ]


def _x(place: int, count: int) -> float:
    width = WIDTH - LEFT - RIGHT
    return LEFT + width / 2 if count == 1 else LEFT + 24 + place * (width - 48) / (count - 1)


def _line(values: list[float], top: float, place: int) -> list[str]:
    """A line; of a few points each has its mark."""
    height = HEIGHT - TOP - BOTTOM
    points = [(_x(number, len(values)), HEIGHT - BOTTOM - value / top * height) for number, value in enumerate(values)]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    colour, dash = COLOURS[place], DASHES[place]
    parts = [
        f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="2.5" stroke-dasharray="{dash}" stroke-linejoin="round"/>'
    ]
    if len(points) <= 40:
        parts += [_text(x, y + 4, MARKS[place], 11, colour, anchor="middle") for x, y in points]
    return parts
