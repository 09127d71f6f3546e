"""The report as Markdown, with a footnote at each line for where its figures stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from training.comparison.content import AnswerPair, Block, Cell, Claim, Notes, Paragraph, Plot, Section, Table, Text
from training.comparison.report import Report, made
from training.comparison.values import Value


def text(report: Report) -> str:
    """The whole report; plots are linked from ``plots/``."""
    notes = Notes()
    lines = [
        "# Two language models compared",
        "",
        f"{made(report)} Every figure stands in one of the files in `sources/`.",
        "",
    ]
    titles = ["", *(f"{card.title}, {card.kind}" for card in report.cards)]
    labels = list(dict.fromkeys(label for card in report.cards for label, _ in card.rows))
    cells = [[dict(card.rows).get(label) for card in report.cards] for label in labels]
    lines += [*_grid(titles, [(label, row, notes.number(row)) for label, row in zip(labels, cells, strict=True)]), ""]
    for section in report.sections:
        lines += _section(section, notes)
    lines += ["## What is missing", ""]
    lines += [f"- {entry}" for entry in report.comparison.missing]
    lines += [] if report.comparison.missing else ["Nothing."]
    lines += ["", "## Where each figure comes from", "", "Files lie in `sources/`; keys are JSON pointers.", ""]
    lines += [f"[^{number}]: `{where}`" for number, where in notes.texts().items()]
    return "\n".join(lines) + "\n"


def _section(section: Section, notes: Notes) -> Iterator[str]:
    yield from (f"## {section.title}", "", section.lead, "")
    is_talk = any(isinstance(block, Claim) for block in section.blocks)
    for block in section.blocks:
        yield from _block(block, notes)
    if is_talk:
        yield ""
    if section.missing:
        yield "Not said, and why:" if is_talk else "Not in this section:"
        yield ""
        yield from (f"- {entry}" for entry in section.missing)
        yield ""


def _block(block: Block, notes: Notes) -> Iterator[str]:
    if isinstance(block, Table):
        yield from _table(block, notes)
    elif isinstance(block, Plot):
        yield from (f"![{block.title}](plots/{block.name}.svg)", "")
        if block.caption:
            yield from (block.caption, "")
    elif isinstance(block, AnswerPair):
        yield from _pair(block, notes)
    elif isinstance(block, Claim):
        yield f"1. {_text(block.text, notes)}"
    elif isinstance(block, Paragraph):
        yield from (("> " if block.is_caution else "") + _text(block.text, notes), "")


def _table(table: Table, notes: Notes) -> Iterator[str]:
    if not table.rows:
        return
    columns = list(table.columns)
    place = 0
    for title, width in table.groups:
        for column in range(place, place + width):
            columns[column] = f"{title}: {columns[column]}" if title else columns[column]
        place += width
    yield from (f"**{table.caption}**", "")
    yield from _grid(columns, [(row.label, row.cells, notes.number(row.cells)) for row in table.rows])
    yield ""
    if table.note:
        yield from (table.note, "")


def _grid(columns: Sequence[str], rows: Iterable[tuple[str, Sequence[Cell], int | None]]) -> Iterator[str]:
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for label, cells, note in rows:
        mark = "" if note is None else f" [^{note}]"
        yield f"| {_escaped(label)}{mark} | {' | '.join(map(_cell, cells))} |"


def _cell(cell: Cell) -> str:
    if cell is None:
        return "–"
    if not isinstance(cell, Value):
        return _escaped(cell)
    text = _escaped(cell.text)
    return {"estimated": f"{text} (estimated)", "known": f"*{text}*"}.get(cell.status, text)


def _text(text: Text, notes: Notes) -> str:
    number = notes.number(part for part in text if isinstance(part, Value))
    body = "".join(_escaped(part if isinstance(part, str) else part.text) for part in text)
    return body + ("" if number is None else f" [^{number}]")


def _pair(pair: AnswerPair, notes: Notes) -> Iterator[str]:
    number = notes.number([pair.prompt, *pair.answers, pair.reference, pair.look_up])
    yield from (f"### {_escaped(pair.prompt.text)} [^{number}]", "")
    for place, answer in enumerate(pair.answers, start=1):
        yield f"**Model {place}**"
        yield ""
        yield from _quoted("(no answer measured)" if answer is None else answer.text)
    for name, value in (("Reference", pair.reference), ("To look it up", pair.look_up)):
        if value is not None:
            yield from (f"**{name}**", "")
            yield from _quoted(value.text)


def _quoted(text: str) -> Iterator[str]:
    yield from (f"> {_escaped(line)}".rstrip() for line in (text.splitlines() or ["(an empty answer)"]))
    yield ""


def _escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    for character in "\\`*_[]<>|":
        text = text.replace(character, "\\" + character)
    return re.sub(r"\s+", " ", text)
