"""Where benchmarks write: as every command of the project, never in the place of what somebody else wrote."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.common.files import ForeignFileError, check_file, is_ours, place, replace_text, sign_growing


def own_file(text: str) -> Path:
    """A path to write to, for ``add_argument(type=own_file)``: refused before anything is measured."""
    path = place(text)
    try:
        check_file(path)
    except ForeignFileError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return path


def empty_folder(text: str) -> Path:
    """A folder to write into, for ``add_argument(type=empty_folder)``: one with nothing in it, or none yet."""
    folder = place(text)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise argparse.ArgumentTypeError(f"{folder} is taken; name an empty folder, or one that is not there")
    return folder


def write(path: Path | None, text: str) -> None:
    """A report, where a place for one is named."""
    if path:
        replace_text(path, text if text.endswith("\n") else text + "\n")


def append(path: Path, row: dict[str, Any]) -> None:
    """A row at the end of a file of JSON lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    if not is_ours(path):
        sign_growing(path)


def lines(path: Path) -> list[str]:
    """What a file of JSON lines holds."""
    return path.read_text(encoding="utf-8").splitlines() if os.path.lexists(path) else []


class Results:
    """Measurements as JSON lines: each knows what it is of, and is made once.

    Args:
        path: the file, which may hold measurements of other arguments too; those are left alone.
        of: what of a command's arguments all measurements of ``rows`` have in common.
    """

    def __init__(self, path: Path, of: dict[str, Any] | None = None) -> None:
        self.path, self.of = path, of or {}
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines(path)]
        self.rows = [row for row in rows if "error" not in row and _is_of(row, self.of)]  # what failed is tried again

    def get(self, key: dict[str, Any], measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What was measured under a key, measured now where that was not done yet."""
        for row in self.rows:
            if _is_of(row, key):
                return row
        row = self.of | key | measure()
        self.rows.append(row)
        append(self.path, row)
        shown = {name: row[name] for name in ("useful_per_second", "bits_per_byte", "error") if name in row}
        print(f"{' '.join(map(str, key.values()))}: {shown or 'done'}", file=sys.stderr, flush=True)
        return row


def _is_of(row: dict[str, Any], key: dict[str, Any]) -> bool:
    return all(name in row and row[name] == value for name, value in key.items())
