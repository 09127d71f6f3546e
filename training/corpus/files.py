"""Samples from files of one's own: JSON, CSV, Parquet and plain text, compressed or not.

What a row of them may say is in ``training.corpus.forms``.
"""

from __future__ import annotations

import heapq
import lzma
import os
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from training.corpus.cleaning import CleaningReport
from training.corpus.forms import (
    COLUMNS,
    is_header,
    is_known,
    messages_of,
    plain_name,
    there_twice,
    with_plain_names,
)
from training.corpus.json_rows import Row
from training.corpus.opening import encoding_problem, format_of, open_text, problem, uncompressed_name
from training.corpus.readers import FORMATS, READERS, names_of, reader_of
from training.corpus.sample import CorpusError, Message, Sample, digest, sample_id
from training.corpus.split import to_test_with
from training.corpus.turns import (
    CELLS,
    HEADER,
    KEY_TWICE,
    NO_ANSWER,
    NO_COLUMNS,
    UNKNOWN_ROLE,
    Unreadable,
    normalised_question,
    text_of,
    what_is_asked,
)

__all__ = ["FORMATS", "find_files", "iter_samples", "pick_samples", "source_name"]

_AREAS = ("art", "ai", "conversation")


def find_files(path: Path) -> list[Path]:
    """The data files that ``path`` names: itself, or everything readable in a folder, in order of name."""
    if not path.exists():
        raise CorpusError(
            f"{path}: no such file or folder; name a data file, a folder of them, or a source that "
            "'python -m training.corpus list' shows"
        )
    if path.is_file():
        reader_of(path)
        return [path]
    if not path.is_dir():
        raise CorpusError(
            f"{path}: is a pipe or a device, which can be read once only; write it to a file and name that"
        )
    found = sorted(
        file for file in _below(path) if file.is_file() and not _is_hidden(file.relative_to(path)) and _is_data(file)
    )
    if not found:
        raise CorpusError(f"{path}: no data files in this folder; it needs one of {', '.join(READERS)}")
    return found


def _below(folder: Path) -> Iterator[Path]:
    """What lies in a folder, its subfolders and those that links lead to, each once: links may go round in a ring."""
    seen = set[str]()
    for place, folders, names in os.walk(folder, followlinks=True):
        folders.sort(key=lambda name: (os.path.islink(os.path.join(place, name)), name))
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(place, name) for name in names)


def _is_hidden(file: Path) -> bool:
    """Whether a system or a notebook put a file there: ``._chats.jsonl``, ``.ipynb_checkpoints/chats.jsonl``."""
    return any(part.startswith(".") or part == "__MACOSX" for part in file.parts)


def _is_data(file: Path) -> bool:
    """Whether a file of a folder is meant: no ``.json`` but a list, since settings and cards are ``.json`` too."""
    if format_of(file) != ".json":
        return format_of(file) in READERS
    try:
        with open_text(file) as content:
            return content.read(512).lstrip().startswith("[")
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError):
        return False


def source_name(path: Path) -> str:
    """The name of a file without its format: ``art_books`` for ``art_books.jsonl.gz``."""
    inner = uncompressed_name(path)
    return shown(inner[: len(inner) - len(format_of(path))])


def shown(name: str | Path) -> str:
    """A name as it can be written anywhere: one of another encoding holds bytes that are no text. Of a name that is
    text the system's encoding, such as ASCII, may not know every letter."""
    try:
        return os.fsencode(name).decode(errors="replace")
    except UnicodeEncodeError:
        return str(name).encode(errors="surrogateescape").decode(errors="replace")


def labels(paths: Sequence[Path]) -> dict[Path, str]:
    """What the samples of files are called: by the file's name, and where several have one by its folder too, so that
    each counts for itself in weights and in the data card."""
    named = defaultdict(list)
    for path in paths:
        named[source_name(path)].append(path)
    found: dict[Path, str] = {}
    for name, same in named.items():
        places = [path.resolve().parent.parts for path in same]
        depths = range(0 if len(same) == 1 else 1, max(map(len, places)) + 1)
        parts = ([(*place[len(place) - depth :], name) for place in places] for depth in depths)
        apart = next((one for one in parts if len(set(one)) == len(one)), [(path.as_posix(),) for path in same])
        found |= {path: shown("/".join(one)) for path, one in zip(same, apart, strict=True)}
    return found


def kept_for_measuring(folder: Path) -> list[Path]:
    """The files of a folder whose names say that they are to test with, where others are not."""
    files = find_files(folder)
    found = [path for path in files if to_test_with(path.relative_to(folder).as_posix())]
    return found if len(found) < len(files) else []


