"""What a spreadsheet does to the columns that rules of exclusion look at: refused, or told by row."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from feedback.__main__ import main
from feedback.assignment import MODELS
from feedback.blind_test import Answer
from feedback.export import write
from feedback.statistics import load_study, summary
from feedback.statistics.csv_file import read_study_csv
from feedback.statistics.exclusion import NEEDS
from feedback.statistics.outcomes import VotesError
from tests.feedback.protocol import Clock, answered, open_test
from tests.feedback.statistics.spreadsheet import counted, saved

RULES: dict[str, float] = {
    "min_vote_seconds": 2, "min_seen_seconds": 5, "flagged_answers": True, "max_reading_speed": 100,
    "max_testers_per_address": 1, "max_same_comment": 1,
}  # fmt: skip
COPIED = "The left one knew much more about it."


def ruled(folder: Path, rule: str) -> Path:
    """Two testers whose one vote each rule leaves out, and one whose two votes none does."""
    test = open_test(folder / "v.db", Clock(), address_hash=True, exclusion={rule: RULES[rule]})
    for number in range(2):
        tester = test.enrol("1", address="192.0.2.1").id
        prompt = test.suggestions(tester)[0]
        battle = test.start_battle(tester, prompt.id, prompt.text)
        turn = test.start_turn(tester, battle.id, prompt.text)
        test.finish_turn(turn.id, dict.fromkeys(MODELS, Answer("a" * 9000, 5, 1.0, leak_flag=True)))
        test._clock.forward(0.5)
        seen = {"left": 3, "right": 3}
        test.vote(tester, battle.id, "left", comment=COPIED, vote_seconds=1 + number / 2, seen=seen)
    tester = test.enrol("1", address="192.0.2.2").id
    for comment in ("Honest words, of some length.", "Others, of some length as well."):
        battle = answered(test, tester)
        test.vote(tester, battle.id, "right", comment=comment, vote_seconds=9, seen={"left": 8, "right": 8})
    write(test.database, "csv", folder / "votes.csv")
    assert counted(folder / "votes.csv") == 2
    return folder / "votes.csv"


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("rows", [1, 4])
def test_an_emptied_column_that_a_rule_looks_at_is_refused(tmp_path: Path, rule: str, rows: int) -> None:
    """In all rows or in one: it switched the rule off without a word, and four votes were counted where two are."""
    path, left = ruled(tmp_path, rule), Counter(dict.fromkeys(NEEDS[rule], rows))
    del left["turns"]

    def cell(name: str, text: str) -> str:
        left[name] -= 1
        return "" if left[name] >= 0 else text

    with pytest.raises(VotesError) as refused:
        read_study_csv(saved(path, cell))
    words = "row 1: leak_flag = ''" if rule == "flagged_answers" else "A column that they look at was changed; export"
    assert words in str(refused.value)
    if rule not in ("flagged_answers", "max_same_comment"):  # most votes have no comment
        assert f"is empty in row 1{', 2, 3, 4' if rows == 4 else ''}, so {rule} cannot" in str(refused.value)


@pytest.mark.parametrize(("rule", "column"), [(rule, column) for rule in RULES for column in NEEDS[rule]])
def test_a_renamed_column_that_a_rule_looks_at_is_refused(tmp_path: Path, rule: str, column: str) -> None:
    path = saved(ruled(tmp_path, rule), extra=lambda rows: [[name.replace(column, "x") for name in rows[0]], *rows[1:]])
    with pytest.raises(VotesError, match=f"rule {rule} needs the column .*{column}.*, which is missing"):
        read_study_csv(path)


def test_seconds_that_a_spreadsheet_took_for_thousands_are_refused(tmp_path: Path) -> None:
    path = ruled(tmp_path, "min_vote_seconds")
    saved(path, lambda name, text: f"{float(text) * 1000:.0f}" if name == "vote_seconds" else text)
    with pytest.raises(VotesError, match=r"left out of these rows: 2 votes given in less than 2 s; .*now: nothing"):
        read_study_csv(path)


def test_votes_that_a_rule_cannot_look_at_are_told_in_database_and_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row less is no export as it was; and a browser may have measured nothing."""
    test = open_test(tmp_path / "v.db", Clock(), exclusion={"min_vote_seconds": 2, "min_seen_seconds": 1})
    tester = test.enrol("1").id
    for seconds in (None, 1.0, 9.0):
        test.vote(tester, answered(test, tester).id, "left", vote_seconds=seconds)
    write(test.database, "csv", path := tmp_path / "votes.csv")
    ours, theirs = summary(load_study(test.database).outcomes), summary(read_study_csv(path).outcomes)
    assert ours == theirs
    assert ours["n_votes"] == 2
    told = {entry["reason"]: entry["n"] for entry in ours["excluded"]}
    assert told["votes that min_vote_seconds could not look at, for vote_seconds is empty: they count"] == 1
    assert sum("min_seen_seconds could not look at" in reason for reason in told) == 1
    saved(path, lambda name, text: "" if name == "vote_seconds" else text, extra=lambda rows: rows[:-1])
    assert main(["stats", "--csv", str(path), "--json", str(tmp_path / "s.json")]) == 0
    said = capsys.readouterr().err
    assert "note: vote_seconds is empty in row 1, 2, so min_vote_seconds cannot look at these votes" in said
    assert '"n_votes": 2' in (tmp_path / "s.json").read_text()
