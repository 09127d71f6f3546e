"""Two of the six headings: quality on held-out text and of answers, and what the models know."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from training.comparison.charts import forest
from training.comparison.content import (
    AnswerPair,
    Block,
    Cell,
    Paragraph,
    Plot,
    Row,
    Section,
    Table,
    getter,
    not_measured,
    reasons,
    say,
    side_by_side,
)
from training.comparison.evidence import Comparison, Document, ModelEvidence
from training.comparison.values import Show, Value, decimal, one_place, percent, points, signed, whole

FEW = 10
"""Items below which no interval is shown: the bootstrap's is far too narrow, and of one item it has no width at all."""
SPLITS = {"new_wording": "Known facts, new wording", "new_fact": "Facts never seen"}
PARTS = {"answers": "Answers alone", "everything": "Everything, questions too"}


def bits(model: ModelEvidence, part: str = "answers") -> Value | None:
    """Held-out bits a byte, with its interval."""
    return with_interval(model.measured.at("held_out", part), "bits_per_byte", n="samples", show=decimal)


def bits_difference(comparison: Comparison, part: str = "answers") -> Value | None:
    """Model 1 minus Model 2, paired over the samples."""
    return comparison.differences.value(f"held_out_{part}_bits_per_byte", show=signed)


def part_bits(model: ModelEvidence, kind: str, name: str) -> Value | None:
    """Held-out bits a byte over the answers of one ``split``, ``area`` or ``source``."""
    part = model.measured.at("held_out", "answers", f"by_{kind}").find(**{kind: name})
    return with_interval(part, "bits_per_byte", n="samples", show=decimal)


def cut_differently(comparison: Comparison) -> bool:
    """Whether the models cut the same text into other numbers of tokens: then figures by token cannot be compared."""
    counts = [model.measured.at("held_out", "answers", "tokens").content for model in comparison.models]
    return counts[0] != counts[1]


def quality(comparison: Comparison) -> Section:
    """How well held-out text is predicted, and what the answers are like."""
    held_out = side_by_side(
        comparison,
        "Held-out text: bits a byte, fewer are better",
        [*_held_out(comparison)],
        "With 95% intervals over samples, in brackets. The difference is Model 1 minus Model 2 on the same samples.",
    )
    answers = side_by_side(comparison, "Answers to held-out questions", _answers(comparison))
    tokens = side_by_side(
        comparison,
        "Perplexity a token" + (": not comparable between the two" if cut_differently(comparison) else ""),
        [(label, _measured("held_out", part, "token_perplexity", show=one_place)) for part, label in PARTS.items()],
    )
    caution = Paragraph(
        (
            "Perplexity counts tokens, and each model cuts text into tokens of its own. Longer tokens are harder to"
            " guess, so these figures say nothing about which model is better; bits a byte do.",
        ),
        is_caution=True,
    )
    blocks: list[Block] = [held_out, *_bits_plot(comparison)]
    blocks += [tokens, *([caution] if cut_differently(comparison) else [])] if tokens.rows else []
    blocks += [answers, *_said_of_answers(comparison)]
    lead = "How well each model predicts text that it was not trained on, and what its own answers are like."
    absent = not_measured(held_out, tokens, answers) + reasons(comparison, "held-out", "held_out", "answers")
    return Section("quality", "Quality", lead, tuple(blocks), absent)


_measured = partial(getter, "measured")


def _held_out(comparison: Comparison) -> Iterator[Any]:
    """Lines of the table: both ways of counting, then the answers by split, area and source."""
    for part, label in PARTS.items():
        yield label, _measured("held_out", part, "bits_per_byte", show=decimal), bits_difference(comparison, part)
    yield "Samples scored", _measured("held_out", "answers", "samples", show=whole)
    for kind in ("split", "area", "source"):
        parts = (model.measured.at("held_out", "answers", f"by_{kind}") for model in comparison.models)
        for name in named(parts, kind):
            label = SPLITS.get(name, name) if kind == "split" else f"{kind.capitalize()}: {name}"
            yield label, partial(part_bits, kind=kind, name=name)


def named(parts: Iterable[Document], key: str) -> list[str]:
    """What stands under a key in the entries of these lists, each once."""
    return list(dict.fromkeys(str(entry.at(key).content) for part in parts for entry in part.items()))


def _bits_plot(comparison: Comparison) -> Iterator[Plot]:
    lines = []
    gets: dict[str, Callable[[ModelEvidence], Value | None]] = {"All answers": bits}
    gets |= {label: partial(part_bits, kind="split", name=split) for split, label in SPLITS.items()}
    for label, get in gets.items():
        found = [(model.name, value) for model in comparison.models if (value := get(model)) is not None]
        if found:
            lines.append((label, found, None))
    if lines:
        title = "Held-out bits a byte of answers"
        svg = forest(title, lines, "{:g}".format, "← fewer bits: better", low=0)
        yield Plot("bits-per-byte", title, svg, "Lines are 95% intervals over held-out samples.")


