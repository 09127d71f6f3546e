"""Rows of data files, each with the line where it begins: JSON, CSV, Parquet and text, compressed or not."""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import IO, Any

import numpy as np

from training.corpus.forms import is_known, there_twice, with_plain_names
from training.corpus.marks import MISSING
from training.corpus.prose import paragraphs, pieces
from training.corpus.sample import CorpusError
from training.corpus.turns import CELLS, KEY_TWICE, NESTED, TOO_LONG, Unreadable
from training.corpus.written import rounds

Row = dict[str, Any]
LONGEST = 1 << 24
"""Characters of a line, a value or a cell: what is longer is no chat and no text, but a dump."""

Numbered = tuple[int, Row | Unreadable]
"""A row with the line (of a table its number) where it begins, or why nothing can be read there."""


def _read_jsonl(path: Path) -> Iterator[Numbered]:
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
    with open_text(path) as file:
        for number, line in enumerate(_lines(file), start=1):
            line = line.removeprefix("\ufeff")  # of a file that was joined to another one
            if len(line) > LONGEST:
                yield number, Unreadable(TOO_LONG)
            elif line.strip():
                yield number, _parsed(line, f"{path}: line {number}")


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


def _parsed(text: str, place: str) -> Row | Unreadable:
    """A row of JSON; what is no JSON at all means a damaged file."""
    try:
        row = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        if "\0" in text:
            raise CorpusError(f"{place} holds binary data or UTF-16; write UTF-8") from error
        raise CorpusError(f"{place} is not JSON ({error.msg}); write one object a line") from error
    except RecursionError:
        return Unreadable(NESTED)
    if not isinstance(row, dict):
        raise CorpusError(f"{place} is not an object; write one object a line")
    return _unless_twice(row)


def _read_json(path: Path) -> Iterator[Numbered]:
    """A list of objects, as Open WebUI and Alpaca have it, one object that holds such a list, or objects in a row."""
    with open_text(path) as file:
        for number, row in _values(file, path):
            if not isinstance(row, dict):
                raise CorpusError(f"{path}: line {number} is not an object; write a list of objects")
            rows = [row] if isinstance(row, _Twice) else _inside(row)
            yield from ((number, _unless_twice(inner)) for inner in rows)


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
            return
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


_BETWEEN = re.compile(r"[\s,]+")


def _inside(row: Row) -> list[Row]:
    """The rows of an object that holds a list of them under one of the usual names, or that is a table as pandas writes
    it, by columns, by numbers or as lists of cells; else the object."""
    if isinstance(row.get("paragraphs"), list):
        return _of_article(row)
    values = list(row.values())
    columns = all(isinstance(one, dict) and one.keys() == values[0].keys() for one in values) and values
    if is_known(with_plain_names(row)):
        if columns and values[0] and all(number.isdigit() for number in values[0]):
            return [{name: column[number] for name, column in row.items()} for number in values[0]]
        return [row]
    for name in ("data", "rows", "train", "examples"):
        if isinstance(row.get(name), list) and all(isinstance(item, dict) for item in row[name]):
            return [inner for item in row[name] for inner in (_of_article(item) if "paragraphs" in item else [item])]
    names, cells = row.get("columns"), row.get("data")
    if isinstance(names, list) and isinstance(cells, list) and all(isinstance(one, list) for one in cells):
        return [dict(zip(map(str, names), line, strict=False)) for line in cells]
    if values and all(isinstance(one, dict) and is_known(with_plain_names(one)) for one in values):
        return values
    return [row]


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


def _read_csv(path: Path) -> Iterator[Numbered]:
    csv.field_size_limit(LONGEST)
    with open_text(path) as lines:
        number, header, separator = _header(lines)
        rows = csv.DictReader(chain([header], lines), delimiter=separator, strict=True, skipinitialspace=True)
        try:
            _check_names(rows.fieldnames or (), path)
            before, number = number - 1, number + 1
            for row in rows:
                yield number, Unreadable(CELLS) if None in row else {n: _cell(value) for n, value in row.items()}
                number = before + rows.line_num + 1
        except csv.Error as error:
            raise CorpusError(
                f"{path}: line {number} opens a quote that is not closed where the cell ends ({error}); close it, and "
                "write a quote inside a cell twice"
            ) from error


def _header(lines: IO[str]) -> tuple[int, str, str]:
    """The line with the names of a table's columns, its number, and what parts its cells."""
    number, separator = 0, ""
    for number, line in enumerate(iter(lines.readline, ""), start=1):
        if named := _SEPARATOR.fullmatch(line.strip()):  # which Excel writes and reads
            separator = named[1]
        elif line.strip():
            outside = _QUOTED.sub("", line)
            return number, line, separator or max(",;\t|", key=outside.count)  # Excel: what the language has
    return max(number, 1), "", separator or ","


