"""All bases like the user's own: what was measured here, and what is only known of them, marked apart."""

from __future__ import annotations

from training.comparison.content import Block, Cell, Paragraph, Row, Section, Table
from training.comparison.evidence import Comparison, Document, ModelEvidence
from training.comparison.headings import answering_energy, parameters
from training.comparison.quality import benchmarks, bits
from training.comparison.values import Source, Value, large, one_place, percent, whole
from training.models.known_bases import BASES, KNOWN

TABLE_FILE = "training/models/known_bases.py"


def all_bases(comparison: Comparison) -> Section:
    """A line for each of the two models, for whatever else was measured, and for each base that ``--base`` takes."""
    others = {
        str(name): comparison.evaluation.at("models", name)
        for name in (comparison.evaluation.at("models").content or {})
        if name not in ("model1", "model2")
    }
    known = []
    for base in KNOWN:
        ids = {base, BASES[base]}
        measured = [name for name, part in others.items() if name in ids or part.at("spec").content in ids]
        known.append(_known_row(comparison, base, others.pop(measured[0]) if measured else Document("")))
    rows = [_model_row(comparison, model) for model in comparison.models if model.measured or model.report]
    rows += [
        Row(name, (part.value("parameters", show=large), "", "", "", *_measured(comparison, part)))
        for name, part in others.items()
    ]
    columns = (
        "", "parameters", "context", "licence", "trained on",
        "bits a byte", "right answers", "tokens a second", "energy of 1,000 tokens",
    )  # fmt: skip
    groups = (("", 1), ("What it is", 4), ("Measured here", 4))
    note = (
        "Figures in italics were published by the makers of a base or follow from its configuration; nothing of them"
        " was measured here. Bits a byte are over held-out answers, right answers over the first benchmark above."
    )
    table = Table(
        "The two models, and the bases that Model 2 can start from", columns, (*rows, *known), note=note, groups=groups
    )
    where = dict.fromkeys(base.said_in for base in KNOWN.values())
    sources = [f"{', '.join(b for b in KNOWN if KNOWN[b].said_in == place)}: {place}" for place in where]
    blocks: list[Block] = [table, Paragraph((f"Trained on, according to their makers. {'; '.join(sources)}.",))]
    lead = (
        "Where both models stand among the bases of their kind. A dash under “Measured here” means that it was not run"
        " here; no measurement was copied from elsewhere."
    )
    return Section("bases", "All bases", lead, tuple(blocks))


def _model_row(comparison: Comparison, model: ModelEvidence) -> Row:
    base = model.report.value("base")
    label = model.title if base is None else f"{model.title}, from {base.raw}"
    context = next(
        (v for key in ("max_position_embeddings", "n_positions") if (v := model.architecture.value(key, show=whole))),
        None,
    )
    tokens = model.report.value("tokens", show=lambda count: f"{large(count)} tokens here")
    cells: tuple[Cell, ...] = (parameters(model), context, "", tokens, *_measured(comparison, model.measured, model))
    return Row(label, cells)


def _known_row(comparison: Comparison, base: str, measured: Document) -> Row:
    from training.loop.plans import parameters_of

    known, source = KNOWN[base], Source(TABLE_FILE, f"/{base}")
    count, config = parameters_of(base), known.config
    context = config.get("max_position_embeddings") or config["n_positions"]
    cells: tuple[Cell, ...] = (
        Value(count, large(count), (source,), "known", "weights of its configuration, counted"),
        Value(context, whole(context), (source,), "known"),
        Value(known.licence, known.licence, (source,), "known"),
        Value(known.trained_on, known.trained_on, (Source(known.said_in, ""),), "known"),
        *_measured(comparison, measured),
    )
    return Row(base, cells)


def _measured(comparison: Comparison, part: Document, model: ModelEvidence | None = None) -> tuple[Cell, ...]:
    """What was measured here of a model: bits a byte, right answers, tokens a second, energy."""
    model = model or ModelEvidence("", "", comparison.models[0].folder, *[part, *[Document("")] * 4])
    accuracy = None
    for name in benchmarks(comparison)[:1]:
        accuracy = part.at("knowledge").find(benchmark=name).value("accuracy", show=percent)
    speed = part.value("cost", "tokens_per_second", "1", show=one_place)
    return bits(model), accuracy, speed, answering_energy(model)
