"""Votes that look like a script's: told, and left out where the study file says so beforehand."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from feedback.__main__ import main
from feedback.blind_test import BlindTest, Refused
from feedback.check import check
from feedback.export import write
from feedback.statistics import load_study, read_study_csv, summary
from feedback.statistics.patterns import suspicious
from feedback.study import Exclusion, Study, StudyError
from tests.feedback.protocol import Clock, answered, document, open_test

RULES = {"max_reading_speed": 100, "max_testers_per_address": 2, "max_same_comment": 1}
COPIED = "The left one knew much more about it."


def play(test: BlindTest, clock: Clock) -> None:
    """Six honest testers, two of whom say the same; three from one address; a script that votes fast and evenly."""
    for number in range(6):
        tester = test.enrol("1", address=f"192.0.2.{number}").id
        for round_ in range(5):
            battle = answered(test, tester, chars=(400, 500))
            clock.forward(0.1 + 0.37 * ((number + round_ * round_) % 4))
            comment = COPIED if number < 2 and round_ == 0 else f"Honest words, {number} {round_}, of some length."
            test.vote(tester, battle.id, ("left", "right")[(number + round_) % 2], comment=comment)
        test.close(tester, "quit")
    for _ in range(3):
        tester = test.enrol("1", address="198.51.100.7").id
        test.vote(tester, answered(test, tester).id, "tie", comment="Short.")
    script = test.enrol("1", address="203.0.113.9").id
    for _ in range(5):
        test.vote(script, answered(test, script, chars=(9000, 9000)).id, "left")


@pytest.fixture
def study(tmp_path: Path, clock: Clock) -> BlindTest:
    test = open_test(tmp_path / "v.db", clock, address_hash=True, exclusion=RULES)
    play(test, clock)
    return test


def test_the_rules_leave_out_what_they_name_and_count_it(study: BlindTest, tmp_path: Path) -> None:
    """The same from the database, the exported file, and the manifest."""
    outcomes = load_study(study.database).outcomes
    assert dict(outcomes.excluded) == {
        "votes faster than 100 characters a second": 5,
        "votes from an address of more than 2 testers": 3,
        "votes with a comment that more than 1 testers gave": 2,
        "testers without a vote that these rules keep": 4,
    }
    manifest = write(study.database, "csv", tmp_path / "votes.csv")
    assert manifest.studies[0]["exclusion"] == Exclusion(**RULES).settings
    theirs = read_study_csv(tmp_path / "votes.csv")
    assert summary(outcomes) == summary(theirs.outcomes)
    assert summary(outcomes)["n_votes"] == 6 * 5 - 2
    assert check(study.database) == []


def test_without_rules_nothing_is_left_out_and_the_patterns_are_told(
    tmp_path: Path, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    test = open_test(tmp_path / "v.db", clock)
    play(test, clock)
    assert load_study(test.database).outcomes.excluded == ()
    told = suspicious(test.database.connection, test.study_id)
    found = {entry["rule"] or entry["pattern"]: (entry["votes"], entry["testers"]) for entry in told}
    assert found["max_reading_speed"] == (5, 1)
    assert found["max_same_comment"] == (2, 2)
    assert found["max_testers_per_address"] == (0, 0), "no address is kept unless the study says so"
    assert found["max_same_side"] == (5, 1)
    assert found["votes of testers whose votes come at even times"] == (5, 1)
    assert main(["patterns", "--db", str(tmp_path / "v.db"), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out) == told
    assert main(["patterns", "--db", str(tmp_path / "v.db")]) == 0
    assert "5 votes faster than 100 characters a second, 1 testers; the rule max_reading" in capsys.readouterr().out
    looks = test.database.connection.execute("SELECT COUNT(*) FROM looks").fetchone()[0]
    assert looks == 0, "it shows no result"


@pytest.mark.parametrize(
    "variation",
    [
        COPIED.upper(),
        f"  {COPIED.replace(' ', chr(0xA0) * 2)}\n",
        COPIED.rstrip(".") + "!!! :-)",
        "\u201cThe left one\u201d - knew much more, about it",
        COPIED.replace("left", "l\u200beft").replace("it", "it\U0001f44d"),
        "".join(chr(ord(letter) + 0xFEE0) if letter.isalpha() else letter for letter in COPIED),  # full width
        COPIED.translate(str.maketrans("aeopT", "\u0430\u0435\u043e\u0440\u0422")),  # Cyrillic
        COPIED.translate(str.maketrans("aovT", "\u03b1\u03bf\u03bd\u03a4")),  # Greek
        COPIED.translate(str.maketrans("oea", "0\u00e9\u00e4")),
    ],
)
def test_a_copied_comment_with_other_case_spaces_or_signs_is_the_same_comment(tmp_path: Path, variation: str) -> None:
    test = open_test(tmp_path / "v.db")
    for comment in (COPIED, variation, "The left one knew much more about art.", "?" * 40, "!" * 40):
        tester = test.enrol("1").id
        test.vote(tester, answered(test, tester).id, "tie", comment=comment)
    told = {entry["rule"]: entry["votes"] for entry in suspicious(test.database.connection, test.study_id)}
    assert told["max_same_comment"] == 2


def test_a_burst_of_testers_is_told(tmp_path: Path, clock: Clock) -> None:
    test = open_test(tmp_path / "v.db", clock)
    ready = [(tester := test.enrol("1").id, answered(test, tester).id) for _ in range(12)]
    for tester, battle in ready:
        test.vote(tester, battle, "tie")
    assert suspicious(test.database.connection, test.study_id)[-1]["testers"] == 12
    assert suspicious(open_test(tmp_path / "empty.db").database.connection, 1)[-1]["testers"] == 0


def test_a_burst_is_as_many_within_one_minute_not_on_both_sides_of_a_moment(tmp_path: Path, clock: Clock) -> None:
    test = open_test(tmp_path / "v.db", clock)
    ready = [(tester := test.enrol("1").id, answered(test, tester).id) for _ in range(30)]
    for tester, battle in ready[:20]:  # seven within any minute, thirteen within two
        test.vote(tester, battle, "tie")
        clock.forward(0.15)
    assert suspicious(test.database.connection, test.study_id)[-1]["testers"] == 0
    clock.forward(5)
    for tester, battle in ready[20:]:  # ten within 59 seconds, each of them a part of it
        test.vote(tester, battle, "tie")
        clock.forward(6.5 / 60)
    assert suspicious(test.database.connection, test.study_id)[-1]["testers"] == 10


def test_an_address_is_kept_as_a_hash_whose_key_goes_when_the_study_is_closed(study: BlindTest, tmp_path: Path) -> None:
    connection = study.database.connection
    kept = "SELECT COUNT(*), COUNT(DISTINCT origin), MAX(length(origin)) FROM testers WHERE origin IS NOT NULL"
    assert tuple(connection.execute(kept).fetchone()) == (10, 8, 16)
    write(study.database, "sqlite", tmp_path / "copy.db")
    for file in (tmp_path / "v.db", tmp_path / "v.db-wal", tmp_path / "copy.db"):
        assert b"203.0.113.9" not in file.read_bytes()
    with sqlite3.connect(tmp_path / "copy.db") as copy:
        assert copy.execute("SELECT COUNT(*) FROM origin_keys").fetchone() == (0,)
    study.withdraw(study.enrol("1", address="192.0.2.77").id)
    assert tuple(connection.execute(kept).fetchone()) == (10, 8, 16), "what was withdrawn is gone"
    study.close_study()
    assert connection.execute("SELECT COUNT(*) FROM origin_keys").fetchone()[0] == 0
    assert tuple(connection.execute(kept).fetchone()) == (10, 8, 16), "which are still equal or not"


def test_no_more_begin_from_an_address_within_an_hour_than_may_also_after_restarts(
    tmp_path: Path, clock: Clock
) -> None:
    for _ in range(2):
        test = open_test(tmp_path / "v.db", clock, address_hash=True)
        test.enrol("1", address="192.0.2.1", most=2)
        test.database.close()
    test = open_test(tmp_path / "v.db", clock, address_hash=True, session_timeout_minutes=60)
    with pytest.raises(Refused, match="2 people have begun from your network"):
        test.enrol("1", address="192.0.2.1", most=2)
    test.enrol("1", address="192.0.2.2", most=2)
    clock.forward(61)
    test.enrol("1", address="192.0.2.1", most=2)


def test_a_rule_that_is_off_is_no_part_of_the_hash_and_one_on_addresses_needs_them() -> None:
    plain = Study.from_document(document())
    off = {"max_reading_speed": 0, "max_testers_per_address": 0, "max_same_comment": 0}
    assert Study.from_document(document(exclusion=off, address_hash=False)).hash == plain.hash
    ruled = Study.from_document(document(exclusion={"max_same_comment": 3}))
    assert ruled.hash != plain.hash
    assert ruled.exclusion.settings == {**Exclusion().settings, "max_same_comment": 3}
    with pytest.raises(StudyError, match="needs address_hash = true"):
        Study.from_document(document(exclusion={"max_testers_per_address": 3}))
