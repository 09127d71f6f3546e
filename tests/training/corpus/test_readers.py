"""Lines, tables and values as programs and spreadsheets write them."""

from __future__ import annotations

import json
import tracemalloc
from datetime import time
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from training.corpus import CorpusError, json_rows, load, stream, turns
from training.corpus.cleaning import CleaningReport
from training.corpus.opening import ENDINGS
from training.corpus.readers import READERS

LINE = '{"question": "Who?", "answer": "Goya."}\n'
PAIR = ("Who?", "Goya.")


def read(path: Path, content: str, encoding: str = "utf-8") -> list[tuple[str, str]]:
    path.write_bytes(content.encode(encoding))
    return [(sample.question, sample.answer) for sample in load([str(path)])]


@pytest.mark.parametrize(
    "table",
    [
        "question,answer\nWho?,Goya.\n",
        "question;answer\nWho?;Goya.\n",
        "question\tanswer\nWho?\tGoya.\n",
        "question|answer\nWho?|Goya.\n",
        "sep=;\nquestion;answer\nWho?;Goya.\n",
        '\ufeff"sep=,"\r\nquestion,answer\r\nWho?,Goya.\r\n',
        "\n\nquestion,answer\nWho?,Goya.\n",
        'question, answer\n"Who?", "Goya."\n',
        '"question","answer","a;b;c;d"\n"Who?","Goya.",x\n',
        ",question,answer,,\n0,Who?,Goya.,,\n",
        "question,answer\rWho?,Goya.\r",
    ],
)
def test_tables_of_every_program(table: str, tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", table) == [PAIR]
    assert read(tmp_path / "a.tsv", table) == [PAIR]


def test_a_table_without_names_is_told_what_was_taken_for_them(tmp_path: Path) -> None:
    with pytest.raises(CorpusError) as refused:
        read(tmp_path / "a.csv", "Who painted it?,Goya.\nAnd when?,In 1800.\n")
    assert "has the columns goya., who painted it? and" in str(refused.value)
    assert str(refused.value).endswith("where its first line is a row, write question,answer above it")


def test_a_table_without_names_whose_rows_are_longer_is_told_it_has_none(tmp_path: Path) -> None:
    for table in ("Who painted it?,Goya.\nAnd when, exactly?,In 1800.\n", "1,Who?,Goya.\n2,And, in which year?,1800\n"):
        with pytest.raises(CorpusError) as refused:
            read(tmp_path / "a.csv", table)
        assert f"its first line names the columns {', '.join(table.splitlines()[0].split(','))}, and 1 of its rows" in (
            told := str(refused.value)
        )
        assert "a.csv, line 2): where that line is a row, write question,answer above it, and quotes around" in told
    assert read(tmp_path / "a.csv", "question,answer\nWho?,Goya.\nAnd when, exactly?,In 1800.\n") == [PAIR]


@pytest.mark.parametrize(
    "above",
    [
        "---\ntitle: Etching\ntags:\n  - art\n- print\n# by hand\n\ndate: 2024-01-01\n---\n\n",
        '+++\ntitle = "Etching"\ntags = [\n  "art",\n]\n+++\n',
        "\ufeff---\r\nlayout: post\r\n---\r\n",
    ],
)
def test_what_stands_above_a_text_for_a_program_is_not_learned(above: str, tmp_path: Path) -> None:
    prose = "An etching is bitten by acid.\n\n---\n\nnote: a monotype is not.\n\n---\n\nThat is all."
    (tmp_path / "a.txt").write_bytes(f"{above}{prose}".encode())
    (tmp_path / "b.jsonl").write_text(json.dumps({"text": f"{above}{prose}".lstrip("\ufeff")}))
    for name in ("a.txt", "b.jsonl"):
        assert [sample.messages[0].content for sample in load([str(tmp_path / name)])] == [prose]


@pytest.mark.parametrize(
    "text",
    [
        "---\nHe said: no.\n---\nThat was all.",
        "---\n\nA rule above.\n\n---\n\nAnd below.",
        "---\ntitle: of what never ends\n\nA text of it.",
    ],
)
def test_rules_around_words_are_words(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(text)
    assert [sample.messages[0].content for sample in load([str(tmp_path / "a.txt")])] == [text]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "1\n00:00:01,000 --> 00:00:02,000\nThe etching\n\n2\n00:00:02,000 --> 00:00:03,000\nis bitten.\n",
            "subtitles",
        ),
        ("WEBVTT\n\n00:01.000 --> 00:02.000 align:start\nThe etching\n", "subtitles"),
        ("#separator:tab\n#html:true\nWho?\tGoya.\n", "notes of Anki's; write question, answer"),
    ],
)
def test_what_is_no_prose_is_told(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=f"a.txt: is {said}"):
        read(tmp_path / "a.txt", text)


