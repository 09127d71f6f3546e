"""Rows that an id or a question connects are on one side of the split; what is alike across it is counted."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.training.corpus.rows import write
from training.corpus import Sample, load, split_of, turns
from training.corpus.cleaned import splits_of
from training.corpus.split import SPLITS
from training.data.dataset import load_dataset
from training.evaluation.contamination import training_samples
from training.evaluation.held_out import load_held_out

USER, GOYA = {"role": "user", "content": "Who was it?"}, {"role": "assistant", "content": "Goya."}


def two_answers(n: int, **more: Any) -> list[dict[str, Any]]:
    """Questions with two answers each, asked with and without care."""
    rows = []
    for i in range(n):
        rows.append({"question": f"Who painted picture number {i}?", "answer": f"It was painted by A{i}."})
        rows.append({"question": f"who  painted Picture number {i}", "answer": f"Someone called B{i} did that one."})
    return [row | {key: make(i) for key, make in more.items()} for i, row in enumerate(rows)]


@pytest.mark.parametrize("with_ids", [False, True])
def test_one_question_is_on_one_side_of_the_split(with_ids: bool, tmp_path: Path) -> None:
    rows = two_answers(1500, id=lambda i: f"n{i}") if with_ids else two_answers(1500)
    dataset = load_dataset([write(tmp_path / "a.jsonl", rows)], None, 10_000)
    trained = {turns.normalised_question(sample.question) for sample in dataset.train}
    held_out = [turns.normalised_question(sample.question) for sample in dataset.validation]
    assert 20 < len(held_out) < 200
    assert not trained.intersection(held_out)
    moved = dataset.card.across.moved
    assert moved > 20 if with_ids else moved == 0


def chat(*said: str) -> dict[str, Any]:
    return {"messages": [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(said)]}


def test_a_chat_is_on_the_side_of_its_first_question(tmp_path: Path) -> None:
    """Whatever else it says: chats that all end in the same words, or begin with a greeting, are no one group."""
    rows = [chat(f"Who painted picture number {i}?", f"Painter A{i}.", "And when?", f"In {i}.") for i in range(1500)]
    rows += [chat(f"who painted picture number {i}", f"That was B{i}.") for i in range(1500)]
    rows += [chat("Hello!", "Hi!", f"Who built house number {i}?", f"Builder C{i}.") for i in range(3000)]
    dataset = load_dataset([write(tmp_path / "a.jsonl", rows)], None, 10_000)

    def named(part: list[Sample], what: str) -> set[str]:
        told = " ".join(message.content for sample in part for message in sample.messages)
        return {number for kind, number in re.findall(r"(picture|house) number (\d+)", told) if kind == what}

    for what, most in (("picture", 100), ("house", 200)):
        trained, held_out = named(dataset.train, what), named(dataset.validation, what)
        assert not trained & held_out
        assert 10 < len(held_out) < most


def chains(n: int, length: int) -> list[dict[str, Any]]:
    """Rows of which each shares its id with the one before and its question with the one after, in chains."""
    return [
        {
            "id": f"c{i}-{k // 2}",
            "question": f"Who made work {i} of {(k + 1) // 2}?",
            "answer": f"A painter named {i * 97 + k}.",
        }
        for i in range(n)
        for k in range(length)
    ]


def test_rows_that_hang_together_by_ids_and_questions_are_on_one_side_everywhere(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", chains(400, 6))
    dataset = load_dataset([path], None, 10_000)

    def chain(sample: Sample) -> str:
        return re.findall(r"work (\d+)", sample.question)[0]

    trained, held_out = ({chain(one) for one in part} for part in (dataset.train, dataset.validation))
    assert not trained & held_out
    assert len(trained | held_out) == 400
    assert 2 <= len(held_out) < 30  # as many as of single rows, though each chain has four ids
    for_evaluation = load_held_out([path], None, None)
    assert {one.id for one in for_evaluation.samples} == {one.id for one in dataset.validation}
    assert set(for_evaluation.splits.values()) == {"new_fact"}
    searched = training_samples({"data": [path]})
    assert sorted(one.answer for one in searched) == sorted(one.answer for one in dataset.train)
    assert splits_of(load([path])).count("new_fact") == len(dataset.validation)


def test_a_question_with_many_ids_is_held_out_no_more_often_than_another(tmp_path: Path) -> None:
    rows = [
        {"id": f"vote-{n}", "question": f"Prompt number {n % 100}: what is art?", "answer": f"Answer {n} of somebody."}
        for n in range(3000)
    ]
    dataset = load_dataset([write(tmp_path / "a.jsonl", rows)], None, 10_000)
    held_out = {sample.question for sample in dataset.validation}
    assert len(held_out) <= 8
    assert not held_out & {sample.question for sample in dataset.train}
    one = [row | {"question": "Describe the picture."} for row in rows[:300]]
    dataset = load_dataset([write(tmp_path / "b.jsonl", one)], None, 10_000)
    assert (len(dataset.train), dataset.validation) == (300, [])


def test_rows_follow_what_other_sources_ask(tmp_path: Path) -> None:
    others = {split: [s for s in load(["core"]) if s.question and split_of(s) == split] for split in SPLITS}
    rows = [
        {"id": f"r{split}{n}", "question": sample.question.upper(), "answer": f"Someone, as I think: {split} {n}."}
        for split, samples in others.items()
        for n, sample in enumerate([s for s in samples if len(s.messages) == 2][:60])
    ]
    dataset = load_dataset(["core", write(tmp_path / "mine.jsonl", rows)], None, 10_000)
    of_rows = [sample for sample in dataset.train if sample.source == "mine"]
    assert len(of_rows) > 50
    asked = {turns.normalised_question(sample.question) for sample in of_rows}
    assert not asked & {turns.normalised_question(s.question) for s in dataset.validation if len(s.messages) == 2}


def test_one_question_is_on_one_side_whatever_the_system_says(tmp_path: Path) -> None:
    rows: list[Any] = []
    for n in range(1500):
        turns = [{"role": "user", "content": f"Who made work {n}?"}, GOYA]
        rows.append({"messages": turns})
        rows.append({"messages": [{"role": "system", "content": "Be brief."}, *turns]})
        rows.append({"system_prompt": "You teach.", "question": f"Who made work {n}?", "response": f"It was {n}."})
    samples = load([write(tmp_path / "a.jsonl", rows)])
    sides = splits_of(samples)
    sides_of: dict[str, set[str]] = {}
    for sample, side in zip(samples, sides, strict=True):
        sides_of.setdefault(sample.question.rpartition("\n\n")[2], set()).add(side)
    assert {len(found) for found in sides_of.values()} == {1}
    assert sides.count("new_fact") > 20


def test_a_chat_is_on_one_side_with_its_beginnings(tmp_path: Path) -> None:
    """Data sets keep a row for each answer of a chat: a held-out one must not stand in a longer row."""
    rows: list[Any] = []
    for n in range(1500):
        said = (f"Who made work {n}?", f"Painter {n} did.", f"And who bought work {n}?", f"Buyer {n} did.")
        turns = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(said)]
        rows += [{"messages": turns[:2]}, {"messages": turns}]
    samples = load([write(tmp_path / "a.jsonl", rows)])
    sides = splits_of(samples)
    assert sides[::2] == sides[1::2]
    assert 10 < sides[::2].count("new_fact") < 60


def test_what_is_alike_across_the_split_is_counted(tmp_path: Path) -> None:
    rows = two_answers(1500)
    for i in range(0, 3000, 2):
        rows[i + 1]["question"] = f"Picture number {i // 2}: who painted?"
    path = write(tmp_path / "a.jsonl", rows)
    dataset = load_dataset([path], None, 10_000)
    trained = {frozenset(turns.normalised_question(sample.question).split()) for sample in dataset.train}
    alike = [s for s in dataset.validation if frozenset(turns.normalised_question(s.question).split()) in trained]
    assert dataset.card.across.same_words == len(alike) > 20
    dataset.card.write(tmp_path)
    assert json.loads((tmp_path / "data_card.json").read_text())["across_split"]["same_words"] == len(alike)
    assert f"{len(alike)} held-out questions have the words" in (tmp_path / "data_card.md").read_text()
