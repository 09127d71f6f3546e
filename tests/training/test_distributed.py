"""Two processes train as one does: the same losses, and states that the other number of processes goes on from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.trained import ROOT
from tests.training.distributed_run import STEPS, halves, losses, options

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """What two processes found, after a run of one had saved its first half."""
    out = tmp_path_factory.mktemp("two")
    halves(options(), None, out / "by_one", "first")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, "tests/training/distributed_run.py", str(out)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
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
