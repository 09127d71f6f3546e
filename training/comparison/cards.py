"""An overview of each model: what it is, and its figure under each heading."""

from __future__ import annotations

from dataclasses import dataclass

from training.comparison.evidence import Comparison, ModelEvidence
from training.comparison.headings import answering_energy, parameters, trained_energy
from training.comparison.quality import benchmarks, bits, knowledge
from training.comparison.values import Value, duration, one_place, percent, size


@dataclass(frozen=True)
class Card:
    """A model at a glance.

    Attributes:
        model: ``model1`` or ``model2``.
        title: as the report calls it.
        kind: in a few words, what kind of model it is.
        rows: (label, value); None for what was not measured.
        is_there: whether there is such a model at all.
        folder: where its training wrote; for the page that says what is missing.
    """

    model: str
    title: str
    kind: str
    rows: tuple[tuple[str, Value | None], ...]
    is_there: bool
    folder: str


def cards(comparison: Comparison) -> list[Card]:
    """Model 1's and Model 2's."""
    return [_card(comparison, model) for model in comparison.models]


def _kind(model: ModelEvidence) -> str:
    if not model.report:
        return "not told how it was made"
    return "trained from scratch" if model.report.at("base").content is None else "pretrained, then fine-tuned"


def _card(comparison: Comparison, model: ModelEvidence) -> Card:
    costs = model.measured.at("cost")
    rows: list[tuple[str, Value | None]] = [
        ("Parameters", parameters(model)),
        ("Training", model.report.value("train_seconds", show=duration)),
        ("Held-out bits a byte", bits(model)),
    ]
    for name in benchmarks(comparison)[:1]:
        entry = knowledge(model, name)
        rows.append(("Right answers", entry.value("accuracy", show=percent)))
        rows.append(("Right by guessing", entry.value("chance", show=percent)))
    rows += [
        ("Tokens a second", costs.value("tokens_per_second", "1", show=one_place)),
        ("Peak memory", costs.value("peak_memory_bytes", show=size)),
        ("Energy of the training", trained_energy(model)),
        ("Energy of 1,000 tokens", answering_energy(model)),
    ]
    is_there = bool(model.measured or model.report)
    return Card(model.name, model.title, _kind(model), tuple(rows), is_there, str(model.folder))
