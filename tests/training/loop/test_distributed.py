"""Two processes train as one does: the same losses, and states that the other number of processes goes on from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from tests.trained import ROOT
from tests.training.distributed_run import STEPS, halves, losses, make, model1_arguments, options, write_inputs

TOLERANCE = 1e-4


Stopped = tuple[Path, int, list[str], str]
LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    """Model 1's command under torchrun, which SIGTERM reaches early: its folder, exit code, states and errors."""
    out = tmp_path_factory.mktemp("two")
    write_inputs(out)
    command = [*LAUNCH, "-m", "training.train_art_ai_model", *model1_arguments(out, "model1_stopped")]
    with (out / "errors.txt").open("w") as errors:
        process = subprocess.Popen(command, cwd=ROOT, env=environment(out), stdout=errors, stderr=errors)
    try:
        for _ in range(12_000):
            if process.poll() is not None or any((out / "model1_stopped" / "resume").glob("step-*")):
                break
            time.sleep(0.01)
        process.terminate()
        code = process.wait(timeout=120)
    finally:
        process.kill()
    saved = sorted(path.name for path in (out / "model1_stopped" / "resume").glob("step-*"))
    return out, code, saved, (out / "errors.txt").read_text()


def environment(out: Path) -> dict[str, str]:
    """A cache of their own."""
    return os.environ | {"XDG_CACHE_HOME": str(out / "cache")}


@pytest.fixture(scope="module")
def found(stopped: Stopped) -> tuple[Path, dict[str, Any]]:
    """What two processes found, after a run of one had saved its first half."""
    out = stopped[0]
    halves(options(), None, out / "by_one", "first")
    done = subprocess.run(
        [*LAUNCH, "tests/training/distributed_run.py", str(out)],
        cwd=ROOT,
        env=environment(out),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return out, json.loads((out / "found.json").read_text())


@pytest.fixture(scope="module")
def alone() -> list[float]:
    return losses("model1", options(), None)


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_two_processes_have_the_losses_of_one(found: Any, alone: list[float], parallel: str) -> None:
    np.testing.assert_allclose(found[1][f"model1 {parallel}"], alone, atol=TOLERANCE)
    assert alone[-1] < 0.8 * alone[0]
    one = losses("model2", options(optimizer="adamw"), None)
    np.testing.assert_allclose(found[1][f"model2 {parallel}"], one, atol=TOLERANCE)


def test_what_two_processes_saved_one_goes_on_with(found: Any, alone: list[float]) -> None:
    out, values = found
    np.testing.assert_allclose(values["first half"], alone[: STEPS // 2], atol=TOLERANCE)
    np.testing.assert_allclose(
        halves(options(), None, out / "by_two", "second"), alone[STEPS // 2 : STEPS], atol=TOLERANCE
    )


@pytest.mark.parametrize("parallel", ["ddp", "fsdp"])
def test_what_one_process_saved_two_go_on_with(found: Any, alone: list[float], parallel: str) -> None:
    np.testing.assert_allclose(found[1][f"second half {parallel}"], alone[STEPS // 2 : STEPS], atol=TOLERANCE)


def test_a_model_in_shares_that_cannot_be_written_leaves_the_state_of_its_last_step(found: Any) -> None:
    """One process goes on from it, which is at its end."""
    out, values = found
    assert values["written"] == []
    assert values["not written"] == [STEPS]
    trainer = make("model1", options(), None, out / "not_written")
    assert trainer.states is not None
    state = trainer.states.newest()
    assert state is not None
    trainer.restore(state)
    assert (trainer.outcome.steps, trainer.run().steps) == (STEPS, STEPS)


def test_sigterm_under_torchrun_saves_and_tells_how_to_go_on(stopped: Stopped) -> None:
    _, code, saved, errors = stopped
    assert code != 0
    (told,) = [line for line in errors.splitlines() if "go on with: " in line]
    step = int(told.split("stopped at step ")[1].split(" of 40, saved")[0])
    assert 2 <= step < 40
    assert f"step-{step:08d}" in saved
    command = "torchrun --nproc-per-node 2 -m training.train_art_ai_model --data "
    assert command in told
    assert told.endswith(" --resume")


def test_a_run_that_goes_on_has_the_weights_of_one_that_never_stopped(found: Any) -> None:
    """Of two processes each, through the commands of both models, bit for bit."""
    out, values = found
    assert values["exit codes"] == [0, 0, 0, 143, 0]
    whole, resumed = (torch.load(out / f"model1_{run}" / "art_ai_best.pt") for run in ("whole", "stopped"))
    assert whole["step"] == resumed["step"] == 40
    for name, weights in whole["model_state_dict"].items():
        assert torch.equal(weights, resumed["model_state_dict"][name]), name
    tuned = [(out / f"model2_{run}" / "final" / "model.safetensors").read_bytes() for run in ("whole", "stopped")]
    assert tuned[0] == tuned[1]
    assert tuned[0] != (out / "base" / "model.safetensors").read_bytes()
    assert not any((out / f"model{number}_stopped" / "resume").exists() for number in (1, 2))
