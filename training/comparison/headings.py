"""The six headings: model size, training, quality, art knowledge, cost, sustainability; four of them here."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from training.comparison.charts import bars, curves
from training.comparison.content import (
    Block,
    Cell,
    Getter,
    Paragraph,
    Plot,
    Row,
    Section,
    Table,
    getter,
    marks,
    not_measured,
    reasons,
    say,
    side_by_side,
)
from training.comparison.evidence import Comparison, Document, ModelEvidence
from training.comparison.quality import art_knowledge, benchmarks, bits, knowledge, quality
from training.comparison.values import (
    Show,
    Value,
    decimal,
    duration,
    energy,
    large,
    mass,
    one_place,
    operations,
    percent,
    rate,
    shortened,
    size,
    whole,
)
from training.reporting.everyday import CO2, ENERGY, Equivalent, Yardstick, everyday_co2, everyday_energy
from training.reporting.verdict import ending_in_words, share_in_words

FORMATS = {"weights": "Weights", "hf": "Hugging Face folder", "gguf": "GGUF"}


def headings(comparison: Comparison) -> list[Section]:
    """The six sections in the order that they are asked for."""
    parts = (model_size, training, quality, art_knowledge, cost, sustainability)
    return [part(comparison) for part in parts]


def first_of(*getters: Getter) -> Getter:
    """The first value that is there."""
    return lambda model: next((cell for get in getters if (cell := get(model)) is not None), None)


def parameters(model: ModelEvidence) -> Value | None:
    """How many it has, as counted at the evaluation, else at the end of its training."""
    return model.measured.value("parameters", show=large) or model.report.value("parameters", show=large)


# -- model size -----------------------------------------------------------------------------------------------------


def model_size(comparison: Comparison) -> Section:
    """Parameters, shape and files."""
    shape = [
        ("Layers", ("num_hidden_layers", "n_layer")),
        ("Width", ("hidden_size", "n_embd")),
        ("Attention heads", ("num_attention_heads", "n_head")),
        ("Vocabulary", ("vocab_size",)),
        ("Context, tokens", ("max_position_embeddings", "n_positions")),
    ]
    lines: list[Any] = [("Parameters", parameters)]
    lines += [(label, first_of(*(getter("architecture", key, show=whole) for key in keys))) for label, keys in shape]
    lines += [
        (f"{label}, on disk", getter("measured", "cost", "sizes", key, show=size)) for key, label in FORMATS.items()
    ]
    lines += [("All files that the training wrote", getter("report", "size_bytes", show=size))]
    table = side_by_side(comparison, "What each model is", lines)
    blocks: list[Block] = [table]
    if shown := marks(comparison, parameters):
        blocks.append(Plot("parameters", "Parameters", bars("Parameters of both models", [("Parameters", shown)])))
    lead = "How much each model has to hold what it learns: its parameters, their arrangement, and the files they fill."
    return Section("model-size", "Model size", lead, tuple(blocks), not_measured(table) + reasons(comparison))


# -- training -------------------------------------------------------------------------------------------------------


def _start(model: ModelEvidence) -> Cell:
    base = model.report.value("base")
    return base if base is not None or not model.report else "random weights"


def training(comparison: Comparison) -> Section:
    """How both were trained, on what, and how the loss fell."""
    report = {
        "Method": _fine_tuned("method"),
        "Parameters that were trained": getter("report", "trainable_parameters", show=large),
        "Samples to learn from": getter("report", "samples", show=whole),
        "Tokens seen": getter("report", "tokens", show=large),
        "Passes over the data": getter("report", "epochs", show="{:.2f}".format),
        "Optimizer steps": getter("report", "steps", show=whole),
        "Ended by": _ended,
        "Share of the plan": getter("report", "plan_share", show=share_in_words),
        "Optimizer": getter("report", "config", "optimizer"),
        "Learning rate": getter("report", "config", "learning_rate", show=rate),
        "Time": getter("report", "train_seconds", show=duration),
        "Tokens a second": getter("report", "tokens_per_second", show=whole),
        "Peak memory": getter("report", "peak_memory_bytes", show=size),
        "Device": getter("report", "device"),
        "Number format": getter("report", "dtype"),
        "Seed": getter("report", "seed"),
        "Bits a byte before fine-tuning": _fine_tuned("base_val_bits_per_byte", show=decimal),
        "Bits a byte after it, same samples": _fine_tuned("val_bits_per_byte", show=decimal),
    }
    table = side_by_side(comparison, "The two trainings", [("Starts from", _start), *report.items()])
    blocks: list[Block] = [table, *_curves(comparison), *_data(comparison)]
    if any(isinstance(block, Plot) for block in blocks):
        text = (
            "The models cut text into different tokens, so the heights of the two"
            " curves must not be compared; bits a byte, under Quality, can be."
        )
        blocks.insert(1, Paragraph((text,), is_caution=True))
    lead = "What each model started from, what it was shown, and how long that took."
    absent = reasons(comparison, "training_report.json", "metrics.jsonl", "data_card.json")
    return Section("training", "Training", lead, tuple(blocks), not_measured(table) + absent)


def _ended(model: ModelEvidence) -> Cell:
    """What ended the training, of older reports under their older key."""
    return model.report.value("ended_by", show=ending_in_words) or model.report.value("stopped_by")


def _fine_tuned(key: str, show: Show = str) -> Getter:
    """Of a model that had a base; one from scratch has no such value."""

    def get(model: ModelEvidence) -> Cell:
        if model.report and model.report.at("base").content is None:
            return ""
        return model.report.value(key, show=show)

    return get


def _curves(comparison: Comparison) -> Iterator[Plot]:
    for model in comparison.models:
        # Row 0 scores the base on all held-out samples, the later ones on those of known facts: they are no one curve.
        rows = [row for row in model.metrics.content or [] if isinstance(row.get("step"), int) and row["step"] > 0]
        losses, held_out = (
            [(row["step"], row[key]) for row in rows if isinstance(row.get(key), float) and row[key] == row[key]]
            for key in ("loss", "val_loss")
        )
        if losses or held_out:
            title = f"{model.title}: loss in training (line) and on held-out text (marks)"
            svg = curves(title, model.name, losses, held_out)
            yield Plot(f"curve-{model.name}", title, svg, "In nats a token.")


def _data(comparison: Comparison) -> Iterator[Block]:
    cards = [model for model in comparison.models if model.card]
    same = len(cards) == 2 and cards[0].card.at("sha256").content == cards[1].card.at("sha256").content
    if same:
        hash_ = cards[0].card.value("sha256", show=shortened)
        assert hash_ is not None
        yield Paragraph(("Both trainings drew on the same data (SHA-256 ", hash_, ")."))
        cards = cards[:1]
    for model in cards:
        rows = [
            Row(str(source.at("name").content), tuple(_source_cells(source)))
            for source in model.card.at("sources").items()
        ]
        whose = "Data of both models" if same else f"Data of {model.title}"
        columns = ("Source", "samples", "held out: new wordings", "held out: new facts", "share", "licence")
        yield Table(whose, columns, tuple(rows))


def _source_cells(source: Document) -> Iterator[Cell]:
    yield source.value("samples", show=whole)
    yield source.value("splits", "new_wording", show=whole)
    yield source.value("splits", "new_fact", show=whole)
    yield source.value("share", show=percent)
    yield source.value("licences", show=", ".join)


# -- cost and sustainability ----------------------------------------------------------------------------------------


def cost(comparison: Comparison) -> Section:
    """What it takes to run each model."""
    speed = ("measured", "cost", "tokens_per_second")
    lines = [
        ("Time to load", getter("measured", "cost", "load_seconds", show=duration)),
        ("Time to the first token", getter("measured", "cost", "first_token_seconds", show=duration)),
        ("Tokens a second, one conversation", getter(*speed, "1", show=one_place)),
        ("Tokens a second, eight at a time", getter(*speed, "8", show=one_place)),
        ("Peak memory", getter("measured", "cost", "peak_memory_bytes", show=size)),
    ]
    table = side_by_side(
        comparison,
        "Answering, on this machine",
        lines,
        "Medians of repeated runs, with the least and the most of them.",
    )
    machine = comparison.evaluation.at("machine")
    text = say(
        "Measured on {}, {} cores, {} of memory; the two models took turns.",
        machine.value("processor"),
        machine.value("cores"),
        machine.value("memory_bytes", show=size),
    )
    blocks: list[Block] = [table]
    speeds = [(label.split(", ")[1], marks(comparison, get)) for label, get in lines[2:4]]
    if shown := [line for line in speeds if line[1]]:
        blocks.append(Plot("speed", "Tokens a second", bars("Tokens a second of both models", shown)))
    if text is not None and table.rows:
        blocks.append(Paragraph(text))
    lead = "What it takes to get answers from each model: time, memory and speed."
    return Section("cost", "Cost", lead, tuple(blocks), not_measured(table) + reasons(comparison, "cost"))


def trained_energy(model: ModelEvidence) -> Value | None:
    """Energy of the training, marked when it was estimated."""
    return _metered(model.report, "energy_kwh", energy)


def trained_co2(model: ModelEvidence) -> Value | None:
    """CO2 of the training, marked when it was estimated."""
    return _metered(model.report, "co2_kg", mass)


def answering_energy(model: ModelEvidence) -> Value | None:
    """Energy of 1,000 generated tokens, marked when it was estimated."""
    return _metered(model.measured.at("cost"), "kwh_per_1000_tokens", energy)


def _metered(document: Document, key: str, show: Show) -> Value | None:
    measured = document.at("energy_source").content == "measured"
    return document.value(key, show=show, status="" if measured else "estimated")


EVERYDAY: tuple[tuple[str, Getter, Callable[[float], list[Equivalent]]], ...] = (
    ("The training's energy", trained_energy, everyday_energy),
    ("The training's CO2", trained_co2, everyday_co2),
    ("The energy of 1,000 tokens", answering_energy, everyday_energy),
)


def in_everyday_terms(value: Value | None, convert: Callable[[float], list[Equivalent]]) -> dict[str, Value]:
    """An amount of energy or CO2 as what each yardstick makes of it, by the yardstick's name."""
    if value is None or value.raw < 0:
        return {}
    return {
        found.name: Value(found.amount, found.text, value.sources, value.status, _conversion(found))
        for found in convert(value.raw)
    }


