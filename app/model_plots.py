"""Training curves in the manner of the results page: SVG whose marks tell their numbers when pointed at.

Model 1 is a blue disc and Model 2 a golden diamond, as in the comparison's plots.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from feedback.report import figures
from feedback.report.figures import BOTTOM, TOP, WIDTH, mark, points, svg

LEFT, RIGHT, HEIGHT = 44, WIDTH - 14, 240
MOST_POINTS = 240  # of a line
MOST_MARKS = 40  # that can be pointed at
Point = tuple[float, float]
At = Callable[[float], str]


@dataclass(frozen=True)
class Series:
    """A line: its name, whose it is, its points from left to right, and whether each point is a mark of its own."""

    name: str
    model: str  # model1 | model2
    points: Sequence[Point]
    has_dots: bool = True


def loss_curve(model: str, name: str, rows: Sequence[Mapping[str, Any]]) -> str:
    """Training and held-out loss by optimiser step, in nats a token; empty where there is nothing to draw."""
    series = [
        Series("training", model, thinned(pairs(rows, "step", "loss")), has_dots=False),
        Series("held-out", model, pairs(rows, "step", "val_loss")),
    ]
    title = f"Loss of {name} while it was trained"
    return _lines(title, series, "optimiser step", "nats a token", lambda x: f"step {x:,.0f}")


def held_out_curves(models: Mapping[str, tuple[str, Sequence[Mapping[str, Any]]]]) -> str:
    """Held-out bits per byte by minutes of training, comparable across tokenizers; `models` are names and rows."""
    series = []
    for model, (name, rows) in models.items():
        found = [(seconds / 60, bits) for seconds, bits in pairs(rows, "seconds", "val_bits_per_byte")]
        series.append(Series(name, model, found))
    title = "Held-out bits per byte while they were trained"
    return _lines(title, series, "minutes of training", "bits per byte", lambda x: f"{x:.1f} min")


def pairs(rows: Iterable[Mapping[str, Any]], x: str, y: str) -> list[Point]:
    """The finite points of two columns, in the order of `x`."""
    found = [(row.get(x), row.get(y)) for row in rows]
    return sorted((float(a), float(b)) for a, b in found if _finite(a) and _finite(b))  # type: ignore[arg-type]


def thinned(line: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """At most about `most` points: the mean of each stretch, at its last place."""
    step = max(1, math.ceil(len(line) / most))
    stretches = [line[place : place + step] for place in range(0, len(line), step)]
    return [(stretch[-1][0], sum(y for _, y in stretch) / len(stretch)) for stretch in stretches]


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _lines(title: str, series: Sequence[Series], label: str, unit: str, at: At) -> str:
    series = [line for line in series if line.points]
    if not series:
        return ""
    xs = [x for line in series for x, _ in line.points]
    low, high = (0.0 if min(xs) >= 0 else min(xs)), max(xs)
    top = nice(max(y for line in series for _, y in line.points))
    floor = HEIGHT - BOTTOM

    def place(point: Point) -> Point:
        across = (point[0] - low) / (high - low) if high > low else 0.5
        return LEFT + (RIGHT - LEFT) * across, floor - (floor - TOP) * min(1.0, max(0.0, point[1] / top))

    parts = figures.levels(LEFT, RIGHT, floor, lambda share: f"{top * share:.3g}")
    for line in series:
        parts.append(f'<polyline class="line {_kind(line)}" points="{points(map(place, line.points))}"/>')
    parts += [_pointed(line, thinned(line.points, MOST_MARKS), place, unit, at) for line in series]
    parts.append(_legend(series))
    parts += figures.below(LEFT, RIGHT, HEIGHT, (_end(low), _end(high)), label)
    return svg(title, HEIGHT, parts)


def _end(number: float) -> str:
    """The number at an end of an axis."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"


def _pointed(line: Series, marks: Sequence[Point], place: Callable[[Point], Point], unit: str, at: At) -> str:
    """What tells a line's numbers: its dots, or invisible stretches along it."""
    spots, parts = [place(point) for point in marks], []
    for number, ((x, y), (px, py)) in enumerate(zip(marks, spots, strict=True)):
        if line.has_dots:
            shape = f'<circle class="hit" cx="{px:.1f}" cy="{py:.1f}" r="12"/>{_dot(line.model, px, py)}'
        else:
            before = spots[number - 1][0] if number else px
            wide = f'x="{before:.1f}" width="{max(2.0, px - before):.1f}"'
            shape = (
                f'<rect class="hit" {wide} y="{py - 14:.1f}" height="28"/>'
                f'<circle class="dot unseen {line.model}" cx="{px:.1f}" cy="{py:.1f}" r="3.5"/>'
            )
        parts.append(mark(f"{line.name}, {at(x)}: {y:.3g} {unit}", shape))
    return "".join(parts)


def _kind(line: Series) -> str:
    return f"{line.model}{'' if line.has_dots else ' thin'}"


def _dot(model: str, x: float, y: float) -> str:
    if model == "model2":
        return f'<path class="dot model2" d="M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"/>'
    return f'<circle class="dot model1" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'


def _legend(series: Sequence[Series]) -> str:
    """The lines' names above the plot, beside each other, where they cover no line."""
    parts = []
    for number, line in enumerate(series):
        x, y = LEFT + 116 * number, TOP - 10
        parts.append(
            f'<line class="line {_kind(line)}" x1="{x}" x2="{x + 24}" y1="{y - 4}" y2="{y - 4}"/>'
            + (_dot(line.model, x + 12, y - 4) if line.has_dots else "")
            + f'<text x="{x + 34}" y="{y}">{escape(line.name)}</text>'
        )
    return "".join(parts)


def nice(top: float) -> float:
    """The end of an axis: the next of 1, 2, 4, 5 or 8 times a power of ten."""
    if top <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(top))
    return next(step * power for step in (1, 2, 4, 5, 8, 10) if step * power >= top * (1 - 1e-9))


STYLE = """
.plot .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.plot .line.model1 { stroke: var(--model1); } .plot .line.model2 { stroke: var(--model2); }
.plot .line.thin { stroke-width: 1.4; opacity: .6; }
.plot .dot.model1 { fill: var(--model1); } .plot .dot.model2 { fill: var(--model2); }
.plot .unseen { opacity: 0; } .plot .mark:is(:hover, :focus) .unseen { opacity: 1; }
"""
