"""The demo pair, trained in child processes while the page shows how far they are."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.child import LOGS, ROOT, Child, short_path

CHECKPOINTS = {"model1": ROOT / "checkpoints" / "art_ai_model", "model2": ROOT / "checkpoints" / "model2_pretrained"}
COMMANDS = {
    "model1": [sys.executable, "-m", "training.train_art_ai_model", "--profile", "demo", "--resume"],
    "model2": [sys.executable, "-m", "training.train_model2_pretrained", "--profile", "demo", "--resume"],
}
TITLES = {"model1": "A model from scratch", "model2": "A pretrained model"}
STAGES = {
    "tokenizer": "Learning its vocabulary",
    "corpus": "Preparing the texts",
    "download": "Fetching its base",
    "train": "Training",
    "evaluate": "Measuring it",
    "export": "Saving it",
    "done": "Ready",
}


@dataclass(frozen=True)
class Step:
    """How far the training of one model is; `state` is waiting, running, done or failed."""

    title: str
    state: str
    stage: str = ""
    step: int = 0
    steps: int = 0
    loss: float | None = None
    seconds_left: float | None = None


class DemoTraining:
    """Runs the training commands of the missing models one after the other.

    Args:
        missing: which of `model1` and `model2` to train.
        commands: the command of each, to which `--progress FILE` is added.
        logs: the folder for one log a run; `logs/` unless given.
    """

    def __init__(
        self, missing: Sequence[str], commands: Mapping[str, Sequence[str]] = COMMANDS, logs: Path | None = None
    ) -> None:
        self.missing = list(missing)
        self.failure = ""
        self._commands = commands
        self._logs = logs or LOGS
        self._states = dict.fromkeys(self.missing, "waiting")
        self._folder = tempfile.TemporaryDirectory(prefix="diptych-")
        self._child = Child()

    def run(self) -> bool:
        """Train everything; whether it worked. `failure` says in one line what went wrong and where to read on."""
        for model in self.missing:
            self._states[model] = "running"
            log = self._logs / f"demo-{model}-{time.strftime('%Y%m%d-%H%M%S')}.log"
            code = self._child.run([*self._commands[model], "--progress", str(self._progress_file(model))], log)
            if self._child.closed:
                return False
            if code != 0:
                self._states[model] = "failed"
                self.failure = (
                    f"The training of {model} ended with exit code {code}; read {short_path(log)}, then start again"
                )
                return False
            self._states[model] = "done"
        return True

    def steps(self) -> list[Step]:
        """How far each model is, in the order of training."""
        return [self._step(model) for model in self.missing]

    def _step(self, model: str) -> Step:
        state, title = self._states[model], TITLES[model]
        if state != "running":
            return Step(title, state)
        progress = self._read(model)
        return Step(
            title,
            state,
            STAGES.get(str(progress.get("stage")), "Starting"),
            _number(progress.get("step"), int) or 0,
            _number(progress.get("steps"), int) or 0,
            _number(progress.get("loss"), float),
            _number(progress.get("seconds_left"), float),
        )

    def _read(self, model: str) -> dict[str, Any]:
        try:
            progress = json.loads(self._progress_file(model).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}  # not written yet
        return progress if isinstance(progress, dict) else {}

    def _progress_file(self, model: str) -> Path:
        return Path(self._folder.name) / f"{model}.json"

    def close(self) -> None:
        """End the child and everything that it started."""
        self._child.close()
        self._folder.cleanup()


def _number(value: Any, kind: type[int] | type[float]) -> Any:
    return kind(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
