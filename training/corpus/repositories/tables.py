"""Museums' open records, one a row of a CSV or one a JSON file, as questions and answers about works and artists.

A question is asked only where its answer stands in the record, and where no other record of the same source answers it
otherwise: a title that two artists gave is asked for with the artist's name or not at all.
"""

from __future__ import annotations

import csv
import html
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import IO, Any

from training.common.toml_file import read_toml
from training.corpus.readers import LONGEST, MISSING
from training.corpus.sample import CorpusError, digest
from training.corpus.turns import CELLS, NO_JSON, NOT_TEXT, Unreadable, parsed, text_of

CountUnread = Callable[[str, str], None]
"""Is told why something cannot be read, and where it stands."""

Record = dict[str, str]
"""Field of ours -> what the museum says; absent where it says nothing."""

LISTED = 6
"""Names of a list in one answer at most."""


@dataclass(frozen=True)
class Table:
    """How a museum's columns become our fields."""

    about: str  # what a record describes: ``work``, ``artist`` or ``recording``
    columns: Mapping[str, str]
    """Our field -> its column; inside JSON a path (``contributors.0.fc``), ``*`` for each of a list, ``|`` between
    columns of which the first that is filled counts."""
    museum: str  # the museum as a sentence names it
    kinds: Mapping[str, str]
    """The museum's word for what a work is -> ours (``painting``); other works are called works."""
    only: Mapping[str, Sequence[str]]  # column -> the values of the records that are read
    skip: Mapping[str, str]  # our field -> a pattern of values that say nothing (``untitled``); such a field is absent
    most: int  # questions of one record at most, chosen by hash
    of_artist: int  # works of one artist at most, chosen by hash: half of Tate's records are Turner's sketches


@dataclass(frozen=True)
class Question:
    """One way to ask, as ``questions.toml`` has them."""

    key: tuple[str, ...]
    asks: str
    wordings: tuple[str, ...]
    answers: tuple[str, ...]


_QUESTIONS: dict[str, tuple[Question, ...]] = {
    about: tuple(Question(tuple(q["key"]), q["asks"], tuple(q["wordings"]), tuple(q["answers"])) for q in asked)
    for about, asked in read_toml(Path(__file__).with_name("questions.toml")).items()
}


def read(files: Sequence[Path], table: Table, unread: CountUnread) -> Iterator[Record]:
    """The records of a source; ``unread`` is told of those that cannot be read.

    Raises:
        CorpusError: A column that no record has.
    """
    missing = {name.split(".")[0].strip(): "" for columns in table.columns.values() for name in columns.split("|")}
    missing |= {column.split(".")[0]: "" for column in table.only}
    for path in files:
        for place, row in rows_of(path, unread):
            missing = {name: path.name for name in missing if name not in row}
            if not all(str(_value(row, column)) in values for column, values in table.only.items()):
                continue
            try:
                yield _record(row, table)
            except Unreadable as reason:
                unread(str(reason), place)
    for name, file in missing.items():
        raise CorpusError(f"{name}: no such column in any record ({file} was the last); the files' form has changed")


def ask(records: Sequence[Record], table: Table) -> Iterator[tuple[str, str, str]]:
    """A key that all questions about one record share, a question, and its answer."""
    questions = _QUESTIONS[table.about]
    answers = [_answers(records, question) for question in questions]
    for record in _of_each_artist(records, table.of_artist):
        fits = [
            question
            for question, known in zip(questions, answers, strict=True)
            if (key := _key(record, question))
            and len(known[key]) == 1
            and (not question.asks or question.asks in record)
        ]
        name = "|".join(value.casefold() for value in _key(record, questions[-1]) or ())
        fits.sort(key=lambda question: (question.asks != "", digest(f"{name}|{question.asks}")))
        texts = _Texts(record, table)
        for question in fits[: table.most]:
            choice = digest(f"{name}|{question.asks}", salt="wording")
            yield name, texts.filled(question.wordings, choice), texts.filled(question.answers, choice >> 8)


def _of_each_artist(records: Sequence[Record], most: int) -> Iterator[Record]:
    by_artist: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        by_artist[record.get("artist", record.get("name", ""))].append(record)
    for artist, of_one in by_artist.items():
        if not artist:
            yield from of_one
            continue
        if len(of_one) > most:
            of_one.sort(key=lambda record: digest("|".join(record.values())))
        yield from of_one[:most]


def _answers(records: Sequence[Record], question: Question) -> dict[tuple[str, ...], set[str]]:
    """What is answered for each thing that the question can be about. A description, and an empty field, whose answer
    is open, differ from those of every other record."""
    found: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for number, record in enumerate(records):
        if key := _key(record, question):
            found[key].add(record.get(question.asks, f"\0{number}"))
    return found


