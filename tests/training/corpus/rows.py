"""Rows of a user's file, and what is read of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from training.corpus import Sample


def write(path: Path, rows: list[Any]) -> str:
    """Write rows as JSON lines; the path as a command takes it."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def messages(sample: Sample) -> list[tuple[str, str]]:
    """Role and words of each message."""
    return [(message.role, message.content) for message in sample.messages]
