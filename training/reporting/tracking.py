"""Measurements of a run in a tracker of one's own choice, beside ``metrics.jsonl``."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from training.common.cli import contained, is_installed
from training.common.options import OptionsError

Listener = Callable[[Mapping[str, Any]], None]

PROJECT = "diptych"


def tracking_problems(name: str, out: Path) -> list[str]:
    """Whether the tracker's package is missing, or a file stands where its folder in ``out`` will be."""
    folder = out / {"tensorboard": "logs", "wandb": "wandb"}.get(name, "")
    if os.path.lexists(folder) and not folder.is_dir():
        return [f"report_to={name} writes to the folder {folder}, where a file is; move it away, or name another --out"]
    if name == "none" or is_installed(name):
        return []
    return [f"report_to={name} needs a package that is not installed; run `pip install {name}`, or leave report_to out"]


@contextlib.contextmanager
def tracking(name: str, out: Path, config: Mapping[str, Any]) -> Iterator[Listener | None]:
    """A function that takes each row of ``metrics.jsonl``; None when ``name`` is ``none``.

    TensorBoard's files go to ``logs/`` in ``out``, which also names the run, and W&B's to ``wandb/`` in it unless
    ``WANDB_DIR`` names another folder.

    Raises:
        OptionsError: when the tracker does not start, as W&B without a login.
    """
    if name == "none":
        yield None
    elif name == "tensorboard":
        with _starting(name):
            from torch.utils.tensorboard import SummaryWriter

            writer = SummaryWriter(str(out / "logs"))

        def add(row: Mapping[str, Any]) -> None:
            for key, value in numbers(row).items():
                writer.add_scalar(key, value, row["step"])
            for question, answer in row.get("answers", {}).items():
                writer.add_text(question, answer, row["step"])

        try:
            yield add
        finally:
            contained("TensorBoard's files may lack the last measurements", writer.close)
    else:  # Trackio has the interface of W&B
        folder = {"dir": str(out)} if name == "wandb" and "WANDB_DIR" not in os.environ else {}
        with _starting(name):
            tracker = importlib.import_module(name)
            tracker.init(project=PROJECT, name=out.name, config=dict(config), **folder)
        try:
            yield lambda row: tracker.log(numbers(row), step=row["step"])
        finally:
            contained(f"{name} may lack the last measurements", tracker.finish)


@contextlib.contextmanager
def _starting(name: str) -> Iterator[None]:
    """One line where a tracker does not start; each has errors of its own, and some end the program."""
    try:
        yield
    except (Exception, SystemExit) as error:
        offline = "set WANDB_MODE=offline or " if name == "wandb" else ""
        reason = " ".join(str(error).split()).rstrip(". ") or type(error).__name__
        raise OptionsError([f"report_to={name} does not start: {reason}; {offline}leave report_to out"]) from error


def numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """The measurements of a row, without its step and its texts."""
    return {key: value for key, value in row.items() if key != "step" and isinstance(value, int | float)}
