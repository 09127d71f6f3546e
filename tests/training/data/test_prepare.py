"""Prepared data are those of the plain path, found again while nothing changes, and whole or not there."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.common.cache import cache_folder
from training.common.checkpoint_folder import TRAINED_ON
from training.common.files import MANIFEST, WORKSPACE, new_folder
from training.corpus import CorpusError, stream
from training.data.dataset import load_dataset, spread_over_facts, tokenise_dataset
from training.data.documents import Documents
from training.data.prepare import KIND, Prepared, Recipe, _forget_old, prepare
from training.evaluation.contamination import training_samples
from training.models.tokenizer import CHAT_FORM, Tokenizer, train_tokenizer

PAINTERS = ("Degas", "Monet", "Manet", "Klee", "Goya", "Cole", "Ryder", "Homer", "Cassatt", "Morisot")


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Questions and prose, with a copy and a row of markup among them, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "data"
    folder.mkdir()
    rows: list[dict[str, Any]] = [
        {"id": f"quiz:{n}", "question": f"Who made work {n}?", "answer": f"{painter} made work {n} in 18{n:02}."}
        for n in range(90)
        for painter in (PAINTERS[n % 10], PAINTERS[n % 7])
    ]
    page = '<div class="menu"><a href="https://museum.example/a">Art</a></div>'
    rows += [rows[0], {"id": "quiz:m", "question": "What?", "answer": page}]
    (folder / "quiz.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    paragraphs = [
        f"{painter} painted slowly. " + "The light changed, and with it the colours. " * 3 for painter in PAINTERS
    ]
    (folder / "notes.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in paragraphs))
    return folder


def recipe(*data: object, **changes: Any) -> Recipe:
    return replace(Recipe(tuple(map(str, data)), "320 pieces", CHAT_FORM, "answers", None, 3), **changes)


def make(texts: Iterator[str], path: Path) -> Tokenizer:
    return train_tokenizer(texts, 320, path)


def refuse(texts: Iterator[str], path: Path) -> Tokenizer:
    raise AssertionError("the cache should have been used")


def same(one: Documents, two: Documents) -> bool:
    return all(
        np.array_equal(getattr(one, field), getattr(two, field))
        for field in ("tokens", "learned", "offsets", "answer_bytes")
    )


def cached() -> set[str]:
    return {path.name for path in (cache_folder() / "prepared").iterdir() if path.is_dir()}


@pytest.mark.parametrize("weight", ["", "=2.5"])
def test_prepared_documents_are_those_of_the_path_in_memory(data: Path, weight: str) -> None:
    sources = (f"{data}/quiz.jsonl{weight}", f"{data}/notes.jsonl")
    prepared = prepare(recipe(*sources), make)
    dataset = load_dataset(sources, None, 3)
    encode = Tokenizer(prepared.tokenizer_path).encode_batch
    expected = tokenise_dataset(dataset, encode, CHAT_FORM, "answers")
    assert same(prepared.dataset.train, expected.train)
    assert prepared.dataset.held_out.keys() == expected.held_out.keys()
    assert all(same(prepared.dataset.held_out[kind], of) for kind, of in expected.held_out.items())
    assert prepared.cleaning.by_reason() == {"markup": 1, "exact duplicate": 1} | dataset.card.cleaning.by_reason()
    prepared.dataset.write_card(data)
    assert json.loads((data / "data_card.json").read_text()) == dataset.card.as_dict()


def test_the_result_does_not_depend_on_the_number_of_processes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.corpus.cleaned.BATCH", 50)
    results: list[Prepared] = []
    for count in (1, 2):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / f"cache-{count}"))
        results.append(prepare(recipe(data), make, workers=count))
    one, two = results
    assert not one.reused
    assert not two.reused
    assert one.folder != two.folder
    for path in one.folder.rglob("*"):
        if path.is_file() and path.name not in ("index.json", MANIFEST):  # which hold the seconds
            assert path.read_bytes() == (two.folder / path.relative_to(one.folder)).read_bytes(), path.name


def test_found_again_until_a_file_or_a_setting_changes(data: Path) -> None:
    first = prepare(recipe(data), make)
    again = prepare(recipe(data), refuse)
    assert (first.reused, again.reused) == (False, True)
    assert same(first.dataset.train, again.dataset.train)
    assert again.cleaning == first.cleaning
    for change in (
        {"loss_on": "everything"},
        {"max_held_out": 2},
        {"tokenizer": "another"},
        {"max_rows_per_source": 50},
    ):
        assert recipe(data, **change).key() != recipe(data).key()
    assert recipe(f"{data}=2").key() != recipe(data).key()
    before, path = recipe(data).key(), data / "notes.jsonl"
    path.write_text(path.read_text().replace("slowly", "boldly", 1))  # as long as before
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
    assert recipe(data).key() != before
    assert not prepare(recipe(data), make).reused


def test_an_interrupted_preparation_leaves_nothing_and_the_next_one_is_whole(data: Path) -> None:
    def interrupt(texts: Iterator[str], path: Path) -> Tokenizer:
        path.write_bytes(next(texts).encode())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(recipe(data), interrupt)
    assert cached() == set()
    killed = cache_folder() / "prepared" / f"{WORKSPACE}killed"
    (killed / "new" / "train").mkdir(parents=True)  # what is left when a process is killed
    (killed / MANIFEST).write_text('{"written_by": "diptych", "kind": "workspace", "files": {}, "target": "x"}')
    whole = prepare(recipe(data), make)
    assert cached() == {whole.folder.name}
    assert not (whole.folder / "work").exists()


@pytest.mark.parametrize("what", ["grows", "is gone"])
def test_a_file_that_changes_while_it_is_read_is_told(data: Path, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """https://github.com/huggingface/datasets/pull/8338: rows of two states of it would be kept as if they were one."""
    quiz = data / "quiz.jsonl"

    def while_reading(*arguments: Any) -> Iterator[Any]:
        yield from stream(*arguments)
        with quiz.open("a") as file:
            file.write('{"question": "Who?", "answer": "Goya."}\n')
        if what == "is gone":
            quiz.unlink()

    monkeypatch.setattr("training.data.prepare.stream", while_reading)
    with pytest.raises(CorpusError, match=r"quiz\.jsonl: has changed while it was read; start again"):
        prepare(recipe(data), refuse)
    assert cached() == set()