def _conversion(known: Equivalent | Yardstick) -> str:
    """What an everyday thing takes, and where that is from; as words, since a report has no links to the network."""
    return f"{known.conversion} ({known.source.replace('https://', '')})"


def _everyday(comparison: Comparison) -> Table:
    rows = []
    for label, get, convert in EVERYDAY:
        of_models = []
        for model in comparison.models:
            value = get(model)
            of_models.append(in_everyday_terms(value if isinstance(value, Value) else None, convert))
        for name in dict.fromkeys(name for terms in of_models for name in terms):
            rows.append(Row(f"{label}: {name}", tuple(terms.get(name) for terms in of_models)))
    said = dict.fromkeys(f"{yardstick.name}: {_conversion(yardstick)}" for yardstick in (*ENERGY, *CO2))
    columns = ("", *(model.title for model in comparison.models))
    return Table("In everyday terms, to two digits", columns, tuple(rows), note="Conversions. " + "; ".join(said) + ".")


def sustainability(comparison: Comparison) -> Section:
    """Energy and CO2 of training and of answering, in everyday terms too."""
    lines = [
        ("Energy of the training", trained_energy),
        ("CO2 of the training", trained_co2),
        ("Operations of the training", getter("measured", "cost", "training", "flops", show=operations)),
        ("Energy of 1,000 generated tokens", answering_energy),
        ("The training's figures are", getter("report", "energy_source")),
        ("The answers' figures are", getter("measured", "cost", "energy_source")),
    ]
    table = side_by_side(comparison, "Energy", lines)
    blocks: list[Block] = [table, _everyday(comparison)]
    if any(isinstance(cell, Value) and cell.status == "estimated" for row in table.rows for cell in row.cells):
        text = (
            "Estimated means that no meter was read: the CPU's load was multiplied with a table's figure for its"
            " type. Such a figure gives the order of magnitude, not the digits."
        )
        blocks.append(Paragraph((text,), is_caution=True))
    lead = "What both models cost the world: energy and CO2 of the training, and of every answer."
    return Section(
        "sustainability", "Sustainability", lead, tuple(blocks), not_measured(table) + reasons(comparison, "cost")
    )


@dataclass(frozen=True)
class Card:
    """A model at a glance."""

    model: str  # ``model1`` or ``model2``
    title: str  # as the report calls it
    kind: str  # in a few words, what kind of model it is
    rows: tuple[tuple[str, Value | None], ...]  # (label, value); None for what was not measured
    is_there: bool  # whether there is such a model at all
    folder: str  # where its training wrote; for the page that says what is missing


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
