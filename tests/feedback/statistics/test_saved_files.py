"""votes.csv as people save it again: read as it was meant, or refused with the cell."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from feedback.__main__ import main
from feedback.assignment import MODELS
from feedback.blind_test import Answer, BlindTest
from feedback.export import stream, write
from feedback.export.rows import hide_formula, reveal_formula
from feedback.statistics import load_study, summary
from feedback.statistics.csv_file import read_csv, read_study_csv
from feedback.statistics.outcomes import VotesError
from tests.feedback.protocol import Clock, answered, load_votes, open_test
from tests.feedback.statistics.spreadsheet import counted, saved

FLAGS = ("tester_closed", "leak_flag", "superseded")
SECONDS = (0.5, 1.25, 1.75, 2.5, 4.5, 8.25)  # six votes, of which three took two seconds


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    test = open_test(tmp_path / "v.db", Clock(), exclusion={"min_vote_seconds": 2})
    tester = test.enrol("1").id
    for seconds in SECONDS:
        battle = answered(test, tester)
        test.vote(tester, battle.id, "left", comment="Zwölf; =1+1", vote_seconds=seconds, seen={"left": 1, "right": 2})
    test.close(tester, "quit")
    write(test.database, "csv", tmp_path / "votes.csv")
    return tmp_path / "votes.csv"


def decimal_comma(name: str, text: str) -> str:
    return text.replace(".", ",") if name.endswith("_seconds") else text


def test_the_file_as_it_was_exported(exported: Path) -> None:
    assert counted(exported) == 3
    assert list(read_csv(exported)["comment"]) == ["Zwölf; =1+1"] * 6


@pytest.mark.parametrize(
    "change",
    [
        {"cell": decimal_comma},  # each such cell in quotes
        {"cell": decimal_comma, "separator": ";", "encoding": "cp1252"},
        {"cell": decimal_comma, "separator": "\t", "encoding": "utf-16"},
        {"separator": ";", "encoding": "utf-8-sig"},
        {"extra": lambda rows: [rows[0], [""] * len(rows[0]), *rows[1:3], rows[0], *rows[3:], [""] * len(rows[0])]},
        {"extra": lambda rows: [[*row, "", ""] for row in rows]},
        {"extra": lambda rows: [["sep=;"], *rows], "separator": ";"},
        {"cell": lambda name, text: f"{text}.0" if name.endswith("_chars") else text},
        {"cell": lambda name, text: {"1": "WAHR", "0": "FALSCH"}.get(text, text) if name in FLAGS else text},
        {"cell": lambda name, text: {"1": "VRAI", "0": "FAUX"}.get(text, text) if name in FLAGS else text},
        {"extra": lambda rows: [[name.upper() for name in rows[0]], *rows[1:]]},
        {"extra": lambda rows: [rows[0], *rows[:0:-1]]},
        {"extra": lambda rows: [["", *rows[0]], *[[str(n), *row] for n, row in enumerate(rows[1:])]]},
    ],
)
def test_what_is_meant_is_read(exported: Path, change: dict[str, object]) -> None:
    path = saved(exported, **change)  # type: ignore[arg-type]
    assert counted(path) == 3
    assert list(read_csv(path)["comment"]) == ["Zwölf; =1+1"] * 6
    assert sorted(map(float, read_csv(path)["vote_seconds"])) == list(SECONDS)


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("turns", "1.23E+15"),  # asked for as much memory, and ended in a traceback
        ("left_chars", "1.23E+15"),
        ("vote_seconds", "04. Mai"),
        ("vote_seconds", "4.5 s"),
        ("vote_seconds", "nan"),
        ("left_chars", "1.5"),
        ("left_chars", "#NAME?"),
        ("left_seconds", "1,234,5"),
        ("tester_id", "1,23457E+15"),
        ("superseded", "ja"),
        ("vote_seconds", "-4.5"),
        ("vote_seconds", "#####"),
        ("left_chars", "1'234"),
        ("left_chars", "1.234,0"),
        ("enrolment", "01.01.1900"),
        ("choice", "LINKS"),
        ("tester_id", ""),
        ("prompt_id", " "),
        ("prompt_id", "#NAME?"),
        ("category", "#WERT!"),
        ("category", "#N/A"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_cell(exported: Path, name: str, cell: str) -> None:
    path = saved(exported, lambda column, text: cell if column == name else text)
    with pytest.raises(VotesError) as refused:
        read_study_csv(path)
    assert "row 1" in str(refused.value)
    assert name in str(refused.value)
    assert cell in str(refused.value)


def test_a_row_is_called_by_its_place_in_the_file(exported: Path) -> None:
    """Blank rows, and votes that were taken back, count like any other."""
    cells = iter(["0", "1", "0", "0", "0", "0"])
    saved(exported, lambda name, text: next(cells) if name == "superseded" else text)
    choices = iter(["left", "left", "LINKS", "left", "left", "left"])
    blank = saved(
        exported,
        lambda name, text: next(choices) if name == "choice" else text,
        extra=lambda rows: [rows[0], rows[1], [""] * len(rows[0]), *rows[2:]],
    )
    with pytest.raises(VotesError, match="row 4: choice = 'LINKS'"):
        read_study_csv(blank)


def test_a_column_that_is_there_twice_is_refused(exported: Path) -> None:
    path = saved(exported, extra=lambda rows: [[*row, row[0]] for row in rows])
    with pytest.raises(VotesError, match="column vote_id is there 2 times"):
        read_study_csv(path)


def test_a_cell_that_could_mean_two_numbers_is_refused(exported: Path) -> None:
    times = iter(["1.234", *["4,5"] * 5])
    path = saved(exported, lambda name, text: next(times) if name == "vote_seconds" else text, ";")
    with pytest.raises(VotesError, match=r"1\.234"):
        read_study_csv(path)


def test_a_rule_on_what_was_on_the_screen_agrees_in_database_and_file(tmp_path: Path) -> None:
    test = open_test(tmp_path / "v.db", Clock(), exclusion={"min_seen_seconds": 1.5})
    tester = test.enrol("1").id
    for left, right in ((1, 5), (5, 1), (2, 2)):
        test.vote(tester, answered(test, tester).id, "left", seen={"left": left, "right": right}, first_seen="left")
    test.vote(tester, answered(test, tester).id, "left")  # nobody measured it
    from feedback.statistics.load import load_study

    ours = load_study(test.database).outcomes
    write(test.database, "csv", tmp_path / "votes.csv")
    assert summary(ours) == summary(read_study_csv(tmp_path / "votes.csv").outcomes)
    assert ours.excluded[0] == ("votes on an answer that was on the screen for less than 1.5 s", 2)
    assert list(read_csv(tmp_path / "votes.csv")["first_seen"]) == ["left"] * 3 + [""]


@pytest.mark.parametrize(
    "text",
    [
        "a;=1+1",
        'a;"=1+1"',
        "a;\t@SUM(1)",
        "line\n=1+1",
        "line\n-1+1|x",
        "x\n- cmd|' /C calc'!A0",
        "a;'=b",
        "=a;=b",
        "a\n'\n=b",
    ],
)
def test_no_formula_begins_inside_a_text_where_semicolons_separate(text: str) -> None:
    hidden = hide_formula(text)
    assert reveal_formula(hidden) == text
    for field in hidden.replace("\n", ";").replace("\t", ";").split(";"):
        assert field.strip(' "')[:1] not in ("=", "+", "-", "@"), hidden


def test_lists_stay_as_they_are() -> None:
    text = "Two:\n- one\n- two; three"
    assert hide_formula(text) == text


CUT_INSIDE = [
    "Two:\n- one",
    "a|b\n- two",
    "x\n- cmd|' /C calc'!A0",
    "=a;=b",
    "🎨\r＝1",
    "a;\t@SUM(1)",
    "plain",
    "- a\n- b",
]


def test_each_text_of_the_csv_is_cut_by_itself(blind_test: BlindTest) -> None:
    """A line of CSV is guarded as a whole: what one text ends with must not depend on the next one."""
    tester = blind_test.enrol("1").id
    for number, text in enumerate(CUT_INSIDE):
        follower = CUT_INSIDE[number - 1]
        prompt = blind_test.suggestions(tester)[0]
        battle = blind_test.start_battle(tester, prompt.id, prompt.text)
        turn = blind_test.start_turn(tester, battle.id, prompt.text)
        answers = {"model1": Answer(text, 5, 1.0), "model2": Answer(follower, 5, 1.0, raw=follower + "!")}
        blind_test.finish_turn(turn.id, answers)
        blind_test.vote(tester, battle.id, "left", [], text)
    original = load_votes(blind_test.database)
    written = b"".join(stream(blind_test.database, "csv")).decode()
    rows = list(csv.DictReader(io.StringIO(written, newline="")))
    for name in ("comment", "left_text", "right_text", "left_raw", "right_raw"):
        assert [row[name] for row in rows] == [hide_formula(text) for text in original[name].fillna("")], name


def test_what_a_model_wrote_is_exported_beside_what_was_shown(blind_test: BlindTest, tmp_path: Path) -> None:
    tester = blind_test.enrol("1").id
    prompt = blind_test.suggestions(tester)[0]
    battle = blind_test.start_battle(tester, prompt.id, prompt.text)
    turn = blind_test.start_turn(tester, battle.id, prompt.text)
    left, right = Answer("Blue.", 5, 1.0, raw="<think>hm</think>Blue."), Answer("Red.", 5, 1.0)
    written = {battle.left_model: left, battle.right_model: right}
    blind_test.finish_turn(turn.id, written)
    blind_test.vote(tester, battle.id, "left")
    write(blind_test.database, "csv", tmp_path / "votes.csv")
    table = read_csv(tmp_path / "votes.csv")
    shown = [table[name][0] for name in ("left_text", "left_raw", "right_text", "right_raw")]
    assert shown == ["Blue.", "<think>hm</think>Blue.", "Red.", ""]


def sheet(path: Path, separator: str = ",", end: str = "\r\n", above: str = "") -> Path:
    """The file with other separators, line ends and rows above its header."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write(above)
        csv.writer(file, delimiter=separator, lineterminator=end).writerows(rows)
    return path