def test_a_file_that_was_cut_is_made_again(data: Path) -> None:
    folder = prepare(recipe(data), make).folder
    tokens = folder / "train" / "tokens.uint16"
    whole = tokens.read_bytes()
    tokens.write_bytes(whole[:-2])
    assert not prepare(recipe(data), make).reused
    assert tokens.read_bytes() == whole


def test_what_no_run_has_used_for_long_is_removed(data: Path) -> None:
    old, used = (prepare(recipe(data, max_held_out=n), make).folder for n in (1, 2))
    for folder in (old, used):
        os.utime(folder / "index.json", (0, 0))
    assert prepare(recipe(data, max_held_out=2), refuse).reused
    new = prepare(recipe(data), make).folder
    assert cached() == {used.name, new.name}


def test_few_samples_say_as_much_as_possible(data: Path) -> None:
    prepared = prepare(recipe(data, max_samples=40), make)
    train = spread_over_facts(load_dataset((str(data),), None, 3).train, 40)
    assert len(prepared.dataset.train) == 40
    encode = Tokenizer(prepared.tokenizer_path).encode_batch
    expected = tokenise_dataset(replace(load_dataset((str(data),), None, 3), train=train), encode, CHAT_FORM, "answers")
    assert sorted(prepared.dataset.train.lengths) == sorted(expected.train.lengths)
    assert sorted(prepared.dataset.train.tokens) == sorted(expected.train.tokens)


