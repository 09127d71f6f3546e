"""Tables as people save them: by a spreadsheet in German or French, as Unicode, with blank rows or two headers.

What is meant is read; what could mean two things is refused with its cell, never guessed and never dropped.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from .outcomes import VotesError

if TYPE_CHECKING:
    from pandas import DataFrame

SEPARATORS = (",", ";", "\t", "|")
# What other files begin with that are taken for CSV.
_OTHERS = {
    b"PK\x03\x04": "a spreadsheet",
    b"\xd0\xcf\x11\xe0": "a spreadsheet",
    b"PAR1": "a Parquet file",
    b"SQLite": "a database",
    b"%PDF": "a PDF",
    **dict.fromkeys((b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"\x28\xb5\x2f\xfd"), "compressed"),
    **dict.fromkeys((b"<", b"\xef\xbb\xbf<"), "a web page or XML"),
    **dict.fromkeys((b"{", b"["), "JSON"),
}
_PLAIN = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_THOUSANDS = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+")
_GROUPED = re.compile(r"[+-]?\d{1,3}(?:[.,]\d{3})+")  # 1.234 may be a thousand and more, or a little more than one
_ROUNDED_ID = re.compile(r"\d[.,]?\d*[eE]\+\d{1,3}")  # what a spreadsheet makes of an id of digits alone
MOST = 1e9  # of any number of an export: lengths, tokens, seconds, places; 1.23E+15 is another cell's
_NO_SEPARATOR = "\x1f"
_MARKS = re.compile(
    "^\ufeff+", re.MULTILINE
)  # of byte order, from each program that saved it, or from each file of several


def read_table(path: str | Path, kinds: Mapping[str, str]) -> DataFrame:
    """A table as texts; numbers in it are written with a point, whatever the file has. Raises VotesError.

    ``kinds`` are those of the columns that matter: ``integer``, ``number`` or ``text``.
    """
    from pandas import DataFrame

    rows, separator = _rows(path)
    header = [_column(name.strip(), kinds) for name in rows[0]] if rows else []
    while header and not header[-1] and not any(row[len(header) - 1 :] and row[len(header) - 1] for row in rows[1:]):
        header.pop()  # columns that a spreadsheet added at the end
    if twice := [name for name in header if name and header.count(name) > 1]:
        raise VotesError(f"{path}: column {twice[0]} is there {header.count(twice[0])} times; remove all but one")
    body = []
    for number, row in enumerate(rows[1:], 1):
        while len(row) > len(header) and not row[-1]:
            row.pop()
        if (
            not any(cell.strip() for cell in row)
            or [_column(cell.strip(), kinds) for cell in row[: len(header)]] == header
        ):
            continue
        if len(row) != len(header):
            raise VotesError(
                f"{path}: row {number} has {len(row)} fields where the header has {len(header)}; export it again"
            )
        body.append((number, row))
    numbers = [number for number, _ in body]
    places = [number - 1 for number in numbers]  # so that a row is called by its place in the file
    frame = DataFrame([row for _, row in body], places, header, dtype=object)
    counted = [name for name in header if kinds.get(name) in ("integer", "number")]
    # 30,003 alone could be thirty thousand; beside 5,25 it is not, since a program writes one form in all cells.
    commas = any(_is_decimal(cell) for name in counted for cell in frame[name])
    for name in header:
        if name in counted:
            form = (commas or separator != ",", commas)
            frame[name] = _numbers(path, name, kinds[name], frame[name].tolist(), numbers, *form)
        elif name in ("tester_id", "prompt_id"):
            _whole_ids(path, name, frame[name].tolist(), numbers)
    return frame


def _column(name: str, kinds: Mapping[str, str]) -> str:
    """A column's name as we write it, whatever capitals it has got."""
    return name.lower() if name.lower() in kinds else name


_OURS = re.compile(r"\b(?:tester_id|vote_id)\b", re.IGNORECASE)