def _answers(comparison: Comparison) -> list[Any]:
    rows: list[tuple[str, str, Show]] = [
        ("Questions asked", "n", whole),
        ("Words an answer", "mean_words", one_place),
        ("Tokens an answer", "mean_tokens", one_place),
        ("Answers that end by themselves", "stopped", percent),
        ("Repetition", "repetition", percent),
        ("Distinct words", "distinct_1", percent),
        ("Distinct pairs of words", "distinct_2", percent),
        ("ROUGE-L against the reference", "rouge_l", decimal),
        ("BLEU against the reference", "bleu", one_place),
    ]
    lines: list[Any] = []
    for label, key, show in rows:
        name = f"answers_{key.removeprefix('mean_')}"
        difference = comparison.differences.value(name, show=points if show is percent else signed)
        lines.append((label, _measured("answers", key, show=show), difference))
    return lines


def _said_of_answers(comparison: Comparison) -> Iterator[Paragraph]:
    for model in comparison.models:
        caution = model.measured.value("answers", "caution")
        if caution is not None:
            yield Paragraph((caution,), is_caution=True)
            return


# -- art knowledge --------------------------------------------------------------------------------------------------


def with_interval(part: Document, *keys: str, n: str, show: Show) -> Value | None:
    """A value of so many items; below ``FEW`` without its interval, which so few cannot give."""
    value, items = part.value(*keys, show=show), part.at(n).content
    return value.point() if value is not None and isinstance(items, int) and items < FEW else value


def benchmarks(comparison: Comparison) -> list[str]:
    """The names of the benchmarks that either model was asked, in order."""
    return named((model.measured.at("knowledge") for model in comparison.models), "benchmark")


def knowledge(model: ModelEvidence, benchmark: str) -> Document:
    """What a model reached in a benchmark."""
    return model.measured.at("knowledge").find(benchmark=benchmark)


def accuracy_difference(comparison: Comparison, benchmark: str) -> Value | None:
    """Model 1 minus Model 2, paired over the questions."""
    difference = comparison.differences.at("knowledge").find(benchmark=benchmark)
    return with_interval(difference, "accuracy", n="n", show=points)


def art_knowledge(comparison: Comparison) -> Section:
    """Multiple choice, closed book, with what chance would reach beside it."""
    blocks: list[Block] = []
    for name in benchmarks(comparison):
        table = _benchmark(comparison, name)
        blocks += [table, *_knowledge_plot(comparison, name, table), *_contaminated(comparison, name)]
    if blocks:
        text = (
            "Each question is asked without any text to look it up in. The model does not write: of the options, the"
            " one that it finds likeliest counts, the likelihood divided by the option's length unless it is a yes or"
            " a no. Chance is what guessing would reach; “always the longest” is what a rule reaches that reads no"
            " question."
        )
        blocks.insert(0, Paragraph((text,)))
    blocks += _tasks(comparison)
    lead = "What each model knows about art and AI, asked by multiple choice."
    missing = reasons(comparison, "knowledge", "tasks")
    if not blocks:
        missing = ("No benchmark was measured.", *missing)
    return Section("art-knowledge", "Art knowledge", lead, tuple(blocks), missing)


def _benchmark(comparison: Comparison, name: str) -> Table:
    """Accuracy over all questions, by group and by kind; each line with its number of questions and its chance."""
    rows = [_accuracy_row(comparison, name, "All questions", (), accuracy_difference(comparison, name))]
    for part, field in (("groups", "group"), ("kinds", "kind")):
        for entry in named((knowledge(model, name).at(part) for model in comparison.models), field):
            sizes = [
                knowledge(model, name).at(part).find(**{field: entry}).at("n").content for model in comparison.models
            ]
            if part == "kinds" and max(size or 0 for size in sizes) < FEW:
                continue
            label = entry[:1].upper() + entry[1:] if field == "group" else f"Kind: {entry}"
            rows.append(_accuracy_row(comparison, name, label, (part, field, entry)))
    titles = [model.title for model in comparison.models]
    columns = ("", *titles, "Difference", "chance", "always the longest", "always the most frequent", "questions")
    note = (
        "Share of right answers, with 95% intervals over questions. Below ten questions there are no intervals, and"
        " kinds are left out."
    )
    shown = [place for place in range(len(columns)) if place < 5 or any(row.cells[place - 1] for row in rows)]
    rows = [Row(row.label, tuple(row.cells[place - 1] for place in shown[1:])) for row in rows]
    return Table(f"Benchmark “{name}”", tuple(columns[place] for place in shown), tuple(rows), note=note)


