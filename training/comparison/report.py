"""The report as a whole: its sections, the files that it rests on, and how it is written to a folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from training.comparison.base_table import all_bases
from training.comparison.content import AnswerPair, Claim, Paragraph, Plot, Section, Table, plain
from training.comparison.evidence import Comparison, sha256
from training.comparison.headings import Card, cards, headings
from training.comparison.quality import answer_pairs
from training.comparison.two_minutes import two_minutes
from training.comparison.user_testing import user_testing
from training.comparison.values import Value

VERSION = 1
"""Of ``report.json``."""


@dataclass(frozen=True)
class Report:
    """Everything that the report shows, before it has a form."""

    comparison: Comparison  # the evidence
    cards: list[Card]  # both models at a glance
    sections: list[Section]  # the six headings, user testing, all bases, answers, and what to say
    made_at: str  # when, in UTC, as ISO 8601

    def values(self) -> Iterator[Value]:
        """Every value that it shows, in order."""
        for card in self.cards:
            yield from (value for _, value in card.rows if value is not None)
        for section in self.sections:
            yield from section.values()

    def plots(self) -> Iterator[Plot]:
        for section in self.sections:
            yield from (block for block in section.blocks if isinstance(block, Plot))


def assemble(comparison: Comparison) -> Report:
    """The report of a comparison."""
    sections = [
        *headings(comparison),
        user_testing(comparison),
        all_bases(comparison),
        answer_pairs(comparison),
        two_minutes(comparison),
    ]
    now = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
    return Report(comparison, cards(comparison), sections, now)


def made(report: Report) -> str:
    """When the report was made, in words."""
    at = datetime.fromisoformat(report.made_at.replace("Z", "+00:00"))
    return f"Made on {at.day} {at:%B %Y} at {at:%H:%M} UTC."


# -- as JSON --------------------------------------------------------------------------------------------------------


def as_json(report: Report) -> dict[str, Any]:
    """The report as ``report.json`` has it: each value once, under ``values``, and sections that point to it."""
    numbers: dict[Any, int] = {}
    values: list[dict[str, Any]] = []
    for value in report.values():
        key = (value.text, value.sources, value.how)
        if key not in numbers:
            numbers[key] = len(values)
            values.append(_value_json(len(values), value))

    def refer(part: Any) -> Any:
        return {"value": numbers[part.text, part.sources, part.how]} if isinstance(part, Value) else part

    return {
        "version": VERSION,
        "made_at": report.made_at,
        "sources": {document.name: {"sha256": sha256(document.raw)} for document in report.comparison.documents()},
        "cards": [
            {
                "model": card.model,
                "title": card.title,
                "rows": [{"label": label, **_cell(refer(value))} for label, value in card.rows],
            }
            for card in report.cards
        ],
        "sections": [_section_json(section, refer) for section in report.sections],
        "missing": [{"model": e.model, "part": e.part, "reason": e.reason} for e in report.comparison.missing],
        "values": values,
    }


def _cell(reference: Any) -> dict[str, Any]:
    return reference if isinstance(reference, dict) else {"text": reference}


def _value_json(number: int, value: Value) -> dict[str, Any]:
    return {
        "id": number,
        "text": value.text,
        "raw": value.raw,
        "status": value.status or "measured",
        "sources": [{"file": source.file, "key": source.key} for source in value.sources],
        "how": value.how or None,
    }


def _section_json(section: Section, refer: Any) -> dict[str, Any]:
    blocks: list[dict[str, Any]] = []
    for block in section.blocks:
        if isinstance(block, Table):
            rows = [{"label": row.label, "cells": [refer(cell) for cell in row.cells]} for row in block.rows]
            blocks.append({"table": block.caption, "columns": block.columns, "rows": rows, "note": block.note})
        elif isinstance(block, Plot):
            blocks.append({"plot": block.title, "file": f"plots/{block.name}.svg"})
        elif isinstance(block, AnswerPair):
            pair = {"prompt": refer(block.prompt), "answers": [refer(answer) for answer in block.answers]}
            blocks.append(pair | {"reference": refer(block.reference), "look_up": refer(block.look_up)})
        elif isinstance(block, Claim):
            basis = [refer(part)["value"] for part in block.text if isinstance(part, Value)]
            blocks.append({"claim": plain(block.text), "topic": block.topic, "values": basis})
        else:
            assert isinstance(block, Paragraph)
            blocks.append(
                {"text": plain(block.text), "values": [refer(p)["value"] for p in block.text if isinstance(p, Value)]}
            )
    return {"id": section.id, "title": section.title, "blocks": blocks, "missing": list(section.missing)}
