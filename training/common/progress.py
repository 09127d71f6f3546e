"""What a long run shows: a progress bar on the terminal and, when asked, a small file that another process reads."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tqdm import tqdm

from training.common import json_text
from training.common.files import ForeignFileError, refusal, replacing

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


def read_state(path: Path) -> State | None:
    """What a run has written to its progress file; None before it has. Another version may have written it: what it
    lacks, or has of another kind, is as in a new ``State``."""
    try:
        saved = json_text.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(saved, dict):
        return None
    known: dict[str, Any] = {"stage": str(saved.get("stage")), "looks": tuple(_pairs(saved.get("looks")))}
    known |= {name: str(saved.get(name) or "") for name in ("message", "question", "answer")}
    known |= {name: int(_number(saved.get(name)) or 0) for name in ("step", "steps")}
    measured = ("loss", "val_loss", "tokens_per_second", "seconds_left", "seconds_at_most", "target")
    known |= {name: _number(saved.get(name)) for name in measured}
    return State(**known, updated=_number(saved.get("updated")) or 0.0)


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_number else None


def _pairs(value: Any) -> list[tuple[float, float]]:
    pairs = value if isinstance(value, list) else []
    pairs = [pair for pair in pairs if isinstance(pair, list) and len(pair) == 2]
    found = [(_number(seconds), _number(score)) for seconds, score in pairs]
    return [(seconds, score) for seconds, score in found if seconds is not None and score]


def quiet_transformers() -> None:
    """Keep transformers' own bars and warnings off the terminal, which is ours."""
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    renamed = "`(is_)?gradient_checkpointing` is deprecated"  # what peft and TRL still call it
    warnings.filterwarnings("ignore", renamed, FutureWarning)


def _check_place(path: Path) -> None:
    """Raises ForeignFileError where something else than a progress file is in its place."""
    with contextlib.suppress(OSError):  # then it is not written, and the run goes on
        path.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(path):
        try:
            ours = json.loads(path.read_text(encoding="utf-8")).keys() >= {"stage", "message", "step", "steps"}
        except (OSError, ValueError, AttributeError):
            ours = False
        if not ours:
            raise ForeignFileError(refusal(path.parent, [path.name]))


class Progress:
    """Stages and steps of one run.

    The file is replaced atomically, at most twice a second, so that a reader never sees half of it.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path else None
        if self.path is not None:
            _check_place(self.path)
        self.state = State()
        self._bar: tqdm | None = None
        self._written = 0.0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        self._close_bar()

    def stage(self, stage: Stage, message: str) -> None:
        """Enter a stage and say so on the terminal."""
        self._close_bar()
        with contextlib.suppress(OSError):  # the terminal may be gone, and the run goes on
            print(message, file=sys.stderr, flush=True)
        self.state = replace(self.state, stage=stage, message=message, seconds_left=None, seconds_at_most=None)
        self._write()

    def update(self, message: str) -> None:
        """How far the stage is, for the progress file alone."""
        self.state = replace(self.state, message=message)
        if time.monotonic() - self._written > 0.5:
            self._write()

    def say(self, message: str) -> None:
        """A line between the bar's updates."""
        with contextlib.suppress(OSError):
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
        minutes, seconds = divmod(max(0, round(seconds_left)), 60)
        with contextlib.suppress(OSError):
            self._draw(step, steps, f"loss {loss:.3f}, {tokens_per_second:,.0f} tokens/s, {minutes}:{seconds:02d} left")
        self.state = replace(
            self.state, stage="train", message="training", step=step, steps=steps, loss=loss, val_loss=val_loss,
            tokens_per_second=tokens_per_second, seconds_left=max(0.0, seconds_left), seconds_at_most=seconds_at_most,
        )  # fmt: skip
        if time.monotonic() - self._written > 0.5:
            self._write()

    def _draw(self, step: int, steps: int, shown: str) -> None:
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
        self._bar.set_postfix_str(shown, refresh=False)
        self._bar.update(0)

    def _close_bar(self) -> None:
        bar, self._bar = self._bar, None
        if bar is not None:
            with contextlib.suppress(OSError):
                bar.refresh()
                bar.close()

    def _write(self) -> None:
        self._written = time.monotonic()
        if self.path is None:
            return
        try:
            with replacing(self.path) as file:
                file.write(json.dumps(asdict(replace(self.state, updated=time.time()))))
        except OSError as error:  # the run is worth more than the news of it
            print(f"--progress {self.path} is no longer written: {error.strerror}", file=sys.stderr)
            self.path = None
