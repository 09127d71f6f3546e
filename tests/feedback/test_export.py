from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from feedback.__main__ import main
from feedback.blind_test import BlindTest
from feedback.export import FORMATS, ExportError, stream, write
from feedback.export.companions import COMPANIONS
from feedback.export.rows import _FREE_TEXT, COLUMNS, FORMULA_STARTS, hide_formula, reveal_formula
from feedback.export.write import MANIFEST, replace_file
from feedback.statistics import load_study, read_csv, read_study_csv, summary
from feedback.study import Exclusion
from tests.feedback.protocol import answer_turn, answered, choice_for, load_votes, open_test, vote_for
from training.common.files import is_ours

NASTY = [
    '=HYPERLINK("http://e.x")',
    "+1+1",
    "-2",
    "@SUM(A1)",
    "'quoted",
    '"=1"',
    'a,b\n"c"',
    "🎨 emoji\u2028line",
    "＝１",
    "plain",
    "NA",
    "0012",
]
CONTRACT_COLUMNS = [
    "vote_id",
    "study",
    "tester_id",
    "enrolment",
    "tester_closed",
    "battle_id",
    "round",
    "prompt_id",
    "category",
    "prompt",
    "turns",
    "left_model",
    "right_model",
    "choice",
    "winner_model",
    "reasons",
    "comment",
    "left_text",
    "right_text",
    "left_tokens",
    "right_tokens",
    "left_chars",
    "right_chars",
    "left_seconds",
    "right_seconds",
    "leak_flag",
    "voted_at",
    "vote_seconds",
    "superseded",
    "left_raw",
    "right_raw",
    "left_seen_seconds",
    "right_seen_seconds",
    "first_seen",
]
# New columns come after those that were promised.
APPENDED = ["server_seconds", "first_side", "address_group", "model1_version", "model2_version"]


@pytest.fixture
def study(blind_test: BlindTest) -> BlindTest:
    """Two testers: nasty comments, every verdict, a follow-up, a correction, an abandoned round, a guess."""
    first, second = blind_test.enrol("1").id, blind_test.enrol("1").id
    for comment in NASTY:
        battle = answered(blind_test, first, comment)
        blind_test.vote(first, battle.id, choice_for(battle, "model1"), ["Clearer"], comment, vote_seconds=1.25)
    blind_test.guess(first, "left_last")
    blind_test.close(first, "quota")
    for winner in ("model2", "tie", "both_bad"):
        vote_for(blind_test, second, [winner])
    battle = answered(blind_test, second, "Follow?")
    blind_test.vote(second, battle.id, "left")
    blind_test.undo_vote(second, battle.id)
    answer_turn(blind_test, second, battle.id, "And then?", (7, 9))
    blind_test.vote(second, battle.id, choice_for(battle, "model2"), vote_seconds=2.0)
    blind_test.abandon(second, answered(blind_test, second).id, "enough")
    return blind_test


def exported(test: BlindTest, name: str) -> bytes:
    return b"".join(stream(test.database, name))


def lines(test: BlindTest, name: str) -> list[dict]:
    return [json.loads(line) for line in exported(test, name).decode().split("\n")[:-1]]


def test_columns_are_the_contracts(study: BlindTest) -> None:
    assert list(COLUMNS) == [*CONTRACT_COLUMNS, *APPENDED]
    header, *rows = csv.reader(io.StringIO(exported(study, "csv").decode()))
    assert header == [*CONTRACT_COLUMNS, *APPENDED]
    assert len(rows) == 17


def test_no_cell_of_the_csv_can_run_as_a_formula(study: BlindTest) -> None:
    for row in csv.reader(io.StringIO(exported(study, "csv").decode())):
        assert not any(cell.startswith(tuple("=+-@\t\r\n＝＋－＠")) for cell in row)


def test_csv_reads_back_equal(study: BlindTest, tmp_path: Path) -> None:
    write(study.database, "csv", tmp_path / "votes.csv")
    read, original = read_csv(tmp_path / "votes.csv"), load_votes(study.database)
    assert list(read.columns) == list(original.columns)
    for name in COLUMNS:
        wanted = ["" if value is None or value != value else value for value in original[name].astype(object)]
        typed = [type(value)(cell) if cell != "" else "" for cell, value in zip(read[name], wanted, strict=True)]
        assert typed == wanted, name
    assert set(NASTY) <= set(read["comment"])
    assert set(NASTY) <= set(read["prompt"])


