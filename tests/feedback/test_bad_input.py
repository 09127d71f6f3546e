"""Whatever is wrong with votes or files: one clear line, or a null with its reason, never a wrong number."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from feedback.__main__ import main
from feedback.schema import VERSIONS
from feedback.statistics import summary
from tests.feedback.protocol import dataset_d, open_test, show_first_as_before, vote_for


def one_way() -> pd.DataFrame:
    votes = dataset_d()
    return votes.assign(choice=np.where(votes["left_model"] == "model1", "left", "right"))


def flooded() -> pd.DataFrame:
    votes = dataset_d()
    more = pd.concat([votes[votes["enrolment"] == 1].assign(choice="left")] * 250)
    return pd.concat([votes, more]).assign(vote_id=lambda table: range(len(table)))


@pytest.mark.parametrize(
    ("votes", "nulls", "numbers"),
    [
        (dataset_d().head(0), ["preference.estimate", "anytime.e_value", "sign_flip.p_value", "icc", "elo_gap"], {}),
        (
            dataset_d()[lambda votes: votes["enrolment"] == 1],
            ["preference.se", "preference.ci_low", "pooled.ci_low", "icc", "power.testers_needed", "agreement.alpha"],
            {"preference.estimate": 0.25, "n_testers": 1, "sign_flip.p_value": 1.0},
        ),
        (
            dataset_d().assign(choice="tie"),
            ["davidson.nu", "power.testers_needed", "sign_test.p_value", "agreement.alpha"],
            {"preference.estimate": 0.5, "preference.p_value": 1.0, "sign_test.none": 12, "elo_gap": 0.0},
        ),
        (
            one_way(),
            ["elo_gap", "davidson.log_ratio", "length_controlled.logit", "power.testers_needed"],
            {"preference.estimate": 1.0, "preference.p_value": 2 / 4096, "anytime.ci_high": 1.0},
        ),
        (flooded(), [], {"n_testers": 12, "preference.df": 11}),
    ],
    ids=["no votes", "one tester", "all ties", "all one way", "a flood of one tester"],
)
def test_extreme_votes_give_nulls_or_right_numbers(
    votes: pd.DataFrame, nulls: list[str], numbers: dict[str, float]
) -> None:
    result: Any = json.loads(json.dumps(summary(votes), allow_nan=False))

    def at(path: str) -> Any:
        value = result
        for name in path.split("."):
            value = value[name]
        return value

    assert {path: at(path) for path in nulls} == dict.fromkeys(nulls)
    assert {path: at(path) for path in numbers} == pytest.approx(numbers)
    if 0 < result["n_testers"] < 10:
        assert any("fewer than 10" in entry["reason"] for entry in result["excluded"])


def test_a_flood_of_one_tester_moves_the_pooled_mean_but_hardly_the_headline() -> None:
    before, after = summary(dataset_d()), summary(flooded())
    assert abs(after["preference"]["estimate"] - before["preference"]["estimate"]) < 1 / 12
    assert after["pooled"]["se"] > before["pooled"]["se"]


def test_testers_without_votes_count_nowhere(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db")
    for number in range(6):
        tester = test.enrol("1").id
        if number % 2:
            vote_for(test, tester, ["model1", "tie"])
            test.close(tester, "quit")
    assert main(["stats", "--db", str(tmp_path / "v.db"), "--json", str(tmp_path / "s.json")]) == 0
    result = json.loads((tmp_path / "s.json").read_text())
    assert (result["n_testers"], result["n_testers_closed"], result["anytime"]["n_closed"]) == (3, 3, 3)


def test_dates_out_of_order_change_no_number() -> None:
    votes = dataset_d().assign(voted_at=[f"2026-01-01T00:{59 - n % 60:02}:00.000Z" for n in range(80)])
    assert summary(votes) == summary(dataset_d())


def test_a_read_only_database_can_be_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from feedback.database import Database
    from feedback.looks import log_look

    test = open_test(tmp_path / "v.db")
    vote_for(test, test.enrol("1").id, ["tie"])
    readonly = Database(tmp_path / "v.db", readonly=True)
    assert log_look(readonly, test.study_id, "stats", summary(dataset_d())) is False
    assert readonly.connection.execute("SELECT COUNT(*) FROM looks").fetchone()[0] == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sample-size", "--difference", "0"], ["--difference", "0 must be", "between 0 and 0.5"]),
        (["sample-size", "--difference", "0.45"], ["--difference 0.45", "88%", "smaller"]),
        (["sample-size", "--difference", "x"], ["x must be a number"]),
        (["sample-size", "--difference", "1e-300"], ["--difference 1e-300", "more testers than", "name larger ones"]),
        (["sample-size", "--difference", "0.1", "--alpha", "1e-320"], ["--alpha 1e-320", "name larger ones"]),
        (["backup", "--db", "{tmp}/v.db", "--out", "{tmp}/there"], ["there already", "new file"]),
        (["backup", "--db", "{tmp}/v.db", "--out", "{tmp}/no/b.db"], ["b.db", "no folder"]),
        (["restore", "--db", "{tmp}/v.db", "--from", "{tmp}/none"], ["none", "does not exist", "--from"]),
        (["restore", "--db", "{tmp}/v.db", "--from", "{tmp}/there"], ["there", "no SQLite database"]),
        (["restore", "--db", "{tmp}/v.db", "--from", "{tmp}/v.db"], ["the database itself"]),
    ],
)
def test_a_mistake_with_the_newer_commands_is_one_line(
    tmp_path: Path, arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    open_test(tmp_path / "v.db").database.close()
    (tmp_path / "there").write_text("something of value " * 99)
    try:
        code = main([argument.format(tmp=tmp_path) for argument in arguments])
    except SystemExit as stop:
        code = int(stop.code or 0)
    error = capsys.readouterr().err
    assert code == 2
    assert error.count("\n") == 1
    assert all(word in error for word in words), error
    assert (tmp_path / "there").read_text().startswith("something of value")


def test_sample_size_is_the_documented_number(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["sample-size", "--difference", "0.05", "--tie-share", "0.25", "--votes-each", "10", "--icc", "0.1"]) == 0
    )
    assert capsys.readouterr().out == "113\n"


@pytest.mark.parametrize("damage", [False, True])
def test_a_backup_made_in_use_is_restored_in_place(
    tmp_path: Path, damage: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    db, copy = tmp_path / "v.db", tmp_path / "copy.db"
    test = open_test(db)
    tester = test.enrol("1").id
    vote_for(test, tester, ["model1", "tie"])
    assert main(["backup", "--db", str(db), "--out", str(copy)]) == 0  # while the app holds the database open
    vote_for(test, tester, ["model2"])
    test.database.close()
    if damage:
        db.write_bytes(b"\x00" * 5000)
    assert main(["restore", "--db", str(db), "--from", str(copy)]) == 0
    (kept,) = (path for path in tmp_path.glob("v.db.backup-*-before-restore*") if path.suffix != ".db-wal")
    assert str(kept) in capsys.readouterr().out
    restored = open_test(db)
    assert restored.progress(tester) == (2, 12)
    assert main(["check", "--db", str(db)]) == 0
    if not damage:
        assert open_test(kept).progress(tester) == (3, 12)


@pytest.mark.parametrize("content", ["Chapter 1: painters of the 1930s, a draft", '{"votes": []}'])
def test_a_backup_takes_no_place_of_a_file_that_is_no_database(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    copy, thesis = tmp_path / "copy.db", tmp_path / "thesis.txt"
    test = open_test(tmp_path / "v.db")
    test.database.backup(copy)
    test.database.close()
    thesis.write_text(content)
    before = sorted(path.name for path in tmp_path.iterdir())
    assert main(["restore", "--db", str(thesis), "--from", str(copy)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{thesis}: is no database, nothing is put in its place" in line
    assert thesis.read_text() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_backup_of_an_older_schema_is_migrated_as_it_is_restored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import sqlite3

    db, copy = tmp_path / "v.db", tmp_path / "copy.db"
    test = open_test(db)
    tester = test.enrol("1").id
    vote_for(test, tester, ["model1", "tie"])
    test.database.backup(copy)
    test.database.close()
    with sqlite3.connect(copy) as backup:  # as the version before the last six migrations left it
        show_first_as_before(backup)
        for trigger in (
            "votes_bounded",
            "votes_timed_once",
            "votes_claims_bounded",
            "testers_origin_fixed",
            "testers_consent_language_fixed",
            "battles_first_drawn_once",
        ):
            backup.execute(f"DROP TRIGGER {trigger}")
        backup.execute("ALTER TABLE votes DROP COLUMN server_seconds")
        backup.execute("DROP INDEX testers_origin")
        backup.execute("ALTER TABLE testers DROP COLUMN origin")
        backup.execute("ALTER TABLE testers DROP COLUMN consent_language")
        backup.execute("DROP TABLE origin_keys")
        backup.execute("ALTER TABLE battles DROP COLUMN first_apart")
        gone = str(VERSIONS[-6:])
        backup.execute(f"DELETE FROM _sqlite_migrations WHERE name IN {gone}")
    assert main(["restore", "--db", str(db), "--from", str(copy)]) == 0
    assert main(["check", "--db", str(db)]) == 0
    assert open_test(db).progress(tester) == (2, 12)
    with sqlite3.connect(copy) as backup:  # and one of a version to come
        backup.execute("INSERT INTO _sqlite_migrations SELECT 99, migration_set, 'later', applied_at FROM"
                       " _sqlite_migrations LIMIT 1")  # fmt: skip
    kept = sorted(tmp_path.glob("v.db.backup-*"))
    capsys.readouterr()
    assert main(["restore", "--db", str(db), "--from", str(copy)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(word in error for word in ("copy.db", "newer version", "later", "--from")), error
    assert sorted(tmp_path.glob("v.db.backup-*")) == kept
    assert open_test(db).progress(tester) == (2, 12)
