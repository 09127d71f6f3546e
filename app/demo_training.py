"""The demo pair, trained in child processes while the page shows how far they are.

The second prepares itself beside the first, which leaves half of a core to it, and waits for the first one's end.
A training that is killed goes on by itself, once; one that fails, or whose model has not learned enough, waits until
somebody says so. All go on from the state that they saved last. Where that is of a run with other settings or data, as
one that was left unfinished before an upgrade, it is kept aside and the training begins anew.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from app.child import LOGS, Child, last_line, reason, short_path
from feedback.messages import mark
from training.common.checkpoint_folder import MODEL1_FOLDER, MODEL2_FOLDER, RESUME
from training.common.progress import Stage, State, read_state

CHECKPOINTS = {"model1": MODEL1_FOLDER, "model2": MODEL2_FOLDER}
COMMANDS = {
    "model1": [sys.executable, "-m", "training.train_art_ai_model", "--profile", "demo", "--resume"],
    "model2": [sys.executable, "-m", "training.train_model2_pretrained", "--profile", "demo", "--resume"],
}
TITLES = {"model1": mark("A model from scratch"), "model2": mark("A pretrained model")}
STARTING = mark("Starting")
TRAINING = mark("Training")
STAGES: dict[Stage, str] = {
    "tokenizer": mark("Learning its vocabulary"),
    "corpus": mark("Preparing the texts"),
    "download": mark("Fetching its base"),
    "train": TRAINING,
    "evaluate": mark("Measuring it"),
    "export": mark("Saving it"),
    "done": mark("Ready"),
}
RESTART = "--restart to begin anew"
"""How the commands of training end their refusal of an unfinished run that is another."""
MEMORY_AHEAD = 4 << 30
"""Bytes that both trainings need at the same time, with room beside them: 1.5 GB were seen."""
KILLED = (128 + 6, 128 + 7, 128 + 9, 128 + 11)
"""Exit codes of a process that the system ended (SIGABRT, SIGBUS, SIGKILL, SIGSEGV), as where memory runs out."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """How far the training of one model is; `state` is waiting, running, done, failed or weak, `stage` what the page
    calls that of a run, and `run` what it said last."""

    title: str
    state: str
    stage: str = ""
    run: State = field(default_factory=State)


@dataclass(frozen=True)
class Begun:
    """A training that was started, and its log."""

    child: Child
    log: Path


def has_room_ahead() -> bool:
    """Whether there is memory for a second training, which keeps its base loaded while it waits."""
    return psutil.virtual_memory().available >= MEMORY_AHEAD


def step_of(title: str, state: str, progress: Path) -> Step:
    """How far a training is, by its progress file."""
    run = read_state(progress)
    stage = STAGES.get(run.stage, STARTING) if run else STARTING
    return Step(title, state, stage if state == "running" else "", run or State())


class DemoTraining:
    """Runs the training commands of the missing models one after the other.

    Args:
        missing: which of `model1` and `model2` to train.
        commands: the command of each, to which `--progress FILE` is added.
        logs: the folder for one log a run; `DIPTYCH_LOGS`, or `logs/`, unless given.
        folders: where each model's command keeps its unfinished run.
        ahead: start each command with the one before it, for commands that wait with `--after PID`.
        check: says of a trained model in a sentence why it must not be tested; nothing where it may.
    """

    def __init__(
        self,
        missing: Sequence[str],
        commands: Mapping[str, Sequence[str]] = COMMANDS,
        logs: Path | None = None,
        folders: Mapping[str, Path] = CHECKPOINTS,
        check: Callable[[str], str] = lambda model: "",
        ahead: bool = False,
    ) -> None:
        self.missing = list(missing)
        self.failure = ""
        self._commands = commands
        self._logs = logs or LOGS
        self._folders = folders
        self._check = check
        self._states = dict.fromkeys(self.missing, "waiting")
        self._folder = tempfile.TemporaryDirectory(prefix="diptych-", ignore_cleanup_errors=True)
        self._follows = dict(zip(self.missing, self.missing[1:], strict=False)) if ahead else {}
        self._begun: dict[str, Begun] = {}
        self._lock = threading.Lock()
        self._closed = False

    def run(self) -> bool:
        """Train everything that is not ready yet, from the saved states; whether it worked. `failure` says in one line
        what went wrong and where to read on."""
        self.failure = ""
        for model in self.missing:
            if self._states[model] == "done":
                continue
            self._states[model] = "running"
            failure = self._train(model)
            if self._closed:
                return False
            state = "failed" if failure else "done"
            if not failure and (failure := self._check(model)):
                state = "weak"
            self._states[model], self.failure = state, failure
            if failure:
                self._end_what_waits()
                return False
        return True

    def _train(self, model: str) -> str:
        """Run a model's command, once more if it was killed or refused what it found; what went wrong, or nothing."""
        for attempt in range(2):
            begun = self._begun.get(model) or self._begin(model)
            if attempt == 0 and (following := self._follows.get(model)) and has_room_ahead():
                self._begin(following, begun.child.pid)
            code, output = begun.child.wait(), begun.log
            self._begun.pop(model, None)
            if code == 0 or self._closed:
                return ""
            self._end_what_waits()
            code = 128 - code if code < 0 else code  # as the guard tells it, which may be killed as well
            if code in KILLED and attempt == 0:
                log.warning(
                    "the training of %s was killed by signal %d; it goes on from the state that it saved last",
                    model, code - 128,
                )  # fmt: skip
                continue
            if code == 2 and RESTART in last_line(output) and attempt == 0 and self._keep_aside(model):
                continue
            break
        if code in KILLED:
            return (
                f"The training of {model} was killed by signal {code - 128}, twice, as happens where memory runs out; "
                f"read {short_path(output)}"
            )
        why = reason(output)
        said = f": {why}" if why else ""
        return f"The training of {model} ended with exit code {code}{said} (read {short_path(output)})"

    def _begin(self, model: str, after: int | None = None) -> Begun:
        """Start a model's command; with `after` it waits, prepared, for the end of that process."""
        begun = Begun(Child(), self._logs / f"demo-{model}-{time.strftime('%Y%m%d-%H%M%S')}.log")
        with self._lock:
            self._begun[model] = begun
            if self._closed:
                begun.child.close()
        command = [*self._commands[model], "--progress", str(self._progress_file(model))]
        begun.child.begin([*command, *(["--after", str(after)] if after else [])], begun.log)
        return begun

    def _end_what_waits(self) -> None:
        """End what was begun ahead, whose turn has not come."""
        for begun in [self._begun.pop(model) for model in list(self._begun)]:
            begun.child.close()
            begun.child.wait()

    def _keep_aside(self, model: str) -> bool:
        """Move the states of a run that cannot be gone on with out of the way: they may be hours of training."""
        states = self._folders[model] / RESUME
        aside = states.with_name(f"{RESUME}-{time.strftime('%Y%m%d-%H%M%S')}")
        try:
            states.rename(aside)
        except OSError as error:
            log.warning("an unfinished run stays in the way in %s: %s", short_path(states), error.strerror)
            return False
        log.warning(
            "an unfinished run with other settings or data is kept in %s, and the training of %s begins anew",
            short_path(aside), model,
        )  # fmt: skip
        return True

    def steps(self) -> list[Step]:
        """How far each model is, in the order of training."""
        return [self._step(model) for model in self.missing]

    def _step(self, model: str) -> Step:
        state, title = self._states[model], TITLES[model]
        return Step(title, state) if state == "waiting" else step_of(title, state, self._progress_file(model))

    def _progress_file(self, model: str) -> Path:
        return Path(self._folder.name) / f"{model}.json"

    def close(self) -> None:
        """End the children and everything that they started."""
        with self._lock:
            self._closed = True
            children = [begun.child for begun in self._begun.values()]
        for child in children:
            child.close()
        self._folder.cleanup()
