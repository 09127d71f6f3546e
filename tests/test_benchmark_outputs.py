"""Where benchmarks write."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.improve_speed import jobs_of
from benchmarks.outputs import Results, own_file


def test_a_home_is_meant_where_no_shell_has_put_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert own_file("~/report.md") == tmp_path / "report.md"


def test_a_measurement_is_taken_again_only_for_the_arguments_that_it_was_made_with(tmp_path: Path) -> None:
    path, made = tmp_path / "rows.jsonl", []

    def measured(steps: int, way: str, round_number: int) -> Any:
        def measure() -> dict[str, Any]:
            made.append((steps, way, round_number))
            return {"tokens": len(made)}

        return Results(path, {"steps": steps}).get({"way": way, "round": round_number}, measure)

    first = [measured(6, "ours", 1), measured(6, "trl", 1), measured(6, "ours", 2)]
    assert measured(3, "ours", 1)["tokens"] == 4
    assert [measured(6, "ours", 1), measured(6, "trl", 1), measured(6, "ours", 2)] == first
    assert made == [(6, "ours", 1), (6, "trl", 1), (6, "ours", 2), (3, "ours", 1)]
    assert [row["steps"] for row in Results(path, {"steps": 3}).rows] == [3]


def test_each_argument_of_the_speed_of_learning_tells_its_measurements_apart() -> None:
    def keys(**changes: Any) -> list[dict[str, Any]]:
        arguments = Namespace(**{"steps": 6, "batch": 16, "threads": 2, "rounds": 2} | changes)
        speeds, losses, old = jobs_of(arguments, changes.get("dtype", "fp32"))
        assert len(losses) == 2
        return [*speeds, old]

    usual = keys()
    assert len(usual) == 7
    assert all(usual.count(job) == 1 for job in usual), "of two rounds too"
    for change in ({"steps": 5}, {"batch": 8}, {"threads": 1}):
        assert not any(job in usual for job in keys(**change)), change
    assert not any(job in usual for job in keys(dtype="bf16")[:-1])
