from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.training.comparison import evidence_files
from training.compare import main
from training.comparison import Comparison, load
from training.comparison.evidence import parse_json

Change = Callable[[dict[str, Any]], object]


@dataclass(frozen=True)
class Written:
    """A report that the command wrote: its folder, and what it printed."""

    folder: Path
    output: str


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    """A report of everything, from the usual places, written once."""
    folder = tmp_path_factory.mktemp("comparison")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        patch.chdir(folder)
        Path("checkpoints").mkdir()
        evidence_files.write_all(Path("checkpoints"))
        Path("votes.json").write_text(json.dumps(evidence_files.statistics()))
        assert main(["--stats", "votes.json", "--out", "report"]) == 0
    return Written(folder / "report", printed.getvalue())


@pytest.fixture
def compare(tmp_path: Path) -> Callable[..., Comparison]:
    """The comparison of the written files, after the evaluation and the votes were changed."""

    def build(change: Change = dict, change_votes: Change = dict) -> Comparison:
        path = tmp_path / "evaluation.json"
        if not path.exists():
            evidence_files.write_all(tmp_path)
        evaluation, votes = evidence_files.evaluation(tmp_path), evidence_files.statistics()
        change(evaluation)
        change_votes(votes)
        path.write_text(json.dumps(evaluation))
        folders = {"model1": tmp_path / "art_ai_model", "model2": tmp_path / "model2_pretrained"}
        return load(path, folders, parse_json("statistics.json", json.dumps(votes).encode(), None))

    return build
