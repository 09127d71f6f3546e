"""What a report is made of, before it becomes HTML, Markdown or JSON: sections of text, tables, plots and answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from training.comparison.evidence import Comparison, ModelEvidence
from training.comparison.values import Show, Value

Cell = Value | str | None
"""A value, a word of ours, or nothing: not measured."""
Text = tuple[str | Value, ...]
"""A sentence, in which each figure is a value."""
Getter = Callable[[ModelEvidence], Cell]


@dataclass(frozen=True)
class Row:
    """A line of a table: its label and its cells."""

    label: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """A table; ``absent`` are lines that it would have if they had been measured, ``groups`` are titles over so many
    columns each."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    absent: tuple[str, ...] = ()
    note: str = ""
    groups: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True)
class Paragraph:
    """A sentence or two; a caution says how a figure must not be read."""

    text: Text
    is_caution: bool = False


@dataclass(frozen=True)
class Plot:
    """A plot: its file's name, what it shows, and its SVG."""

    name: str
    title: str
    svg: str
    caption: str = ""


@dataclass(frozen=True)
class AnswerPair:
    """The answers of both models to one prompt, the reference, and where its record says that it can be looked up;
    None where there is none."""

    prompt: Value
    answers: tuple[Value | None, ...]
    reference: Value | None = None
    look_up: Value | None = None


@dataclass(frozen=True)
class Claim:
    """What can be said of a topic, and in which words."""

    topic: str
    text: Text


@dataclass(frozen=True)
class Unsaid:
    """What cannot be said of a topic, and why."""

    topic: str
    reason: str


Block = Table | Paragraph | Plot | AnswerPair | Claim


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it; ``missing`` names what would stand there too."""

    id: str
    title: str
    lead: str
    blocks: tuple[Block, ...] = ()
    missing: tuple[str, ...] = field(default=())

    def values(self) -> Iterator[Value]:
        """Every value that it shows, in order."""
        for block in self.blocks:
            yield from values_of(block)


def values_of(block: Block) -> Iterator[Value]:
    """The values of a block, in order."""
    if isinstance(block, Table):
        for row in block.rows:
            yield from (cell for cell in row.cells if isinstance(cell, Value))
    elif isinstance(block, Paragraph | Claim):
        yield from (part for part in block.text if isinstance(part, Value))
    elif isinstance(block, AnswerPair):
        yield from (
            value for value in (block.prompt, *block.answers, block.reference, block.look_up) if value is not None
        )


def getter(part: str, *keys: str | int, show: Show = str) -> Getter:
    """A getter of a value of ``measured``, ``report``, ``architecture`` or ``card``."""
    return lambda model: getattr(model, part).value(*keys, show=show)


def say(template: str, *values: Value | str | None) -> Text | None:
    """``template`` with a value, or a name, for each ``{}``; None where one of them is missing."""
    pieces = template.split("{}")
    assert len(pieces) == len(values) + 1, f"{len(values)} values for {template!r}"
    parts: list[str | Value] = []
    for piece, value in zip(pieces, (*values, ""), strict=True):
        if value is None:
            return None
        parts += [part for part in (piece, value) if part != ""]
    return tuple(parts)


def plain(text: Text) -> str:
    """A text as one string."""
    return "".join(part if isinstance(part, str) else part.text for part in text)


def side_by_side(
    comparison: Comparison, caption: str, lines: Sequence[tuple[str, Getter] | tuple[str, Getter, Cell]], note: str = ""
) -> Table:
    """A table with a column for each model, and one for their difference where a line has it."""
    rows, absent = [], []
    has_difference = any(len(line) == 3 and line[2] is not None for line in lines)
    for line in lines:
        label, get = line[0], line[1]
        cells = [get(model) for model in comparison.models]
        if all(cell in (None, "") for cell in cells):
            absent.append(label)
            continue
        if has_difference:
            cells.append((line[2] if len(line) == 3 else None) or "")
        rows.append(Row(label, tuple(cells)))
    columns = ["", *(model.title for model in comparison.models), *(["Difference"] if has_difference else [])]
    return Table(caption, tuple(columns), tuple(rows), tuple(absent), note)


def not_measured(*tables: Table) -> tuple[str, ...]:
    """The lines that tables lack, as one entry of a section's ``missing``."""
    absent = [label for table in tables for label in table.absent]
    return (f"Not measured: {', '.join(absent)}.",) if absent else ()


def reasons(comparison: Comparison, *parts: str) -> tuple[str, ...]:
    """Why a model lacks one of these parts."""
    return tuple(
        f"{entry}." for entry in comparison.missing if entry.part.split(":")[0] in (*parts, "everything", "evaluation")
    )


def marks(comparison: Comparison, get: Getter) -> list[tuple[str, Value]]:
    """A value of each model that has it, for a plot."""
    found = [(model.name, get(model)) for model in comparison.models]
    return [(name, value) for name, value in found if isinstance(value, Value)]


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