@pytest.mark.parametrize(
    "form",
    [
        {"separator": "|"},
        {"separator": ";", "end": "\r", "above": "sep=;\r"},
        {"separator": "\t", "above": "sep=\t\r\n"},
        {"above": "\r\n,,,\r\n"},
        {"above": "Votes of our study,,\r\n"},
    ],
)
def test_what_stands_above_the_header_and_separates(exported: Path, form: dict[str, str]) -> None:
    assert counted(sheet(exported, **form)) == 3


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"PK\x03\x04", "a spreadsheet"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a spreadsheet"),
        (b"PAR1", "a Parquet file"),
        (b"SQLite format 3\0", "a database"),
        (b"\x1f\x8b", "compressed"),
        (b"\x28\xb5\x2f\xfd", "compressed"),
        (b"%PDF-1.7", "a PDF"),
        (b"<html><table>", "a web page or XML"),
        (b'{"vote_id": 1, "tester_id": "a"}', "JSON"),
    ],
)
def test_another_kind_of_file_is_named(exported: Path, beginning: bytes, kind: str) -> None:
    exported.write_bytes(beginning + b"\0" * 100)
    with pytest.raises(VotesError, match=f"is {kind}, not CSV; save it as CSV"):
        read_csv(exported)


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b"\r\n\r\n"])
def test_an_empty_file_is_named(exported: Path, content: bytes) -> None:
    exported.write_bytes(content)
    with pytest.raises(VotesError, match="is empty; export it again"):
        read_csv(exported)


