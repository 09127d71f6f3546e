"""The evaluation and the comparison of the models that answer, as child processes, and how far they are."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.child import LOGS, Child, Progress, Run, last_line, short_path, unwritable
from app.model_files import COMPARISON, EVALUATION, RESULTS, to_measure
from training.common.cli import is_installed

MOST_CHARS = 100  # of a line of the log on the page
_BAR = re.compile(r"(?P<what>[^|]*?)\s*(?P<percent>\d{1,3})%\|")


class EvaluationRun(Run):
    """Measures both models, then compares them.

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
        super().__init__()
        self.results = results
        self._specs, self._database, self._commands, self._logs = specs, database, commands, logs
        self._log = logs

    def lacks(self) -> str:
        """Why no run can begin; empty when one can."""
        if not is_installed("torch"):
            return "Evaluating needs PyTorch, which is not installed here."
        return unwritable(self.results)

    def start(self, study: str | None = None) -> None:
        """Begin a run, unless one is under way; returns at once. `study` is whose votes the comparison tells."""
        log = self._logs / f"evaluation-{time.strftime('%Y%m%d-%H%M%S')}.log"
        if self._progress.state != "running":
            self._log = log
        self._begin("Starting", lambda child: self._run(child, log, self._commands or self._own_commands(study)))

    def _run(self, child: Child, log: Path, commands: Mapping[str, Sequence[str]]) -> Progress:
        for title, command in commands.items():
            self._what, self._progress = title, Progress("running", title)
            code = child.run(command, log)
            if child.closed:
                return Progress("stopped", "Stopped; what was measured before is unchanged.")
            if code != 0:
                text = f"{title} ended with exit code {code}: {last_line(log)} (the log is {short_path(log)})"
                return Progress("failed", text)
        return Progress("done", "Done: both models were measured and compared.")

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
