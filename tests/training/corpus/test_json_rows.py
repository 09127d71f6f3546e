"""JSON under another name than its form has: a list in .jsonl, lines in .txt, files that were joined."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training.corpus import CorpusError, load

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
