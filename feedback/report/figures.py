"""The report's plots as inline SVG: no script, no network, sharp in print."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt
import numpy as np

from ..statistics.anytime import interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from ..statistics.outcomes import Outcomes

_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "diptych",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#e6e6ea",
    "axes.axisbelow": True,
    "axes.edgecolor": "#8a8a94",
    "text.color": "#1b1b22",
    "axes.labelcolor": "#1b1b22",
    "xtick.color": "#4a4a55",
    "ytick.color": "#4a4a55",
}
INK, ACCENT, SOFT = "#1b1b22", "#3b5bdb", "#b9c4f5"
PATH_POINTS = 40


@contextmanager
def _figure(width: float, height: float, collected: list[str], title: str) -> Iterator[Any]:
    """Axes to draw on; the finished SVG, without its XML header, is appended to ``collected``."""
    with plt.rc_context(_STYLE):
        figure, axes = plt.subplots(figsize=(width, height), layout="constrained")
        try:
            yield axes
            buffer = io.StringIO()
            figure.savefig(buffer, format="svg", metadata={"Date": None})
        finally:
            plt.close(figure)
    text = re.sub(r"<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    collected.append(text[text.index("<svg") :].replace("<svg", f'<svg role="img" aria-label="{title}"', 1))


def preference(result: dict[str, Any]) -> str:
    """The share preferring model1, over all and by category, with intervals where there are any."""
    lines = [("All votes", result["preference"], result["n_votes"])]
    lines += [(entry["category"], entry, entry["n_votes"]) for entry in result["by_category"]]
    svg: list[str] = []
    with _figure(6.4, 0.9 + 0.36 * len(lines), svg, "Share preferring Model 1, with intervals") as axes:
        for place, (_, entry, _) in enumerate(lines):
            if entry["ci_low"] is not None:
                axes.plot([entry["ci_low"], entry["ci_high"]], [-place, -place], color=ACCENT, linewidth=2)
            axes.plot(entry["estimate"], -place, "o", color=INK if place == 0 else ACCENT, markersize=7)
        axes.axvline(0.5, color="#8a8a94", linewidth=1, linestyle="--")
        axes.set_yticks([-place for place in range(len(lines))], [f"{name} ({n})" for name, _, n in lines])
        axes.set_xlim(0, 1)
        axes.set_ylim(-len(lines) + 0.4, 0.6)
        _percent(axes.xaxis)
        axes.set_xlabel("prefer Model 2   ←   share preferring Model 1   →   prefer Model 1")
    return svg[0]


def anytime(x: NDArray[np.float64], alpha: float, looks: Sequence[tuple[int, float | None, float | None]]) -> str:
    """The interval that may always be looked at, as testers closed, with a mark for each look."""
    steps = np.unique(np.geomspace(1, len(x), PATH_POINTS).astype(int))
    low, high = np.array([interval(x[:n], alpha) for n in steps]).T
    svg: list[str] = []
    with _figure(6.4, 2.8, svg, "Anytime-valid interval over closed testers") as axes:
        axes.fill_between(steps, low, high, color=SOFT, step="post", label="interval")
        axes.plot(steps, (np.cumsum(x) / np.arange(1, len(x) + 1))[steps - 1], color=INK, label="mean so far")
        for number in sorted({closed for closed, _, _ in looks if closed}):
            axes.plot(number, 0.02, "|", color=ACCENT, markersize=10)
        axes.axhline(0.5, color="#8a8a94", linewidth=1, linestyle="--")
        axes.set_ylim(0, 1)
        axes.set_xlim(1, len(x))
        _percent(axes.yaxis)
        axes.set_xlabel("testers whose session is closed, by enrolment (marks: looks at the results)")
        axes.legend(frameon=False, loc="upper right")
    return svg[0]


def position(result: dict[str, Any], outcomes: Outcomes) -> str:
    """How often the left side won, and model1's share on each side."""
    shares = [
        float(outcomes.score[side].mean()) if side.any() else None
        for side in (outcomes.model1_left, ~outcomes.model1_left)
    ]
    side = result["position"]
    svg: list[str] = []
    with _figure(6.4, 1.9, svg, "Effect of the side") as axes:
        if side["ci_low"] is not None:
            axes.plot([side["ci_low"], side["ci_high"]], [0, 0], color=ACCENT, linewidth=2)
        for place, share in enumerate([side["left_estimate"], *shares]):
            if share is not None:
                axes.plot(share, -place, "o", color=INK if place == 0 else ACCENT, markersize=7)
        axes.axvline(0.5, color="#8a8a94", linewidth=1, linestyle="--")
        axes.set_yticks([0, -1, -2], ["left side wins", "Model 1 on the left", "Model 1 on the right"])
        axes.set_xlim(0, 1)
        axes.set_ylim(-2.6, 0.6)
        _percent(axes.xaxis)
    return svg[0]


def length(outcomes: Outcomes) -> str:
    """Model1's share by how much longer its answer was, in five groups of equal size."""
    total = np.maximum(outcomes.model1_chars + outcomes.model2_chars, 1)
    difference = (outcomes.model1_chars - outcomes.model2_chars) / total
    groups = [group for group in np.array_split(np.argsort(difference, kind="stable"), 5) if len(group)]
    svg: list[str] = []
    with _figure(6.4, 2.5, svg, "Share preferring Model 1 by relative length") as axes:
        axes.plot(
            [difference[group].mean() for group in groups],
            [outcomes.score[group].mean() for group in groups],
            "o-",
            color=ACCENT,
        )
        axes.axhline(0.5, color="#8a8a94", linewidth=1, linestyle="--")
        axes.set_ylim(0, 1)
        _percent(axes.yaxis)
        axes.set_xlabel("(characters of Model 1 - of Model 2) / both")
    return svg[0]


def histogram(values: Sequence[float], label: str, whole: bool = False) -> str:
    """How a number is spread; values over the 99th percentile are counted in the last bar."""
    top = float(np.percentile(values, 99)) if len(values) > 20 else float(max(values))
    clipped = np.minimum(values, top)
    bins: Any = np.arange(0.5, top + 1.5) if whole and top <= 40 else min(30, max(5, len(values) // 3))
    svg: list[str] = []
    with _figure(3.1, 2.1, svg, label) as axes:
        axes.hist(clipped, bins=bins, color=ACCENT, edgecolor="white")
        axes.set_xlabel(label)
        axes.yaxis.get_major_locator().set_params(integer=True)
    return svg[0]


def bars(counts: dict[str, int], label: str) -> str:
    """Named counts, the largest on top."""
    names = sorted(counts, key=counts.__getitem__)
    svg: list[str] = []
    with _figure(3.1, 0.7 + 0.3 * len(names), svg, label) as axes:
        axes.barh(names, [counts[name] for name in names], color=ACCENT)
        axes.set_xlabel(label)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return svg[0]


def _percent(axis: Any) -> None:
    axis.set_major_formatter(matplotlib.ticker.PercentFormatter(1, decimals=0))
