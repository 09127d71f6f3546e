"""Real models for the tests, trained once a session through the commands that users type."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
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
    """Run a training command of the repository; its failure shows all that it printed.

    Where `DIPTYCH_TRAINED` names a folder, a run is kept there and used again while `training/` is unchanged: for
    developers, who run one test at a time.
    """
    shelf = os.environ.get("DIPTYCH_TRAINED")
    if not shelf:
        return run(command, folder, *arguments)
    kept = Path(shelf) / run_key(command, *arguments)
    if not kept.is_dir():
        made = run(command, folder, *arguments)
        partial = kept.with_name(f"{kept.name}.{os.getpid()}")
        shutil.copytree(folder, partial / "run")
        (partial / "output.txt").write_text(made.output)
        partial.rename(kept)
        return made
    shutil.copytree(kept / "run", folder)
    return Run(folder, (kept / "output.txt").read_text())


def run_key(command: str, *arguments: str) -> str:
    """Hash of a command, its arguments and every file of `training/`."""
    digest = hashlib.sha256(repr((command, arguments)).encode())
    for file in sorted((ROOT / "training").rglob("*")):
        if file.is_file() and "__pycache__" not in file.parts:
            digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def run(command: str, folder: Path, *arguments: str) -> Run:
    """Run a training command; its failure shows all that it printed."""
    done = subprocess.run(
        [sys.executable, command, "--out", str(folder), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1500,  # a demo training is ended after 1,200 s
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Run(folder, done.stdout)
