"""What is missing is named, and what cannot be read is told in one line."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.comparison import evidence_files
from training.comparison import Comparison, ComparisonError, cards, headings, load, user_testing
from training.comparison.content import Table
from training.comparison.evidence import Missing


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    evidence_files.write_all(tmp_path)
    return {"model1": tmp_path / "art_ai_model", "model2": tmp_path / "model2_pretrained"}


def named(missing: tuple[Missing, ...]) -> set[tuple[str | None, str]]:
    return {(entry.model, entry.part) for entry in missing}


def test_without_an_evaluation_the_trainings_are_compared(tmp_path: Path, folders: dict[str, Path]) -> None:
    comparison = load(tmp_path / "none.json", folders)
    assert named(comparison.missing) == {(None, "evaluation")}
    sections = {section.id: section for section in headings(comparison)}
    assert any(isinstance(block, Table) and block.rows for block in sections["training"].blocks)
    assert any("evaluation" in reason for reason in sections["quality"].missing)
    assert sections["art-knowledge"].missing[0] == "No benchmark was measured."


def test_a_model_that_is_not_there_is_named(tmp_path: Path, folders: dict[str, Path]) -> None:
    evaluation = tmp_path / "evaluation.json"
    content = json.loads(evaluation.read_text())
    del content["models"]["model2"]
    evaluation.write_text(json.dumps(content))
    comparison = load(evaluation, folders | {"model2": tmp_path / "elsewhere"})
    assert ("model2", "everything") in named(comparison.missing)
    assert [card.is_there for card in cards(comparison)] == [True, False]
    assert all(value is None for _, value in cards(comparison)[1].rows)


def test_the_evaluation_has_a_copy_of_the_report(tmp_path: Path, folders: dict[str, Path]) -> None:
    (folders["model1"] / "training_report.json").unlink()
    tokens = load(tmp_path / "evaluation.json", folders).models[0].report.value("tokens")
    assert tokens is not None
    assert str(tokens.sources[0]) == "evaluation.json /models/model1/training_report/tokens"


@pytest.mark.parametrize("name", ["data_card.json", "metrics.jsonl"])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, folders: dict[str, Path], name: str) -> None:
    (folders["model1"] / name).unlink()
    comparison = load(tmp_path / "evaluation.json", folders)
    assert ("model1", name) in named(comparison.missing)
    assert any(name in reason for reason in headings(comparison)[1].missing)


def test_the_files_are_those_beside_the_measured_weights(tmp_path: Path, folders: dict[str, Path]) -> None:
    """What stands in the usual folder may be another model."""
    evaluation = tmp_path / "evaluation.json"
    content = json.loads(evaluation.read_text())
    content["models"]["model1"] |= {"spec": "owner/another", "training_report": {"tokens": 7}}
    evaluation.write_text(json.dumps(content))
    model = load(evaluation, folders).models[0]
    assert model.report.value("tokens") is not None
    assert model.report.content == {"tokens": 7}
    assert not model.metrics


def test_measurements_of_weights_that_are_gone_are_not_told(tmp_path: Path, folders: dict[str, Path]) -> None:
    report = evidence_files.training_report("model2") | {"train_seconds": 98.1}
    (folders["model2"] / "training_report.json").write_text(json.dumps(report))
    comparison = load(tmp_path / "evaluation.json", folders)
    reasons = {(entry.model, entry.reason) for entry in comparison.missing}
    assert ("model2", "it was trained again after it had been measured") in reasons
    rows = dict(cards(comparison)[1].rows)
    assert rows["Held-out bits a byte"] is None
    assert rows["Parameters"] is not None
    assert not comparison.differences


def test_a_part_that_was_not_measured_is_named(tmp_path: Path, folders: dict[str, Path]) -> None:
    evaluation = tmp_path / "evaluation.json"
    content = json.loads(evaluation.read_text())
    content["models"]["model1"] |= {"cost": None, "answers": None}
    content["models"]["model1"]["missing"] = [{"part": "answers", "reason": "the server is down"}]
    evaluation.write_text(json.dumps(content))
    missing = {(entry.part, entry.reason) for entry in load(evaluation, folders).missing if entry.model == "model1"}
    assert missing == {
        ("answers", "the server is down"),
        ("cost", "it was not asked for when the model was measured"),
    }


def test_a_difference_of_other_models_is_not_theirs(tmp_path: Path, folders: dict[str, Path]) -> None:
    evaluation = tmp_path / "evaluation.json"
    content = json.loads(evaluation.read_text())
    content["differences"]["models"] = ["model2", "model1"]
    evaluation.write_text(json.dumps(content))
    assert not load(evaluation, folders).differences


def test_a_loss_that_is_no_number_is_missing(tmp_path: Path, folders: dict[str, Path]) -> None:
    evaluation = tmp_path / "evaluation.json"
    content = json.loads(evaluation.read_text())
    content["models"]["model1"]["held_out"]["answers"]["bits_per_byte"]["estimate"] = math.nan
    evaluation.write_text(json.dumps(content))
    rows = dict(cards(load(evaluation, folders))[0].rows)
    assert rows["Held-out bits a byte"] is None
    assert rows["Parameters"] is not None


def test_why_there_are_no_votes_is_told(tmp_path: Path, folders: dict[str, Path]) -> None:
    comparison = load(tmp_path / "evaluation.json", folders, Missing(None, "user testing", "no database"))
    assert user_testing(comparison).missing == ("No database.",)


@pytest.mark.parametrize(
    ("content", "message"),
    [('{"version": 7, "models": {}}', "version 7, and this program reads version 1; measure again with"),
     ('{"version": 1}', 'has no object "models"'), ("{", "not JSON"), ("[]", "a JSON object was expected")],
)  # fmt: skip
def test_an_evaluation_of_another_kind(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(content)
    with pytest.raises(ComparisonError, match=r"evaluation\.json: ") as caught:
        load(path)
    assert message in str(caught.value)


def test_no_model_at_all(tmp_path: Path) -> None:
    with pytest.raises(ComparisonError, match="make app"):
        load(tmp_path / "evaluation.json", {"model1": tmp_path / "a", "model2": tmp_path / "b"})


def test_votes_on_another_version_are_not_told_of_these_models(
    compare: Callable[..., Comparison], tmp_path: Path
) -> None:
    compare()
    weights = tmp_path / "model2_pretrained" / "model.gguf"
    weights.write_bytes(b"GGUF of today")
    told = {"model1": None, "model2": f"sha256:{hashlib.sha256(weights.read_bytes()).hexdigest()[:16]}"}
    same = compare(change_votes=lambda votes: votes.update(study={"label": "a#1", "models": told}))
    assert same.statistics.at("n_votes").content
    assert not [entry for entry in same.missing if entry.part == "user testing"]
    told["model2"] = "sha256:" + "0" * 16
    other = compare(change_votes=lambda votes: votes.update(study={"label": "a#1", "models": told}))
    assert not other.statistics
    [missing] = [entry for entry in other.missing if entry.part == "user testing"]
    assert f"another version of Model 2 (sha256:{'0' * 16})" in missing.reason