def _key(record: Record, question: Question) -> tuple[str, ...] | None:
    values = tuple(record.get(field, "").casefold() for field in question.key)
    return values if all(values) else None


class _Texts:
    """Wordings filled with the fields of one record."""

    def __init__(self, record: Record, table: Table) -> None:
        born, died = record.get("born"), record.get("died")
        years = record.get("years") or (f"{born}–{died}" if born and died else f"born {born}" if born else "")
        self.fields = {
            **record,
            "kind": record.get("kind", "work"),
            "artist_years": f" ({years})" if years else "",
            "museum": table.museum,
            "museum_start": table.museum[:1].upper() + table.museum[1:],
        }

    def filled(self, wordings: tuple[str, ...], choice: int) -> str:
        """One wording; a part in square brackets is left out where a field of it is absent."""
        text = re.sub(r"\[([^\]]*)\]", lambda part: self._part(part[1]), wordings[choice % len(wordings)])
        return _an(text.format_map(self.fields))

    def _part(self, part: str) -> str:
        return part if all(field in self.fields for _, field, _, _ in Formatter().parse(part) if field) else ""


def _an(text: str) -> str:
    """``a etching`` becomes ``an etching``: only our own words follow our ``a``."""
    return re.sub(r"\b([Aa]) (?=(?:installation|etching|engraving|album|oil|object)\b)", r"\1n ", text)


def rows_of(path: Path, unread: CountUnread) -> Iterator[tuple[str, dict[str, Any]]]:
    """The rows of a CSV, or the one or several of a JSON file, each with its place; ``unread`` is told of those that
    cannot be read. Bytes that are no text become U+FFFD, which cleaning removes."""
    name = f"{path.parent.name}/{path.name}"
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        if path.suffix != ".json":
            yield from _csv_rows(file, name, unread)
            return
        try:
            rows = parsed(file.read(), NO_JSON)
        except Unreadable as reason:
            unread(str(reason), name)
            return
    for number, row in enumerate(rows if isinstance(rows, list) else [rows], start=1):
        place = f"{name}, record {number}" if isinstance(rows, list) else name
        if isinstance(row, dict):
            yield place, row
        else:
            unread(NOT_TEXT, place)


def _csv_rows(file: IO[str], name: str, unread: CountUnread) -> Iterator[tuple[str, dict[str, Any]]]:
    csv.field_size_limit(LONGEST)
    rows = csv.DictReader(file)
    while True:
        try:
            row = next(rows, None)
        except csv.Error:  # a longer cell, or one with a NUL where Python is old
            unread(NOT_TEXT, f"{name}, line {rows.line_num}")
            continue
        if row is None:
            return
        place = f"{name}, line {rows.line_num}"
        if None in row:  # what is shifted says something else in each cell
            unread(CELLS, place)
        else:
            yield place, row


def _record(row: dict[str, Any], table: Table) -> Record:
    record = {}
    for field, columns in table.columns.items():
        text = next((text for column in columns.split("|") if (text := _text(_value(row, column)))), "")
        if text and not (field in table.skip and re.search(table.skip[field], text, re.IGNORECASE)):
            record[field] = text
    if "medium" in record:  # in the middle of a sentence of ours
        record["medium"] = re.sub(r"^[A-Z](?=[a-z])", lambda letter: letter[0].lower(), record["medium"])
    if "kind" in record:
        record["kind"] = table.kinds.get(record["kind"].casefold(), "work")
    return record


def _value(row: dict[str, Any], column: str) -> Any:
    """What stands at a path; None where a level is absent or empty."""
    first, *names = column.strip().split(".")
    values = [row.get(first)]
    for name in names:
        if name == "*":
            values = [inner for value in values if isinstance(value, list) for inner in value]
        elif name.isdigit():
            values = [value[int(name)] for value in values if isinstance(value, list) and len(value) > int(name)]
        else:
            values = [value[name] for value in values if isinstance(value, dict) and name in value]
    return values if "*" in names else next(iter(values), None)


def _text(value: Any) -> str:
    if isinstance(value, list):
        names = list(dict.fromkeys(text for item in value if (text := _text(item))))[:LISTED]
        return ", ".join(names)
    if isinstance(value, dict | bool) or value in MISSING:
        return ""
    text = html.unescape(re.sub(r"<[^>]+>", "", re.sub(r"<br\s*/?>|</p>", " ", text_of(value))))
    return re.sub(r"\s+", " ", text).strip(" ,;")
