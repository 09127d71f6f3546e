"""A short sweep over learning rates (Smith 2017, arXiv:1506.01186): the loss while the rate rises from far too small to
far too large."""

from __future__ import annotations

import math
from pathlib import Path

from training.common.options import OptionsError
from training.loop.optimizer import set_learning_rate
from training.loop.trainer import Trainer
from training.reporting.report import draw_rates

PICTURE = "learning_rate.png"
STEPS = 60
LOWEST, HIGHEST = 0.01, 100.0
"""Multiples of the peak rates of the settings."""
SMOOTHING = 0.8
BLOWN_UP = 2.0


def find_learning_rate(trainer: Trainer, out: Path, steps: int = STEPS) -> str:
    """Sweep, draw the losses in ``out``, and describe them with a suggestion; the model is of no further use.

    Every rate of the optimizer is multiplied by the same number. The suggestion is a third of the rate at which the
    smoothed loss is lowest: from there on it no longer falls.

    Raises:
        OptionsError: when the rates of the settings are 0.
    """
    rates, losses = sweep(trainer, steps)
    picture = out / PICTURE
    lowest = min(range(len(losses)), key=losses.__getitem__)
    suggested = rates[lowest] / 3
    draw_rates(picture, rates, losses, suggested)
    shown = range(0, len(rates), max(1, len(rates) // 12))
    table = "\n".join(f"  {rates[i]:12.2e}  {losses[i]:8.3f}" for i in shown)
    settings = f"--set learning_rate={suggested:.2g}"
    if trainer.options.adamw_learning_rate is not None and trainer.options.optimizer == "muon":
        share = trainer.options.adamw_learning_rate / trainer.options.learning_rate
        settings += f" --set adamw_learning_rate={suggested * share:.2g}"
    edge = "" if 0 < lowest < len(rates) - 1 else " (at the edge of the sweep: take it with care)"
    return f"  learning rate      loss\n{table}\nsuggested{edge}: {settings}\ndrawn in {picture}"


def sweep(trainer: Trainer, steps: int) -> tuple[list[float], list[float]]:
    """Learning rates in equal ratios, and the smoothed loss after each; ends early when the loss has blown up."""
    if not trainer.options.learning_rate:
        raise OptionsError(["learning_rate=0 leaves nothing to sweep; set it to your best guess"])
    rates: list[float] = []
    losses: list[float] = []
    average = 0.0
    for step in range(steps):
        multiplier = LOWEST * (HIGHEST / LOWEST) ** (step / max(1, steps - 1))
        rate = set_learning_rate(trainer.optimizers, multiplier)
        try:
            loss = trainer.step(next(trainer.batches))
        except ValueError:  # no number any more
            break
        average = SMOOTHING * average + (1 - SMOOTHING) * loss
        smoothed = average / (1 - SMOOTHING ** (step + 1))
        if losses and (smoothed > BLOWN_UP * min(losses) or not math.isfinite(smoothed)):
            break
        rates.append(rate)
        losses.append(smoothed)
        trainer.progress.step(step + 1, steps, loss, 0.0, 0.0, None)
    return rates, losses
