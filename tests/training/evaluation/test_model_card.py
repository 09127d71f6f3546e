"""Model cards: the Hub's own parser reads them, they say what the files say, and nothing that is in none of them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results

from tests.trained import Run
from tests.training.evaluation.tiny_checkpoint import change_report
from training.evaluation.model_card import update_cards, write_cards


def interval(value: float) -> dict[str, float]:
    return {"estimate": value, "low": value - 0.1, "high": value + 0.1}


def evaluation_of(folder: Path, **changes: Any) -> dict[str, Any]:
    """An ``evaluation.json`` of one model."""
    scored = {"bits_per_byte": interval(1.23456), "samples": 140}
    benchmark = {
        "benchmark": "embedded", "n": 40, "accuracy": interval(0.4), "chance": 0.25,
        "groups": [{"group": "unseen fact", "n": 20, "accuracy": interval(0.3), "chance": 0.25}],
    }  # fmt: skip
    entry = {
        "name": "model1", "kind": "model1", "spec": str(folder / "art_ai_best.pt"), "cost": None,
        "held_out": {"answers": scored, "everything": scored | {"samples": 141}}, "knowledge": [benchmark],
        "tasks": [{"task": "arc_easy", "metric": "acc", "value": 0.27, "stderr": 0.01, "n": 100}], "missing": [],
    }  # fmt: skip
    return {"models": {"model1": entry | changes}}


@pytest.fixture
def checkpoint(saved_checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved_checkpoint, tmp_path / "art_ai_model"))


def test_a_card_before_the_evaluation(checkpoint: Path) -> None:
    assert write_cards(checkpoint) == [checkpoint / "README.md", checkpoint / "hf" / "README.md"]
    found = ModelCard.load(checkpoint / "hf" / "README.md")
    assert (found.data.license, found.data.pipeline_tag, found.data.language) == ("mit", "text-generation", "en")
    assert found.data.datasets == ["diptych-art"]
    assert found.data.base_model is None
    assert found.data.eval_results is None
    assert "Not evaluated yet: `python -m training.evaluate`" in found.text
    assert "| art | MIT | art |" in found.text
    assert "Energy, estimated: 0.002 kWh. As much as a 10 W LED lamp for 12 minutes (" in found.text
    assert "3.000 bits per byte on the answers of 7 held-out samples" in found.text
    assert str(checkpoint.parent) not in found.content
    assert not list(checkpoint.rglob("*.partial"))


def test_the_code_on_a_card_runs(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_cards(checkpoint)
    code = (checkpoint / "README.md").read_text().split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(checkpoint.parent)
    exec(compile(code.replace("160", "3"), "README.md", "exec"), {})
    assert capsys.readouterr().out.endswith("\n")


def test_an_evaluation_comes_onto_the_card_as_the_hub_s_model_index(checkpoint: Path) -> None:
    cost = {
        "tokens_per_second": {"1": {"median": 50.0, "low": 40.0, "high": 60.0}}, "engine": "llama.cpp",
        "threads": {"1": 2}, "missing": [{"part": "cost: energy", "reason": "nobody knows"}],
    }  # fmt: skip
    update_cards(evaluation_of(checkpoint, cost=cost, missing=[{"part": "answers", "reason": f"{checkpoint} is odd"}]))
    found = ModelCard.load(checkpoint / "README.md")
    results = found.data.eval_results
    values = [(result.dataset_type, result.dataset_name, result.metric_type, result.metric_value) for result in results]
    assert values == [
        ("held-out", "Held-out samples, answers", "bits_per_byte", 1.2346),
        ("held-out", "Held-out samples, everything", "bits_per_byte", 1.2346),
        ("closed-book-embedded", "Closed-book questions, embedded", "accuracy", 0.4),
        ("closed-book-embedded", "Closed-book questions, embedded: unseen fact", "accuracy", 0.3),
        ("arc_easy", "arc_easy", "acc", 0.27),
    ]
    index = eval_results_to_model_index(found.data.model_name, results)
    assert model_index_to_eval_results(index) == (found.data.model_name, results)
    assert "| accuracy, closed book | embedded: unseen fact (n = 20) | 30.0% (20.0% to 40.0%) | 25.0% |" in found.text
    assert "| tokens a second (median) | 1 at once, llama.cpp, threads: 2 | 50.0 (40.0 to 60.0) |" in found.text
    assert "- Missing: answers\n- Missing: cost: energy\n" in found.text
    assert "Not evaluated yet" not in found.text
    assert str(checkpoint) not in found.content
    write_cards(checkpoint)  # a new training: what was measured before is not of it
    assert "Not evaluated yet" in (checkpoint / "README.md").read_text()


def test_what_is_not_of_the_checkpoint_stays_off_its_card(checkpoint: Path, tmp_path: Path) -> None:
    assert update_cards(evaluation_of(checkpoint, kind="gguf", spec=str(checkpoint / "model.gguf"))) == []
    assert update_cards(evaluation_of(checkpoint, spec=str(tmp_path / "gone.pt"))) == []
    alone = Path(shutil.copytree(checkpoint / "hf", tmp_path / "alone"))
    assert update_cards(evaluation_of(checkpoint, kind="transformers", spec=str(alone))) == []
    assert not list(tmp_path.rglob("README.md"))


@pytest.mark.parametrize(
    ("licences", "licence", "reason"),
    [
        (["MIT", "CC-BY-4.0"], "mit", "that of all data (CC-BY-4.0, MIT) allows it"),
        (["MIT", "CC-BY-SA-4.0"], "other", "conditions of their own (CC-BY-SA-4.0)"),
        (["not stated"], "other", "conditions of their own (not stated)"),
    ],
)
def test_the_licence_follows_the_data_s(checkpoint: Path, licences: list[str], licence: str, reason: str) -> None:
    path = checkpoint / "data_card.json"
    data = json.loads(path.read_text())
    data["sources"][0] |= {"name": "squad-v2", "repository": "rajpurkar/squad_v2", "licences": licences}
    path.write_text(json.dumps(data))
    write_cards(checkpoint)
    found = ModelCard.load(checkpoint / "README.md")
    assert found.data.license == licence
    assert found.data.datasets == ["rajpurkar/squad_v2"]
    assert reason in found.text
    if licence == "other":
        assert found.data.to_dict()["license_name"] == "see-the-card"


def test_what_is_missing_is_said(checkpoint: Path) -> None:
    (checkpoint / "data_card.json").write_text("{cut")
    change_report(checkpoint, energy_kwh=None, co2_kg=None)
    write_cards(checkpoint)
    text = (checkpoint / "README.md").read_text()
    assert "Missing: there is no readable `data_card.json`" in text
    assert "Energy: missing; it was not recorded." in text
    (checkpoint / "training_report.json").unlink()
    assert write_cards(checkpoint) == []


@pytest.mark.parametrize(
    ("base", "base_model", "licence"),
    [
        ("smollm2-135m", "HuggingFaceTB/SmolLM2-135M-Instruct", "apache-2.0"),
        ("gpt2", "openai-community/gpt2", "mit"),
        ("someone/some-model", "someone/some-model", "other"),
        ("/home/someone/secret/my-base", None, "other"),
    ],
)
def test_a_fine_tuned_model_names_its_base(checkpoint: Path, base: str, base_model: str | None, licence: str) -> None:
    change_report(checkpoint, model="model2", base=base, method="lora")
    (checkpoint / "hf").rename(checkpoint / "final")
    write_cards(checkpoint)
    found = ModelCard.load(checkpoint / "final" / "README.md")
    assert (found.data.base_model, found.data.license) == (base_model, licence)
    assert "secret" not in found.content
    assert "my-base" in found.content or base_model


def test_both_trainings_leave_a_card(demo_model1: Run, small_model2: Run) -> None:
    first = ModelCard.load(demo_model1.folder / "README.md")
    second = ModelCard.load(small_model2.folder / "final" / "README.md")
    assert f"{demo_model1.report['parameters']:,} parameters" in first.text
    assert first.data.datasets == ["diptych-art", "diptych-ai-literacy", "diptych-conversation"]
    assert second.data.base_model == "HuggingFaceTB/SmolLM2-135M-Instruct"
    assert "Trained on 2,000 of them" in second.text
    assert second.content == (small_model2.folder / "README.md").read_text()
