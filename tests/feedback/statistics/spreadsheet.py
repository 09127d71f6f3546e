"""votes.csv as a spreadsheet saves it, and how many votes of it count."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

from feedback.statistics import summary
from feedback.statistics.csv_file import read_study_csv


def saved(
    path: Path,
    cell: Callable[[str, str], str] = lambda name, text: text,
    separator: str = ",",
    encoding: str = "utf-8",
    extra: Callable[[list[list[str]]], list[list[str]]] = lambda rows: rows,
) -> Path:
    """The file, opened by a spreadsheet and saved again."""
    with path.open(newline="", encoding="utf-8") as file:
        header, *rows = list(csv.reader(file))
    rows = [[cell(name, text) for name, text in zip(header, row, strict=True)] for row in rows]
    with path.open("w", newline="", encoding=encoding) as file:
        csv.writer(file, delimiter=separator).writerows(extra([header, *rows]))
    return path


def counted(path: Path) -> int:
    return int(summary(read_study_csv(path).outcomes)["n_votes"])
