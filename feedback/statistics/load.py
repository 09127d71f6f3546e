"""Where the statistics get their votes: the database, or an exported file."""

from __future__ import annotations

import csv
import json
import sqlite3
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..battles import CHOICES
from ..export.guesses import GUESS_COLUMNS, guess_rows, guesses_beside
from ..export.rows import COLUMNS, TEXT_COLUMNS, reveal_formula, vote_rows
from .outcomes import Outcomes, TesterCounts, VotesError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from pandas import DataFrame

    from ..database import Database

_CHOICE_CODE = "CASE choice " + " ".join(f"WHEN '{choice}' THEN {code}" for code, choice in enumerate(CHOICES)) + " END"
_INDEXED = "FROM votes INDEXED BY votes_outcomes WHERE study_id = ? AND superseded = 0"
_FIELDS = {
    "tester": "tester_id",
    "prompt": "prompt_id",
    "model1_left": "(left_model = 'model1')",
    "choice": _CHOICE_CODE,
    "left_chars": "left_chars",
    "right_chars": "right_chars",
}


@dataclass(frozen=True)
class StudyVotes:
    """What :func:`~feedback.statistics.summary` needs of one study; ``id`` and ``label`` are None without a study."""

    id: int | None
    label: str | None
    alpha: float
    outcomes: Outcomes
    guesses: DataFrame | None


def choose_study(connection: sqlite3.Connection, label: str | None = None) -> sqlite3.Row | None:
    """The row of the study to read: the named one, else the only one with votes, else the latest; None without any.

    Raises:
        VotesError: unknown label, or several studies have votes and none is named.
    """
    studies: list[sqlite3.Row] = connection.execute(
        "SELECT *, (SELECT COUNT(*) FROM votes WHERE study_id = studies.id AND superseded = 0) AS n FROM studies"
        " ORDER BY id DESC"
    ).fetchall()
    known = ", ".join(f'"{study["label"]}" ({study["n"]} votes)' for study in studies) or "none"
    if label is not None:
        for study in studies:
            if label == study["label"]:
                return study
        raise VotesError(f'study "{label}" is unknown; the database has {known}')
    voted = [study for study in studies if study["n"]]
    if len(voted) > 1:
        raise VotesError(f"votes of several studies are in the database: {known}; choose one with --study")
    return next(iter(voted or studies), None)


def load_study(database: Database, label: str | None = None, alpha: float | None = None) -> StudyVotes:
    """One study's votes and guesses from the database; ``alpha`` is the study's unless given.

    Raises:
        VotesError: see :func:`choose_study`.
    """
    connection = database.connection
    study = choose_study(connection, label)
    if study is None:
        return StudyVotes(None, None, alpha or 0.05, load_outcomes(connection, 0), None)
    return StudyVotes(
        study["id"],
        study["label"],
        alpha or study["alpha"],
        load_outcomes(connection, study["id"]),
        load_guesses(connection, study["id"]),
    )


def load_votes(database: Database, study: str | None = None) -> DataFrame:
    """All votes of a study, superseded ones included, with every column of ``votes.csv``.

    Raises:
        VotesError: see :func:`choose_study`.
    """
    from pandas import DataFrame

    chosen = choose_study(database.connection, study)
    rows = vote_rows(database.connection, chosen["id"] if chosen else 0).fetchall()
    return DataFrame(rows, columns=list(COLUMNS))


