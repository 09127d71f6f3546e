"""A disk that fills while Model 2 is trained: what was reached is kept or it is said, and there is a way on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.trained import ROOT

WITH_A_DISK = ["unshare", "--user", "--map-root-user", "--mount"]
ALL = {"final", "model.gguf", "training_curves.png", "training_report.json", "README.md", "data_card.json"}


def runs(folder: Path, method: str, *kilobytes: int) -> dict[str, Any]:
    """What ``full_disk_run`` found where something else left so much room."""
    try:
        if subprocess.run([*WITH_A_DISK, "true"], capture_output=True).returncode:
            pytest.skip("this system lets nobody mount a disk")
    except FileNotFoundError:
        pytest.skip("this system has no unshare")
    command = [*WITH_A_DISK, sys.executable, "-m", "tests.training.full_disk_run", str(folder), method]
    environment = os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}
    done = subprocess.run(
        [*command, *map(str, kilobytes)], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    for run in found.values():
        assert "Traceback" not in run["said"]
        assert (run["again"], run["same"]) == (0, True), run["told"]
    return found


def test_lora_s_matrices_outlast_a_full_disk(tmp_path: Path) -> None:
    """No room at all; room for the matrices and the state, not for the merged model; for that, not for the rest."""
    nothing, matrices, model = runs(tmp_path, "lora", 0, 300, 500).values()
    assert nothing["code"] == 2
    assert (
        "the weights of step 8 cannot be written: No space left on device; make room and train again" in nothing["said"]
    )
    assert not nothing["no more steps"]
    assert (matrices["code"], matrices["no more steps"]) == (2, True)
    assert "final is not written, for the reason above; make room and go on with --resume" in matrices["said"]
    assert {"adapter", "resume", "training_report.json"} <= set(matrices["kept"])
    assert set(matrices["left"]) == ALL | {
        ".diptych.json",
        "adapter",
        "data_card.md",
        "metrics.jsonl",
        "trained_on.uint64",
    }
    assert model["code"] == 0
    assert "not written, for the reason above: model.gguf" in model["said"]
    assert "holds this run already, finished" in model["told"]


def test_a_whole_model_that_finds_no_room_is_said(tmp_path: Path) -> None:
    (run,) = runs(tmp_path, "full", 200).values()
    assert run["code"] == 2
    assert "the weights of step 8 cannot be written: " in run["said"]
    assert run["said"].splitlines()[-1].endswith("make room and train again, for no state is saved")
    assert set(run["left"]) >= ALL