def iter_samples(path: Path, report: CleaningReport | None = None, label: str = "") -> Iterator[Sample]:
    """The samples of one file, row by row; ``report`` counts the rows that cannot be read, and ``label`` is what they
    are called in place of the file's name. Their ids and their facts never change with it.

    Raises:
        CorpusError: The file cannot be read, or none of its rows can be used.
    """
    source, usable, columns = source_name(path), False, set[str]()
    unread = CleaningReport()
    try:
        if not path.stat().st_size:
            raise CorpusError(f"{path}: the file is empty; leave it out or write it again")
        if why := problem(path):
            raise CorpusError(f"{path}: {why}")
        for number, row in reader_of(path)(path):
            try:
                sample = _sample_of(row, source, columns)
            except Unreadable as reason:
                for counts in filter(None, (unread, report)):
                    counts.add_unread(str(reason), label or source, f"{shown(path)}, line {number}")
                continue
            usable = True
            yield replace(sample, source=label) if label and sample.source == source else sample
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: {encoding_problem(path, error)}") from error
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise CorpusError(f"{path}: cannot be read ({error}); check that the file is whole") from error
    if not usable:
        raise CorpusError(f"{path}: no usable rows; {_why_none(path, unread, columns)}")


def _why_none(path: Path, unread: CleaningReport, columns: set[str]) -> str:
    """What a file has in the place of usable rows."""
    if not unread.total_read:
        return f"it is empty or lacks the columns {COLUMNS}"
    if CELLS in unread.removed and not is_known(map(plain_name, names := names_of(path))):
        return (
            f"its first line names the columns {_shortened(names)}, and {unread.by_reason()[CELLS]} of its rows "
            f"are longer (first: {unread.first[CELLS]}): where that line is a row, write question,answer above it, and "
            "quotes around a cell that holds what parts the cells"
        )
    if NO_COLUMNS in unread.removed and not is_known(columns):
        lacks = (
            f"it has the columns {_shortened(sorted(columns))} and lacks the columns {COLUMNS} (docs/data.md lists all "
            "forms)"
        )
        if format_of(path) not in (".csv", ".tsv"):
            return f"{lacks}; rename them"
        return f"{lacks}; rename them or, where its first line is a row, write question,answer above it"
    return f"{unread.reasons()}; docs/data.md lists the forms that are read"


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(name if len(name) < 60 else f"{name[:50]}..." for name in names[:20]) or "(none)"


def pick_samples(samples: Iterable[Sample], max_rows: int | None) -> list[Sample]:
    """At most ``max_rows`` of the samples, chosen by hash and kept in their order.

    The head of a file is rarely like the rest of it; a choice by hash is, and stays when rows are added.
    """
    if max_rows is None:
        return list(samples)
    keyed = ((digest(sample.id), index, sample) for index, sample in enumerate(samples))
    return [sample for _, _, sample in sorted(heapq.nsmallest(max_rows, keyed), key=lambda item: item[1])]


def _sample_of(row: Row | Unreadable, source: str, columns: set[str]) -> Sample:
    """The sample of a row, whose names ``columns`` collects. Raises Unreadable."""
    if isinstance(row, Unreadable):
        raise row
    if there_twice(row):
        raise Unreadable(KEY_TWICE)
    row = with_plain_names(row)
    columns.update(row)
    if is_header(row):
        raise Unreadable(HEADER)
    own_id = _label(row, "id")
    if row.get("fact") and row.get("messages"):  # a line that build wrote stays what it was
        messages = _built(row["messages"])
        source, identity = _label(row, "source") or source, own_id or sample_id(source, messages)
    else:
        messages = messages_of(row)
        identity = sample_id(source, messages)
    area = _label(row, "topic").partition("/")[0]
    return Sample(
        id=identity,
        source=source,
        area=_label(row, "area") or (area if area in _AREAS else "general"),
        fact=_label(row, "fact") or _fact(own_id, identity, messages, row),
        messages=messages,
        licence=_label(row, "licence") or _label(row, "license") or "not stated",
        reference=_label(row, "reference"),
    )


def _fact(own_id: str, identity: str, messages: Sequence[Message], row: Row) -> str:
    """What decides on which side of the split a row is.

    Rows of one id say the same thing, and "x_qa" files repeat the text of "x": they stay on one side. So do rows
    without an id whose first question is the same, whatever their answers, case and marks, and the system's words.
    """
    if own_id:
        return "row:" + re.sub(r"_qa:", ":", own_id, count=1)
    if len(messages) < 2:
        return f"row:{identity}"
    # What the system says stands above the question, parted by a blank line.
    said = messages_of(row, system=False) if any("\n\n" in message.content for message in messages[:-1]) else messages
    return f"row:question-{digest(what_is_asked([normalised_question(m.content) for m in said[:-1]])):016x}"


def _built(turns: Any) -> tuple[Message, ...]:
    """Messages as ``build`` wrote them."""
    messages = []
    for turn in turns if isinstance(turns, list | tuple) else (turns,):
        if not isinstance(turn, Mapping) or turn.get("role") not in ("user", "assistant", "text"):
            raise Unreadable(UNKNOWN_ROLE)
        messages.append(Message(turn["role"], text_of(turn.get("content"))))
    if not messages or messages[-1].role == "user":
        raise Unreadable(NO_ANSWER)
    return tuple(messages)


def _label(row: Row, column: str) -> str:
    """An id, an area or the like; nothing where there is none that can be written in a line."""
    try:
        return " ".join(text_of(row.get(column)).split())
    except Unreadable:
        return ""
