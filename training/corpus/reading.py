"""A blind reading of the corpus: samples drawn by hash, those of two versions mixed, and what readers found counted.

The reader sees turns and no version; docs/data-quality.md has the rubric.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from training.corpus.card import markdown_table
from training.corpus.sample import CorpusError, Sample, digest

FAULTS = ("wrong_fact", "misfit")
"""What a reader marks with 1: something untrue, and something that does not fit or is not English."""


def draw(versions: Mapping[str, Sequence[Sample]], count: int, salt: str) -> list[tuple[str, Sample]]:
    """``count`` samples of each version, by hash, in an order that does not tell the version."""
    salt = f"{digest(salt):016x}" if len(salt.encode()) > 16 else salt  # a longer one cannot be hashed with
    drawn = [
        (version, sample)
        for version, samples in versions.items()
        for sample in sorted(samples, key=lambda sample: digest(sample.id, salt=salt))[:count]
    ]
    return sorted(drawn, key=lambda pair: digest(f"{pair[0]} {pair[1].id}", salt=salt))


def sheet(drawn: Sequence[tuple[str, Sample]]) -> tuple[list[str], list[str]]:
    """The lines of the sheet that is filled in, and of its key: number, version, id, fact."""
    filled = [(number, _as_text(sample), *("" for _ in FAULTS), "") for number, (_, sample) in enumerate(drawn, 1)]
    key = [(number, version, sample.id, sample.fact) for number, (version, sample) in enumerate(drawn, 1)]
    return _csv(("number", "text", *FAULTS, "note"), filled), _csv(("number", "version", "id", "fact"), key)


def key_of(path: Path) -> Path:
    """Where the key of a sheet lies."""
    return path.with_suffix(".key.csv")


def score(path: Path) -> str:
    """The shares of faults by version, with 95% intervals (Clopper-Pearson), as a table.

    Raises:
        CorpusError: The sheet or its key cannot be read or lacks a column, or a mark is neither empty, 0 nor 1.
    """
    versions = {row["number"]: row["version"] for row in _rows(key_of(path), "number", "version")}
    read, found = Counter[str](), Counter[tuple[str, str]]()
    for row in _rows(path, "number", *FAULTS):
        version = versions.get(row["number"])
        if version is None:
            raise CorpusError(f"{path}: number {row['number']} is not in {key_of(path).name}")
        read[version] += 1
        for fault in FAULTS:
            mark = (row[fault] or "").strip() or "0"
            if mark not in ("0", "1"):
                raise CorpusError(f"{path}: number {row['number']}: {fault} = {mark!r} must be empty, 0 or 1")
            found[version, fault] += int(mark)
    from scipy.stats import binomtest  # takes a second to load, and every command of the corpus would wait for it

    rows = []
    for version, total in sorted(read.items()):
        for fault in FAULTS:
            interval = binomtest(found[version, fault], total).proportion_ci(0.95)
            share = found[version, fault] / total
            bounds = f"{interval.low:.2%} to {interval.high:.2%}"
            rows.append((version, fault, f"{found[version, fault]} of {total}", f"{share:.2%}", bounds))
    return "\n".join(markdown_table(("version", "fault", "found", "share", "95% interval"), rows))


def _as_text(sample: Sample) -> str:
    names = {"user": "Q", "assistant": "A", "text": "Text"}
    return "\n".join(f"{names[message.role]}: {message.content}" for message in sample.messages)


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> list[str]:
    lines = []
    for row in (header, *rows):
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerow(row)
        lines.append(text.getvalue().removesuffix("\n"))
    return lines


def _rows(path: Path, *columns: str) -> list[dict[str, str]]:
    again = "give the sheet that reading --out wrote, saved as CSV with commas in UTF-8"
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if missing := [name for name in columns if name not in (rows.fieldnames or ())]:
                raise CorpusError(f"{path}: has no column {missing[0]}; {again}")
            return list(rows)
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror}); {again}") from error
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: is not UTF-8; {again}") from error
