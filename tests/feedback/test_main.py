from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from feedback.__main__ import main
from feedback.blind_test import BlindTest
from feedback.looks import log_look
from feedback.statistics import load_study, summary
from tests.feedback.protocol import Clock, dataset_d, open_test, vote_for

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def study(blind_test: BlindTest) -> BlindTest:
    for number in range(11):
        tester = blind_test.enrol("1").id
        vote_for(blind_test, tester, ["model1", "tie", "model2", "model1", "both_bad"][: 1 + number % 5])
        blind_test.guess(tester, ("left_last", "right_last", "dont_know")[number % 3])
        if number != 8:
            blind_test.close(tester, "quit")
    # Otherwise the session of number 8 would be long expired by the real clock of the commands.
    blind_test.database.connection.execute(
        "UPDATE testers SET last_seen_at = '2999-01-01T00:00:00.000Z' WHERE closed_at IS NULL"
    )
    return blind_test


def test_statistics_of_the_database_and_of_its_csv_are_the_same(study: BlindTest, tmp_path: Path) -> None:
    db, out = str(study.database.path), str(tmp_path / "votes.csv")
    assert main(["export", "--db", db, "--format", "csv", "--out", out]) == 0
    assert main(["stats", "--db", db, "--json", str(tmp_path / "db.json")]) == 0
    assert main(["stats", "--csv", out, "--json", str(tmp_path / "csv.json")]) == 0
    from_db, from_csv = (json.loads((tmp_path / name).read_text()) for name in ("db.json", "csv.json"))
    assert from_db == from_csv
    assert from_db["n_testers"] == 11
    assert from_db["anytime"]["n_closed"] == 8
    assert from_db["blinding"]["index"] is not None


