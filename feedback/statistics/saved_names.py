"""Names in a table of votes as other programs write them again: read as they were, or refused with their cell.

A blank, other capitals or "NA" would make another question of one; a spreadsheet makes dates and numbers of ids.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..assignment import MODELS
from ..battles import CHOICES
from ..study import OWN_CATEGORY
from .outcomes import VotesError

if TYPE_CHECKING:
    from pandas import DataFrame

NAMES = ("study", "tester_id", "prompt_id", "category", "choice", "left_model", "right_model")
_SPELT = dict.fromkeys(("left_model", "right_model"), MODELS) | {"choice": CHOICES}
_HEX = re.compile(r"[0-9a-f]{16}")
_OWN = re.compile(r"own(-[0-9a-f]{16})?")  # a tester's own question; in what is published none is told from another
# What R, pandas, databases and people write for a cell without a value.
_NOTHING = {"na", "n/a", "n.a.", "nan", "null", "nil", "none", "<na>", "missing", "undefined", "-", "–", "?", "."}
_REMEDY = "export the file again and import it with its columns as text"


def plain(name: str, cell: str) -> str:
    """A name without what a program put around it, in our capitals where there is but one way to write it."""
    text = cell.strip()
    lower = text.lower()
    ours = _HEX.fullmatch(lower) if name == "tester_id" else lower in _SPELT.get(name, ())
    return lower if ours or (name == "prompt_id" and _OWN.fullmatch(lower)) else text


def must_name_one_question(votes: DataFrame, bank: Mapping[str, str] | None) -> None:
    """Give each question the id and category that it was exported with, in place. Raises VotesError.

    ``bank`` are the study's questions, as category by id; None where the manifest does not tell them.
    """
    if bank:
        _as_in_the_bank(votes, bank)
    else:
        for name in ("tester_id", "prompt_id", "category"):
            _no_cell_names_nothing(votes, name)
        for name in ("prompt_id", "category"):
            _one_spelling(votes, name)
        _one_value_each(votes, "category")
    if "turns" in votes and "prompt" in votes:
        told_apart = votes["prompt_id"] != OWN_CATEGORY
        _one_value_each(votes[told_apart & (votes["turns"].astype(str) == "1")], "prompt")


def _key(text: str) -> str:
    """What all spellings of a name have in common."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _cells(votes: DataFrame, *names: str) -> Iterator[tuple[int, list[str]]]:
    """The row of each vote, as a reader counts, with its cells."""
    for place, *cells in votes[list(names)].itertuples(name=None):
        yield int(place) + 1, [str(cell) for cell in cells]


def _as_in_the_bank(votes: DataFrame, bank: Mapping[str, str]) -> None:
    ids: dict[str, list[str]] = {}
    for each in bank:
        ids.setdefault(_key(each), []).append(each)
    found = []
    for row, (given, category) in _cells(votes, "prompt_id", "category"):
        alike = [given] if given in bank else ids.get(_key(given), [])
        name = given if _OWN.fullmatch(given) else alike[0] if len(alike) == 1 else ""
        if not name:
            some = ", ".join([*list(bank)[:5], *["..."] * (len(bank) > 5)])
            raise VotesError(
                f"row {row}: prompt_id = {given!r} is no question of the study, which has {some};"
                f" a program changed it, so {_REMEDY}"
            )
        wanted = bank.get(name, OWN_CATEGORY)
        if _key(category) != _key(wanted):
            raise VotesError(
                f"row {row}: category = {category!r} is not that of the question {name}, which is {wanted!r}; a"
                f" program changed it, so {_REMEDY}"
            )
        found.append((name, wanted))
    votes["prompt_id"] = [name for name, _ in found]
    votes["category"] = [category for _, category in found]


def _no_cell_names_nothing(votes: DataFrame, name: str) -> None:
    for row, (cell,) in _cells(votes, name):
        if cell.lower() in _NOTHING:
            raise VotesError(f"row {row}: {name} = {cell!r} names nothing; {_REMEDY}")


def _one_spelling(votes: DataFrame, name: str) -> None:
    first: dict[str, tuple[int, str]] = {}
    for row, (cell,) in _cells(votes, name):
        before, spelt = first.setdefault(_key(cell), (row, cell))
        if spelt != cell:
            raise VotesError(
                f"row {row}: {name} = {cell!r} is written {spelt!r} in row {before}, and would count as another one;"
                f" write both alike, or {_REMEDY}"
            )


def _one_value_each(votes: DataFrame, name: str) -> None:
    """Refuse a question with two texts or categories: two were given one id, or a cell was changed."""
    first: dict[str, tuple[int, str]] = {}
    for row, (question, cell) in _cells(votes, "prompt_id", name):
        before, value = first.setdefault(question, (row, cell))
        if value != cell:
            raise VotesError(
                f"row {row}: {name} = {cell[:60]!r} is another than in row {before} ({value[:60]!r}), though both are"
                f" of prompt_id = {question!r}; a program changed one of them, so {_REMEDY}"
            )