def load_outcomes(connection: sqlite3.Connection, study_id: int) -> Outcomes:
    """What :func:`~feedback.statistics.summary` needs of a study's votes, from the covering index alone.

    Raises:
        VotesError: votes point to testers or prompts that are missing.
    """
    cursor = connection.cursor()
    cursor.row_factory = None
    votes = _columns(cursor, study_id, _FIELDS)
    cells = votes["tester"] << 32 | votes["prompt"]
    if (cells[1:] == cells[:-1]).any():  # the first vote of a doubled cell must be known: order as in an exported file
        votes = _columns(cursor, study_id, _FIELDS | {"id": "id"})
        order = np.argsort(votes["id"])
        votes = {name: values[order] for name, values in votes.items()}
    keys, tester = np.unique(votes["tester"], return_inverse=True)
    voted = set(keys.tolist())
    testers = [
        row
        for row in cursor.execute(
            "SELECT id, closed_at IS NOT NULL FROM testers WHERE study_id = ? ORDER BY enrolment", [study_id]
        )
        if row[0] in voted
    ]
    place = {key: place for place, (key, _) in enumerate(testers)}
    prompts, prompt = np.unique(votes["prompt"], return_inverse=True)
    category_of = dict(cursor.execute("SELECT id, category FROM prompts WHERE study_id = ?", [study_id]))
    if len(keys) != len(testers) or not category_of.keys() >= set(prompts.tolist()):
        raise VotesError("votes of testers or prompts that are missing; python -m feedback check lists the damage")
    names, category = np.unique([category_of[int(key)] for key in prompts] or np.zeros(0, str), return_inverse=True)
    superseded = cursor.execute(
        "SELECT COUNT(*) FROM votes WHERE study_id = ? AND superseded = 1", [study_id]
    ).fetchone()[0]
    model1_left = votes["model1_left"] == 1
    left_chars, right_chars = votes["left_chars"].astype(float), votes["right_chars"].astype(float)
    return Outcomes(
        np.array([place[int(key)] for key in keys], np.int64)[tester],
        prompt,
        category[prompt],
        model1_left,
        votes["choice"],
        np.where(model1_left, left_chars, right_chars),
        np.where(model1_left, right_chars, left_chars),
        np.array([closed for _, closed in testers], bool),
        tuple(str(name) for name in names),
        superseded,
    )


def _columns(cursor: sqlite3.Cursor, study_id: int, fields: dict[str, str]) -> dict[str, NDArray[np.int64]]:
    """Columns of the current votes, each as an array.

    SQLite packs several small numbers into one: what a million rows cost is the objects that Python makes of them.
    """
    largest = cursor.execute(
        f"SELECT {', '.join(f'MAX({sql})' for sql in fields.values())} {_INDEXED}", [study_id]
    ).fetchone()
    packs: list[list[tuple[str, int]]] = [[]]  # names and widths in bits, at most 62 bits together
    for name, value in zip(fields, largest, strict=True):
        width = max(1, int(value or 0).bit_length())
        if sum(bits for _, bits in packs[-1]) + width > 62:
            packs.append([])
        packs[-1].append((name, width))
    expressions = []
    for pack in packs:
        expression = "0"
        for name, width in pack:
            expression = f"(({expression}) << {width} | {fields[name]})"
        expressions.append(expression)
    rows = cursor.execute(f"SELECT {', '.join(expressions)} {_INDEXED}", [study_id]).fetchall()
    packed = np.fromiter(chain.from_iterable(rows), np.int64, len(rows) * len(packs)).reshape(-1, len(packs))
    columns: dict[str, NDArray[np.int64]] = {}
    for number, pack in enumerate(packs):
        rest = packed[:, number]
        for name, width in reversed(pack):
            columns[name] = rest & ((1 << width) - 1)
            rest = rest >> width
    return columns


def load_tally(connection: sqlite3.Connection, study_id: int) -> tuple[TesterCounts, dict[str, TesterCounts]]:
    """The running tallies of a study: in all, and by category; without reading a vote."""
    cursor = connection.cursor()
    cursor.row_factory = None
    counters = ", ".join(f"{side}_{choice}" for side in "lr" for choice in CHOICES)
    rows = cursor.execute(
        f"SELECT category, enrolment, closed_at IS NOT NULL, {counters} FROM tallies JOIN testers ON testers.id ="
        " tester_id WHERE tallies.study_id = ?",
        [study_id],
    ).fetchall()
    categories = np.array([row[0] for row in rows], dtype=object)
    numbers = np.array([row[1:] for row in rows], np.int64).reshape(-1, 10)
    return _counted(numbers), {name: _counted(numbers[categories == name]) for name in sorted(set(categories))}


