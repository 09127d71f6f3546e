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


def needs_a_disk() -> None:
    try:
        if subprocess.run([*WITH_A_DISK, "true"], capture_output=True).returncode:
            pytest.skip("this system lets nobody mount a disk")
    except FileNotFoundError:
        pytest.skip("this system has no unshare")


def runs(folder: Path, method: str, *kilobytes: int) -> dict[str, Any]:
    """What ``full_disk_run`` found where something else left so much room."""
    needs_a_disk()
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


@pytest.fixture(scope="module")
def by_two(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What ``full_disk_by_two`` found."""
    needs_a_disk()
    disk = tmp_path_factory.mktemp("disk")
    launch = f"{sys.executable} -m torch.distributed.run --standalone --nproc-per-node 2"
    script = f"mount -t tmpfs -o size=16m none {disk} && exec {launch} tests/training/full_disk_by_two.py {disk}"
    done = subprocess.run(
        [*WITH_A_DISK, "sh", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_a_full_disk_means_the_same_for_two_processes(by_two: dict[str, Any], parallel: str) -> None:
    """As for one (``tests/training/loop/test_resume.py``): the result of a run that its time ended is had without a
    state, weights that cannot be written leave a state, and an older state stays whole."""
    run = by_two[f"{parallel} time"]
    assert run["processes"] == [{"stopped": "time", "error": ""}] * 2
    assert any("the state of step 1 cannot be written" in line for line in run["said"])
    for name, step in (("weights", 3), ("weights at the end", 6)):
        run = by_two[f"{parallel} {name}"]
        first, other = (process["error"] for process in run["processes"])
        told = f"StateError: the weights of step {step} cannot be written: No space left on device"
        assert first == f"{told}; make room and go on with --resume"
        assert other == "SystemExit: 2", "the first process says why"
        assert run["states"] == [step]
    run = by_two[f"{parallel} state"]
    first, other = (process["error"] for process in run["processes"])
    assert "the state of step 4 cannot be written" in first
    assert "the state of step 2 is whole; make room and go on with --resume" in first
    assert (other, run["states"]) == ("SystemExit: 2", [2])