@given(st.text())
def test_hiding_a_formula_is_reversible_and_hides_it(text: str) -> None:
    hidden = hide_formula(text)
    assert reveal_formula(hidden) == text
    assert not hidden or hidden[0] not in FORMULA_STARTS.replace("'", "")


def test_winner_length_and_turns(study: BlindTest) -> None:
    votes = load_votes(study.database)
    assert votes["winner_model"].tolist()[:12] == ["model1"] * 12
    assert votes["winner_model"].tolist()[12:15] == ["model2", "tie", "both_bad"]
    before, after = votes.iloc[15], votes.iloc[16]
    assert (before["superseded"], after["superseded"]) == (1, 0)
    assert (before["turns"], after["turns"]) == (1, 2)
    side = "left" if after["left_model"] == "model1" else "right"
    assert after[f"{side}_text"] == "a" * 20 + "\n\n" + "a" * 7
    assert (after[f"{side}_chars"], after[f"{side}_tokens"], after[f"{side}_seconds"]) == (27, 10, 2.0)
    assert before[f"{side}_text"] == "a" * 20
    assert after["prompt"] == "Follow?\n\nAnd then?"


def test_jsonl_has_the_same_values_with_their_types(study: BlindTest) -> None:
    records = lines(study, "jsonl")
    original = load_votes(study.database)
    assert [record["comment"] for record in records] == original["comment"].tolist()
    assert list(records[0]) == [*CONTRACT_COLUMNS, *APPENDED]
    assert records[0]["superseded"] is False
    assert records[0]["reasons"] == ["Clearer"]
    assert records[13]["vote_seconds"] is None


def test_parquet_opens_with_types(study: BlindTest, tmp_path: Path) -> None:
    write(study.database, "parquet", tmp_path / "v.parquet")
    frame = pd.read_parquet(tmp_path / "v.parquet")
    original = load_votes(study.database)
    assert list(frame.columns) == [*CONTRACT_COLUMNS, *APPENDED]
    assert frame["comment"].tolist() == original["comment"].tolist()
    assert str(frame["voted_at"].dtype).startswith("datetime64")
    assert (
        frame["voted_at"].iloc[0].isoformat(timespec="milliseconds").replace("+00:00", "Z")
        == original["voted_at"].iloc[0]
    )
    assert frame["superseded"].tolist() == original["superseded"].astype(bool).tolist()


def test_sqlite_is_a_clean_copy(study: BlindTest, tmp_path: Path) -> None:
    other = open_test(study.database.path, rounds=3)
    vote_for(other, other.enrol("1", invite="SECRET-INVITE").id, ["tie"])
    write(study.database, "sqlite", tmp_path / "copy.sqlite", study.study_id)
    with sqlite3.connect(tmp_path / "copy.sqlite") as copy:
        assert copy.execute("SELECT COUNT(*) FROM votes").fetchone()[0] == 17
        assert copy.execute("SELECT secret FROM studies").fetchall() == [("0" * 64,)]
        assert copy.execute("PRAGMA foreign_key_check").fetchall() == []
        assert copy.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    assert b"SECRET-INVITE" not in (tmp_path / "copy.sqlite").read_bytes()
    assert study.database.connection.execute("SELECT COUNT(*) FROM votes").fetchone()[0] == 18


def test_dpo_has_the_decided_votes_as_chats(study: BlindTest) -> None:
    rows = lines(study, "dpo")
    assert len(rows) == 14
    first = rows[0]
    assert first == {
        "prompt": [{"role": "user", "content": NASTY[0]}],
        "chosen": [{"role": "assistant", "content": "a" * 20}],
        "rejected": [{"role": "assistant", "content": "b" * 30}],
    }
    assert [message["role"] for message in rows[-1]["chosen"]] == ["assistant", "user", "assistant"]
    assert rows[-1]["chosen"][-1]["content"] == "b" * 9


def test_kto_labels_both_bad_twice_false(study: BlindTest) -> None:
    rows = lines(study, "kto")
    assert len(rows) == 2 * 15
    assert sum(row["label"] for row in rows) == 14
    assert set(rows[0]) == {"prompt", "completion", "label"}