_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')


def _cell(value: Any) -> Any:
    return None if value in MISSING else value


def _check_names(names: Iterable[str], path: Path) -> None:
    """Raises CorpusError where a column that may be read is there twice: one of them would be lost."""
    if twice := there_twice(names):
        name = min(twice)
        raise CorpusError(f"{path}: has the column {name} {twice[name]} times; rename all but one")


def _read_parquet(path: Path) -> Iterator[Numbered]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise CorpusError(
            f"{path}: Parquet needs pyarrow; run pip install pyarrow, or convert to JSON lines"
        ) from error
    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            _check_names(table.schema_arrow.names, path)
            short = [f.name for f in table.schema_arrow if pyarrow.types.is_float32(f.type)]
            for number, row in enumerate(chain.from_iterable(map(arrow_rows, table.iter_batches())), start=1):
                for name in short:  # 0.1 of 32 bits is 0.10000000149011612 in 64
                    row[name] = None if row[name] is None else float(str(np.float32(row[name])))
                yield number, row
    except pyarrow.ArrowInvalid as error:
        raise CorpusError(f"{path}: not a Parquet file; check that it is whole") from error


def arrow_rows(table: Any) -> Iterator[Row]:
    """The rows of an Arrow batch or table in Python's types."""
    try:
        yield from table.to_pylist()
    except (ValueError, OverflowError):
        for columns in zip(*table.columns, strict=True):
            yield {name: _plain(cell) for name, cell in zip(table.column_names, columns, strict=True)}


def _plain(cell: Any) -> Any:
    try:
        return cell.as_py()
    except UnicodeDecodeError:
        return b"\xff"  # no text either, where anybody asks for it
    except (ValueError, OverflowError):  # a date that Python does not have
        return None


def _read_text(path: Path) -> Iterator[Numbered]:
    with open_text(path) as lines:
        for number, piece in enumerate(pieces(rounds(paragraphs(lines))), start=1):
            if "\0" in piece:
                raise CorpusError(f"{path}: holds binary data, not text; name text, or one of {', '.join(READERS)}")
            yield number, {"text": piece}


def open_text(path: Path) -> IO[str]:
    return io.TextIOWrapper(_open_bytes(path), encoding="utf-8-sig")


def _open_bytes(path: Path) -> IO[bytes]:
    return _COMPRESSIONS.get(path.suffix.lower(), open)(path, "rb")


def _open_zstd(path: Path, _: str) -> Any:
    import pyarrow

    return io.BufferedReader(pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd"))


def problem(path: Path) -> str:
    """What a file is in the place of data, as its first bytes tell, and what to do; nothing where it may be data."""
    with path.open("rb") as file:
        start = file.read(512).removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if start.startswith(b"version https://git-lfs.github.com/"):
        return "is a pointer of Git LFS, not the file itself; run git lfs pull where it was cloned"
    if start.startswith((b"<!doctype html", b"<html")):
        return "is a web page, perhaps that of an error or a login; download the file itself"
    return ""


def encoding_problem(path: Path, error: UnicodeDecodeError) -> str:
    """What the bytes are, as far as they tell, and what to do."""
    with _open_bytes(path) as file:
        start = file.read(512)
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "is UTF-32, not UTF-8; convert it with iconv -f UTF-32 -t UTF-8"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and len(start) > 4:
        return "is UTF-16, not UTF-8; convert it with iconv -f UTF-16 -t UTF-8"
    if b"\0" in start:
        return f"holds binary data, not text; name text, or one of {', '.join(READERS)}"
    byte = error.object[error.start]
    return f"is not UTF-8 (byte 0x{byte:02x}); convert it, for instance with iconv -f WINDOWS-1252 -t UTF-8"


READERS: dict[str, Callable[[Path], Iterator[Numbered]]] = {
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".txt": _read_text,
    ".json": _read_json,
    ".ndjson": _read_jsonl,
    ".tsv": _read_csv,
}

_COMPRESSIONS: dict[str, Callable[[Path, str], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _open_zstd,
}

FORMATS = f"{', '.join(READERS)}; all but .parquet also with {', '.join(_COMPRESSIONS)}"


def uncompressed_name(path: Path) -> str:
    return path.stem if path.suffix.lower() in _COMPRESSIONS else path.name


def format_of(path: Path) -> str:
    return Path(uncompressed_name(path)).suffix.lower()


def reader_of(path: Path) -> Callable[[Path], Iterator[Numbered]]:
    reader = READERS.get(format_of(path))
    if reader is None:
        raise CorpusError(f"{path}: the format is not known; use one of {FORMATS}")
    if reader is _read_parquet and path.suffix.lower() in _COMPRESSIONS:
        raise CorpusError(f"{path}: Parquet compresses itself and is not read from within {path.suffix}; unpack it")
    return reader
