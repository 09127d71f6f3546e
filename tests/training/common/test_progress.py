"""The progress file: what a run writes is what another process reads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from training.common.progress import Progress, State, read_state


def test_what_a_run_writes_is_what_another_process_reads(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    assert read_state(path) is None
    progress = Progress(path)
    progress.step(3, 8, loss=2.5, tokens_per_second=900.0, seconds_left=4.0, val_loss=2.25, seconds_at_most=70.0)
    progress.look([(0.0, 3.0), (2.0, 1.5)], 0.1, {"What is Impressionism?": "A movement."})
    state = read_state(path)
    assert state is not None
    assert state.updated > 0
    assert replace(state, updated=0.0) == progress.state
    assert all(getattr(state, name) != value for name, value in vars(State()).items()), "every field was told"


def test_what_another_version_wrote_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    path.write_text(json.dumps({"stage": "train", "step": "x", "steps": 8, "loss": None, "looks": [[0, 3], [1]]}))
    assert read_state(path) == State("train", steps=8, looks=((0.0, 3.0),))
    for text in ("[]", '{"stage": "tr'):
        path.write_text(text)
        assert read_state(path) is None