def _accuracy_row(comparison: Comparison, name: str, label: str, where: Sequence[str], difference: Cell = "") -> Row:
    parts = []
    for model in comparison.models:
        part = knowledge(model, name)
        parts.append(part.at(where[0]).find(**{where[1]: where[2]}) if where else part)
    lines = [(key, percent) for key in ("chance", "longest_option", "most_frequent_option")] + [("n", whole)]
    beside = [_of_both([part.value(key, show=show) for part in parts]) for key, show in lines]
    shares = (with_interval(part, "accuracy", n="n", show=percent) for part in parts)
    return Row(label, (*shares, difference, *(v or "" for v in beside)))


def _of_both(values: Sequence[Value | None]) -> Value | None:
    """What both models have in common; two values where they were asked other questions."""
    found = {value.text: value for value in values if value is not None}
    if len(found) < 2:
        return next(iter(found.values()), None)
    sources = tuple(source for value in found.values() for source in value.sources)
    return Value([value.raw for value in found.values()], " / ".join(found), sources, how="Model 1 / Model 2")


def _knowledge_plot(comparison: Comparison, name: str, table: Table) -> Iterator[Plot]:
    lines = []
    for row in table.rows:
        found = [
            (model.name, cell)
            for model, cell in zip(comparison.models, row.cells, strict=False)
            if isinstance(cell, Value) and cell.ends is not None
        ]
        place = table.columns.index("chance") - 1
        chance = row.cells[place] or table.rows[0].cells[place]
        level = chance.raw if isinstance(chance, Value) and isinstance(chance.raw, float) else None
        if found:
            lines.append((row.label.removeprefix("Kind: "), found, level))
    if lines:
        title = f"Right answers, {name}"
        svg = forest(title, lines, "{:.0%}".format, "dashes: chance", low=0, high=1)
        slug = "".join(letter if letter.isalnum() else "-" for letter in name.lower())
        yield Plot(f"knowledge-{slug}", title, svg, "Lines are 95% intervals over questions; dashes are chance.")


def _contaminated(comparison: Comparison, name: str) -> Iterator[Paragraph]:
    for model in comparison.models:
        part = knowledge(model, name).at("contaminated")
        number = part.value("n", show=whole)
        if number is None or not number.raw:
            continue
        template = f"{model.title}: {{}} questions of this benchmark stand in its training data"
        accuracy = part.value("accuracy", show=percent)
        text = say(template + "; of those it has {} right, and they are not counted above.", number, accuracy)
        text = text or say(template + " and are not counted above.", number)
        assert text is not None
        yield Paragraph(text, is_caution=True)


def _tasks(comparison: Comparison) -> Iterator[Table]:
    """Public benchmarks that lm-evaluation-harness ran."""
    names = [
        (str(entry.at("task").content), str(entry.at("metric").content))
        for model in comparison.models
        for entry in model.measured.at("tasks").items()
    ]
    rows = []
    for task, metric in dict.fromkeys(names):
        entries = [model.measured.at("tasks").find(task=task, metric=metric) for model in comparison.models]
        cells = [entry.value("value", show=decimal) for entry in entries]
        errors = [entry.value("stderr", show=decimal) for entry in entries]
        count = next((v for entry in entries if (v := entry.value("n", show=whole))), None)
        pairs = [cell for pair in zip(cells, errors, strict=True) for cell in pair]
        rows.append(Row(f"{task}, {metric}", (*pairs, count)))
    if rows:
        titles = [name for model in comparison.models for name in (model.title, "standard error")]
        yield Table("Tasks of lm-evaluation-harness", ("", *titles, "questions"), tuple(rows))


SHOWN = 10


def answer_pairs(comparison: Comparison) -> Section:
    """The first prompts that the evaluation kept answers to; those that both models answered come first."""
    examples = [model.measured.at("answers", "examples") for model in comparison.models]
    prompts = list(
        dict.fromkeys(entry.at("prompt").content for part in examples for entry in part.items() if entry.at("prompt"))
    )
    answered = [{entry.at("prompt").content for entry in part.items()} for part in examples]
    prompts.sort(key=lambda prompt: sum(prompt in asked for asked in answered), reverse=True)
    pairs = []
    for prompt in prompts[:SHOWN]:
        entries = [part.find(prompt=prompt) for part in examples]
        asked = next(value for entry in entries if (value := entry.value("prompt")) is not None)
        reference, look_up = (
            next((value for entry in entries if (value := entry.value(key)) is not None), None)
            for key in ("reference", "look_up")
        )
        pairs.append(AnswerPair(asked, tuple(entry.value("answer") for entry in entries), reference, look_up))
    missing = () if pairs else ("No answers were kept by the evaluation.",)
    lead = (
        "The same questions to both models, their likeliest answers, unedited: those that the evaluation asked first."
    )
    return Section("answers", "Answers side by side", lead, tuple(pairs), missing)
