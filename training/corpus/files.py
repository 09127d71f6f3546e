"""Samples from files of one's own: JSON lines, CSV, Parquet and plain text, compressed or not.

Rows hold ``id``, ``question``, ``answer`` and ``topic``, with optional ``context`` (the turns before, a line
each, the assistant's last); or ``id``, ``text`` and ``topic``; or ``messages`` as ``build`` writes them.
"""

from __future__ import annotations

import bz2
import codecs
import csv
import gzip
import heapq
import io
import json
import lzma
import re
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from training.corpus.prose import paragraphs, pieces
from training.corpus.sample import CorpusError, Message, Role, Sample, digest, sample_id

Row = dict[str, Any]

COLUMNS = "question and answer, text, or messages"
_AREAS = ("art", "ai", "conversation")
_SPEAKERS: dict[str, Role] = {"User": "user", "Assistant": "assistant"}
_TURN = re.compile(r"^(User|Assistant): ?", re.MULTILINE)


def find_files(path: Path) -> list[Path]:
    """The data files that ``path`` names: itself, or everything readable in a folder, in order of name."""
    if not path.exists():
        raise CorpusError(
            f"{path}: no such file or folder; name a data file, a folder of them, or a source that "
            "'python -m training.corpus list' shows"
        )
    if path.is_file():
        _reader_of(path)
        return [path]
    found = sorted(file for file in path.rglob("*") if file.is_file() and _format_of(file) in _READERS)
    if not found:
        raise CorpusError(f"{path}: no data files in this folder; it needs one of {', '.join(_READERS)}")
    return found


def source_name(path: Path) -> str:
    """The name of a file without its format: ``art_books`` for ``art_books.jsonl.gz``."""
    inner = _uncompressed_name(path)
    return inner[: len(inner) - len(_format_of(path))]


def iter_samples(path: Path) -> Iterator[Sample]:
    """The samples of one file, row by row.

    Raises:
        CorpusError: The file cannot be read, or none of its rows can be used.
    """
    source, usable = source_name(path), False
    try:
        if not path.stat().st_size:
            raise CorpusError(f"{path}: the file is empty; leave it out or write it again")
        for row in _reader_of(path)(path):
            sample = _sample_of(row, source)
            if sample is not None:
                usable = True
                yield sample
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: {_encoding_problem(path, error)}") from error
    except (OSError, EOFError, csv.Error, zlib.error, lzma.LZMAError) as error:
        raise CorpusError(f"{path}: cannot be read ({error}); check that the file is whole") from error
    if not usable:
        raise CorpusError(f"{path}: no usable rows; it is empty or lacks the columns {COLUMNS}")


def pick_samples(samples: Iterable[Sample], max_rows: int | None) -> list[Sample]:
    """At most ``max_rows`` of the samples, chosen by hash and kept in their order.

    The head of a file is rarely like the rest of it; a choice by hash is, and stays when rows are added.
    """
    if max_rows is None:
        return list(samples)
    keyed = ((digest(sample.id), index, sample) for index, sample in enumerate(samples))
    return [sample for _, _, sample in sorted(heapq.nsmallest(max_rows, keyed), key=lambda item: item[1])]


def _sample_of(row: Row, source: str) -> Sample | None:
    messages = _messages_of(row)
    if messages is None:
        return None
    own_id = _text(row, "id")
    if row.get("fact") and row.get("messages"):  # a line that build wrote stays what it was
        source, identity = _text(row, "source") or source, own_id or sample_id(source, messages)
    else:
        identity = sample_id(source, messages)
    # Rows of one id say the same thing, and "x_qa" files repeat the text of "x": they stay on one side.
    fact = re.sub(r"_qa:", ":", own_id, count=1) if own_id else identity
    area = _text(row, "topic").partition("/")[0]
    return Sample(
        id=identity,
        source=source,
        area=_text(row, "area") or (area if area in _AREAS else "general"),
        fact=_text(row, "fact") or f"row:{fact}",
        messages=messages,
        licence=_text(row, "licence") or _text(row, "license") or "not stated",
    )


def _messages_of(row: Row) -> tuple[Message, ...] | None:
    if isinstance(row.get("messages"), (list, tuple)):
        return _given_messages(row["messages"])
    question, answer = _text(row, "question"), _text(row, "answer")
    if question and answer:
        return (*_context_messages(_text(row, "context")), Message("user", question), Message("assistant", answer))
    text = _text(row, "text")
    if not text:
        return None
    return _dialogue(text) or (Message("text", text),)


def _given_messages(turns: Iterable[Any]) -> tuple[Message, ...] | None:
    messages = []
    for turn in turns:
        if not isinstance(turn, dict) or turn.get("role") not in ("user", "assistant", "text"):
            return None
        messages.append(Message(turn["role"], str(turn.get("content", ""))))
    return tuple(messages) if messages and messages[-1].role != "user" else None