def test_a_study_under_another_name_does_not_lose_its_rules(exported: Path) -> None:
    """All six votes were counted where the rule of the study, in the manifest under its name, leaves three."""
    with pytest.raises(VotesError, match=r'study = "mine" is not in .*its rules are not known'):
        counted(saved(exported, lambda name, text: "mine" if name == "study" else text))


@pytest.mark.parametrize("name", ["votes (1).csv", "votes-clean.csv"])
def test_a_file_under_another_name_keeps_the_rules_of_its_export(
    exported: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Saved again beside the export, as `votes (1).csv`: the rules were off, and six votes counted where three do."""
    other = exported.with_name(name)
    other.write_bytes(saved(exported, decimal_comma, ";").read_bytes())
    assert counted(other) == 3
    assert main(["stats", "--csv", str(other), "--json", str(exported.with_name("s.json"))]) == 0
    assert "rules are those in" in capsys.readouterr().err
    exported.rename(exported.with_name("elsewhere"))
    Path(f"{exported}.manifest.json").unlink()
    assert main(["stats", "--csv", str(other), "--json", str(exported.with_name("s.json"))]) == 0
    assert "no rule that leaves votes out" in capsys.readouterr().err


def test_without_the_column_of_the_study_the_only_ones_rules_hold(exported: Path) -> None:
    with exported.open(newline="", encoding="utf-8") as file:
        place = next(csv.reader(file)).index("study")
    assert counted(saved(exported, extra=lambda rows: [row[:place] + row[place + 1 :] for row in rows])) == 3


def test_a_number_beyond_all_numbers_is_refused(exported: Path) -> None:
    with pytest.raises(VotesError, match="row 1: vote_seconds = '1e999'"):
        counted(saved(exported, lambda name, text: "1e999" if name == "vote_seconds" else text))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"exclusion": {"min_vote_seconds": "2"}}, 'min_vote_seconds = "2" must be a number'),
        ({"exclusion": {"min_vote_seconds": None}}, "min_vote_seconds = nothing must be a number"),
        ({"exclusion": {"max_pace": 3}}, "max_pace is not a setting"),
        ({"exclusion": []}, "must be a table"),
        ({"alpha": "0,05"}, 'alpha = "0,05" must be a number'),
        ({"excluded_from_statistics": [3]}, "is no manifest of an export"),
    ],
)
def test_a_rule_in_a_manifest_that_cannot_be_followed_is_refused(
    exported: Path, settings: dict[str, object], words: str
) -> None:
    """One that is not known here was left out in silence, one of another type ended in a traceback."""
    manifest = Path(f"{exported}.manifest.json")
    document = json.loads(manifest.read_text())
    document["studies"][0] |= settings
    manifest.write_text(json.dumps(document))
    with pytest.raises(VotesError, match=re.escape(words)):
        read_study_csv(exported)


def test_without_the_column_of_votes_that_were_taken_back_an_export_is_refused(exported: Path) -> None:
    with pytest.raises(VotesError, match="the column superseded is missing"):
        read_study_csv(
            saved(exported, extra=lambda rows: [["x" if n == "superseded" else n for n in rows[0]], *rows[1:]])
        )


def test_a_file_whose_lines_were_taken_for_one_cell_each_is_read(exported: Path) -> None:
    """As a spreadsheet saves what it opened where `;` separates: lines with a quote in them are quoted whole."""
    text = re.sub(r"Zwölf;[' ]*=1\+1", "Zwölf\nund mehr", exported.read_text(encoding="utf-8"))
    lines = [f'"{line.replace(chr(34), chr(34) * 2)}"' if '"' in line else line for line in text.split("\n")]
    exported.write_text("\n".join(lines), encoding="utf-8")
    assert lines[1].startswith('"1,""')
    assert counted(exported) == 3
    assert set(read_csv(exported)["comment"]) == {"Zwölf\nund mehr"}
    exported.write_text("\n".join(f'"{line.replace(chr(34), chr(34) * 2)}"' for line in text.strip().split("\n")))
    assert counted(exported) == 3


@pytest.mark.parametrize(
    ("name", "cells", "told"),
    [
        ("left_chars", ["512", "1.000"], "left_chars = '1.000' must be a whole number"),
        ("left_chars", ["512", "1,000"], "left_chars = '1,000'"),
        ("vote_seconds", ["5,25", "1.234"], "vote_seconds = '1.234' is no number"),
        ("left_seconds", ["5,25", "1.234"], "left_seconds = '1.234' is no number"),
        ("prompt_id", ["2,02601E+17"], "prompt_id = '2,02601E+17' was rounded"),
    ],
)
def test_marks_between_thousands_are_no_points(exported: Path, name: str, cells: list[str], told: str) -> None:
    """1.000 characters were read as one."""
    given = iter(cells)
    with pytest.raises(VotesError, match=re.escape(told)):
        counted(
            saved(exported, lambda column, text: next(given, text.replace(".", ",")) if column == name else text, ";")
        )


def test_points_where_another_column_has_commas_are_refused(exported: Path) -> None:
    cell = {"left_seconds": "5,25", "vote_seconds": "1.234"}
    with pytest.raises(VotesError, match=r"vote_seconds = '1\.234' is no number"):
        counted(saved(exported, lambda name, text: cell.get(name, text), ";"))


@pytest.mark.parametrize("file", ["votes.csv", "votes.guesses.csv", "votes.testers.csv"])
def test_testers_whom_the_file_of_all_testers_does_not_have_are_refused(tmp_path: Path, file: str) -> None:
    """Backgrounds and guesses were dropped in silence, where a spreadsheet had taken zeros from an id."""
    path = told(tmp_path)
    saved(tmp_path / file, lambda name, text: text[1:] if name == "tester_id" else text)
    with pytest.raises(VotesError, match=r"tester_id = '\w{15,16}' is not in .*votes\.testers\.csv.*export both again"):
        read_study_csv(path)


@pytest.mark.parametrize(
    ("name", "old", "new", "words"),
    [
        (
            "guesses",
            "left_last",
            "left",
            "row 1: answer = 'left' is unknown; it must be left_last, right_last or dont_",
        ),
        ("guesses", ",model", ",modell ", "row 1: left_model = 'modell"),
        ("guesses", "left_last", "", "row 1: answer = '' is unknown"),
        ("guesses", "tester_id", "testerid", "columns tester_id are missing"),
        ("guesses", "answer", "guess", "columns answer are missing"),
        ("good_enough", "yes", "maybe", "row 1: good_enough = 'maybe' is unknown; it must be yes or no"),
        ("good_enough", "yes", "", "row 1: good_enough = ''"),
        ("testers", '"{""age"": ""old""}"', "[1]", "row 1: background is no JSON object"),
        ("testers", '"{""age"": ""old""}"', '"{""age"": 1}"', "row 1: background is no JSON object"),
        ("testers", '"{""age"": ""old""}"', "[" * 100_000, "row 1: background is no JSON object"),
    ],
)
def test_a_wrong_value_in_a_file_beside_is_one_line_with_its_cell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, old: str, new: str, words: str
) -> None:
    path, file = told(tmp_path), tmp_path / f"votes.{name}.csv"
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new), encoding="utf-8")
    assert main(["stats", "--csv", str(path), "--json", "-"]) == 2
    said = capsys.readouterr().err
    assert f"{file.name}: {words}" in said
    assert said.count("\n") == 1
    assert len(said) < 500


def test_a_line_that_is_there_twice_in_a_file_beside_is_refused_and_capitals_are_read(tmp_path: Path) -> None:
    path = told(tmp_path)
    wanted = summary(read_study_csv(path).outcomes, read_study_csv(path).guesses)
    for name in ("guesses", "good_enough", "testers"):
        file = tmp_path / f"votes.{name}.csv"
        text = file.read_text(encoding="utf-8")
        file.write_text(text + text.splitlines()[1] + "\n", encoding="utf-8")
        with pytest.raises(VotesError, match=f"{name}.csv: row 2: .* is there twice"):
            read_study_csv(path)
        file.write_text(text.replace("left_last", " Left_Last").replace("yes", "YES"), encoding="utf-8")
        again = read_study_csv(path)
        assert summary(again.outcomes, again.guesses) == wanted


def told(folder: Path) -> Path:
    """A study with a guess, a good-enough answer and a background, exported with what lies beside the votes."""
    background = [{"id": "age", "text": "How old?", "options": ["old", "young"]}]
    test = open_test(folder / "v.db", background=background)
    tester = test.enrol("1", {"age": "old"}).id
    battle = answered(test, tester)
    test.vote(tester, battle.id, "left")
    test.explain_vote(tester, battle.id, [], "", True)
    test.close(tester, "quit")
    test.guess(tester, "left_last")
    write(test.database, "csv", folder / "votes.csv")
    return folder / "votes.csv"


@pytest.mark.parametrize(
    "payload",
    [
        "=1+1",
        "+1",
        "-1|x",
        "@SUM(A1)",
        "\t=1",
        "'=1",
        "\uff1d1",
        '"=1"',
        "a\n=cmd|' /C calc'!A0",
        "a;=1",
        "-",
        "=",
        "''",
    ],
)
def test_no_cell_of_any_csv_begins_a_formula_and_the_numbers_stay_the_same(tmp_path: Path, payload: str) -> None:
    """Every text that anybody brings in, in votes.csv and in all that lies beside it."""
    test = open_test(
        tmp_path / "v.db",
        Clock(),
        name=payload,
        reasons=[payload, "Clearer"],
        consent={"version": payload, "text": payload},
        background=[{"id": "age", "text": payload, "options": [payload, "young"]}],
        prompts=[{"id": "q1", "category": payload, "text": payload}],
    )
    said = payload.strip()
    for _ in range(3):
        tester = test.enrol(said, {"age": said}).id
        battle = test.start_battle(tester, None, f"{payload}?")
        turn = test.start_turn(tester, battle.id, f"{payload}?")
        test.finish_turn(turn.id, {model: Answer(payload, 1, 0.5, raw=f"{payload} raw") for model in MODELS})
        test._clock.forward(1)  # type: ignore[attr-defined]
        test.vote(tester, battle.id, "left", [said], payload)
        test.explain_vote(tester, battle.id, [said], payload, True)
        left = answered(test, tester, text=f"{payload}!")
        test.remark(tester, left.id, [said], payload)
        test.close(tester, "quit")
        test.guess(tester, "left_last")
    write(test.database, "csv", tmp_path / "votes.csv")
    files = sorted(tmp_path.glob("votes*.csv"))
    assert [path.name.split(".")[1] for path in files] == ["csv", "good_enough", "guesses", "remarks", "testers"]
    for path in files:
        for row in csv.reader(path.read_text(encoding="utf-8").splitlines(keepends=True)):
            for cell in row:
                for field in re.split(r"[;\t\r\n]", cell):  # as where semicolons or tabs separate
                    assert field[:1] not in tuple("=+@\uff1d\uff0b\uff0d\uff20"), (path.name, cell)
                assert cell[:1] not in ("-", "\t", "\r"), (path.name, cell)
    ours, theirs = load_study(test.database), read_study_csv(tmp_path / "votes.csv")
    assert summary(ours.outcomes, ours.guesses) == summary(theirs.outcomes, theirs.guesses)
    assert set(read_csv(tmp_path / "votes.csv")["comment"]) == {said}