def test_what_was_trained_on_is_written_down(data: Path, tmp_path: Path) -> None:
    """Neither copies, nor what a weight or ``max_samples`` leaves out, nor what is held out."""
    sources = (f"{data}/quiz.jsonl=0.5", f"{data}/notes.jsonl")
    prepared, memory = prepare(recipe(*sources), make).dataset, load_dataset(sources, None, 3)
    expected = sorted(sample.id for sample in memory.train)
    assert 20 < len(expected) < len(list(training_samples({"data": sources})))
    for dataset in (prepared, tokenise_dataset(memory, lambda texts: [[1] for _ in texts], CHAT_FORM, "answers")):
        dataset.write_trained_on(tmp_path)
        assert sorted(s.id for s in training_samples({"data": sources}, tmp_path / TRAINED_ON)) == expected
    prepare(recipe(data, max_samples=40), make).dataset.write_trained_on(tmp_path)
    assert len(list(training_samples({"data": [str(data)]}, tmp_path / TRAINED_ON))) == 40


def test_a_large_corpus_trains_the_tokenizer_on_a_part(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.data.prepare.TOKENIZER_CHARACTERS", 2000)
    seen: list[str] = []

    def watch(texts: Iterator[str], path: Path) -> Tokenizer:
        seen.extend(texts)
        return train_tokenizer(["a short text of few letters"] * 9 + seen, 320, path)

    prepare(recipe(data), watch)
    assert 500 < sum(map(len, seen)) < 4000


def test_what_cannot_be_is_told_in_one_line(data: Path) -> None:
    def fill_the_disk(texts: Iterator[str], path: Path) -> Tokenizer:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(CorpusError, match=r"the disk is full; free some space, or set XDG_CACHE_HOME"):
        prepare(recipe(data), fill_the_disk)
    bad = data / "bad.jsonl"
    bad.write_text('{"text": "page 1"}\n{"text": "page 2"}\n')
    with pytest.raises(CorpusError, match=r"bad\.jsonl: nothing is left to train on; .*removed 2 too short"):
        prepare(recipe(bad), make)
    assert cached() == set()


def test_rows_that_are_not_read_are_told_of_when_data_are_made_and_when_they_are_found(data: Path) -> None:
    path = data / "quiz.jsonl"
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*rows, *['{"messages": [{"role": "narrator", "content": "Once"}]}\n'] * 30]))
    for _ in range(2):
        said: list[str] = []
        prepared = prepare(recipe(path), make, say=said.append)
        (warning,) = (line for line in said if line.startswith("WARNING"))
        assert f"30 unknown role (first: {path}, line {len(rows) + 1})" in warning
        assert prepared.cleaning.first == {"unknown role": f"{path}, line {len(rows) + 1}"}
    assert "**WARNING" in (prepared.folder / "data_card.md").read_text()


def test_of_old_prepared_data_only_what_was_written_here_is_removed(tmp_path: Path) -> None:
    with new_folder(tmp_path / "old", KIND) as folder:
        (folder / "index.json").write_text("{}")
    with new_folder(tmp_path / "with notes", KIND) as folder:
        (folder / "index.json").write_text("{}")
    (tmp_path / "with notes" / "thesis.txt").write_text("mine")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "index.json").write_text("{}")
    for index in tmp_path.glob("*/index.json"):
        os.utime(index, (0, 0))
    _forget_old(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "with notes"]
    assert (tmp_path / "with notes" / "index.json").exists()


def test_what_another_run_has_open_or_removes_first_ends_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.json").write_text("{}")
        os.utime(tmp_path / name / "index.json", (0, 0))
    asked = []

    def refuse(folder: Path, _: str) -> None:
        asked.append(folder.name)
        raise (PermissionError if len(asked) == 1 else FileNotFoundError)(13, "in use", str(folder))

    monkeypatch.setattr("training.data.prepare.remove_folder", refuse)
    _forget_old(tmp_path)
    assert sorted(asked) == ["a", "b"]
