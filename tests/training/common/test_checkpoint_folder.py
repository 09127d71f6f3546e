"""What is found in a checkpoint's folder, best first for each purpose; its form, hash and report."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from training.common.checkpoint_folder import (
    CONFIG,
    FINAL,
    GGUF,
    HERE,
    HF,
    IN_HF_FORM,
    PT,
    REPORT,
    TO_EXPORT,
    TO_MEASURE,
    TO_SERVE,
    checksum,
    find,
    form_of,
    home_of,
    in_words,
    read_report,
    report_in,
    weights_in,
)

FORMS = {PT: "model1", GGUF: "gguf", FINAL: "transformers", HF: "transformers", HERE: "transformers"}


def put(folder: Path, name: str) -> Path:
    """Weights of a name, as empty files."""
    file = folder / name if name in (PT, GGUF) else folder / name / CONFIG
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("{}")
    return folder / name


@pytest.mark.parametrize("order", [TO_SERVE, TO_MEASURE, TO_EXPORT, IN_HF_FORM])
def test_the_best_that_there_is_is_found(tmp_path: Path, order: Sequence[str]) -> None:
    assert find(tmp_path, order) is None
    for name in reversed(order):
        placed = put(tmp_path, name)
        assert find(tmp_path, order) == placed
        assert form_of(placed) == FORMS[name]


def test_what_is_no_model_has_no_form(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / FINAL).mkdir()
    assert [form_of(tmp_path / name) for name in ("notes.txt", FINAL, "nowhere.pt", HERE)] == [None] * 4
    assert in_words(TO_SERVE) == "model.gguf, config.json, final/config.json, hf/config.json, art_ai_best.pt"


def test_the_report_is_that_of_the_training_around(tmp_path: Path) -> None:
    weights = [put(tmp_path, name) for name in (PT, GGUF, FINAL, HF)]
    assert [home_of(path) for path in weights] == [None] * 4
    (tmp_path / REPORT).write_text(json.dumps({"model": "model1"}))
    for path in (tmp_path, *weights, tmp_path / FINAL / CONFIG):
        assert home_of(path) == tmp_path
        assert read_report(path) == {"model": "model1"}
    assert report_in(tmp_path / FINAL) is None
    (tmp_path / REPORT).write_text("[]")
    assert read_report(tmp_path) is None


def test_the_hash_follows_the_tokenizer_and_the_folder_s_files(tmp_path: Path) -> None:
    path = put(tmp_path, PT)
    alone = checksum(path)
    (tmp_path / "tokenizer.model").write_text("pieces")
    assert checksum(path) != alone
    folder = put(tmp_path, FINAL)
    before = checksum(folder)
    (folder / "README.md").write_text("a card")
    assert checksum(folder) == before
    (folder / "model.safetensors").write_text("weights")
    assert checksum(folder) != before
    assert weights_in(folder) == [folder / "model.safetensors"]
