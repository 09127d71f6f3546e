"""What is found in a checkpoint's folder, best first for each purpose; its form, hash and report."""

from __future__ import annotations

import hashlib
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
    holds_version,
    home_of,
    in_words,
    read_report,
    report_in,
    served_sha256,
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


DECIDES = (
    CONFIG,
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "merges.txt",
)


@pytest.mark.parametrize("changed", DECIDES)
def test_a_version_is_of_all_that_decides_the_answers(changed: str, tmp_path: Path) -> None:
    """Votes on two chat templates would else be counted as votes on one model."""
    folder = put(tmp_path, FINAL)
    for name in DECIDES[1:]:
        (folder / name).write_text("{}")
    (folder / "model.safetensors").write_text("weights")
    before = served_sha256(folder)
    for stranger in ("README.md", "notes.txt", "training_report.json", ".hidden"):
        (folder / stranger).write_text("else")
    assert served_sha256(folder) == before
    (folder / changed).write_text('{"other": 1}')
    after = served_sha256(folder)
    assert after["sha256"] != before["sha256"]
    assert after["weights_sha256"] == before["weights_sha256"]
    assert holds_version(tmp_path, f"sha256:{after['sha256'][:16]}")
    assert holds_version(tmp_path, f"sha256:{after['weights_sha256'][:16]}"), "as earlier releases knew it"
    assert not holds_version(tmp_path, f"sha256:{before['sha256'][:16]}")


@pytest.mark.parametrize("name", [PT, GGUF])
def test_a_file_that_holds_all_is_known_by_itself(name: str, tmp_path: Path) -> None:
    path = put(tmp_path, name)
    (tmp_path / "tokenizer_config.json").write_text("{}")
    assert served_sha256(path) == {"sha256": hashlib.sha256(b"{}").hexdigest()}
