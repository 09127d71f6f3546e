"""The plots, as SVG: drawn for a phone's width, in the page's colours, which may be dark; or as files of their own.

Model 1 is a blue disc and Model 2 a golden diamond everywhere, so that neither colour nor print is needed to tell them
apart.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Sequence
from html import escape

from training.comparison.values import Value

WIDTH, LABELS, TOP = 400, 136, 26  # CSS pixels: a phone shows them one to one
STYLE = """
.chart { display: block; width: 100%; max-width: 34rem; height: auto; overflow: visible;
  font: 12.5px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
.chart text { fill: var(--ink, #1c1d22); } .chart .faint { fill: var(--soft, #595b66); font-size: 11.5px; }
.chart .end { text-anchor: end; } .chart .middle { text-anchor: middle; }
.chart .grid { stroke: var(--line, #dddad2); }
.chart .chance { stroke: var(--soft, #595b66); stroke-width: 1.5; stroke-dasharray: 3 2; }
.chart .model1 { fill: var(--model1, #2b3a8f); stroke: var(--model1, #2b3a8f); }
.chart .model2 { fill: var(--model2, #a8741a); stroke: var(--model2, #a8741a); }
.chart line.model1, .chart line.model2 { stroke-width: 2; stroke-linecap: round; }
.chart polyline.model1, .chart polyline.model2 { fill: none; stroke-width: 1.75; stroke-linejoin: round; }
@media print { .chart, .chart * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
Mark = tuple[str, Value]
"""A model's name and its value."""


def bars(title: str, lines: Sequence[tuple[str, Sequence[Mark]]]) -> str:
    """Amounts from zero on, one bar a model, its number beside it."""
    highest = max((value.estimate for _, marks in lines for _, value in marks), default=0) or 1
    left, right, y, parts = LABELS, WIDTH - 96, TOP, []
    for label, marks in lines:
        parts.append(_label(label, left - 10, y + 9 * len(marks)))
        for model, value in marks:
            wide = max(1.5, (right - left) * value.estimate / highest)
            parts.append(
                f"<g>{_tip(label, model, value)}"
                f'<rect class="{model}" x="{left}" y="{y + 3}" width="{wide:.1f}" height="12" rx="1.5"/>'
                f'<text x="{left + wide + 7:.1f}" y="{y + 13}">{escape(value.point().text)}</text></g>'
            )
            y += 18
        y += 8
    return _svg(title, y + 4, [*_legend(_models(lines)), *parts])


def forest(
    title: str,
    lines: Sequence[tuple[str, Sequence[Mark], float | None]],
    write: Callable[[float], str],
    note: str = "",
    low: float | None = None,
    high: float | None = None,
) -> str:
    """Estimates with their intervals, a line for each label; the dashed mark of a line is what chance would give."""
    numbers = [end for _, marks, _ in lines for _, value in marks for end in (value.ends or (value.estimate,) * 2)]
    numbers += [chance for _, _, chance in lines if chance is not None]
    bottom = min(numbers) if low is None else low
    ticks = _ticks(bottom, max(numbers) if high is None else high)
    left, right = LABELS, WIDTH - 14
    across = _scale(ticks[0], ticks[-1], left, right)
    tall = [max(1, len(marks)) * 14 + 14 for _, marks, _ in lines]
    floor = TOP + sum(tall)
    parts = [
        f'<line class="grid" x1="{across(tick):.1f}" x2="{across(tick):.1f}" y1="{TOP}" y2="{floor}"/>'
        f'<text x="{across(tick):.1f}" y="{floor + 16}" class="faint middle">{escape(write(tick))}</text>'
        for tick in ticks
    ]
    y = TOP
    for (label, marks, chance), height in zip(lines, tall, strict=True):
        parts.append(_label(label, left - 10, y + height / 2))
        if chance is not None:
            parts.append(
                f'<line class="chance" x1="{across(chance):.1f}" x2="{across(chance):.1f}"'
                f' y1="{y + 2}" y2="{y + height - 2}"/>'
            )
        for place, (model, value) in enumerate(marks):
            at = y + 14 + 14 * place
            ends = value.ends
            line = ""
            if ends is not None:
                line = (
                    f'<line class="{model}" x1="{across(ends[0]):.1f}" x2="{across(ends[1]):.1f}" y1="{at}" y2="{at}"/>'
                )
            parts.append(f"<g>{_tip(label, model, value)}{line}{_dot(model, across(value.estimate), at)}</g>")
        y += height
    if note:
        parts.append(f'<text x="{right}" y="{floor + 33}" class="faint end">{escape(note)}</text>')
    return _svg(title, floor + (40 if note else 24), [*_legend(_models([line[:2] for line in lines])), *parts])


def curves(
    title: str, model: str, losses: Sequence[tuple[float, float]], held_out: Sequence[tuple[float, float]]
) -> str:
    """A training's loss as it went (line), and on held-out text (marks)."""
    points = [*losses, *held_out]
    ticks = _ticks(0, max(y for _, y in points))
    left, right, floor = 40, WIDTH - 14, 182
    end = max(x for x, _ in points) or 1
    x_at, y_at = _scale(0, end, left, right), _scale(ticks[0], ticks[-1], floor, 12)
    parts = [
        f'<line class="grid" x1="{left}" x2="{right}" y1="{y_at(tick):.1f}" y2="{y_at(tick):.1f}"/>'
        f'<text x="{left - 7}" y="{y_at(tick) + 4:.1f}" class="faint end">{tick:g}</text>'
        for tick in ticks
    ]
    if losses:
        line = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in _thinned(losses))
        parts.append(f'<polyline class="{model}" points="{line}"/>')
    for x, y in held_out:
        tip = f"<title>held-out text, step {x:g}: {y:.3f}</title>"
        parts.append(f"<g>{tip}{_dot(model, x_at(x), y_at(y))}</g>")
    parts += [
        f'<text x="{left}" y="{floor + 16}" class="faint">0</text>',
        f'<text x="{right}" y="{floor + 16}" class="faint end">{end:,.0f}</text>',
        f'<text x="{(left + right) / 2}" y="{floor + 16}" class="faint middle">optimizer steps</text>',
    ]
    return _svg(title, floor + 24, parts)


def standalone(svg: str) -> str:
    """The plot as a file of its own: on white, with its style inside."""
    opening, rest = svg.split(">", 1)
    paper = '<rect x="-8" y="-8" width="110%" height="110%" fill="#fff"/>'
    return f'{opening} xmlns="http://www.w3.org/2000/svg"><style>{STYLE}</style>{paper}{rest}\n'


def _svg(title: str, height: float, parts: Sequence[str]) -> str:
    name = escape(title, quote=True)
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {height:g}" role="img" aria-label="{name}">{"".join(parts)}</svg>'


def _models(lines: Sequence[tuple[str, Sequence[Mark]]]) -> list[str]:
    return sorted({model for _, marks in lines for model, _ in marks})


def _legend(models: Sequence[str]) -> list[str]:
    parts: list[str] = []
    for place, model in enumerate(models if len(models) > 1 else ()):
        x = LABELS + 5 + 84 * place
        parts.append(f'{_dot(model, x, 9)}<text x="{x + 11}" y="13">{model.replace("model", "Model ")}</text>')
    return parts


def _dot(model: str, x: float, y: float) -> str:
    if model == "model2":
        return f'<path class="model2" d="M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"/>'
    return f'<circle class="{model}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'


def _tip(label: str, model: str, value: Value) -> str:
    return f"<title>{escape(label)}, {model.replace('model', 'Model ')}: {escape(value.text)}</title>"


def _label(label: str, x: float, y: float) -> str:
    """A label that ends at x, in one line or two around y."""
    lines = textwrap.wrap(label, 20, max_lines=2, placeholder=" …")
    first = y + 4 - 7 * (len(lines) - 1)
    shown = "".join(f'<tspan x="{x:g}" y="{first + 14 * n:g}">{escape(line)}</tspan>' for n, line in enumerate(lines))
    return f'<text class="end">{shown}</text>'


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    return lambda number: start + (end - start) * (min(max(number, low), high) - low) / ((high - low) or 1)


def _ticks(low: float, high: float) -> list[float]:
    """Three to six round numbers that hold both."""
    span = (high - low) or abs(high) or 1.0
    raw = span / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 12) for place in range(first, max(last, first + 1) + 1)]


def _thinned(points: Sequence[tuple[float, float]], most: int = 240) -> Sequence[tuple[float, float]]:
    step = max(1, math.ceil(len(points) / most))
    kept = list(points[::step])
    return kept if kept[-1] == points[-1] else [*kept, points[-1]]
