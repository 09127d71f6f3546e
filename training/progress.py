"""What a long run shows: a progress bar on the terminal and, when asked, a small file that another process reads."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Literal

from tqdm import tqdm

Stage = Literal["corpus", "tokenizer", "download", "train", "evaluate", "export", "done"]


@dataclass(frozen=True)
class State:
    """The content of the progress file."""

    stage: Stage = "corpus"
    message: str = ""
    step: int = 0
    steps: int = 0
    loss: float | None = None
    val_loss: float | None = None
    tokens_per_second: float | None = None
    seconds_left: float | None = None
    seconds_at_most: float | None = None
    """Until the run's limit of seconds"""
    looks: Sequence[tuple[float, float]] = ()
    """Seconds of the run and bits per byte of each score on the way to the target"""
    target: float | None = None
    question: str = ""
    answer: str = ""
    """The latest, to the first of the fixed questions"""
    updated: float = 0.0


def quiet_transformers() -> None:
    """Keep transformers' own bars and warnings off the terminal, which is ours."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()


class Progress:
    """Stages and steps of one run.

    The file is replaced atomically, at most twice a second, so that a reader never sees half of it.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path else None
        self.state = State()
        self._bar: tqdm | None = None
        self._written = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close_bar()

    def stage(self, stage: Stage, message: str) -> None:
        """Enter a stage and say so on the terminal."""
        self._close_bar()
        print(message, file=sys.stderr, flush=True)
        self.state = replace(self.state, stage=stage, message=message, seconds_left=None, seconds_at_most=None)
        self._write()

    def say(self, message: str) -> None:
        """A line between the bar's updates."""
        tqdm.write(message, file=sys.stderr)

    def look(self, looks: Sequence[tuple[float, float]], target: float | None, answers: Mapping[str, str]) -> None:
        """A score of held-out samples, with all those before it, and what the model answers by now."""
        question, answer = next(iter(answers.items()), (self.state.question, self.state.answer))
        self.state = replace(self.state, looks=tuple(looks), target=target, question=question, answer=answer)
        self._write()

    def step(
        self,
        step: int,
        steps: int,
        loss: float,
        tokens_per_second: float,
        seconds_left: float,
        val_loss: float | None,
        seconds_at_most: float | None = None,
    ) -> None:
        """One more optimizer step of training."""
        if self._bar is None:
            self._bar = tqdm(
                total=steps,
                desc="train",
                unit="step",
                file=sys.stderr,
                mininterval=1 if sys.stderr.isatty() else 15,
                dynamic_ncols=True,
            )
        self._bar.total = steps
        self._bar.n = step
        minutes, seconds = divmod(max(0, round(seconds_left)), 60)
        shown = f"loss {loss:.3f}, {tokens_per_second:,.0f} tokens/s, {minutes}:{seconds:02d} left"
        self._bar.set_postfix_str(shown, refresh=False)
        self._bar.update(0)
        self.state = replace(
            self.state, stage="train", message="training", step=step, steps=steps, loss=loss, val_loss=val_loss,
            tokens_per_second=tokens_per_second, seconds_left=max(0.0, seconds_left), seconds_at_most=seconds_at_most,
        )  # fmt: skip
        if time.monotonic() - self._written > 0.5:
            self._write()

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.refresh()
            self._bar.close()
            self._bar = None

    def _write(self) -> None:
        self._written = time.monotonic()
        if self.path is None:
            return
        with contextlib.suppress(OSError):  # a training does not end because nobody can be told how far it is
            self.path.parent.mkdir(parents=True, exist_ok=True)
            partial = self.path.with_suffix(".partial")
            partial.write_text(json.dumps(asdict(replace(self.state, updated=time.time()))))
            os.replace(partial, self.path)
