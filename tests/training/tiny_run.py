"""A training of a second or two that saves its states: for tests of the loop, of resume and of crashes."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from training.common.cli import Stopped
from training.common.progress import Progress
from training.data.documents import Documents
from training.hardware.compute import Compute
from training.loop.outcome import Outcome
from training.loop.resume import TrainingStates
from training.loop.trainer import Trainer
from training.models.transformer import ModernTransformer
from training.reporting.report import Metrics
from training.settings.common import TrainingOptions

FP32 = Compute(torch.device("cpu"), torch.float32, "for the test")
OPTIONS = TrainingOptions(
    max_steps=60,
    batch_size=8,
    micro_batch_size=8,
    seq_len=32,
    optimizer="muon",
    learning_rate=5e-3,
    adamw_learning_rate=5e-3,
    warmup=0.05,
    min_lr_ratio=0.02,
    evaluations=3,
    compile="false",
)


TARGET = replace(
    OPTIONS, max_steps=400, schedule="wsd", target_bits_per_byte=0.1, fall_within=1.3, looks=100, look_samples=20
)
"""A run that ends where its score says so, long before its plan does."""


class Watched(Progress):
    """Calls ``at_step`` after each optimizer step, and shows nothing."""

    def __init__(self, at_step: Callable[[int], Any] = lambda step: None) -> None:
        super().__init__()
        self.at_step = at_step

    def step(self, step: int, *values: Any) -> None:
        self.at_step(step)

    def say(self, message: str) -> None:
        pass


def counting(n: int, seed: int) -> Documents:
    """Documents that count upward from a random start: a rule that a small model learns at once."""
    rng = np.random.default_rng(seed)
    spans = [[(list(range(s, s + int(rng.integers(5, 14)))), True)] for s in rng.integers(10, 40, n)]
    return Documents.from_spans(spans, [4 * len(span[0][0]) for span in spans])


def tiny_trainer(
    folder: Path, options: TrainingOptions = OPTIONS, n: int = 200, dropout: float = 0.0, seed: int = 0, **changes: Any
) -> Trainer:
    """The loop over ``n`` documents that count."""
    torch.manual_seed(seed)
    arguments: dict[str, Any] = {
        "documents": counting(n, 0),
        "held_out": {"held out": counting(30, 1)},
        "options": options,
        "compute": FP32,
        "pad_id": 3,
        "progress": Watched(),
        "metrics": changes.get("metrics") or Metrics(folder / "metrics.jsonl"),
        "on_best": lambda step, scores: None,
    }
    return Trainer(ModernTransformer(64, 32, 2, 4, 2, 64, 32, dropout), **(arguments | changes))


def saved_run(folder: Path, options: TrainingOptions, progress: Progress | None = None) -> Trainer:
    """The run of ``folder``, from its newest state if it has one. Its weights begin otherwise each time."""
    states = TrainingStates(folder, vars(options), options.keep_checkpoints)
    state = states.newest()
    trainer = tiny_trainer(
        folder,
        options,
        dropout=0.1,
        seed=7 if state else 0,
        metrics=Metrics(folder / "metrics.jsonl", keep_until_step=state["outcome"]["steps"] if state else None),
        states=states,
        progress=progress or Watched(),
    )
    if state:
        trainer.restore(state)
    return trainer


def run_with_stops(folder: Path, options: TrainingOptions, stops: tuple[int, ...]) -> tuple[Trainer, Outcome]:
    """A run that SIGTERM, Ctrl-C and so on end after each of these steps and that then goes on."""
    for stop, number in zip(stops, cycle((signal.SIGTERM, signal.SIGINT)), strict=False):

        def terminate(step: int, stop: int = stop, number: signal.Signals = number) -> None:
            if step == stop:
                os.kill(os.getpid(), number)

        with pytest.raises(Stopped) as stopped:
            saved_run(folder, options, Watched(terminate)).run()
        assert stopped.value.exit_code == 128 + number
    trainer = saved_run(folder, options)
    return trainer, trainer.run()