def test_the_studys_error_rate_is_used(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db", Clock(), alpha=0.2)
    for _ in range(10):
        vote_for(test, test.enrol("1").id, ["model1", "model2", "tie"])
    widths = []
    for extra in ([], ["--alpha", "0.01"]):
        main(["stats", "--db", str(tmp_path / "v.db"), "--json", str(tmp_path / "s.json"), *extra])
        result = json.loads((tmp_path / "s.json").read_text())["anytime"]
        widths.append(result["ci_high"] - result["ci_low"])
    assert widths[0] < widths[1]


def test_the_required_columns_alone_give_statistics(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset_d().drop(columns=["vote_id"]).to_csv(tmp_path / "least.csv", index=False)
    assert main(["stats", "--csv", str(tmp_path / "least.csv"), "--json", "-"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["preference"]["estimate"] == pytest.approx(0.5827876984126984, abs=1e-9)
    assert result["blinding"]["index"] is None


def test_looks_are_logged(study: BlindTest, tmp_path: Path) -> None:
    db = str(study.database.path)
    main(["stats", "--db", db, "--json", str(tmp_path / "s.json")])
    main(["export", "--db", db, "--format", "jsonl", "--out", str(tmp_path / "v.jsonl")])
    looks = study.database.connection.execute("SELECT * FROM looks").fetchall()
    result = json.loads((tmp_path / "s.json").read_text())
    assert [look["kind"] for look in looks] == ["stats", "export jsonl"]
    for look in looks:
        assert (look["votes"], look["testers_closed"]) == (result["n_votes"], 10)
        assert (look["ci_low"], look["e_value"]) == (result["anytime"]["ci_low"], result["anytime"]["e_value"])


def test_a_look_that_shows_the_same_within_a_minute_is_written_down_once(
    study: BlindTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else whoever asks fast fills the file, from which nothing is ever deleted."""

    def looks() -> int:
        return int(study.database.connection.execute("SELECT COUNT(*) FROM looks").fetchone()[0])

    def look(kind: str = "results", **changed: Any) -> None:
        log_look(study.database, study.study_id, kind, {**result, **changed})

    votes = load_study(study.database)
    result = summary(votes.outcomes, votes.guesses)
    for _ in range(20):
        look()
    assert looks() == 1
    for other in ({"kind": "report"}, {"n_votes": 7}, {"n_testers_closed": 3}):
        look(**other)
    look(n_testers_closed=3, anytime={**result["anytime"], "e_value": None})
    assert looks() == 5, "another kind, another vote, another tester, another interval"
    monkeypatch.setattr("feedback.looks.SAME_LOOK", -timedelta(minutes=1))  # a minute later
    look(n_testers_closed=3, anytime={**result["anytime"], "e_value": None})
    assert looks() == 6


def test_the_look_log_grows_with_what_there_is_to_see(study: BlindTest, monkeypatch: pytest.MonkeyPatch) -> None:
    votes = load_study(study.database)
    result, now = summary(votes.outcomes, votes.guesses), datetime(2026, 1, 1, tzinfo=timezone.utc)
    monkeypatch.setattr("feedback.looks.datetime", type("Clock", (), {"now": staticmethod(lambda _: now)}))
    count = "SELECT COUNT(*), MIN(looked_at), MAX(looked_at) FROM looks"
    while now.year == 2026:
        log_look(study.database, study.study_id, "results", result)
        now += timedelta(hours=1)
    number, first, last = study.database.connection.execute(count).fetchone()
    assert 10 <= number <= 20, "of 8,760 looks at the same"
    assert (first[:7], last[:4]) == ("2026-01", "2026")
    log_look(study.database, study.study_id, "results", {**result, "n_votes": 7})
    assert study.database.connection.execute(count).fetchone()[0] == number + 1, "what is new is written at once"
    now -= timedelta(days=9)
    log_look(study.database, study.study_id, "results", {**result, "n_votes": 7})
    assert study.database.connection.execute(count).fetchone()[0] == number + 2, "a clock that was set back hides none"


def test_an_empty_database_gives_nulls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    open_test(tmp_path / "v.db")
    assert main(["stats", "--db", str(tmp_path / "v.db"), "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["preference"]["estimate"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["stats", "--db", "{tmp}/none.db", "--json", "-"], ["none.db", "does not exist", "--db"]),
        (["stats", "--csv", "{tmp}/none.csv", "--json", "-"], ["none.csv", "cannot be read"]),
        (["stats", "--csv", "{tmp}/bad.csv", "--json", "-"], ["bad.csv", "columns", "missing"]),
        (["stats", "--csv", "{tmp}/cut.csv", "--json", "-"], ["cut.csv", "row 2"]),
        (["stats", "--csv", "{tmp}/binary.csv", "--json", "-"], ["binary.csv", "UTF-8"]),
        (["stats", "--db", "{tmp}/v.db", "--json", "{tmp}/no/s.json"], ["s.json", "cannot be written"]),
        (["stats", "--db", "{tmp}/v.db", "--json", "-", "--study", "Other"], ["Other", "unknown", "Test study#"]),
        (["stats", "--db", "{tmp}/bad.csv", "--json", "-"], ["bad.csv", "no SQLite database"]),
        (["stats", "--db", "{tmp}/v.db", "--json", "-", "--alpha", "2"], ["alpha", "2"]),
        (["stats", "--db", "{tmp}/v.db"], ["--json"]),
        (["export", "--db", "{tmp}/v.db", "--format", "xlsx", "--out", "x"], ["xlsx", "csv"]),
        (
            ["export", "--db", "{tmp}/v.db", "--format", "csv", "--out", "{tmp}/no/x.csv"],
            ["x.csv", "cannot be written"],
        ),
        (["frobnicate"], ["frobnicate"]),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    tmp_path: Path, arguments: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    open_test(tmp_path / "v.db")
    (tmp_path / "bad.csv").write_text("tester_id,vote\nt1,left\n" + "x,y\n" * 200)
    (tmp_path / "cut.csv").write_text("a,b\n1,2\n3\n")
    (tmp_path / "binary.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    try:
        code = main([argument.format(tmp=tmp_path) for argument in arguments])
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err
    assert code == 2
    assert error.count("\n") == 1
    assert all(word in error for word in words), error


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("command", ["stats", "check", "export", "report"])
def test_a_truncated_database_is_told_by_every_command(
    tmp_path: Path, share: float, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    test = open_test(tmp_path / "v.db")
    for _ in range(4):
        vote_for(test, test.enrol("1").id, ["tie"] * 6)
    test.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    test.database.close()
    whole = (tmp_path / "v.db").read_bytes()
    (tmp_path / "v.db").write_bytes(whole[: int(len(whole) * share)])
    extra = {
        "stats": ["--json", "-"],
        "export": ["--format", "csv", "--out", str(tmp_path / "x.csv")],
        "report": ["--out", str(tmp_path / "r")],
        "check": [],
    }[command]
    code = main([command, "--db", str(tmp_path / "v.db"), *extra])
    output = capsys.readouterr()
    if command == "check" and code == 1:
        assert "file:" in output.out
    else:
        assert code == 2
        assert output.err.count("\n") == 1
        assert "v.db" in output.err
    assert not (tmp_path / "x.csv").exists()


def test_several_studies_must_be_chosen_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = open_test(tmp_path / "v.db"), open_test(tmp_path / "v.db", name="Second")
    vote_for(first, first.enrol("1").id, ["tie"])
    vote_for(second, second.enrol("1").id, ["model1"])
    db = str(tmp_path / "v.db")
    assert main(["stats", "--db", db, "--json", "-"]) == 2
    assert "--study" in capsys.readouterr().err
    assert main(["stats", "--db", db, "--json", "-", "--study", second.label]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["model1"] == 1
    main(["export", "--db", db, "--format", "csv", "--out", str(tmp_path / "all.csv")])
    assert main(["stats", "--csv", str(tmp_path / "all.csv"), "--json", "-"]) == 2
    assert main(["stats", "--csv", str(tmp_path / "all.csv"), "--json", "-", "--study", first.label]) == 0
    assert json.loads(capsys.readouterr().out.split("\n", 1)[1])["counts"]["tie"] == 1


def test_it_runs_as_a_module_and_imports_nothing_heavy_for_the_app() -> None:
    help_text = subprocess.run(
        [sys.executable, "-m", "feedback", "--help"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout
    assert "stats" in help_text
    heavy = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; import feedback.blind_test, feedback.database, feedback.study;"
            " print([m for m in ('pandas', 'scipy', 'numpy', 'statsmodels', 'torch', 'gradio') if m in sys.modules])",
        ],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert heavy.strip() == "[]"
