"""Fills a disk in the middle of fine-tunings: ``python -m tests.training.full_disk_run FOLDER METHOD KILOBYTES ...``
prints what each left, and what came of going on when there was room again, as JSON.

The disk is a tmpfs, which takes ``unshare --user --map-root-user --mount``. PyTorch is imported once for all runs.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from tests.training.tiny_bases import save_tiny_base
from training.common.progress import Progress
from training.models.bases import load_base
from training.train_model2_pretrained import main as train

STEPS, FULL_FROM = 8, 5
SETTINGS = {
    "learning_rate": 0.02, "max_samples": "none", "max_seconds": "none", "frozen": 0, "dtype": "fp32",
    "target_bits_per_byte": "none", "usable_bits_per_byte": "none", "evaluations": 1, "lora_rank": 4,
}  # fmt: skip


@contextlib.contextmanager
def full_from(step: int, disk: Path, kilobytes: int) -> Iterator[None]:
    """A disk on which something else leaves so much room from this step on."""
    show = Progress.step

    def fill(progress: Progress, at: int, *values: Any) -> None:
        show(progress, at, *values)
        if at == step:
            with (disk / "filler").open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - kilobytes * 1024)

    with mock.patch.object(Progress, "step", fill):
        yield
    (disk / "filler").unlink(missing_ok=True)


def said_by(command: list[str]) -> tuple[int, str]:
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = train(command)
    return code, out.getvalue() + error.getvalue()


def steps_of(said: str) -> bool:
    """Whether a run that went on had nothing left to train."""
    return f"going on from step {STEPS} of {STEPS}" in said


def main(folder: Path, method: str, levels: list[int]) -> dict[str, Any]:
    torch.set_num_threads(1)
    disk = folder / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "none", str(disk)], check=True)
    base = folder / "base"
    known = load_base(str(save_tiny_base("gpt2", base)))  # as one whose turns are known: LoRA's state is small then
    known.model.save_pretrained(base)
    known.tokenizer.save_pretrained(base)
    rows = [{"question": f"Number {i}?", "answer": f"It is {i}."} for i in range(150)]
    (folder / "numbers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["--base", str(base), "--data", str(folder / "numbers.jsonl"), "--method", method]
    command += ["--max-steps", str(STEPS)]
    command += [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
    whole = disk / "whole"
    code, said = said_by([*command, "--out", str(whole)])
    assert code == 0, said
    weights = (whole / "final" / "model.safetensors").read_bytes()
    found = {}
    for level in levels:
        out = disk / str(level)
        with full_from(FULL_FROM, disk, level):
            code, said = said_by([*command, "--out", str(out)])
            kept = sorted(path.name for path in out.iterdir())
        again, told = said_by([*command, "--out", str(out), "--resume"])
        report = json.loads((out / "training_report.json").read_text())
        found[level] = {
            "code": code,
            "said": said,
            "kept": kept,
            "again": again,
            "told": told,
            "no more steps": steps_of(told),
            "same": (out / "final" / "model.safetensors").read_bytes() == weights,
            "lacking": [name for name, written in report["written"].items() if written is None],
            "left": sorted(path.name for path in out.iterdir()),
        }
        shutil.rmtree(out)
    return found


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), sys.argv[2], list(map(int, sys.argv[3:]))), indent=1))
