"""Rows of JSON, each with the line where it begins: lines, lists, objects in a row, and tables that pandas wrote."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import IO, Any

from training.corpus.forms import CHATS, is_known, is_pair, with_plain_names
from training.corpus.opening import open_text
from training.corpus.sample import CorpusError
from training.corpus.split import to_test_with
from training.corpus.turns import (
    BESIDE,
    BROKE_OFF,
    KEY_TWICE,
    NESTED,
    TOO_LONG,
    Unreadable,
    is_chat,
    is_pairs,
    is_turn,
    role_of,
)

Row = dict[str, Any]
LONGEST = 1 << 24
"""Characters of a line, a value or a cell: what is longer is no chat and no text, but a dump."""

Numbered = tuple[int, Row | Unreadable]
"""A row with the line (of a table its number) where it begins, or why nothing can be read there."""


def read_json_lines(path: Path) -> Iterator[Numbered]:
    session: tuple[int, Row] | None = None
    for number, row in _rows_by_line(path):
        begins = isinstance(row, dict) and row.get("type") == "session" and "harness" in row
        if session and (begins or not _goes_on(session[1], row)):
            yield session
            session = None
        if begins and isinstance(row, dict):
            session = number, {"conv": row, "messages": []}
        elif session is None:
            yield number, row
    if session:
        yield session


def _rows_by_line(path: Path) -> Iterator[Numbered]:
    if _is_of_json(path):
        yield from read_json(path)
        return
    with open_text(path) as file:
        for number, line in enumerate(_lines(file), start=1):
            line = line.removeprefix("\ufeff")  # of a file that was joined to another one
            if len(line) > LONGEST:
                yield number, Unreadable(TOO_LONG)
            elif line.strip():
                yield from ((number, row) for row in _parsed(line, f"{path}: line {number}"))


def _is_of_json(path: Path) -> bool:
    """Whether a file of lines is one list, or its objects take several lines each, as in ``.json``."""
    first = _first_line(path)
    if first in ("[", "{"):
        return True
    return (first[:1] == "{" and first[-1] == ",") or (first[:1] == "[" and _list_in(first) is None)


def _first_line(path: Path) -> str:
    with open_text(path) as file:
        return next((line.strip() for line in _lines(file) if line.strip()), "")


def _list_in(text: str) -> list[Any] | None:
    try:
        found = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def is_json(text: str) -> bool:
    """Whether the first line of a text is of JSON: an object, a list of them or their beginning."""
    text = text.strip()
    if text in ("[", "{"):
        return True
    try:
        found = _DECODER.raw_decode(text)[0]
    except (ValueError, RecursionError):
        return False
    return bool(found) and (isinstance(found, dict) or rows_of(found) is not None)


def _goes_on(session: Row, row: Row | Unreadable) -> bool:
    """Whether a line belongs to the session before it, as llama.cpp's page and the Hub's traces write one: a line for
    itself and one for each message."""
    if isinstance(row, Unreadable):  # a message of it that nobody can read
        session["messages"].append(None)
        return True
    if not isinstance(row.get("type"), str):
        return False
    if row["type"] == "message":
        session["messages"].append(row.get("message"))
    return True


def _lines(file: IO[str]) -> Iterator[str]:
    """The lines of a file; of one that is longer than ``LONGEST`` no more than the beginning is held in memory."""
    while line := file.readline(LONGEST + 1):
        yield line
        while len(line) > LONGEST and not line.endswith("\n"):
            line = file.readline(LONGEST + 1)


class _Decoder(json.JSONDecoder):
    """Reads numbers as they are written, Python's own have at most 4,300 digits, and 3.10 would become 3.1; and
    remembers where a key is there twice."""

    def __init__(self) -> None:
        super().__init__(parse_int=_whole_number, parse_float=Decimal, object_pairs_hook=_object)


def _whole_number(digits: str) -> int | Decimal:
    return int(digits) if len(digits) < 4000 else Decimal(digits)


class _Twice(dict[str, Any]):
    """An object in which a key is there twice: one of its values is lost."""


def _object(pairs: list[tuple[str, Any]]) -> Row:
    row = dict(pairs)
    return row if len(row) == len(pairs) else _Twice(row)


def _unless_twice(row: Row) -> Row | Unreadable:
    """A row, unless it or an object in it has a key twice."""
    within: list[Any] = [row]
    while within:
        one = within.pop()
        if isinstance(one, _Twice):
            return Unreadable(KEY_TWICE)
        within += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()
    return row


_DECODER = _Decoder()


def _parsed(text: str, place: str) -> list[Row | Unreadable]:
    """The row of a line, or several where it is a list of them, or holds several, as where files were joined that end
    without a line end; what is no JSON at all means a damaged file."""
    rows: list[Row | Unreadable] = []
    text, at = text.strip(_BLANK), 0
    while at < len(text):
        try:
            value, at = _DECODER.raw_decode(text, at)
        except json.JSONDecodeError as error:
            if "\0" in text:
                raise CorpusError(f"{place} holds binary data or UTF-16; write UTF-8") from error
            raise CorpusError(f"{place} is not JSON ({error.msg}); write one object a line") from error
        except RecursionError:
            return [*rows, Unreadable(NESTED)]
        if (found := rows_of(value)) is None:
            raise CorpusError(f"{place} is not an object; write one object a line")
        rows += found
        following = _FOLLOWING.match(text, at)
        if not following and at < len(text):
            raise CorpusError(f"{place} is not JSON (text behind an object); write one object a line")
        at = following.end() if following else at
    return rows


_BLANK = " \t\r\n\ufeff"
_FOLLOWING = re.compile(rf"[{_BLANK}]*,?[{_BLANK}]*(?=[{{\[])")
"""Between two values of a line."""


def rows_of(value: Any) -> list[Row | Unreadable] | None:
    """The rows that a value is: an object or those in it, a list of turns, which is a chat, or a list of objects; None
    for another."""
    if isinstance(value, _Twice):
        return [Unreadable(KEY_TWICE)]
    if isinstance(value, dict):
        return [one if isinstance(one, Unreadable) else _unless_twice(one) for one in _inside(value)]
    if isinstance(value, list) and value and all(map(is_chat, value)):  # a list of chats
        return [row for chat in value for row in rows_of(chat) or ()]
    if _is_one_chat(value):
        return [_unless_twice({"messages": value})]
    if not is_chat(value):
        return None
    return [row for one in value for row in rows_of(one) or ()]


def _is_one_chat(value: Any) -> bool:
    """Whether a list is the turns of a chat, as objects or as pairs of who speaks and what."""
    if is_pairs(value):
        return all(role_of({"role": who}) for who, _ in value)
    return is_chat(value) and all(map(is_turn, value))


def read_json(path: Path) -> Iterator[Numbered]:
    """A list of objects, as Open WebUI and Alpaca have it, one object that holds such a list, or objects in a row."""
    if _is_one_chat(_list_in(_first_line(path))):  # a chat a line
        yield from read_json_lines(path)
        return
    with open_text(path) as file:
        for number, row in _values(file, path):
            if (rows := rows_of(row)) is None:
                raise CorpusError(f"{path}: line {number} is not an object; write a list of objects")
            yield from ((number, inner) for inner in rows)


def _values(file: IO[str], path: Path) -> Iterator[tuple[int, Any]]:
    """The values of a list or of a row of values, one by one, so that no more than one is held in memory.

    The text is read in pieces, and a value that does not end in one waits for more.
    """
    text, at, line, size, in_list = "", 0, 1, 1 << 16, None
    while True:
        passed = _BETWEEN.match(text, at)
        line, at = line + text.count("\n", at, passed.end() if passed else at), passed.end() if passed else at
        if in_list is None and text[at : at + 1] == "[":
            in_list, at = True, at + 1
            continue
        if in_list and text[at : at + 1] == "]":
            in_list, at = None, at + 1  # another list may follow, where files were joined
            continue
        problem = "it ends too early"
        if at < len(text):
            try:
                value, end = _DECODER.raw_decode(text, at)
            except json.JSONDecodeError as error:
                problem = error.msg
            except RecursionError as error:
                raise CorpusError(f"{path}: line {line} is {NESTED}; leave it out") from error
            else:
                in_list = bool(in_list)
                yield line, value
                line, at = line + text.count("\n", at, end), end
                continue
        more = file.read(size) if len(text) - at < 4 * LONGEST else ""
        if not more:
            if in_list or text[at:].strip():
                raise CorpusError(f"{path}: line {line} is not JSON ({problem}); check that the file is whole")
            return
        text, at, size = text[at:] + more, 0, min(size * 2, 1 << 24)


_BETWEEN = re.compile(r"[\s,\ufeff]+")


def _inside(row: Row) -> Sequence[Row | Unreadable]:
    """The rows of an object that holds a list of them, or that is a table as pandas writes it, by columns, by numbers
    or as lists of cells; else the object."""
    if isinstance(row.get("paragraphs"), list):
        return _of_article(row)
    values = list(row.values())
    columns = values and "mapping" not in row  # ChatGPT's and DeepSeek's, by numbers too
    columns = columns and all(isinstance(one, dict) and one.keys() == values[0].keys() for one in values)
    if is_known(with_plain_names(row)):
        if columns and values[0] and all(number.isdigit() for number in values[0]):
            return [{name: column[number] for name, column in row.items()} for number in values[0]]
        return _chats_within(row) or [row]
    names, cells = row.get("columns"), row.get("data")
    if isinstance(names, list) and isinstance(cells, list) and all(isinstance(one, list) for one in cells):
        return [dict(zip(map(str, names), line, strict=False)) for line in cells]
    if values and all(isinstance(one, dict) and is_known(with_plain_names(one)) for one in values):
        return values
    return _of_lists(row) or _wrapped(row) or [row]


def _wrapped(row: Row) -> Sequence[Row | Unreadable]:
    """What lies in an object around one row or several: the Hub's viewer and databases put ids and the like beside."""
    inner = [value for value in row.values() if isinstance(value, dict)]
    if len(inner) != 1 or "type" in row:
        return []
    found = _inside(inner[0])
    if not all(map(_says, found)):
        return []
    return [Unreadable(BROKE_OFF)] if row.get("truncated_cells") else found


