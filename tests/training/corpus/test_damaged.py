"""Values that are no text, and rows that are damaged: each is read right, or costs itself alone and is told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest

from tests.training.corpus.rows import messages
from training.corpus import CorpusError, load, stream, turns
from training.corpus.cleaning import CleaningReport


def test_bytes_are_text_or_nothing(tmp_path: Path) -> None:
    rows = [{"question": b"Who?", "answer": "Dal\u00ed".encode()}, {"question": b"Who?", "answer": b"\xff\xd8\xff"}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    report = CleaningReport()
    (sample,) = stream([str(tmp_path / "a.parquet")], report=report)
    assert messages(sample) == [("user", "Who?"), ("assistant", "Dal\u00ed")]
    assert report.by_reason() == {turns.BYTES: 1}


def test_numbers_are_learned_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    digits = "7" * 5000
    answers = [digits, "3.10", "1e400", "-0.50"]
    path.write_text("".join(f'{{"question": "Number {i}?", "answer": {a}}}\n' for i, a in enumerate(answers)))
    assert [sample.answer for sample in load([str(path)])] == [digits, "3.10", "1E+400", "-0.50"]
    rows = [{"question": "When?", "answer": 1937.0}, {"question": "Else?", "answer": None}]
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert [sample.answer for sample in load([str(tmp_path / "a.parquet")])] == ["1937"]


def test_deep_nesting_is_one_row_less(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    good = json.dumps({"question": "Who?", "answer": "Goya."})
    path.write_text(f'{good}\n{{"question": {"[" * 200_000}{"]" * 200_000}}}\n')
    report = CleaningReport()
    assert len(list(stream([str(path)], report=report))) == 1
    assert report.first == {turns.NESTED: f"{path}, line 2"}


def test_deep_nesting_in_a_cell_is_one_row_less(tmp_path: Path) -> None:
    """A table's cells hold whole chats as JSON."""
    path = tmp_path / "a.jsonl"
    chat = json.dumps([{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Goya."}])
    deep = '[{"role": ' + "[" * 200_000 + "]" * 200_000 + "}]"
    path.write_text("".join(json.dumps({"messages": cell}) + "\n" for cell in (chat, deep)))
    report = CleaningReport()
    assert len(list(stream([str(path)], report=report))) == 1
    assert report.first == {turns.NESTED: f"{path}, line 2"}


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ('"Why, because\nWhen?,now\nWhose?,"mine, and yours"\n', 3),
        ('"Why, because\nWhen?,now\n', 3),
        ('Why?,because\n"He said "yes"",so\n', 4),
    ],
)
def test_a_quote_that_is_not_closed_is_named_and_swallows_nothing(tmp_path: Path, rows: str, line: int) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"question,answer\nWho?,Goya\n{rows}")
    with pytest.raises(CorpusError, match=re.escape(f"{path}: line {line} opens a quote that is not closed")):
        load([str(path)])


def test_tables_of_other_countries_and_rows_of_another_length(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('Question;Answer\nWho, then?;"Goya;\nof Spain"\na;b;c\nWhen?;1800\n')
    report = CleaningReport()
    found = [messages(sample) for sample in stream([str(path)], report=report)]
    assert found == [
        [("user", "Who, then?"), ("assistant", "Goya;\nof Spain")],
        [("user", "When?"), ("assistant", "1800")],
    ]
    assert report.first == {turns.CELLS: f"{path}, line 4"}