@pytest.mark.parametrize("header", ["question,answer,answer", "question,Question ,answer", "text,text,note"])
def test_a_column_that_is_there_twice_is_refused(header: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"has the column \w+ 2 times; rename all but one"):
        read(tmp_path / "a.csv", header + "\na,b,c\n")
    table = pyarrow.Table.from_arrays([pyarrow.array(["a"])] * 3, names=header.split(","))
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(CorpusError, match="rename all but one"):
        load([str(tmp_path / "a.parquet")])


TWICE = {
    "the answer": '{"question": "Who?", "answer": "Monet.", "answer": "Goya."}',
    "in another case": '{"question": "Who?", "answer": "Monet.", "Answer ": "Goya."}',
    "in a turn": '{"messages": [{"role": "user", "role": "user", "content": "Who?"}]}',
    "in a cell": '{"messages": "[{\\"role\\": \\"user\\", \\"role\\": \\"tool\\", \\"content\\": \\"Who?\\"}]"}',
}


@pytest.mark.parametrize("what", TWICE)
def test_a_row_with_a_key_twice_is_counted(what: str, tmp_path: Path) -> None:
    """Of its two values one would win without a word."""
    for name, text in (
        ("a.jsonl", LINE + TWICE[what] + "\n"),
        ("b.json", f"[{LINE},\n {TWICE[what]}]"),
        ("c.json", '{"rows": [' + LINE.strip() + ", " + TWICE[what] + "]}"),
    ):
        report = CleaningReport()
        (tmp_path / name).write_text(text)
        assert [sample.answer for sample in stream([str(tmp_path / name)], report=report)] == ["Goya."]
        assert report.by_reason() == {turns.KEY_TWICE: 1}
        assert "b.json, line 3" in report.first[turns.KEY_TWICE] or name != "b.json"


def test_a_list_of_rows_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"data": [' + LINE + '],\n"data": []}')
    with pytest.raises(CorpusError, match=r"no usable rows; 1 key twice \(first: .*a\.json, line 1\)"):
        load([str(tmp_path / "a.json")])


@pytest.mark.parametrize("again", ["question,answer", "\ufeffQuestion, Answer "])
def test_a_header_within_a_table_is_no_row(again: str, tmp_path: Path) -> None:
    """`cat a.csv b.csv` keeps it."""
    report = CleaningReport()
    (tmp_path / "a.csv").write_text(f"question,answer\nWho?,Goya.\n{again}\nWhen?,1808.\n", encoding="utf-8")
    assert [sample.answer for sample in stream([str(tmp_path / "a.csv")], report=report)] == ["Goya.", "1808."]
    assert report.by_reason() == {turns.HEADER: 1}
    assert report.first[turns.HEADER].endswith("a.csv, line 3")


def test_what_programs_write_for_no_value_is_none(tmp_path: Path) -> None:
    missing = ["NaN", "nan", "NULL", "null", "<NA>", "#N/A", "\\N", ""]
    rows = "".join(f"Question {n}?,{value}\n" for n, value in enumerate(missing))
    report = CleaningReport()
    (tmp_path / "a.csv").write_text(f"question,answer\n{rows}Which of them?,None\n")
    (sample,) = stream([str(tmp_path / "a.csv")], report=report)
    assert sample.answer == "None"
    assert report.by_reason() == {turns.NO_ANSWER: len(missing)}


def test_the_line_of_a_row_counts_what_stands_above_the_header(tmp_path: Path) -> None:
    report = CleaningReport()
    (tmp_path / "a.csv").write_text('sep=,\n\nquestion,answer\n"Who\nwas it?",Goya.\nWho?,\n')
    assert len(list(stream([str(tmp_path / "a.csv")], report=report))) == 1
    assert report.first[turns.NO_ANSWER].endswith("a.csv, line 6")


def test_short_floats_and_times_are_learned_as_they_were(tmp_path: Path) -> None:
    columns = {"question": ["How much?", "How much?"], "answer": pyarrow.array([0.1, None], pyarrow.float32())}
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "a.parquet")
    assert [sample.answer for sample in load([str(tmp_path / "a.parquet")])] == ["0.1"]
    pyarrow.parquet.write_table(pyarrow.table({"question": ["When?"], "answer": [time(12, 5)]}), tmp_path / "b.parquet")
    assert [sample.answer for sample in load([str(tmp_path / "b.parquet")])] == ["12:05:00"]


