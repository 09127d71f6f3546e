"""Pictures of a run: its curves, and a sweep over learning rates."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from training.common.checkpoint_folder import CURVES, METRICS
from training.common.files import new_file
from training.reporting.metrics import read_metrics


def _figure(height: float) -> Any:
    """An empty picture, 8 inches wide, without pyplot: a notebook's MPLBACKEND is unknown outside of it."""
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        from matplotlib.figure import Figure
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    return Figure(figsize=(8, height), layout="constrained")


def draw_curves(folder: Path, title: str) -> None:
    """``training_curves.png`` from ``metrics.jsonl``: training and validation loss, and the learning rate."""
    rows = read_metrics(folder / METRICS)
    figure = _figure(6)
    losses, rates = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    for key, label in (("loss", "training"), ("val_loss", "validation, without smoothing")):
        points = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
        if points:
            losses.plot(*zip(*points, strict=True), label=label, marker="o" if key == "val_loss" else None)
    losses.set(title=title, ylabel="loss (nats a token)")
    losses.grid(alpha=0.3)
    losses.legend()
    points = [(row["step"], row["learning_rate"]) for row in rows if row.get("learning_rate") is not None]
    if points:
        rates.plot(*zip(*points, strict=True), color="tab:green")
    rates.set(xlabel="optimizer step", ylabel="learning rate")
    rates.grid(alpha=0.3)
    with new_file(folder / CURVES) as partial:
        figure.savefig(partial, dpi=120)


def draw_rates(path: Path, rates: Sequence[float], losses: Sequence[float], suggested: float) -> None:
    """The picture of a sweep over learning rates."""
    figure = _figure(4)
    axes = figure.subplots()
    axes.plot(rates, losses)
    axes.axvline(suggested, color="tab:green", label=f"suggested: {suggested:.2g}")
    axes.set(xscale="log", xlabel="learning rate", ylabel="smoothed loss (nats a token)")
    axes.grid(alpha=0.3)
    axes.legend()
    with new_file(path) as partial:
        figure.savefig(partial, dpi=120)
