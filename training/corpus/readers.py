"""Rows of data files, each with the line where it begins: JSON, CSV, Parquet and text, compressed or not."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from training.corpus.forms import is_pair, there_twice
from training.corpus.json_rows import LONGEST, Numbered, Row, is_json, read_json, read_json_lines
from training.corpus.marks import MISSING
from training.corpus.opening import COMPRESSIONS, format_of, open_text, problem
from training.corpus.prose import paragraphs, pieces
from training.corpus.sample import CorpusError
from training.corpus.turns import CELLS, Unreadable
from training.corpus.written import rounds


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
            return number, line, separator or _separator(line)
    return max(number, 1), "", separator or ","


def names_of(path: Path) -> list[str]:
    """What a table's first line says that its columns are called."""
    with open_text(path) as lines:
        _, header, separator = _header(lines)
    return next(csv.reader([header.strip()], delimiter=separator, skipinitialspace=True), [])


def _separator(header: str) -> str:
    outside = _QUOTED.sub("", header)
    return max(",;\t|", key=outside.count)  # Excel: what the language has


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
        begun = list(islice((line for line in iter(partial(lines.readline, LONGEST), "") if line.strip()), 3))
    first = begun[0] if begun else ""
    if why := _no_prose(begun):
        raise CorpusError(f"{path}: {why}")
    if reader := read_json_lines if is_json(first) else _read_csv if _is_header(first) else None:
        yield from reader(path)  # under a name such as chats.jsonl.txt, which browsers give
        return
    with open_text(path) as lines:
        for number, piece in enumerate(pieces(rounds(paragraphs(lines))), start=1):
            if "\0" in piece:
                raise CorpusError(f"{path}: holds binary data, not text; name text, or one of {', '.join(READERS)}")
            yield number, {"text": piece}


def _no_prose(begun: list[str]) -> str:
    """What a text is, as its first lines tell, of which a model would learn numbers and marks; nothing for prose."""
    if any(_TIMES.match(line) for line in begun):
        return "is subtitles, sentences cut where their times are; write what is said as text"
    if begun and begun[0].startswith("#separator:"):
        return "is notes of Anki's; write question, answer in the place of the lines with #, and name it .tsv or .csv"
    return ""


_TIMES = re.compile(r"\s*(?:\d+:)?\d\d:\d\d[.,]\d{3}\s*-->\s*\d")


def _is_header(line: str) -> bool:
    """Whether a line names the columns of a table of questions and answers."""
    cells = next(csv.reader([line.strip()], delimiter=_separator(line), skipinitialspace=True), [])
    return len(line) < 1000 and is_pair(cells)


READERS: dict[str, Callable[[Path], Iterator[Numbered]]] = {
    ".jsonl": read_json_lines,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".txt": _read_text,
    ".json": read_json,
    ".ndjson": read_json_lines,
    ".tsv": _read_csv,
}

FORMATS = f"{', '.join(READERS)}; all but .parquet also with {', '.join(COMPRESSIONS)}"


def reader_of(path: Path) -> Callable[[Path], Iterator[Numbered]]:
    reader = READERS.get(format_of(path))
    if reader is None:
        why = problem(path) if path.is_file() else ""
        raise CorpusError(f"{path}: {why or f'the format is not known; use one of {FORMATS}'}")
    if reader is _read_parquet and path.suffix.lower() in COMPRESSIONS:
        raise CorpusError(f"{path}: Parquet compresses itself and is not read from within {path.suffix}; unpack it")
    return reader
