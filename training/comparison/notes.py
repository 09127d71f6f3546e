"""The footnotes of a report: for each line, the files and keys that its figures stand in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from training.comparison.content import Cell
from training.comparison.values import Value


class Notes:
    """Footnotes in the order of their first use, each once."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, cells: Iterable[Cell]) -> int | None:
        """The footnote of the values among these; None where there are none."""
        text = "; ".join(_merged(cells))
        return self._numbers.setdefault(text, len(self._numbers) + 1) if text else None

    def texts(self) -> Mapping[int, str]:
        """Each footnote's text by its number."""
        return {number: text for text, number in self._numbers.items()}


def _merged(cells: Iterable[Cell]) -> list[str]:
    """Where values stand; two that differ in the model alone are one."""
    values = [cell for cell in cells if isinstance(cell, Value)]
    merged: dict[str, str] = {}
    for title in dict.fromkeys(str(source) for value in values for source in value.sources):
        both = re.sub("model[12]", "model1|model2", title)
        merged[both] = both if both in merged else title
    return [*merged.values(), *dict.fromkeys(value.how for value in values if value.how)]
