from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from feedback.statistics.outcomes import REQUIRED, Outcomes, VotesError
from tests.feedback.protocol import dataset_d


def broken(column: str, value: Any, row: int = 2) -> pd.DataFrame:
    votes = dataset_d().astype(object)
    votes.loc[row, column] = value
    return votes


@pytest.mark.parametrize(
    ("votes", "words"),
    [
        (broken("choice", "Left"), ["row 3", "'Left'", "left, right, tie, both_bad"]),
        (broken("choice", None), ["row 3", "choice"]),
        (broken("left_model", "gpt2"), ["'gpt2'", "model1, model2"]),
        (broken("right_model", "model2"), ["row 3", "same"]),
        (broken("left_chars", "many"), ["left_chars", "'many'"]),
        (broken("left_chars", ""), ["left_chars", "''"]),
        (broken("right_chars", -4), ["right_chars", "'-4'"]),
        (broken("enrolment", "first"), ["enrolment", "'first'"]),
        (broken("enrolment", 7), ["tester_id p01", "more than one enrolment"]),
        (broken("tester_closed", "perhaps"), ["tester_closed", "'perhaps'", "1 or 0"]),
        (broken("vote_id", 1), ["vote_id 1", "two current votes"]),
        (dataset_d().drop(columns=["choice", "enrolment"]), ["enrolment, choice", "missing"]),
        (dataset_d().rename(columns={"choice": "vote"}), ["choice", "missing"]),
        (dataset_d().assign(superseded="x"), ["superseded", "'x'"]),
        (dataset_d().assign(enrolment=1), ["enrolment 1", "more than one tester_id"]),
    ],
)
def test_a_broken_table_is_one_line_with_the_value(votes: pd.DataFrame, words: list[str]) -> None:
    with pytest.raises(VotesError) as error:
        Outcomes.from_frame(votes)
    message = str(error.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_the_required_columns_suffice() -> None:
    full, least = Outcomes.from_frame(dataset_d()), Outcomes.from_frame(dataset_d()[list(REQUIRED)])
    assert (full.score == least.score).all()


def test_text_from_a_file_reads_like_numbers() -> None:
    typed, text = Outcomes.from_frame(dataset_d()), Outcomes.from_frame(dataset_d().astype(str).astype(object))
    assert (typed.model1_chars == text.model1_chars).all()
    assert (typed.testers.counts == text.testers.counts).all()


def test_testers_come_in_the_order_of_enrolment() -> None:
    votes = dataset_d().assign(enrolment=lambda table: 13 - table["enrolment"])
    votes.loc[votes["enrolment"] == 1, "tester_closed"] = 0
    assert Outcomes.from_frame(votes).closed.tolist() == [False] + [True] * 11


def test_scores_are_of_model1_whatever_its_side() -> None:
    outcomes = Outcomes.from_frame(dataset_d())
    assert outcomes.score[:4].tolist() == [0, 0, 0, 1]  # B, B, B, A
    assert outcomes.testers.totals == {"model1": 35, "model2": 22, "tie": 15, "both_bad": 8}
    assert outcomes.testers.sums.sum() == outcomes.score.sum()
