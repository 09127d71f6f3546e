"""Where benchmarks write: as every command of the project, never in the place of what somebody else wrote."""

from __future__ import annotations

import argparse
import json
import os
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
