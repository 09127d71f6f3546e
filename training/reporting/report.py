"""What a training writes down: ``training_report.json``, ``metrics.jsonl``, ``training_curves.png``."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from training.common import json_text
from training.common.checkpoint_folder import CURVES, METRICS, REPORT
from training.common.cli import contained
from training.common.files import new_file, replace_text, sign_growing

REPORT_KEYS = (
    "model", "base", "parameters", "trainable_parameters", "size_bytes", "samples", "tokens", "epochs", "train_seconds",
    "tokens_per_second", "peak_memory_bytes", "energy_kwh", "co2_kg", "energy_source", "device", "dtype", "val_loss",
    "val_perplexity", "val_bits_per_byte", "seed", "config",
)  # fmt: skip
"""What ``training_report.json`` always has; more may stand beside."""


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """``training_report.json``; a key of ``REPORT_KEYS`` that is missing is a mistake of ours."""
    missing = [key for key in REPORT_KEYS if key not in report]
    assert not missing, f"training_report.json lacks {missing}"
    replace_text(folder / REPORT, json.dumps(report, indent=2) + "\n")


class Metrics:
    """``metrics.jsonl``: one JSON object a line, appended as the run goes; ``listener`` gets each row too."""

    def __init__(
        self, path: Path, keep_until_step: int | None = None, listener: Callable[[dict[str, Any]], None] | None = None
    ) -> None:
        self.path, self.listener = path, listener
        kept = [] if keep_until_step is None else [row for row in read_metrics(path) if row["step"] <= keep_until_step]
        replace_text(path, "".join(json.dumps(row) + "\n" for row in kept))
        self._signed, self._fails = False, False

    def write(self, **row: Any) -> None:
        try:
            self._append(row)
        except OSError as error:  # a full disk: the run goes on, and where its states find no room either it says so
            if not self._fails:
                print(f"{self.path.name} lacks measurements: {error}", file=sys.stderr)
            self._fails = True
        if self.listener is not None and not contained("the tracker gets no more measurements", self._notify, row):
            self.listener = None

    def _append(self, row: dict[str, Any]) -> None:
        line = "\n" * self._fails + json.dumps(row) + "\n"  # the row before may be half written
        if self._signed:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line)
        else:  # a run that is killed before the file is known as one that grows must find it known as it is
            replace_text(self.path, self.path.read_text(encoding="utf-8") + line)
            sign_growing(self.path)
            self._signed = True
        self._fails = False

    def _notify(self, row: dict[str, Any]) -> bool:
        if self.listener is not None:
            self.listener(row)
        return True


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Rows of ``metrics.jsonl``; a last line cut short by a crash is left out, as all that is no row."""
    rows = []
    if path.is_file():
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            with contextlib.suppress(ValueError):
                rows.append(json_text.loads(line))
    return [row for row in rows if isinstance(row, dict)]


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
