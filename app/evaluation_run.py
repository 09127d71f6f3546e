"""The evaluation and the comparison of the models that answer, as child processes, and how far they are."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.child import LOGS, Child, last_line, short_path, unwritable, why
from app.model_files import COMPARISON, EVALUATION, RESULTS, to_measure
from training.common.cli import is_installed

MOST_CHARS = 100  # of a line of the log on the page
_BAR = re.compile(r"(?P<what>[^|]*?)\s*(?P<percent>\d{1,3})%\|")


@dataclass(frozen=True)
class Progress:
    """How far a run is; `state` is idle, running, done, failed or stopped."""

    state: str
    text: str = ""
    share: float | None = None


class EvaluationRun:
    """Measures both models, then compares them; one run at a time.

    Args:
        specs: what answers as `model1` and `model2`.
        database: the votes, for the comparison's part on the user test.
        results: the folder for `evaluation.json` and the comparison.
        commands: what to run instead, by title.
        logs: the folder for one log a run.
    """

    def __init__(
        self,
        specs: Mapping[str, str],
        database: Path,
        results: Path = RESULTS,
        commands: Mapping[str, Sequence[str]] | None = None,
        logs: Path = LOGS,
    ) -> None:
        self.results = results
        self._specs, self._database, self._commands, self._logs = specs, database, commands, logs
        self._lock = threading.Lock()
        self._child = Child()
        self._progress = Progress("idle")
        self._log = logs

    def lacks(self) -> str:
        """Why no run can begin; empty when one can."""
        if not is_installed("torch"):
            return "Evaluating needs PyTorch, which is not installed here."
        return unwritable(self.results)

    def start(self, study: str | None = None) -> None:
        """Begin a run, unless one is under way; returns at once. `study` is whose votes the comparison tells."""
        with self._lock:
            if self._progress.state == "running":
                return
            self._child = Child()
            self._log = self._logs / f"evaluation-{time.strftime('%Y%m%d-%H%M%S')}.log"
            self._progress = Progress("running", "Starting")
        arguments = (self._child, self._log, self._commands or self._own_commands(study))
        threading.Thread(target=self._run, args=arguments, name="evaluation", daemon=True).start()

    def stop(self) -> None:
        """End the run and all that it started; what an earlier run has written stays."""
        self._child.close()

    close = stop

    def _run(self, child: Child, log: Path, commands: Mapping[str, Sequence[str]]) -> None:
        for title, command in commands.items():
            self._progress = Progress("running", title)
            try:
                code = child.run(command, log)
            except (OSError, ValueError) as error:
                self._progress = Progress("failed", f"{title} could not be begun: {why(error)}.")
                return
            if child.closed:
                self._progress = Progress("stopped", "Stopped; what was measured before is unchanged.")
                return
            if code != 0:
                text = f"{title} ended with exit code {code}: {last_line(log)} (the log is {short_path(log)})"
                self._progress = Progress("failed", text)
                return
        self._progress = Progress("done", "Done: both models were measured and compared.")

    @property
    def progress(self) -> Progress:
        """How far it is, by the progress bar in its log."""
        progress = self._progress
        if progress.state != "running":
            return progress
        line = last_line(self._log)
        bar = _BAR.match(line)
        what = (bar["what"] if bar else line)[:MOST_CHARS].strip(" :")
        return Progress(
            "running", f"{progress.text}: {what}" if what else progress.text, int(bar["percent"]) / 100 if bar else None
        )

    def _own_commands(self, study: str | None) -> dict[str, list[str]]:
        models = [f"{model}={to_measure(spec)}" for model, spec in self._specs.items()]
        evaluation, out = str(self.results / EVALUATION), str(self.results / COMPARISON)
        compare = ["training.compare", "--no-evaluate", "--evaluation", evaluation, "--out", out]
        compare += ["--db", str(self._database.resolve()), *([f"--study={study}"] if study else [])]
        return {
            "Measuring both models": [sys.executable, "-m", "training.evaluate", *models, "--json", evaluation],
            "Writing the comparison": [sys.executable, "-m", *compare],
        }