def _counted(rows: NDArray[np.int64]) -> TesterCounts:
    """Rows of enrolment, closed and eight counters, summed by tester; testers without votes drop out."""
    enrolment, first, tester = np.unique(rows[:, 0], return_index=True, return_inverse=True)
    counts = np.zeros((len(enrolment), 8), np.int64)
    np.add.at(counts, tester, rows[:, 2:])
    voted = counts.any(axis=1)
    return TesterCounts(counts[voted].reshape(-1, 2, 4), rows[first, 1].astype(bool)[voted])


def load_guesses(connection: sqlite3.Connection, study_id: int) -> DataFrame:
    """One row a tester who guessed, with ``answer`` and the ``left_model`` of the round that it is about."""
    from pandas import DataFrame

    return DataFrame(guess_rows(connection, study_id), columns=list(GUESS_COLUMNS))


def read_csv(path: str | Path) -> DataFrame:
    """An exported ``votes.csv``, texts as they were before they were made safe for spreadsheets.

    Raises:
        VotesError: no file, no CSV, not UTF-8, or truncated.
    """
    from pandas import DataFrame

    csv.field_size_limit(2**31 - 1)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            rows = list(reader)
    except OSError as error:
        raise VotesError(f"{path}: cannot be read ({error.strerror}); name an exported votes.csv") from None
    except UnicodeDecodeError:
        raise VotesError(f"{path}: is not UTF-8; save it as UTF-8") from None
    except csv.Error as error:
        raise VotesError(f"{path}: is no complete CSV file ({error}); export it again") from None
    for number, row in enumerate(rows, 1):
        if len(row) != len(header):
            raise VotesError(
                f"{path}: row {number} has {len(row)} fields where the header has {len(header)}; export it again"
            )
    frame = DataFrame(rows, columns=header, dtype=object)
    for name in TEXT_COLUMNS & set(header):
        frame[name] = frame[name].map(reveal_formula)
    return frame


def read_study_csv(path: str | Path, label: str | None = None, alpha: float | None = None) -> StudyVotes:
    """One study's votes from an exported file, with the guesses and the error rate from the files beside it, if any.

    Raises:
        VotesError: see :func:`read_csv` and :meth:`Outcomes.from_frame`, or the label is unknown.
    """
    votes = read_csv(path)
    guesses = read_csv(guesses_beside(path)) if guesses_beside(path).exists() else None
    if label is not None:
        labels = set(votes["study"]) if "study" in votes else set()
        if label not in labels:
            raise VotesError(f'study "{label}" is not in {path}; it has {", ".join(sorted(labels)) or "no names"}')
        votes = votes[votes["study"] == label]
    if guesses is not None and "tester_id" in guesses and "tester_id" in votes:
        guesses = guesses[guesses["tester_id"].isin(votes["tester_id"])]
    try:
        outcomes = Outcomes.from_frame(votes)
    except VotesError as error:
        raise VotesError(f"{path}: {error}") from None
    only = str(votes["study"].iloc[0]) if "study" in votes and len(votes) else None
    return StudyVotes(None, only, alpha or _alpha_beside(path, only), outcomes, guesses)


def _alpha_beside(path: str | Path, label: str | None) -> float:
    """The study's error rate as the export's manifest has it, else 0.05."""
    try:
        studies = json.loads(Path(f"{path}.manifest.json").read_text(encoding="utf-8"))["studies"]
        return next((float(study["alpha"]) for study in studies if study["label"] == label), 0.05)
    except (OSError, ValueError, KeyError, TypeError):
        return 0.05
