"""Cost: models take turns in processes of their own, figures come with their spread, and what is unknown is named."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.training.evaluation.tiny_checkpoint import change_report
from training.evaluation import cost
from training.evaluation.cost import find_forms, measure_costs, spread
from training.evaluation.subjects import Unavailable
from training.evaluation.timing import Job


@pytest.fixture
def checkpoint(saved_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved_checkpoint, tmp_path / "art_ai_model"))


def as_measured(job: Job, speed: float = 10.0) -> dict[str, Any]:
    """What a process tells, for tests of what is made of it."""
    return {
        "engine": job.engine, "version": "1", "device": "cpu", "threads": {"1": 1, "8": 2}, "answer_tokens": job.tokens,
        "characters_per_token": 4.0, "load_seconds": 0.1, "peak_memory_bytes": 10**8, "first_token_seconds": 0.01,
        "tokens_per_second": {"1": speed, "8": 3 * speed}, "kwh_per_1000_tokens": {"1": 2e-5, "8": 1e-5},
        "energy_source": "estimated",
    }  # fmt: skip


def test_a_model_is_measured_and_a_broken_one_is_named(checkpoint: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF, but no more")
    specs = {"model1": str(checkpoint / "art_ai_best.pt"), "broken": str(broken), "none": str(tmp_path / "none.pt")}
    found = measure_costs(specs, repeats=1, tokens=8, seconds=0.01)
    one = found["model1"]
    assert one["engine"] == "llama.cpp"
    assert one["tokens_per_second"]["1"]["low"] == one["tokens_per_second"]["1"]["median"] > 0
    assert one["kwh_per_1000_tokens"] == one["kwh_per_1000_tokens_at"]["1"]["median"] > 0
    assert one["files"] == {
        name: (checkpoint / name).stat().st_size for name in ("art_ai_best.pt", "hf/model.safetensors", "model.gguf")
    }
    assert one["sizes"]["weights"] == one["sizes"]["pt"] == one["files"]["art_ai_best.pt"]
    training = one["training"]
    assert (training["seconds"], training["tokens"], training["kwh"]) == (1.0, 1000, 0.002)
    assert training["flops"] == 1000 * training["flops_per_token"] > 0
    assert one["missing"] == []
    # This process holds PyTorch and more; the one that was measured does not.
    assert one["peak_memory_bytes"] < 250_000_000
    assert {entry["part"] for entry in found["broken"]["missing"]} == {"cost: serving", "cost: training"}
    (reason,) = [entry["reason"] for entry in found["broken"]["missing"] if entry["part"] == "cost: serving"]
    assert reason == f"{broken}: llama.cpp cannot load it (cut short, or not a GGUF model); train or export it again"
    assert "tokens_per_second" not in found["broken"]
    (entry,) = found["none"]["missing"]
    assert entry["part"] == "cost"
    assert "none.pt does not exist" in entry["reason"]


def test_models_take_turns_and_one_that_fails_is_not_tried_again(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    speeds = iter((30.0, 1.0, 2.0, 10.0, 20.0, 3.0))  # in the order in which they are asked

    def run(job: Job) -> dict[str, Any]:
        asked.append("server" if job.engine == "openai" else Path(job.source).stem)
        if job.engine == "openai":
            raise Unavailable("it broke off")
        return as_measured(job, next(speeds))

    monkeypatch.setattr(cost, "run_job", run)
    other = Path(shutil.copyfile(checkpoint / "model.gguf", tmp_path / "other.gguf"))
    said: list[str] = []
    specs = {"one": str(checkpoint), "two": str(other), "three": "openai:http://127.0.0.1:9/v1#m"}
    found = measure_costs(specs, repeats=3, say=said.append)
    assert asked == ["model", "other", "server", "other", "model", "model", "other"]
    assert said[0] == "cost of one, 1 of 3"
    assert found["one"]["tokens_per_second"]["1"] == spread([30.0, 10.0, 20.0])
    assert found["two"]["tokens_per_second"]["1"] == spread([1.0, 2.0, 3.0])
    assert found["two"]["training"] is None
    assert {"part": "cost: serving", "reason": "it broke off"} in found["three"]["missing"]


def test_of_a_server_what_cannot_be_measured_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    unknown = dict.fromkeys(("load_seconds", "peak_memory_bytes", "characters_per_token", "threads", "energy_source"))
    no_energy = {"kwh_per_1000_tokens": {"1": None, "8": None}}
    monkeypatch.setattr(cost, "run_job", lambda job: as_measured(job) | unknown | no_energy)
    found = measure_costs({"server": "openai:http://127.0.0.1:9/v1#m"}, repeats=2)["server"]
    assert found["tokens_per_second"]["8"]["median"] == 30.0
    assert (found["load_seconds"], found["peak_memory_bytes"], found["kwh_per_1000_tokens"]) == (None, None, None)
    parts = [entry["part"] for entry in found["missing"]]
    assert parts == ["cost: sizes", "cost: load time", "cost: peak memory", "cost: energy", "cost: training"]


@pytest.mark.parametrize(
    ("changes", "part", "reason"),
    [
        ({"energy_kwh": None, "co2_kg": None}, "cost: training kwh", "training_report.json has no energy_kwh"),
        ({"flops": None}, "cost: training flops", "training_report.json has no flops"),
    ],
)
def test_a_report_that_lacks_something_loses_that_alone(
    checkpoint: Path, changes: dict[str, Any], part: str, reason: str
) -> None:
    change_report(checkpoint, **changes)
    missing = cost.Missing()
    training = cost.training_cost(find_forms(str(checkpoint)), missing)
    assert training is not None
    assert training["seconds"] == 1.0
    assert any(entry["part"] == part and reason in entry["reason"] for entry in missing.entries)


def test_without_a_report_the_training_is_missing(checkpoint: Path) -> None:
    for text in ("{cut", None):
        path = checkpoint / "training_report.json"
        path.unlink() if text is None else path.write_text(text)
        missing = cost.Missing()
        assert cost.training_cost(find_forms(str(checkpoint)), missing) is None
        assert missing.entries == [
            {"part": "cost: training", "reason": f"no readable training_report.json beside {checkpoint}"}
        ]


def test_the_forms_of_a_checkpoint(checkpoint: Path) -> None:
    by_folder = find_forms(str(checkpoint))
    for spec in ("art_ai_best.pt", "hf", "model.gguf"):
        assert find_forms(str(checkpoint / spec)) == by_folder
    assert by_folder.job() == Job("llama.cpp", str(checkpoint / "model.gguf"))
    os.remove(checkpoint / "model.gguf")
    assert find_forms(str(checkpoint)).job() == Job("transformers", str(checkpoint / "art_ai_best.pt"))
    final = Path(shutil.copytree(checkpoint / "hf", checkpoint / "second" / "final"))
    assert find_forms(str(final)).folder == final  # nothing says that the folder above belongs to it
    shutil.copy(checkpoint / "training_report.json", final.parent)
    forms = find_forms(str(final))
    assert (forms.folder, forms.hf) == (final.parent, final)
    assert forms.sizes()["weights"] == (final / "model.safetensors").stat().st_size


def test_a_spread_needs_all_repeats() -> None:
    assert spread([3, 1, 2]) == {"median": 2, "low": 1, "high": 3, "values": [3, 1, 2]}
    assert spread([1, None]) is None


def test_a_process_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost, "JOB_SECONDS", 0.001)  # Python does not even start in that time
    with pytest.raises(Unavailable, match=r"model\.gguf: not measured within 0\.001 s"):
        cost.run_job(Job("llama.cpp", "model.gguf"))