def _context_messages(context: str) -> Iterator[Message]:
    lines = [line for line in context.splitlines() if line.strip()]
    if len(lines) % 2:
        lines = lines[1:]  # a chat starts with its user
    for index, line in enumerate(lines):
        yield Message("assistant" if index % 2 else "user", line)


def _dialogue(text: str) -> tuple[Message, ...] | None:
    """The turns of a text of ``User:`` and ``Assistant:`` lines, from the first user to the last assistant."""
    if not _TURN.match(text):
        return None
    parts = _TURN.split(text)[1:]
    turns: list[Message] = []
    for speaker, content in zip(parts[::2], parts[1::2], strict=True):
        role, content = _SPEAKERS[speaker], content.strip()
        if turns and turns[-1].role == role:
            turns[-1] = Message(role, f"{turns[-1].content}\n{content}")
        elif turns or role == "user":
            turns.append(Message(role, content))
    if turns and turns[-1].role == "user":
        turns.pop()
    return tuple(turns) or None


def _text(row: Row, column: str) -> str:
    value = row.get(column)
    return str(value).strip() if value is not None and value == value else ""  # NaN is unequal to itself


def _read_jsonl(path: Path) -> Iterator[Row]:
    with _open_text(path) as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise CorpusError(
                    f"{path}: line {number} is not JSON ({error.msg}); write one object a line"
                ) from error
            if not isinstance(row, dict):
                raise CorpusError(f"{path}: line {number} is not an object; write one object a line")
            yield row


def _read_csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(sys.maxsize)
    with _open_text(path) as lines:
        yield from csv.DictReader(lines)


def _read_parquet(path: Path) -> Iterator[Row]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise CorpusError(
            f"{path}: Parquet needs pyarrow; run pip install pyarrow, or convert to JSON lines"
        ) from error
    try:
        with pyarrow.parquet.ParquetFile(path) as table:
            for batch in table.iter_batches():
                yield from batch.to_pylist()
    except pyarrow.ArrowInvalid as error:
        raise CorpusError(f"{path}: not a Parquet file; check that it is whole") from error


def _read_text(path: Path) -> Iterator[Row]:
    with _open_text(path) as lines:
        for piece in pieces(paragraphs(lines)):
            if "\0" in piece:
                raise CorpusError(f"{path}: holds binary data, not text; name text, or one of {', '.join(_READERS)}")
            yield {"text": piece}


def _open_text(path: Path) -> IO[str]:
    return io.TextIOWrapper(_open_bytes(path), encoding="utf-8-sig")


def _open_bytes(path: Path) -> IO[bytes]:
    return _COMPRESSIONS.get(path.suffix.lower(), open)(path, "rb")


def _open_zstd(path: Path, _: str) -> Any:
    import pyarrow

    return io.BufferedReader(pyarrow.CompressedInputStream(pyarrow.OSFile(str(path)), "zstd"))


def _encoding_problem(path: Path, error: UnicodeDecodeError) -> str:
    """What the bytes are, as far as they tell, and what to do."""
    with _open_bytes(path) as file:
        start = file.read(512)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) and len(start) > 4:
        return "is UTF-16, not UTF-8; convert it with iconv -f UTF-16 -t UTF-8"
    if b"\0" in start:
        return f"holds binary data, not text; name text, or one of {', '.join(_READERS)}"
    byte = error.object[error.start]
    return f"is not UTF-8 (byte 0x{byte:02x}); convert it, for instance with iconv -f WINDOWS-1252 -t UTF-8"


_READERS: dict[str, Callable[[Path], Iterator[Row]]] = {
    ".jsonl": _read_jsonl,
    ".csv": _read_csv,
    ".parquet": _read_parquet,
    ".txt": _read_text,
}

_COMPRESSIONS: dict[str, Callable[[Path, str], Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
    ".zst": _open_zstd,
}

FORMATS = f"{', '.join(_READERS)}; all but .parquet also with {', '.join(_COMPRESSIONS)}"


def _uncompressed_name(path: Path) -> str:
    return path.stem if path.suffix.lower() in _COMPRESSIONS else path.name


def _format_of(path: Path) -> str:
    return Path(_uncompressed_name(path)).suffix.lower()


def _reader_of(path: Path) -> Callable[[Path], Iterator[Row]]:
    reader = _READERS.get(_format_of(path))
    if reader is None:
        raise CorpusError(f"{path}: the format is not known; use one of {FORMATS}")
    if reader is _read_parquet and path.suffix.lower() in _COMPRESSIONS:
        raise CorpusError(f"{path}: Parquet compresses itself and is not read from within {path.suffix}; unpack it")
    return reader
