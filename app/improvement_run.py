"""Learning from votes as a child process, and how far it is; one run at a time.

A run that was stopped, or interrupted with the app, goes on from the state that it saved last when it is begun again.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from app.child import LOGS, Child, Progress, Run, last_line, reason, short_path, unwritable
from app.demo_training import RESTART, Step, step_of
from app.improvements import next_folder
from app.model_files import NAMES, home
from training.common.checkpoint_folder import RESUME
from training.common.cli import is_installed

COMMAND = (sys.executable, "-m", "training.improve")
METHODS = {
    "dpo": "DPO: the answer that was preferred becomes likelier than the other one",
    "kto": "KTO: each answer by itself, good or bad; both-bad votes count too",
    "sft": "SFT: imitate the answers that won",
}
REFUSED = 3  # exit code: trained, and refused by a guard


class ImprovementRun(Run):
    """Trains one model on the votes of one study.

    Args:
        database: the votes.
        command: what to run instead of `training.improve`.
        logs: the folder for one log a run.
    """

    def __init__(self, database: Path, command: Sequence[str] = COMMAND, logs: Path = LOGS) -> None:
        super().__init__()
        self._database, self._command, self._logs = database, command, logs
        self._folder = tempfile.TemporaryDirectory(prefix="diptych-", ignore_cleanup_errors=True)

    def lacks(self, spec: str) -> str:
        """Why the model of a SPEC cannot learn here; empty when it can."""
        missing = [name for name in ("torch", "transformers") if not is_installed(name)]
        if missing:
            return f"Learning needs {' and '.join(missing)}, not installed here."
        folder = next_folder(spec)
        if folder is None:
            if spec.startswith("openai:"):
                return "This model answers from a server, so it cannot be trained here."
            return "This model has no training report beside its file; name its folder with --model1 or --model2."
        return unwritable(folder)

    def start(self, model: str, spec: str, method: str, study: str) -> None:
        """Begin a run, unless one is under way; returns at once.

        Args:
            model: which of `model1` and `model2` learns.
            spec: its SPEC, of which :meth:`lacks` has nothing to say.
            study: the label of the study whose votes it learns from.
        """
        checkpoint, out = home(spec), next_folder(spec)
        assert out is not None
        command = [*self._command, "--model", model, "--checkpoint", str(checkpoint), "--out", str(out)]
        command += ["--db", str(self._database.resolve()), f"--study={study}", "--method", method]
        command += ["--progress", str(self._progress_file)]
        log = self._logs / f"improve-{model}-{time.strftime('%Y%m%d-%H%M%S')}.log"
        if self._progress.state != "running":
            self._progress_file.unlink(missing_ok=True)
        title = f"{NAMES[model]} learns from the votes ({method.upper()})"
        self._begin(title, lambda child: self._run(child, command, log, out))

    def _run(self, child: Child, command: list[str], log: Path, out: Path) -> Progress:
        start = "--resume"  # an unfinished run, unless it was of other votes or in another way
        if (out / RESUME).is_dir() and child.run([*command, start, "--check"], log) == 2:
            start = "--restart" if RESTART in last_line(log) else start
        code = child.run([*command, start], log)
        if child.closed:
            return Progress("stopped", "Stopped. Begun again, it goes on from what was saved.")
        if code == 0:
            return Progress("done", "Done.")
        if code == REFUSED:
            return Progress("refused", "Trained, and refused: see why below.")
        text = f"It ended with exit code {code}: {reason(log)} (the log is {short_path(log)})."
        return Progress("failed", text)

    def close(self) -> None:
        """The same for good."""
        self.stop()
        self._folder.cleanup()

    @property
    def step(self) -> Step:
        """How far a run under way is, as the page of the demo trainings shows it."""
        return step_of(self._progress.text, self._progress.state, self._progress_file)

    @property
    def _progress_file(self) -> Path:
        return Path(self._folder.name) / "progress.json"