def test_arena_is_fastchats_table_and_rates_alike(study: BlindTest) -> None:
    import evalica

    from feedback.statistics import load_study, summary

    battles = pd.read_json(io.BytesIO(exported(study, "arena")), convert_dates=False, dtype=False)
    assert list(battles.columns) == [
        "question_id",
        "model_a",
        "model_b",
        "winner",
        "judge",
        "conversation_a",
        "conversation_b",
        "turn",
        "anony",
        "language",
        "tstamp",
    ]
    assert set(battles["winner"]) <= {"model_a", "model_b", "tie", "tie (bothbad)"}
    assert len(battles) == 16
    winners = {"model_a": evalica.Winner.X, "model_b": evalica.Winner.Y}
    scores = evalica.bradley_terry(
        battles["model_a"],
        battles["model_b"],
        [winners.get(w, evalica.Winner.Draw) for w in battles["winner"]],
        tolerance=1e-12,
        limit=100_000,
    ).scores
    import math

    gap = 400 * math.log10(scores["model1"] / scores["model2"])
    assert summary(load_study(study.database).outcomes)["elo_gap"] == pytest.approx(gap, abs=1e-2)


@pytest.mark.parametrize("name", list(FORMATS))
def test_manifest_and_codebook_describe_the_file(study: BlindTest, tmp_path: Path, name: str) -> None:
    out = tmp_path / f"votes.{name}"
    manifest = write(study.database, name, out)
    assert manifest.sha256 == hashlib.sha256(out.read_bytes()).hexdigest()
    assert manifest.size_bytes == out.stat().st_size
    rows = {"dpo": 14, "kto": 30, "arena": 16, "guesses": 1, "testers": 2, "good_enough": 0, "remarks": 0}
    assert manifest.rows == rows.get(name, 17)
    dropped = {entry["reason"].split(":")[0]: entry["n"] for entry in manifest.dropped}
    corrections = {"votes superseded by a correction or by added reasons": 1}
    assert dropped == {
        "dpo": corrections | {"ties": 1, "both bad": 1},
        "kto": corrections | {"ties": 1},
        "arena": corrections,
    }.get(name, {})
    assert manifest.studies[0]["exclusion"] == Exclusion().settings
    saved = json.loads(Path(f"{out}.manifest.json").read_text())
    assert saved["studies"][0]["label"] == study.label
    assert saved["studies"][0]["study_hash"] == study.study.hash
    book = Path(f"{out}.codebook.md").read_text()
    assert "| column | type | unit | meaning |" in book
    others = {"dpo": ["chosen"], "kto": ["label"], "arena": ["winner"]}
    others |= {name: [column[0] for column in companion.columns] for name, companion in COMPANIONS.items()}
    for column in others.get(name, CONTRACT_COLUMNS):
        assert f"| {column} |" in book


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_study_without_votes_exports_an_empty_table(blind_test: BlindTest, tmp_path: Path, name: str) -> None:
    assert write(blind_test.database, name, tmp_path / "out").rows == 0
    assert {"csv": ",".join(COLUMNS) + "\n", "arena": "[]\n"}.get(name, "") in exported(blind_test, name).decode(
        "utf-8", "replace"
    )


def test_mixed_studies_are_refused_where_no_column_tells(study: BlindTest) -> None:
    other = open_test(study.database.path, rounds=3)
    vote_for(other, other.enrol("1").id, ["tie"])
    with pytest.raises(ExportError, match=r"2 studies.*--study"):
        stream(study.database, "dpo")
    assert len(b"".join(stream(study.database, "kto", study.study_id))) > 0
    assert len(lines(study, "jsonl")) == 18


def test_an_export_that_fails_leaves_the_old_file(study: BlindTest, tmp_path: Path) -> None:
    out = tmp_path / "votes.csv"
    replace_file(out, [b"old"])
    with pytest.raises(ExportError, match="cannot be written"):
        write(study.database, "csv", tmp_path / "no" / "votes.csv")
    with pytest.raises(ExportError, match="is a folder"):
        write(study.database, "csv", tmp_path)
    with pytest.raises(ExportError, match="'xlsx' is unknown"):
        write(study.database, "xlsx", out)
    assert out.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [MANIFEST]


