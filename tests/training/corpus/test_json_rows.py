"""JSON under another name than its form has: a list in .jsonl, lines in .txt, files that were joined."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training.corpus import CorpusError, load, stream, turns
from training.corpus.cleaning import CleaningReport

ROWS = [{"question": "Who?", "answer": "Goya."}, {"question": "When?", "answer": "In 1800."}]
CHATS = [
    [{"from": "human", "value": row["question"]}, {"from": "gpt", "value": row["answer"]}] for row in ROWS
]  # as some give a list of turns for each chat, without a name


def lines(values: list[Any]) -> str:
    return "".join(f"{json.dumps(value)}\n" for value in values)


FORMS = {
    "a list": json.dumps(ROWS),
    "a list over many lines": json.dumps(ROWS, indent=1),
    "a list of lines": "[\n" + ",\n".join(map(json.dumps, ROWS)) + "\n]\n",
    "lines with commas": ",\n".join(map(json.dumps, ROWS)),
    "objects over many lines": "\n".join(json.dumps(row, indent=1) for row in ROWS),
    "lists that were joined": f"{json.dumps(ROWS[:1])}\n\ufeff{json.dumps(ROWS[1:])}",
    "a list of one row a line": lines([[row] for row in ROWS]),
    "lines": lines(ROWS),
    "turns of a chat a line": lines(CHATS),
    "pairs of who speaks and what a line": lines([[[*turn.values()] for turn in chat] for chat in CHATS]),
    "a list of lists of turns": json.dumps(CHATS),
    "a list over many lines of lists of turns": json.dumps(CHATS, indent=1),
}


@pytest.mark.parametrize("ending", ["jsonl", "json", "ndjson", "txt"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_json_is_read_under_every_name(form: str, ending: str, tmp_path: Path) -> None:
    """https://github.com/unslothai/unsloth/issues/337, https://github.com/THUDM/LongCite/issues/11; in ``.txt`` they
    were learned as prose, with their brackets: https://github.com/openai/openai-python/issues/383."""
    path = tmp_path / f"a.{ending}"
    path.write_text(FORMS[form], encoding="utf-8")
    assert [(one.question, one.answer) for one in load([str(path)])] == [("Who?", "Goya."), ("When?", "In 1800.")]


@pytest.mark.parametrize("rest", [" and so on", "]", '{"question": "W'])
def test_nothing_behind_a_list_is_passed_over(rest: str, tmp_path: Path) -> None:
    """https://github.com/spiceai/spiceai/issues/12786: rows behind it were lost without a word."""
    (tmp_path / "a.json").write_text(json.dumps(ROWS) + "\n" + rest)
    with pytest.raises(CorpusError, match="line 2 is not JSON"):
        load([str(tmp_path / "a.json")])


def test_a_table_in_a_text_file_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "a.csv.txt").write_text('Question;Answer\nWho?;Goya.\n"When;\nthen?";In 1800.\n')
    assert [one.answer for one in load([str(tmp_path / "a.csv.txt")])] == ["Goya.", "In 1800."]


@pytest.mark.parametrize(
    "prose",
    [
        "[Illustration] The painter, and his answer.\nHe painted.",
        "{braces} begin a text of more than twenty characters.",
        "A question, an answer: both are given here in prose.",
    ],
)
def test_prose_stays_prose(prose: str, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(prose)
    (sample,) = load([str(tmp_path / "a.txt")])
    assert [message.role for message in sample.messages] == ["text"]


@pytest.mark.parametrize("ending", ["jsonl", "json"])
@pytest.mark.parametrize(
    "wrapper",
    [
        {"conversations": [{"messages": CHATS[0]}, {"messages": CHATS[1]}]},
        {"version": 1, "messages": [{"id": "a", "conversations": CHATS[0]}, {"id": "b", "conversations": CHATS[1]}]},
        {"conversations": CHATS},
        {"results": ROWS, "total": 2},
        {"qa_pairs": ROWS, "documents": [{"name": "a"}, {"name": "b"}]},
        {"train": ROWS, "test": []},
    ],
)
def test_an_object_around_rows_is_no_row(wrapper: dict[str, Any], ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    path.write_text(json.dumps(wrapper))
    assert [(one.question, one.answer) for one in load([str(path)])] == [("Who?", "Goya."), ("When?", "In 1800.")]


@pytest.mark.parametrize("ending", ["jsonl", "json"])
@pytest.mark.parametrize("names", [("train", "test"), ("data", "validation"), ("examples", "more"), ("test", "first")])
def test_rows_of_another_split_are_counted(names: tuple[str, str], ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{ending}"
    read = names[names[0] == "test"]
    path.write_text(json.dumps({name: ROWS[:1] if name == read else ROWS * 2 for name in names}))
    report = CleaningReport()
    assert [one.answer for one in stream([str(path)], report=report)] == ["Goya."]
    assert report.by_reason() == {turns.BESIDE: 4}
    path.write_text(json.dumps({"test": ROWS}))
    with pytest.raises(CorpusError, match="it has the columns test and lacks the columns question"):
        load([str(path)])


@pytest.mark.parametrize("between", ["", " ", ", ", "\ufeff"])
def test_objects_on_one_line_are_rows(between: str, tmp_path: Path) -> None:
    """As where files are joined that end without a line end."""
    path = tmp_path / "a.jsonl"
    path.write_text(
        between.join(map(json.dumps, [*ROWS, *ROWS])) + "\n" + json.dumps(ROWS[0]) + " \n", encoding="utf-8"
    )
    assert [one.answer for one in load([str(path)])] == ["Goya.", "In 1800."] * 2 + ["Goya."]
    path.write_text(f"{json.dumps(ROWS[0])} and so on\n")
    with pytest.raises(CorpusError, match="line 1 is not JSON"):
        load([str(path)])
