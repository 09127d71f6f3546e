"""Preferences, tokenised as a method learns them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from tests.timing import costs_less_than
from training.data.preference_file import Preferences, PreferencesError
from training.data.preferences import prepare_preferences, vote_of
from training.models.tokenizer import CHAT_FORM

HEADER = {"study": "s#1", "n_votes": 1, "n_pairs": 0}


def both_bad(votes: int) -> Preferences:
    """Votes that prefer neither answer: two records of each."""
    record = {
        "prompt_id": "q1", "prompt": [{"role": "user", "content": "What?"}], "chosen": None, "rejected": "No.",
        "outcome": "both_bad", "on_policy": True, "weight": 0.5, "tester": "t1", "split": "train",
    }  # fmt: skip
    records = [record | {"id": f"v{k}-{model}"} for k in range(votes) for model in ("model1", "model2")]
    return Preferences(HEADER, records)


def encode(texts: Sequence[str]) -> list[list[int]]:
    return [[1, 2] for _ in texts]


def test_eight_times_as_many_answers_take_nowhere_near_the_square_of_that() -> None:
    def prepare(found: Preferences) -> None:
        data = prepare_preferences(found, "kto", encode, CHAT_FORM)
        assert len(data.train) == len(found.records)
        assert not data.train.wanted.any()

    few, many = (partial(prepare, both_bad(votes)) for votes in (1000, 8000))
    assert costs_less_than(32, many, few), "with the square it would be 64 times"


def test_of_a_vote_without_a_winner_both_answers_are_learned() -> None:
    found = both_bad(3)
    tie: dict[str, Any] = dict(found.records[0], id="v9-model1", outcome="tie", chosen="Yes.", rejected=None)
    records = [*found.records, tie]
    data = prepare_preferences(Preferences(HEADER, records), "kto", encode, CHAT_FORM, ties="wanted")
    assert sorted(data.train.wanted) == [False] * 6 + [True]
    assert {vote_of(record) for record in data.train.records} == {"v0", "v1", "v2", "v9"}


def test_a_vote_between_equal_answers_prefers_nothing() -> None:
    said = {"chosen": "Goya did.", "rejected": "Monet did.", "outcome": "win"}
    turns = [{"role": "assistant", "content": "Yes. "}, {"role": "user", "content": "Sure?"}]
    talk = {"chosen": [*turns, {"role": "assistant", "content": "Goya."}]}
    records = [
        dict(both_bad(1).records[0], **(said | more), id=f"v{place}")
        for place, more in enumerate(
            [
                {},
                {"rejected": " Goya  did.\n"},
                talk | {"rejected": talk["chosen"]},
                {"chosen": "Monet did.", "rejected_ended": False},
                {"split": "held_out"},
                {"split": "held_out", "chosen": "", "rejected": ""},
            ]
        )
    ]
    for method, learned in (("dpo", 1), ("kto", 2), ("sft", 1)):
        data = prepare_preferences(Preferences(HEADER, records), method, encode, CHAT_FORM)
        assert (len(data.train), len(data.held_out)) == (learned, 1)
        assert data.left_out == {"votes between equal answers": 3}
    with pytest.raises(PreferencesError, match="3 votes between equal answers"):
        prepare_preferences(Preferences(dict(HEADER, n_pairs=3), records[1:4]), "dpo", encode, CHAT_FORM)