def test_no_file_of_another_is_replaced(study: BlindTest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By any command that writes; what was written by one is, but not after somebody has changed it."""
    database, out = str(study.database.path), tmp_path / "out"
    out.mkdir()
    for name in ("thesis.txt", "report.html", "a.csv.manifest.json", "b.csv.codebook.md", "c.testers.csv", "d.sqlite"):
        (out / name).write_text(f"my own {name}")
    before = {path: path.read_bytes() for path in out.iterdir()}
    taken = ("thesis.txt", "a.csv", "b.csv", "c.csv")
    for command in (
        *(["export", "--format", "csv", "--out", f"{out}/{name}"] for name in taken),
        ["export", "--format", "sqlite", "--out", f"{out}/d.sqlite"],
        ["stats", "--json", f"{out}/thesis.txt"],
        ["patterns", "--json", f"{out}/thesis.txt"],
        ["report", "--out", str(out)],
        ["backup", "--out", f"{out}/thesis.txt"],
    ):
        assert main([command[0], "--db", database, *command[1:]]) == 2, command
        assert capsys.readouterr().err.count("\n") == 1
        assert {path: path.read_bytes() for path in out.iterdir()} == before, command
    for _ in range(2):
        assert main(["export", "--db", database, "--format", "csv", "--out", f"{out}/votes.csv"]) == 0
        assert main(["stats", "--db", database, "--json", f"{out}/stats.json"]) == 0
    (out / "votes.csv").write_text("corrected by hand")
    assert main(["export", "--db", database, "--format", "csv", "--out", f"{out}/votes.csv"]) == 2
    assert (out / "votes.csv").read_text() == "corrected by hand"
    assert "changed since; move it away" in capsys.readouterr().err
    assert before.items() <= {path: path.read_bytes() for path in out.iterdir()}.items()


def test_no_command_replaces_what_another_wrote(
    study: BlindTest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database, out = str(study.database.path), tmp_path / "out"
    out.mkdir()
    votes, stats = str(out / "votes.csv"), str(out / "stats.json")
    assert main(["export", "--db", database, "--format", "csv", "--out", votes]) == 0
    assert main(["stats", "--csv", votes, "--json", stats]) == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    for command, holds in (
        (["stats", "--csv", votes, "--json", votes], "votes"),
        (["stats", "--csv", votes, "--json", f"{votes}.manifest.json"], "votes.csv.manifest.json"),
        (["patterns", "--db", database, "--json", stats], "statistics"),
        (["export", "--db", database, "--format", "csv", "--out", stats], "statistics"),
    ):
        capsys.readouterr()
        assert main(command) == 2, command
        assert f"holds what another command of this project wrote ({holds})" in capsys.readouterr().err
        assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert main(["export", "--db", database, "--format", "jsonl", "--out", votes]) == 0, "votes in another form"
    assert main(["report", "--db", database, "--out", str(out)]) == 0
    assert main(["report", "--db", database, "--out", str(out)]) == 0


def test_a_large_table_that_was_corrected_in_its_middle_stays(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    for _ in range(2):
        replace_file(path, [b"left," * (600_000)])
    with path.open("r+b") as file:
        file.seek(1_500_000)
        file.write(b"tie ,")
    with pytest.raises(ExportError, match="changed since"):
        replace_file(path, [b"left,"])
    assert b"tie ," in path.read_bytes()
    (tmp_path / MANIFEST).unlink()
    os.truncate(path, 3_000_000)
    assert not is_ours(path)
    replace_file(tmp_path / "other.csv", [b"left," * 600_000])
    assert is_ours(tmp_path / "other.csv", "other.csv"), "both packages read one form"


def test_a_database_of_another_program_keeps_every_byte(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "places.sqlite"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
        connection.commit()
    before = path.read_bytes()
    for command in ("stats", "report", "check"):
        more = {"stats": ["--json", "-"], "report": ["--out", str(tmp_path / "out")]}.get(command, [])
        assert main([command, "--db", str(path), *more]) == 2
        assert "is a SQLite file of another program" in capsys.readouterr().err
    backup = tmp_path / "backup.db"
    open_test(tmp_path / "votes.db").database.backup(backup)
    assert main(["restore", "--db", str(path), "--from", str(backup)]) == 2
    assert path.read_bytes() == before


def test_a_full_folder_of_temporary_files_is_not_blamed_on_the_place_of_the_export(
    study: BlindTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", "/dev/full/not")  # no folder can be made there
    with pytest.raises(ExportError, match=r"^/dev/full/not: cannot hold the working copy .*set TMPDIR"):
        write(study.database, "parquet", tmp_path / "votes.parquet")


def test_an_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def chunks() -> object:
        yield b"half"
        raise RuntimeError("interrupted")

    replace_file(tmp_path / "f", [b"old"])
    with pytest.raises(RuntimeError):
        replace_file(tmp_path / "f", chunks())
    assert {path.name for path in tmp_path.iterdir()} == {"f", MANIFEST}
    assert (tmp_path / "f").read_text() == "old"


def test_the_csv_is_byte_for_byte_what_pythons_writer_makes_of_the_rows(study: BlindTest) -> None:
    """SQLite prints the file; here the same by the ``csv`` module, cell by cell."""
    quoted = [name in (*_FREE_TEXT, "reasons") for name in COLUMNS]
    wanted = io.StringIO()
    for row in [COLUMNS, *load_votes(study.database).astype(object).itertuples(index=False)]:
        cells = []
        for cell, in_quotes in zip(row, quoted, strict=True):
            empty = cell is None or cell != cell
            text = "" if empty else hide_formula(cell) if isinstance(cell, str) else repr(cell)
            is_text = in_quotes and row is not COLUMNS
            csv.writer(buffer := io.StringIO(), quoting=csv.QUOTE_ALL, lineterminator="").writerow([text])
            cells.append(buffer.getvalue() if is_text else text)
        wanted.write(",".join(cells) + "\n")
    assert exported(study, "csv").decode() == wanted.getvalue()


def test_numbers_of_the_csv_read_back_to_the_last_digit(blind_test: BlindTest, tmp_path: Path) -> None:
    tester = blind_test.enrol("1").id
    seconds = [0.1 + 0.2, 1 / 3, 1e-7, 12.345678901234567, None, 2.5]
    for value in seconds:
        blind_test.vote(tester, answered(blind_test, tester).id, "tie", vote_seconds=value)
    write(blind_test.database, "csv", tmp_path / "votes.csv")
    assert [float(cell) if cell else None for cell in read_csv(tmp_path / "votes.csv")["vote_seconds"]] == seconds


def test_the_csv_comes_in_order_and_whole_over_many_pieces(study: BlindTest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("feedback.export.formats._CSV_CHUNK", 3)
    chunks = list(stream(study.database, "csv"))
    rows = list(csv.DictReader(io.StringIO(b"".join(chunks).decode())))
    assert len(chunks) == 1 + 6
    assert [int(row["vote_id"]) for row in rows] == load_votes(study.database)["vote_id"].tolist()


def test_what_lies_beside_the_csv_is_read_back(tmp_path: Path) -> None:
    options = ["none", '=some, "much"']
    test = open_test(tmp_path / "v.db", background=[{"id": "art", "text": "How well?", "options": options}])
    for number in range(4):
        tester = test.enrol("1", {"art": options[number % 2]} if number else {}).id
        battle = answered(test, tester)
        test.vote(tester, battle.id, choice_for(battle, "model1"), good_enough=[None, True, False, True][number])
    write(test.database, "csv", tmp_path / "votes.csv")
    assert {path.name for path in tmp_path.glob("votes.*.csv")} == {"votes.testers.csv", "votes.good_enough.csv"}
    book = (tmp_path / "votes.csv.codebook.md").read_text()
    assert re.findall(r"^# Codebook of the (\w+) export", book, re.M) == ["csv", "testers", "good_enough"]
    assert "| consent_language |" in book
    from_csv, from_db = read_study_csv(tmp_path / "votes.csv"), load_study(test.database)
    result = summary(from_csv.outcomes, from_csv.guesses)
    assert result == summary(from_db.outcomes, from_db.guesses)
    assert result["good_enough"]["model1"] == {"yes": 2, "no": 1, "share": pytest.approx(2 / 3)}
    assert [(entry["answer"], entry["n_votes"]) for entry in result["by_background"]] == [(options[1], 2), ("none", 1)]


def test_words_without_a_vote_lie_beside_the_csv(study: BlindTest, tmp_path: Path) -> None:
    tester = study.enrol("1").id
    battle = answered(study, tester)
    study.remark(tester, battle.id, ["Clearer"], '=HYPERLINK("x")\nsecond line')
    study.abandon(tester, battle.id, "another question")
    write(study.database, "csv", tmp_path / "votes.csv")
    with (tmp_path / "votes.remarks.csv").open(newline="", encoding="utf-8") as file:
        [row] = csv.DictReader(file)
    assert (row["battle_id"], row["status"], row["reasons"]) == (str(battle.id), "abandoned", '["Clearer"]')
    assert row["comment"] == '\'=HYPERLINK("x")\nsecond line'
    assert row["prompt"] == battle.prompt
    study.withdraw(tester)
    assert exported(study, "remarks").count(b"\n") == 1, "the header alone"


def test_streaming_goes_on_while_votes_come_in(study: BlindTest) -> None:
    """A download sees the votes as they were when it began, and holds nobody up."""
    chunks = stream(study.database, "jsonl")
    first = next(chunks)
    tester = study.enrol("1").id
    vote_for(study, tester, ["model1"])
    assert len((first + b"".join(chunks)).decode().splitlines()) >= 17
    assert len(lines(study, "jsonl")) == 18
