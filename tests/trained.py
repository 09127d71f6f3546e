"""Real models for the tests, trained once a session through the commands that users type."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    """A finished training command: its folder and what it printed."""

    folder: Path
    output: str

    @cached_property
    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "training_report.json").read_text())


def train(command: str, folder: Path, *arguments: str) -> Run:
    """Run a training command of the repository; its failure shows all that it printed."""
    done = subprocess.run(
        [sys.executable, command, "--out", str(folder), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1500,  # a demo training is ended after 1,200 s
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Run(folder, done.stdout)
