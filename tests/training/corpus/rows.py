"""Rows of a user's file, and what is read of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training.corpus import Sample, stream
from training.corpus.cleaning import CleaningReport


def write(path: Path, rows: list[Any]) -> str:
    """Write rows as JSON lines; the path as a command takes it."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def messages(sample: Sample) -> list[tuple[str, str]]:
    """Role and words of each message."""
    return [(message.role, message.content) for message in sample.messages]


def check_unread(row: Any, reason: str, folder: Path) -> None:
    """Whether a row that is in a file twice is left out, and counted with its reason and place."""
    path = write(folder / "a.jsonl", [{"question": "Who?", "answer": "Goya."}, row, row])
    report = CleaningReport()
    assert len(list(stream([path], report=report))) == 1
    assert report.by_reason() == {reason: 2}
    assert report.first == {reason: f"{path}, line 2"}
    assert report.read == {"a": 2}, "the rows that are read are counted where they are cleaned"
