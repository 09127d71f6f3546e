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

from filelock import FileLock

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    """A finished training command: its folder and what it printed."""

    folder: Path
    output: str

    @cached_property
    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "training_report.json").read_text())


def train(shelf: Path, command: str, folder: Path, *arguments: str) -> Run:
    """Run a training command of the repository, or copy what it made into `folder` when it was run before.

    Runs are kept on a shelf: one of the session, which the processes of a parallel run share, or the folder that
    `DIPTYCH_TRAINED` names, where they are used again while `training/` is unchanged (for developers, who run one test
    at a time).
    """
    shelf = Path(os.environ.get("DIPTYCH_TRAINED") or shelf)
    shelf.mkdir(parents=True, exist_ok=True)
    kept = shelf / run_key(command, *arguments)
    with FileLock(f"{kept}.lock"):
        if not kept.is_dir():
            partial = kept.with_name(f"{kept.name}.{os.getpid()}")
            made = run(command, partial / folder.name, *arguments)
            (partial / "output.txt").write_text(made.output)
            partial.rename(kept)
    shutil.copytree(kept / folder.name, folder)
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
