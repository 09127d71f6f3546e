"""The plots of the report and of the results page, as SVG: no script, no network, sharp in print and on a phone.

Each mark can be hovered, tapped or reached with the keyboard; its numbers then stand in the plot's top line.  Colours
are CSS variables with a fallback, so that the page that shows a plot can bring its own, dark ones too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..statistics.anytime import interval
from ..statistics.outcomes import Outcomes
from ..statistics.summary import category_estimate

STYLE = """
.plot { display: block; width: 100%; max-width: 30rem; height: auto; overflow: visible;
  font: 13px system-ui, sans-serif;
  --p-ink: var(--plot-ink, #1b1b22); --p-mark: var(--plot-mark, #3b5bdb); --p-soft: var(--plot-soft, #c9d2f7);
  --p-line: var(--plot-line, #d6d6dc); --p-quiet: var(--plot-quiet, #595b66); }
.plot text { fill: var(--p-ink); } .plot .faint { fill: var(--p-quiet); } .plot .end { text-anchor: end; }
.plot .middle { text-anchor: middle; } .plot .axis { stroke: var(--p-line); } .plot .fair { stroke: var(--p-quiet);
  stroke-dasharray: 4 3; } .plot .bar { stroke: var(--p-mark); stroke-width: 2.5; stroke-linecap: round; }
.plot .dot, .plot .box { fill: var(--p-mark); } .plot .lead .dot { fill: var(--p-ink); }
.plot .lead .bar { stroke: var(--p-ink); } .plot .band { fill: var(--p-soft); } .plot .mean { fill: none;
  stroke: var(--p-ink); stroke-width: 1.8; } .plot .look { stroke: var(--p-mark); stroke-width: 1.5; }
.plot .tip { visibility: hidden; font-weight: 600; } .plot .hit { fill: transparent; stroke: none; }
.plot .mark:focus { outline: none; } .plot .mark:is(:hover, :focus) .tip { visibility: visible; }
.plot .mark:is(:hover, :focus) :is(.dot, .box) { stroke: var(--p-ink); stroke-width: 1.5; }
@media print { .plot, .plot * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
WIDTH, TOP, BOTTOM = 400, 24, 40  # CSS pixels: a phone shows them one to one
LABELS = 170  # room for the names at the left of a plot
PATH_POINTS = 40
LINEAR_UP_TO = 60  # testers
_MOST_BARS = 12
WIDEST_BAR = 56


def preference(result: dict[str, Any]) -> str:
    """The share preferring model1, over all and by category, with intervals where there are any."""
    lines = [("All votes", result["preference"], result["n_votes"])]
    lines += [(str(entry["category"]), entry, entry["n_votes"]) for entry in result["by_category"]]
    return forest(lines, "Share preferring Model 1")


def forest(
    lines: Sequence[tuple[str, dict[str, Any], int | None]], title: str, lead: bool = True, ends: bool = True
) -> str:
    """Estimates with their intervals below each other; ``lines`` are label, entry and votes, the first may lead."""
    left, right = LABELS, WIDTH - 22
    height = TOP + 26 * len(lines) + BOTTOM
    parts = share_axis(left, right, TOP, height - BOTTOM)
    for place, (label, entry, votes) in enumerate(lines):
        y = TOP + 26 * place + 13
        parts.append(_name(label, left, y + 4))
        if entry["estimate"] is None:
            parts.append(f'<text x="{left + 6}" y="{y + 4}" class="faint">no votes</text>')
            continue
        low, high = entry.get("ci_low"), entry.get("ci_high")
        tip = f"{label}: {entry['estimate']:.1%}"
        tip += "" if low is None or high is None else f" ({low:.1%} to {high:.1%})"
        tip += "" if votes is None else f", {votes:,} votes"
        shapes = f'<rect class="hit" x="0" y="{y - 13}" width="{WIDTH}" height="26"/>'
        if low is not None and high is not None:
            ends_at = [left + (right - left) * min(1.0, max(0.0, bound)) for bound in (low, high)]
            shapes += f'<line class="bar" x1="{ends_at[0]:.1f}" x2="{ends_at[1]:.1f}" y1="{y}" y2="{y}"/>'
        shapes += f'<circle class="dot" cx="{left + (right - left) * entry["estimate"]:.1f}" cy="{y}" r="5"/>'
        parts.append(mark(tip, shapes, "mark lead" if lead and place == 0 and len(lines) > 1 else "mark"))
    if ends:
        parts.append(f'<text x="{left}" y="{height - 6}" class="faint">← Model 2</text>')
        parts.append(f'<text x="{right}" y="{height - 6}" class="faint end">Model 1 →</text>')
    return svg(title, height, parts)


def anytime(x: NDArray[np.float64], alpha: float, looks: Iterable[int]) -> str:
    """The interval that may always be looked at, as testers closed; ``looks`` are numbers of testers at each look."""
    steps = np.unique(np.geomspace(1, len(x), PATH_POINTS).astype(int))
    low, high = np.array([interval(x[:n], alpha) for n in steps]).T
    mean = (np.cumsum(x) / np.arange(1, len(x) + 1))[steps - 1]
    left, right, height = 44, WIDTH - 14, 240
    floor = height - BOTTOM
    is_log = len(x) > LINEAR_UP_TO  # where most of the way is walked early, so that it can be seen

    def along(testers: Any) -> Any:
        """Where so many testers are on the axis."""
        share = np.log(testers) / np.log(len(x)) if is_log else (testers - 1) / max(1, len(x) - 1)
        return left + (right - left) * share

    across = along(steps)

    def up(share: Any) -> Any:
        return floor - (floor - TOP) * share

    parts = levels(left, right, floor, lambda share: f"{share:.0%}")
    edge = [*zip(across, up(high), strict=True), *zip(across[::-1], up(low)[::-1], strict=True)]
    parts.append(f'<polygon class="band" points="{points(edge)}"/>')
    parts.append(f'<line class="fair" x1="{left}" x2="{right}" y1="{up(0.5):.1f}" y2="{up(0.5):.1f}"/>')
    parts.append(f'<polyline class="mean" points="{points(zip(across, up(mean), strict=True))}"/>')
    seen = sorted({number for number in looks if 0 < number <= len(x)})
    for number in [seen[int(place)] for place in np.linspace(0, len(seen) - 1, min(len(seen), 60))]:
        at = along(number)
        parts.append(f'<line class="look" x1="{at:.1f}" x2="{at:.1f}" y1="{floor - 8}" y2="{floor}"/>')
    borders = np.concatenate([[left], (across[1:] + across[:-1]) / 2, [right]])
    for place, (n, a, b, m) in enumerate(zip(steps, low, high, mean, strict=True)):
        tip = f"{n:,} testers: {m:.1%} ({a:.1%} to {b:.1%})"
        wide = f'x="{borders[place]:.1f}" width="{borders[place + 1] - borders[place]:.1f}"'
        dot = f'<circle class="dot" cx="{across[place]:.1f}" cy="{up(m):.1f}" r="2"/>'
        parts.append(mark(tip, f'<rect class="hit" {wide} y="{TOP}" height="{floor - TOP}"/>{dot}'))
    powers = [10**power for power in range(1, 9) if 10**power < 0.5 * len(x)] if is_log else []
    parts += [f'<text x="{along(n):.1f}" y="{floor + 16}" class="faint middle">{n:,}</text>' for n in powers]
    label = "testers whose session is over, by enrolment (ticks: looks)"
    parts += below(left, right, height, ("1", f"{len(x):,}"), label)
    return svg("Anytime-valid interval of the share preferring Model 1", height, parts)


def position(result: dict[str, Any], shares: tuple[float | None, float | None]) -> str:
    """How often the left side won, and model1's pooled share on the left and on the right."""
    side = result["position"]
    lines: list[tuple[str, dict[str, Any], int | None]] = [
        ("Left side wins", {**side, "estimate": side["left_estimate"]}, None)
    ]
    lines += [
        (label, {"estimate": share}, None)
        for label, share in zip(("Model 1 on the left", "Model 1 on the right"), shares, strict=True)
    ]
    return forest(lines, "Effect of the side", ends=False)


def length(outcomes: Outcomes, alpha: float) -> str:
    """Model1's share by how much longer its answer was, in fifths (equal lengths stay together), with intervals."""
    total = np.maximum(outcomes.model1_chars + outcomes.model2_chars, 1)
    difference = (outcomes.model1_chars - outcomes.model2_chars) / total
    lines: list[tuple[str, dict[str, Any], int | None]] = []
    fifth = np.searchsorted(np.unique(np.quantile(difference, (0.2, 0.4, 0.6, 0.8))), difference)
    for group in np.unique(fifth):
        within = fifth == group
        entry = category_estimate(outcomes.testers_within(within), alpha)
        mean = round(float(difference[within].mean()), 2) + 0.0  # which makes -0.0 to 0.0
        lines.append((f"{mean:+.0%} in length", entry, entry["n_votes"]))
    return forest(lines, "Share preferring Model 1 by the relative length of its answers", lead=False)


def histogram(values: Sequence[float] | NDArray[Any], label: str, whole: bool = False) -> str:
    """How a number is spread; values over the 99th percentile are counted in the last bar."""
    numbers = np.asarray(values, float)
    top = float(np.percentile(numbers, 99)) if len(numbers) > 20 else float(numbers.max())
    if whole:
        step = max(1, int(np.ceil((top - numbers.min() + 1) / 20)))
        edges = np.arange(numbers.min(), top + step + 0.5, step) - 0.5
    else:
        edges = np.linspace(0, max(top, 1e-9), min(20, max(5, len(numbers) // 3)) + 1)
    counts, edges = np.histogram(np.minimum(numbers, edges[-1]), edges)
    right, height, highest = WIDTH - 14, 190, max(1, int(counts.max()))
    floor, left = height - BOTTOM, max(44, 10 + 9 * len(f"{highest:,}"))
    parts = [f'<line class="axis" x1="{left}" x2="{right}" y1="{floor}" y2="{floor}"/>']
    parts.append(f'<text x="{left - 6}" y="{TOP + 8}" class="faint end">{highest:,}</text>')
    width = (right - left) / len(counts)
    wide = min(WIDEST_BAR, max(1, width - 2))
    for place, n in enumerate(counts):
        a, b = edges[place], edges[place + 1]
        span = f"{a + 0.5:g}" if whole and b - a == 1 else f"{a + 0.5:g}-{b - 0.5:g}" if whole else f"{a:.1f}-{b:.1f}"
        more = " or more" if place == len(counts) - 1 and numbers.max() > b else ""
        tall = (floor - TOP) * n / highest
        x = left + place * width
        box = (
            f'<rect class="hit" x="{x:.1f}" y="{TOP}" width="{width:.1f}" height="{floor - TOP}"/>'
            f'<rect class="box" x="{x + (width - wide) / 2:.1f}" y="{floor - tall:.1f}" width="{wide:.1f}"'
            f' height="{tall:.1f}" rx="1.5"/>'
        )
        parts.append(mark(f"{span}{more} {label}: {n:,}", box))
    ends = [edges[0] + 0.5, edges[-1] - 0.5] if whole else [edges[0], edges[-1]]
    parts += below(
        left, right, height, [f"{end:.3g}" for end in (ends[:1] if len(counts) == 1 and whole else ends)], label
    )
    return svg(f"Spread of {label}", height, parts)


def bars(counts: dict[str, int], label: str) -> str:
    """Named counts, the largest on top."""
    names = sorted(counts, key=lambda name: -counts[name])
    shown = [(name, counts[name]) for name in names[:_MOST_BARS]]
    if rest := sum(counts[name] for name in names[_MOST_BARS:]):
        shown.append((f"{len(names) - _MOST_BARS} others", rest))
    left, right, highest = LABELS, WIDTH - 60, max([1, *counts.values()])
    height = TOP + 26 * len(shown) + 24
    parts = []
    for place, (name, n) in enumerate(shown):
        y, wide = TOP + 26 * place, (right - left) * n / highest
        shapes = (
            f'<rect class="hit" x="0" y="{y}" width="{WIDTH}" height="26"/>'
            f'<rect class="box" x="{left}" y="{y + 4}" width="{max(1.0, wide):.1f}" height="18" rx="2"/>'
            f'<text x="{left + wide + 6:.1f}" y="{y + 17}">{n:,}</text>'
            f"{_name(name, left, y + 17)}"
        )
        parts.append(mark(f"{name}: {n:,}", shapes))
    parts.append(f'<text x="{WIDTH / 2}" y="{height - 6}" class="faint middle">{escape(label)}</text>')
    return svg(label, height, parts)


def _name(name: str, left: float, y: float) -> str:
    """What a line of a plot is called, at its left."""
    short = name if len(name) <= 20 else name[:19] + "…"
    return f'<text x="{left - 10}" y="{y}" class="end">{escape(short)}</text>'


def share_axis(left: float, right: float, top: float, floor: float) -> list[str]:
    """Lines and labels from 0 to 100%, the middle dashed."""
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        x = left + (right - left) * share
        kind = "fair" if share == 0.5 else "axis"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{floor}"/>')
        parts.append(f'<text x="{x:.1f}" y="{floor + 16:.1f}" class="faint middle">{share:.0%}</text>')
    return parts


def levels(left: float, right: float, floor: float, label: Callable[[float], str]) -> list[str]:
    """Lines across a plot at each quarter of its height, with what such a share of it stands for."""
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        y = floor - (floor - TOP) * share
        parts.append(f'<line class="axis" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" class="faint end">{label(share)}</text>')
    return parts


def below(left: float, right: float, height: float, ends: Sequence[str], label: str) -> list[str]:
    """What stands below a plot: its axis's label, and the numbers at both ends of it or, of one, in the middle."""
    middle, y = (left + right) / 2, height - BOTTOM + 16
    places = ((left, ""), (right, " end")) if len(ends) > 1 else ((middle, " middle"),)
    parts = [
        f'<text x="{x}" y="{y}" class="faint{how}">{end}</text>' for (x, how), end in zip(places, ends, strict=True)
    ]
    return [*parts, f'<text x="{middle}" y="{height - 6}" class="faint middle">{escape(label)}</text>']


def mark(tip: str, shapes: str, kind: str = "mark") -> str:
    """Shapes that show their numbers in the top line when they are hovered, tapped or focused."""
    text = escape(tip if len(tip) <= 62 else tip[:61] + "…")
    return (
        f'<g class="{kind}" tabindex="0" role="listitem" aria-label="{escape(tip)}">'
        f'<text class="tip" x="4" y="13">{text}</text>{shapes}</g>'
    )


def points(pairs: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in pairs)


def svg(title: str, height: float, parts: list[str]) -> str:
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {height:g}" role="list" aria-label="{escape(title)}"'
        f' xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )
