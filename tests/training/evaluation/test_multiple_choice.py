"""Closed-book accuracy: which option is chosen, the lines beside it, and what a really trained model knows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.trained import Run
from training.corpus.sample import Message, Sample
from training.evaluation.contamination import Exposure, exposure, training_samples
from training.evaluation.items import SEEN, UNSEEN, VERDICTS, Benchmark, Item, embedded_benchmark
from training.evaluation.multiple_choice import choose, longest_option, measure, most_frequent_option
from training.evaluation.opening import open_subject
from training.evaluation.subjects import Answer, Chat, DocumentLoss, Likelihood

ITEMS = (
    Item("a", "Who painted Guernica?", ("Picasso", "Joan Miró"), 0, "known", "artist", (), ("Picasso", "Joan Miró")),
    Item("b", "Which year?", ("1937", "1907", "1889"), 2, "known", "year", (), ("1937", "1907", "1889")),
    Item("c", "Where is it?", ("Madrid", "Paris"), 1, None, None, (), ("Madrid", "Paris")),
)


class ByRule:
    """A subject that finds each text as likely as it is told."""

    name, spec, kind, sha256, parameters, report, trained_on = "rule", "rule", "model1", "0", None, None, None

    def __init__(self, nats: Mapping[str, float]) -> None:
        self.nats = nats

    def loglikelihoods(self, pairs: Sequence[tuple[Chat | str, str]]) -> list[Likelihood]:
        assert all(len(context) == 1 and context[0][0] == "user" for context, _ in pairs)
        return [Likelihood(self.nats[text], 1, len(text.encode())) for _, text in pairs]

    def document_losses(self, samples: Sequence[Sample]) -> list[DocumentLoss]:
        raise NotImplementedError

    def answers(self, conversations: Sequence[Chat], max_new_tokens: int) -> list[Answer]:
        raise NotImplementedError


RULE = ByRule({"Picasso": 7.0, "Joan Miró": 8.0, "1937": 1.0, "1907": 1.0, "1889": 0.5, "Madrid": 1.0, "Paris": 3.0})


def test_options_are_compared_by_byte_and_by_their_sum() -> None:
    first, second, third = choose(RULE, ITEMS)
    # "Joan Miró" has ten bytes: 0.8 nats each, where Picasso's seven take one each.
    assert (first.by_bytes, first.raw) == (1, 0)
    assert (second.by_bytes, second.raw) == (2, 2)
    assert not third.is_right
    assert choose(ByRule({"Madrid": 6.0, "Paris": 5.0}), ITEMS[2:])[0].by_bytes == 0, "of equal ones the first"


def test_a_verdict_is_not_divided_by_its_length() -> None:
    item = Item("d", "Goya painted Guernica, right?", VERDICTS, 1, None, "false statement", (), VERDICTS)
    # By the byte "Yes." would win with 0.5 nats against 0.6.
    assert choose(ByRule({"Yes.": 2.0, "No.": 1.8}), [item])[0].is_right


def test_accuracy_has_chance_per_item_groups_kinds_and_intervals() -> None:
    told = measure(RULE, Benchmark("own", Path("own.jsonl"), "00", ITEMS))
    assert (told["n"], told["accuracy"]["estimate"]) == (3, pytest.approx(1 / 3))
    assert told["accuracy_raw"]["estimate"] == pytest.approx(2 / 3)
    assert told["accuracy"]["low"] <= 1 / 3 <= told["accuracy"]["high"]
    assert told["chance"] == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 3)
    (known,) = told["groups"]
    assert (known["group"], known["n"], known["accuracy"]["estimate"]) == ("known", 2, 0.5)
    assert [(kind["kind"], kind["n"]) for kind in told["kinds"]] == [("artist", 1), ("year", 1)]
    assert told["most_frequent_option"] is None, "no training texts were given"
    chosen = [(item["id"], item["chosen"], item["raw"]) for item in told["items"]]
    assert chosen == [("a", 1, 0), ("b", 2, 2), ("c", 0, 0)]
    json.dumps(told)


def test_lines_that_need_no_model_share_what_is_equal() -> None:
    assert [longest_option(item) for item in ITEMS] == [0, pytest.approx(1 / 3), 0]
    counts = Exposure(counts={"Paris": 3, "Madrid": 1, "1937": 2, "1889": 2})
    assert [most_frequent_option(item, counts) for item in ITEMS] == [0.5, 0.5, 1]


def test_items_that_were_trained_on_are_named_and_left_out_of_everything_else() -> None:
    asked = (Message("user", "who painted guernica"), Message("assistant", "Picasso did."))
    sample = Sample("s", "own", "art", "row:1", asked, "MIT")
    benchmark = Benchmark("own", None, "00", ITEMS)
    told = measure(RULE, benchmark, exposure([benchmark], [sample]))
    assert told["n"] == 2
    assert told["contaminated"]["ids"] == ["a"]
    assert told["contaminated"]["accuracy"]["estimate"] == 0
    assert [kind["kind"] for kind in told["kinds"]] == ["year"]
    only = Benchmark("own", None, "00", ITEMS[:1])
    told = measure(RULE, only, exposure([only], [sample]))
    assert (told["n"], told["accuracy"], told["chance"], told["groups"]) == (0, None, None, [])


@pytest.mark.slow
def test_the_demo_model_knows_what_it_was_told_in_new_words_and_guesses_the_rest(demo_model1: Run) -> None:
    subject: Any = open_subject(str(demo_model1.folder / "art_ai_best.pt"))
    benchmark = embedded_benchmark().limited(200)  # of 50, seven are seen ones: one wrong and no floor holds
    told = measure(subject, benchmark, exposure([benchmark], training_samples(demo_model1.report["config"])))
    groups = {group["group"]: group["accuracy"] for group in told["groups"]}
    assert groups[SEEN]["low"] > 0.6
    assert groups[UNSEEN]["low"] < 0.4
