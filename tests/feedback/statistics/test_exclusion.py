from __future__ import annotations

import json
from pathlib import Path

import pytest

from feedback.__main__ import main
from feedback.blind_test import BlindTest
from feedback.export import write
from feedback.report import write_report
from feedback.statistics import VotesError, load_study, read_study_csv, summary
from feedback.statistics.load import excluded_testers, load_tally
from feedback.study import Exclusion, Study, StudyError
from tests.feedback.protocol import answered, document, open_test, vote_for

RULES = {"min_vote_seconds": 2, "flagged_answers": True, "min_votes": 3, "max_same_side": 0.9}


@pytest.fixture
def study(tmp_path: Path) -> BlindTest:
    """Eleven testers of six votes; one of two votes, one who always takes the left, two of one vote too fast."""
    test = open_test(tmp_path / "v.db", exclusion=RULES)
    for number in range(13):
        tester = test.enrol("1").id
        for round_ in range(2 if number == 4 else 6):
            side = ("left", "right")[(number + round_) % 2] if number != 7 else "left"
            seconds = 1.0 if number < 2 and round_ == 0 else 5.0 if round_ else None
            test.vote(tester, answered(test, tester).id, side, vote_seconds=seconds)
        test.guess(tester, "left_last")
        test.close(tester, "quit")
    return test


def test_the_rules_are_applied_and_counted(study: BlindTest) -> None:
    outcomes = load_study(study.database).outcomes
    reasons = dict(outcomes.excluded)
    assert list(reasons.values()) == [2, 1, 1, 8], reasons
    result = summary(outcomes)
    assert result["n_testers"] == 11
    assert result["n_votes"] == 13 * 6 - 4 - 2 - 8
    assert sum(entry["n"] for entry in result["excluded"] if "rule of the study" in entry["reason"]) == 12


def test_database_csv_page_report_and_manifest_agree(study: BlindTest, tmp_path: Path) -> None:
    manifest = write(study.database, "csv", tmp_path / "votes.csv")
    assert [entry["n"] for entry in manifest.studies[0]["excluded_from_statistics"]] == [2, 1, 1, 8]
    assert manifest.studies[0]["exclusion"] == RULES
    ours, theirs = load_study(study.database), read_study_csv(tmp_path / "votes.csv")
    result = summary(ours.outcomes, ours.guesses)
    assert result == summary(theirs.outcomes, theirs.guesses)
    assert result["blinding"]["index"] is not None
    assert ours.guesses is not None
    assert len(ours.guesses) == 11
    html = write_report(study.database, tmp_path)[0].read_text()
    assert "votes given in less than 2 s (rule of the study)" in html
    assert "Left out by the study&#x27;s rules" in html


def test_the_testers_who_are_left_out_are_told_with_their_rule(study: BlindTest) -> None:
    marks = excluded_testers(study.database.connection, study.study_id, Exclusion(**RULES))
    kept = set(load_study(study.database).outcomes.tester_ids)
    assert sorted(marks.values()) == [
        "testers who chose the same side in over 90% of their choices of a side",
        "testers with fewer than 3 votes",
    ]
    assert len(kept) == 11
    assert not kept & marks.keys()
    assert excluded_testers(study.database.connection, study.study_id, Exclusion(min_vote_seconds=2)) == {}


def test_rules_on_testers_work_on_the_tally(tmp_path: Path) -> None:
    rules = Exclusion(min_votes=3)
    test = open_test(tmp_path / "v.db", exclusion={"min_votes": 3})
    for votes in (1, 3, 5, 2):
        tester = test.enrol("1").id
        vote_for(test, tester, ["model1"] * votes)
        if votes != 2:  # an open session may still reach the number
            test.close(tester, "quit")
    testers, _ = load_tally(test.database.connection, test.study_id, rules)
    assert (testers.counts == load_study(test.database).outcomes.testers.counts).all()
    assert testers.votes.tolist() == [3, 5, 2]
    assert testers.excluded == load_study(test.database).outcomes.excluded


def test_a_missing_column_or_manifest_is_told(
    study: BlindTest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "votes.csv"
    write(study.database, "csv", path)
    header, *rows = path.read_text().splitlines()
    path.write_text("\n".join([header.replace("vote_seconds", "other"), *rows]) + "\n")
    with pytest.raises(VotesError, match=r"min_vote_seconds needs the column vote_seconds"):
        read_study_csv(path)
    Path(f"{path}.manifest.json").write_text("{}")
    with pytest.raises(VotesError, match="no manifest"):
        read_study_csv(path)
    Path(f"{path}.manifest.json").unlink()
    assert main(["stats", "--csv", str(path), "--json", "-"]) == 0
    output = capsys.readouterr()
    assert "no rule that leaves votes out" in output.err
    assert json.loads(output.out)["n_testers"] == 13


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"min_votes": -1}, ["min_votes = -1", "0 to 1000"]),
        ({"max_same_side": 0.2}, ["max_same_side = 0.2", "0.5 to 1"]),
        ({"flagged_answers": "yes"}, ["flagged_answers", "true or false"]),
        ({"speed": 1}, ["speed is not a setting"]),
        ("all", ['exclusion = "all"', "table"]),
    ],
)
def test_a_broken_rule_is_named(table: object, words: list[str]) -> None:
    with pytest.raises(StudyError) as error:
        Study.from_document(document(exclusion=table))
    assert all(word in str(error.value) for word in words), error.value


def test_rules_belong_to_the_study_and_none_changes_nothing() -> None:
    plain = Study.from_document(document())
    assert Study.from_document(document(exclusion={})).hash == plain.hash
    ruled = Study.from_document(document(exclusion=RULES))
    assert ruled.hash != plain.hash
    assert Study.from_toml(ruled.toml) == ruled
