"""Names in votes.csv as programs write them again: read as they were exported, or refused with the cell."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from feedback.assignment import MODELS
from feedback.blind_test import Answer
from feedback.export import write
from feedback.statistics import summary
from feedback.statistics.csv_file import read_study_csv
from feedback.statistics.outcomes import VotesError
from tests.feedback.protocol import Clock, open_test
from tests.feedback.statistics.spreadsheet import saved


def banked(folder: Path) -> Path:
    """Votes on two questions of the bank and on a tester's own."""
    test = open_test(folder / "v.db", Clock())
    tester = test.enrol("1").id
    for number in range(4):
        prompt = test.suggestions(tester)[number % 2]
        asked = (prompt.id, prompt.text) if number < 3 else (None, "What is blue?")
        battle = test.start_battle(tester, *asked)
        turn = test.start_turn(tester, battle.id, asked[1])
        test.finish_turn(turn.id, dict.fromkeys(MODELS, Answer("Blue.", 5, 1.0)))
        test.vote(tester, battle.id, "left")
    write(test.database, "csv", folder / "votes.csv")
    return folder / "votes.csv"


def _without_a_bank(path: Path) -> None:
    manifest = Path(f"{path}.manifest.json")
    document = json.loads(manifest.read_text())
    del document["studies"][0]["questions"]
    manifest.write_text(json.dumps(document))


NAMES = ("study", "tester_id", "prompt_id", "category", "choice", "left_model", "right_model")


@pytest.mark.parametrize("knows_the_bank", [True, False])
@pytest.mark.parametrize("around", ["{} ", "\t{}", "\xa0{}\u2009"])
def test_blanks_around_a_name_are_none_of_it(tmp_path: Path, around: str, knows_the_bank: bool) -> None:
    """They made another question, category or tester of it."""
    path = banked(tmp_path)
    wanted = summary(read_study_csv(path).outcomes)
    if not knows_the_bank:
        _without_a_bank(path)
    given = iter(range(10**6))  # in each second cell
    saved(path, lambda name, text: around.format(text) if name in NAMES and next(given) % 2 else text)
    assert summary(read_study_csv(path).outcomes) == wanted


def test_other_capitals_of_a_name_are_read_where_the_bank_is_known(tmp_path: Path) -> None:
    path = banked(tmp_path)
    wanted = summary(read_study_csv(path).outcomes)
    given = iter(range(10**6))
    saved(path, lambda name, text: text.upper() if name in NAMES[1:] and next(given) % 3 else text)
    assert summary(read_study_csv(path).outcomes) == wanted


def _first(name: str, cell: str, path: Path) -> Path:
    cells = iter([cell])
    return saved(path, lambda column, text: next(cells, text) if column == name else text)


@pytest.mark.parametrize("knows_the_bank", [True, False])
@pytest.mark.parametrize("name", ["prompt_id", "category"])
@pytest.mark.parametrize("cell", ["NA", "N/A", "nan", "NaN", "NULL", "None", "<NA>", "-"])
def test_a_name_without_a_value_is_refused(tmp_path: Path, cell: str, name: str, knows_the_bank: bool) -> None:
    """It counted as another question."""
    path = banked(tmp_path)
    if not knows_the_bank:
        _without_a_bank(path)
    with pytest.raises(VotesError, match=re.escape(f"row 1: {name} = {cell!r}")):
        read_study_csv(_first(name, cell, path))


@pytest.mark.parametrize("cell", ["100000", "01. Mrz", "7", "WAHR", "05.01.2024", "own-1"])
def test_an_id_of_which_a_spreadsheet_made_something_else_is_refused(tmp_path: Path, cell: str) -> None:
    with pytest.raises(VotesError, match=re.escape(f"row 1: prompt_id = {cell!r} is no question of the study")):
        read_study_csv(_first("prompt_id", cell, banked(tmp_path)))


def test_two_questions_that_were_given_one_id_are_refused(tmp_path: Path) -> None:
    """As 1.10 and 1.1 are where a spreadsheet takes them for numbers."""
    path = banked(tmp_path)
    _without_a_bank(path)
    saved(path, lambda name, text: {"prompt_id": "1.1", "category": "colour"}.get(name, text))
    with pytest.raises(VotesError, match=r"row 2: prompt = .* is another than in row 1 .* of prompt_id = '1\.1'"):
        read_study_csv(path)


@pytest.mark.parametrize("name", ["prompt_id", "category"])
def test_two_spellings_are_refused_where_the_bank_is_not_known(tmp_path: Path, name: str) -> None:
    path = banked(tmp_path)
    _without_a_bank(path)
    cells = iter(["blue", "Blue", "blue", "blue"])
    with pytest.raises(VotesError, match=f"row 2: {name} = 'Blue' is written 'blue' in row 1"):
        read_study_csv(saved(path, lambda column, text: next(cells) if column == name else text))
