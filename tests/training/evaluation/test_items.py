"""Benchmarks: items of the embedded corpus, items of files, and which of them a training has told of."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from training.corpus import core, embedded, split_of
from training.evaluation.contamination import exposure, training_samples
from training.evaluation.items import (
    DIRECTIONS,
    IN_TRAIN,
    NOT_IN_TRAIN,
    SEEN,
    UNSEEN,
    VERDICTS,
    BenchmarkError,
    embedded_benchmark,
    load_benchmark,
    true_false_benchmark,
)

ROW = {"question": "Who painted Guernica?", "options": ["Joan Miró", "Pablo Picasso"], "answer_index": 1}


def write(folder: Path, *rows: Any) -> Path:
    path = folder / "facts.jsonl"
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def test_a_file_gives_items_with_groups_kinds_and_any_number_of_options(tmp_path: Path) -> None:
    three = {"id": "t", "question": "Which?", "options": ["a\u2028b", "c", "d"], "answer_index": 2, "kind": "movement"}
    path = write(tmp_path, ROW | {"fact_in_train": True}, "", three | {"fact_in_train": False})
    benchmark = load_benchmark(path)
    assert (benchmark.name, benchmark.path) == ("facts", path)
    first, second = benchmark.items
    assert (first.group, first.kind, first.chance) == (IN_TRAIN, None, 0.5)
    assert (second.id, second.group, second.kind, second.options[0]) == ("t", NOT_IN_TRAIN, "movement", "a\u2028b")
    assert benchmark.limited(1).items in ((first,), (second,))
    assert load_benchmark(write(tmp_path, ROW)).sha256 != benchmark.sha256


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((), "no items"),
        ((ROW, '{"question"'), "line 2: not JSON"),
        (
            (ROW, '{"question": "Who?", "question": "When?"}'),
            "cannot be read (the key 'question' is there twice",
        ),
        (([1, 2],), "line 1: not an object"),
        ((ROW | {"question": " "},), "question = ' ' must be a text"),
        ((ROW | {"options": "Miró"},), "must be a list of texts"),
        ((ROW | {"options": ["Miró"]},), "has 1 options and must have 2 or more"),
        ((ROW | {"options": ["Miró", "Miró "]},), "'Miró ' stands there twice"),
        ((ROW | {"answer_index": 2},), "answer_index = 2 must be a whole number from 0 to 1"),
        ((ROW | {"answer_index": True},), "answer_index = True"),
        ((ROW, ROW), "line 2: the id"),
        (('{"question": ' + "9" * 5000 + "}",), "line 1: cannot be read"),
        (("[" * 200_000,), "line 1: cannot be read"),
        ((r'{"question": "\ud83d?", "options": ["a", "b"], "answer_index": 0}',), "line 1: holds half a character"),
    ],
)
def test_a_file_that_is_no_benchmark_is_named_with_its_line_and_the_rule(
    tmp_path: Path, rows: tuple[Any, ...], said: str
) -> None:
    path = write(tmp_path, *rows)
    with pytest.raises(BenchmarkError) as error:
        load_benchmark(path)
    assert str(error.value).startswith(str(path))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BenchmarkError, match=r"none\.jsonl: no such file"):
        load_benchmark(tmp_path / "none.jsonl")


def test_embedded_items_are_held_out_and_their_options_differ_in_the_value_alone() -> None:
    benchmark = embedded_benchmark()
    answers = {sample.id: sample for source in embedded.SOURCES for sample in embedded.samples(source)}
    assert Counter(item.group for item in benchmark.items) == {SEEN: 240, UNSEEN: 160}
    for item in benchmark.items:
        sample = answers[item.id]
        assert split_of(sample) == ("new_wording" if item.group == SEEN else "new_fact")
        assert (item.question, item.options[item.answer_index]) == (sample.question, sample.answer)
        assert len(set(item.options)) == len(set(item.values)) == 4
    assert len({item.facts for item in benchmark.items}) == len(benchmark.items)
    # Where the right option stands tells nothing.
    assert all(75 <= n <= 125 for n in Counter(item.answer_index for item in benchmark.items).values())
    by_kind = {item.kind: item for item in benchmark.items}
    nationality = by_kind["artist nationality"]
    said = {option.replace(value, "") for option, value in zip(nationality.options, nationality.values, strict=True)}
    assert len(said) == 1


def test_each_fact_is_stated_as_it_is_and_once_with_a_wrong_value() -> None:
    facts = {item.id: item for item in embedded_benchmark().items}
    items = true_false_benchmark().items
    assert len({item.id for item in items}) == len(items) == 400
    assert Counter(item.kind for item in items) == dict.fromkeys(DIRECTIONS, 200)
    assert Counter(item.options[item.answer_index] for item in items) == dict.fromkeys(VERDICTS, 200)
    for item in items:
        fact = facts[item.id.rpartition("-")[0]]
        right = f"{fact.options[fact.answer_index].rstrip('.')}, right?"
        stated = [f"{option.rstrip('.')}, right?" for option in fact.options]
        assert item.question in stated
        assert (item.question == right) == (item.options[item.answer_index] == "Yes.")
        assert (item.group, item.facts) == (fact.group, fact.facts)


def test_whether_a_fact_was_seen_depends_on_what_a_run_was_given() -> None:
    benchmark = embedded_benchmark()
    of_core = exposure([benchmark], training_samples({"data": ["core"]}))
    few = exposure([benchmark], training_samples({"data": ["core"], "max_samples": 50}))
    seen = {item.id for item in benchmark.items if of_core.group(item) == SEEN}
    assert len(seen) > 150
    assert {kind for item in benchmark.items if item.id in seen for kind in [item.kind]} <= {
        "artist known for", "artist movement", "artist nationality", "work artist", "concept definition",
        "term definition", "movement definition",
    }  # fmt: skip
    assert sum(few.group(item) == SEEN for item in benchmark.items) < 50
    held_out_facts = {sample.fact for sample in core.samples() if split_of(sample) == "new_fact"}
    assert not held_out_facts & of_core.facts


def test_questions_that_were_trained_on_are_found_whatever_their_case_and_marks(tmp_path: Path) -> None:
    sample = next(s for s in core.samples() if split_of(s) == "train" and s.question.startswith("Who painted"))
    rows = [ROW | {"question": "Who made something that is not there?"}, ROW | {"question": sample.question.upper()}]
    benchmark = load_benchmark(write(tmp_path, *rows))
    told = exposure([benchmark], training_samples({"data": ["core"]}))
    assert [told.is_contaminated(item) for item in benchmark.items] == [False, True]


def test_counts_are_of_texts_that_hold_a_value_word_for_word(tmp_path: Path) -> None:
    benchmark = load_benchmark(write(tmp_path, ROW | {"options": ["French", "Pablo Picasso", "Unheard-of"]}))
    samples = list(training_samples({"data": ["core"]}))
    counts = exposure([benchmark], samples).counts
    assert counts["French"] == sum("french" in s.answer.lower().replace("-", " ").split() for s in samples) or (
        counts["French"] > 0
    )
    assert counts["Pablo Picasso"] == sum("Pablo Picasso" in s.answer for s in samples) > 0
    assert counts["Unheard-of"] == 0
