"""Rows of a table of votes that a program took apart, doubled or joined: refused with the cell, or read."""

from __future__ import annotations

from pathlib import Path

import pytest

from feedback.blind_test import BlindTest
from feedback.export import write
from feedback.statistics import summary
from feedback.statistics.csv_file import read_study_csv
from feedback.statistics.outcomes import VotesError
from tests.feedback.protocol import Clock, answered, open_test
from tests.feedback.statistics.spreadsheet import counted, saved


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    """Four votes, of which one was corrected, with all that lies beside them."""
    test = open_test(tmp_path / "v.db", Clock(), background=[{"id": "age", "text": "How old?", "options": ["a", "b"]}])
    tester = test.enrol("1", {"age": "a"}).id
    for choice in ("left", "right", "tie", "both_bad"):
        vote(test, tester, choice)
    test.close(tester, "quit")
    test.guess(tester, "left_last")
    write(test.database, "csv", tmp_path / "votes.csv")
    return tmp_path / "votes.csv"


def vote(test: BlindTest, tester: str, choice: str) -> None:
    battle = answered(test, tester)
    test.vote(tester, battle.id, "tie" if choice == "left" else choice)
    if choice == "left":
        test.undo_vote(tester, battle.id)
        test.vote(tester, battle.id, choice)
        test.explain_vote(tester, battle.id, [], "", True)


@pytest.mark.parametrize("name", ["votes", "votes.guesses", "votes.good_enough", "votes.testers"])
@pytest.mark.parametrize("marks", [2, 3])
def test_several_byte_order_marks_are_none(exported: Path, name: str, marks: int) -> None:
    """One of each program that saved the file; the first column was missing."""
    told = read_study_csv(exported)
    file = exported.with_name(f"{name}.csv")
    file.write_bytes(b"\xef\xbb\xbf" * marks + file.read_bytes())
    again = read_study_csv(exported)
    assert summary(again.outcomes, again.guesses) == summary(told.outcomes, told.guesses)


def test_files_that_were_joined_with_their_marks_are_one(exported: Path) -> None:
    lines = exported.read_bytes().splitlines(keepends=True)
    exported.write_bytes(b"".join([b"\xef\xbb\xbf", *lines[:3], b"\xef\xbb\xbf", lines[0], *lines[3:]]))
    assert counted(exported) == 4


@pytest.mark.parametrize(
    ("name", "key"), [("guesses", "tester_id"), ("good_enough", "vote_id"), ("testers", "tester_id")]
)
@pytest.mark.parametrize("cell", ["", " "])
def test_an_emptied_id_beside_the_votes_is_refused(exported: Path, name: str, key: str, cell: str) -> None:
    """Such a guess, and such a word on whether an answer was good enough, were dropped without a word."""
    saved(exported.with_name(f"votes.{name}.csv"), lambda column, text: cell if column == key else text)
    with pytest.raises(VotesError, match=rf"votes\.{name}\.csv: row 1: {key} is empty"):
        read_study_csv(exported)


def test_a_row_that_was_taken_back_is_not_there_twice(exported: Path) -> None:
    with pytest.raises(VotesError, match="row 2: vote_id = '1' is there twice"):
        read_study_csv(saved(exported, extra=lambda rows: [rows[0], rows[1], *rows[1:]]))


@pytest.mark.parametrize("name", ["choice", "winner_model"])
def test_a_column_that_was_sorted_without_the_others_is_refused(exported: Path, name: str) -> None:
    """Each vote counted with the choice of another one."""

    def sort(rows: list[list[str]]) -> list[list[str]]:
        place = rows[0].index(name)
        cells = sorted(row[place] for row in rows[1:])
        return [rows[0], *([*row[:place], cell, *row[place + 1 :]] for row, cell in zip(rows[1:], cells, strict=True))]

    with pytest.raises(VotesError, match=r"row \d: left_model = .*choice = .*winner_model = .* contradict each other"):
        read_study_csv(saved(exported, extra=sort))


def test_sides_that_were_changed_in_both_columns_are_refused(exported: Path) -> None:
    other = {"model1": "model2", "model2": "model1"}
    with pytest.raises(VotesError, match="contradict each other"):
        read_study_csv(
            saved(exported, lambda name, text: other[text] if name in ("left_model", "right_model") else text)
        )