def _rows(path: str | Path) -> tuple[list[list[str]], str]:
    """The rows of a file, its header first, and what separates its fields."""
    csv.field_size_limit(2**31 - 1)
    text = _text(path)
    text = re.sub(r'\A"?sep=."?[,;\t|]*(?:\r\n|\r|\n)', "", text, flags=re.IGNORECASE)  # a line for Excel
    # Above the header may stand blank rows and a title; if none is ours, the first row says what is missing.
    lines = re.split(r"\r\n|\r|\n", text[:100_000])[:20]
    above = next((n for n, line in enumerate(lines) if _OURS.search(line)), 0)
    separator = max(SEPARATORS, key=lambda one: len(next(csv.reader([lines[above]], delimiter=one), [])))
    try:
        rows = _cells(text, separator)
        if any(len(row) == 1 and separator in row[0] for row in rows[above:]):
            # A spreadsheet in whose country something else separates took each line for one cell, and quoted it.
            rows = _cells("\n".join("".join(row) for row in _cells(text, _NO_SEPARATOR)), separator)
        return rows[above:], separator
    except csv.Error as error:
        raise VotesError(f"{path}: is no complete CSV file ({error}); export it again") from None


def _cells(text: str, separator: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))


def _text(path: str | Path) -> str:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise VotesError(f"{path}: cannot be read ({error.strerror}); name an exported votes.csv") from None
    if what := next((what for mark, what in _OTHERS.items() if data.startswith(mark)), ""):
        raise VotesError(f"{path}: is {what}, not CSV; save it as CSV (UTF-8), or name an exported votes.csv")
    if not data.strip(b"\xef\xbb\xbf \t\r\n"):
        raise VotesError(f"{path}: is empty; export it again, or name an exported votes.csv")
    wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ("utf-16",) if wide else ("utf-8-sig", "cp1252"):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text and (encoding != "cp1252" or "tester_id" in text or "vote_id" in text):
            return _MARKS.sub("", text)
    raise VotesError(f"{path}: is not UTF-8; save it as UTF-8")


def _is_decimal(cell: str) -> bool:
    """Whether a comma in a cell can only be a decimal one."""
    return bool(_COMMA.fullmatch(cell.strip())) and not _THOUSANDS.fullmatch(cell.strip())


def _numbers(
    path: str | Path, name: str, kind: str, cells: list[str], rows: list[int], is_decimal: bool, commas: bool
) -> list[str]:
    """Cells of a column with numbers as Python writes them; empty ones stay empty.

    ``is_decimal``: a comma is a point, also where it could part thousands; ``commas``: some column has such ones.
    """
    own = any(_COMMA.fullmatch(cell.strip()) for cell in cells)
    grouped = [_GROUPED.fullmatch(cell.strip()) is not None for cell in cells if cell.strip()]
    numbers = []
    for cell, row in zip(cells, rows, strict=True):
        text = cell.strip().replace("\u2212", "-")
        point_is_none = "." in text and (own or (commas and _GROUPED.fullmatch(text) is not None))
        if _COMMA.fullmatch(text) and (is_decimal or not _THOUSANDS.fullmatch(text)):
            text = text.replace(",", ".")
        if text and (problem := _problem(text, point_is_none)):
            raise VotesError(f"{path}: row {row}: {name} = {cell!r} {problem}")
        if text and kind == "integer":
            # Where some cells have no such form, those that have it were given marks between their thousands.
            if not float(text).is_integer() or (_GROUPED.fullmatch(text) and not all(grouped)):
                raise VotesError(f"{path}: row {row}: {name} = {cell!r} must be a whole number; export the file again")
            text = str(int(float(text)))
        numbers.append(text)
    return numbers


def _problem(text: str, point_is_none: bool) -> str:
    """What is wrong with a cell that should be a number; nothing of one that can be read."""
    if not _PLAIN.fullmatch(text) or point_is_none:
        return (
            "is no number that can be read; a spreadsheet changed it, so export the file again and import it with its"
            " columns as text"
        )
    if float(text) > MOST:
        return "is too large for a number; export the file again"
    return "must be 0 or more; export the file again" if text.startswith("-") else ""


def _whole_ids(path: str | Path, name: str, cells: list[str], rows: list[int]) -> None:
    for cell, row in zip(cells, rows, strict=True):
        if _ROUNDED_ID.fullmatch(cell.strip()):
            raise VotesError(
                f"{path}: row {row}: {name} = {cell!r} was rounded by a spreadsheet, so it could be another's;"
                " export the file again and import it with its columns as text"
            )