@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        ("utf-16", "is UTF-16, not UTF-8"),
        ("utf-32", "is UTF-32, not UTF-8"),
        ("utf-16-le", "holds binary data or UTF-16; write UTF-8"),
    ],
)
def test_other_encodings_are_named(encoding: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=said):
        read(tmp_path / "a.jsonl", LINE, encoding)
    assert read(tmp_path / "a.ndjson", LINE.replace("\n", "\r\n"), "utf-8-sig") == [PAIR]


def test_a_line_without_end_is_left_out_and_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_rows, "LONGEST", 1 << 16)
    path, report = tmp_path / "a.jsonl", CleaningReport()
    with path.open("w") as file:
        file.write(LINE + '{"question": "Who?", "answer": "')
        for _ in range(200):
            file.write("x" * (1 << 16))
        file.write('"}\n' + LINE)
    tracemalloc.start()
    found = list(stream([str(path)], report=report))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found) == 2
    assert report.by_reason() == {turns.TOO_LONG: 1}
    assert report.first[turns.TOO_LONG].endswith("a.jsonl, line 2")
    assert peak < 2 << 20  # of 13 MB
    (tmp_path / "a.json").write_text("[" + path.read_text().splitlines()[1])
    with pytest.raises(CorpusError, match=r"line 1 is not JSON"):
        load([str(tmp_path / "a.json")])


def test_files_that_were_joined_are_read_through_their_marks(tmp_path: Path) -> None:
    """`cat` and `copy` keep the byte order mark of each file."""
    rows = ('{"question": "Who?", "answer": "Goya."}', '{"\ufeffquestion": "When?", "answer": "1808."}')
    (tmp_path / "a.jsonl").write_text("\n".join(f"\ufeff{row}" for row in rows), encoding="utf-8")
    assert [sample.answer for sample in load([str(tmp_path / "a.jsonl")])] == ["Goya.", "1808."]


TABLES: dict[str, Any] = {
    "by columns": {"question": {"0": "Who?", "1": "When?"}, "answer": {"0": "Goya.", "1": "In 1800."}},
    "by numbers": {"0": {"question": "Who?", "answer": "Goya."}, "1": {"question": "When?", "answer": "In 1800."}},
    "lists of cells": {
        "columns": ["question", "answer"],
        "index": [0, 1],
        "data": [["Who?", "Goya."], ["When?", "In 1800."]],
    },
    "with its schema": {
        "schema": {"fields": []},
        "data": [{"index": 0, "question": "Who?", "answer": "Goya."}, {"question": "When?", "answer": "In 1800."}],
    },
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_that_pandas_wrote_as_json_is_read(name: str, tmp_path: Path) -> None:
    """``DataFrame.to_json`` with each ``orient``; that of its default is by columns."""
    (tmp_path / "a.json").write_text(json.dumps(TABLES[name]))
    assert [sample.answer for sample in load([str(tmp_path / "a.json")])] == ["Goya.", "In 1800."]


INSTEAD = {
    "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12\n": "is a pointer of Git LFS",
    "\ufeff\n<!DOCTYPE html>\n<html><title>404</title>Not found</html>": "is a web page",
}


@pytest.mark.parametrize("ending", ["txt", "csv", "jsonl", "json", "parquet"])
@pytest.mark.parametrize("content", INSTEAD)
def test_what_stands_in_the_place_of_data_is_told(content: str, ending: str, tmp_path: Path) -> None:
    (tmp_path / f"a.{ending}").write_text(content, encoding="utf-8")
    with pytest.raises(CorpusError, match=INSTEAD[content]):
        load([str(tmp_path / f"a.{ending}")])


OTHERS = {
    b"PK\x03\x04": "is a ZIP archive or a spreadsheet",
    b"%PDF-1.7": "is a PDF",
    b"SQLite format 3\0": "is an SQLite database",
    b"PAR1": "name it .parquet",
    b"\x1f\x8b\x08": "put .gz behind its name",
    b"\x28\xb5\x2f\xfd": "put .zst behind its name",
}


@pytest.mark.parametrize("ending", ["jsonl", "csv", "txt", "xlsx", "jsonl.zip"])
@pytest.mark.parametrize("start", OTHERS)
def test_a_file_of_another_kind_is_named(start: bytes, ending: str, tmp_path: Path) -> None:
    """https://github.com/huggingface/transformers/issues/38567: spreadsheets are common, and are said to be no text."""
    (tmp_path / f"a.{ending}").write_bytes(start + bytes(range(256)))
    with pytest.raises(CorpusError, match=OTHERS[start]):
        load([str(tmp_path / f"a.{ending}")])


def test_every_ending_that_a_refusal_names_has_its_reader() -> None:
    assert set(ENDINGS) == set(READERS)