_LISTS = ("data", "rows", "train", "examples", "questions", "items", "samples", "instances")


def _of_lists(row: Row) -> Sequence[Row | Unreadable]:
    """The rows of an object's list of them, one under a usual name first; those of its other lists, such as a split to
    test with, are told to be left out."""
    usual = [name for name in _LISTS if _are_objects(row.get(name))]
    known = [name for name, rows in row.items() if rows and _are_objects(rows) and _are_rows(name, rows)]
    chosen = next(iter(usual), None) or next((name for name in known if not to_test_with(name)), None)
    if chosen is None:
        return []
    others = sum(len(row[name]) for name in known if name != chosen)
    return [*(inner for item in row[chosen] for inner in _inside(item)), *(Unreadable(BESIDE) for _ in range(others))]


def _are_rows(name: str, rows: list[Row]) -> bool:
    """Whether a list holds rows; of texts alone only its name tells."""
    split = name in _LISTS or to_test_with(name)
    return all(_says(row) or (split and is_known(with_plain_names(row))) for row in rows)


def _says(row: Row | Unreadable) -> bool:
    """Whether an object is a chat, a question with its answer or an article, whatever lies around it."""
    if isinstance(row, Unreadable):
        return True
    names = with_plain_names(row)
    return "paragraphs" in names or is_pair(names) or not CHATS.isdisjoint(names)


def _are_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _chats_within(row: Row) -> list[Row]:
    """The chats of an object that holds a list of them in the place of turns, each with columns of its own or a mere
    list of turns; nothing where it holds turns."""
    for name, value in row.items():
        if str(name).strip().lower() in CHATS and isinstance(value, list) and value:
            if all(isinstance(one, dict) and not CHATS.isdisjoint(with_plain_names(one)) for one in value):
                return value
            if all(is_chat(one) and all(map(is_turn, one)) for one in value):
                return [{"messages": turns} for turns in value]
    return []


def _of_article(article: Row) -> list[Row]:
    """The questions of an article of SQuAD's own file, each with its paragraph; an article of another form as it is."""
    paragraphs = article["paragraphs"] if isinstance(article["paragraphs"], list) else []
    asked = [
        {"context": paragraph.get("context"), **question}
        for paragraph in paragraphs
        if isinstance(paragraph, dict) and isinstance(paragraph.get("qas"), list)
        for question in paragraph["qas"]
        if isinstance(question, dict)
    ]
    return asked or [article]
