"""The table that ``training.evaluate`` prints: what was measured, in words that need no textbook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from training.evaluation.held_out import PARTS
from training.evaluation.items import DIRECTIONS, TRUE_FALSE

SPLITS = {"new_wording": "known facts, asked in new words", "new_fact": "facts never trained on"}
Model = Mapping[str, Any]
Row = tuple[str, list[str]]


def table(results: Mapping[str, Any]) -> str:
    """Models side by side, each figure with its 95% interval, and below what is missing."""
    models = list(results["models"].values())
    head: Row = ("", [model["name"] for model in models])
    rows = [head, *_held_out(models), *_knowledge(models), *_answers(models), *_cost(models), *_tasks(models)]
    widths = [max(len(cells[i]) for _, cells in rows if cells) for i in range(len(models))]
    first = max(len(label) for label, cells in rows if cells)
    lines = []
    for label, cells in rows:
        padded = "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=False))
        lines.append(f"{label.ljust(first)}  {padded}".rstrip() if cells else f"\n{label}")
    return "\n".join([*lines, *_differences(results), *_missing(results)])


def interval(part: Mapping[str, Any] | None, key: str, form: str) -> str:
    """An estimate of a part and its 95% interval, or a dash."""
    value = part and part.get(key)
    if value is None:
        return "–"
    return f"{value['estimate']:{form}} [{value['low']:{form}}, {value['high']:{form}}]"


def number(value: Any, form: str, unit: str = "") -> str:
    """A number with its unit, or a dash."""
    return "–" if value is None else f"{value:{form}}{unit}"


def find(entries: Any, **fields: Any) -> Mapping[str, Any] | None:
    """The first of some entries with these fields."""
    return next((entry for entry in entries or () if all(entry[key] == fields[key] for key in fields)), None)


def _held_out(models: Sequence[Model]) -> Iterator[Row]:
    if not any(model["held_out"] for model in models):
        return
    yield "HELD-OUT TEXT: bits per byte; lower means that the model expected the text", []
    answers, everything = ([(model["held_out"] or {}).get(part) for model in models] for part in PARTS)
    yield "  answers", [interval(score, "bits_per_byte", ".3f") for score in answers]
    for split, meaning in SPLITS.items():
        found = [find(score and score["by_split"], split=split) for score in answers]
        yield f"    {meaning}", [interval(score, "bits_per_byte", ".3f") for score in found]
    yield "  questions and answers", [interval(score, "bits_per_byte", ".3f") for score in everything]
    perplexities = [(score and score["token_perplexity"]) or None for score in answers]
    yield (
        "  perplexity of a token (compare only with the same tokenizer)",
        [number(perplexity, ".1f") for perplexity in perplexities],
    )


def _knowledge(models: Sequence[Model]) -> Iterator[Row]:
    for name in dict.fromkeys(entry["benchmark"] for model in models for entry in model["knowledge"]):
        entries = [find(model["knowledge"], benchmark=name) for model in models]
        known = [entry for entry in entries if entry]
        yield f"FACTS ({name}): share of multiple-choice questions answered rightly", []
        yield "  all", [interval(entry, "accuracy", ".0%") for entry in entries]
        for group in dict.fromkeys(group["group"] for entry in known for group in entry["groups"]):
            found = [find(entry and entry["groups"], group=group) for entry in entries]
            yield f"    {group}", [interval(one, "accuracy", ".0%") for one in found]
        for kind in DIRECTIONS if name == TRUE_FALSE else ():
            found = [find(entry and entry.get("kinds"), kind=kind) for entry in entries]
            yield f"    {kind}s", [interval(one, "accuracy", ".0%") for one in found]
        for key, label in (
            ("chance", "by guessing"),
            ("longest_option", "always the longest option"),
            ("most_frequent_option", "always what the training texts name most"),
        ):
            yield f"  {label}", [number(entry and entry[key], ".0%") for entry in entries]
        left_out = [entry and entry["contaminated"]["n"] for entry in entries]
        if any(left_out):
            label = "  questions left out, since the training held them word for word"
            yield label, [number(count, "d") for count in left_out]


def _answers(models: Sequence[Model]) -> Iterator[Row]:
    if not any(model["answers"] for model in models):
        return
    yield "ANSWERS to held-out questions", []
    for key, label, form in (
        ("stopped", "stop by themselves", ".0%"),
        ("mean_words", "words", ".1f"),
        ("repetition", "words in a row said twice", ".1%"),
        ("rouge_l", "ROUGE-L (words shared with a reference: not quality)", ".2f"),
    ):
        yield f"  {label}", [interval(model["answers"], key, form) for model in models]
    yield "  BLEU (the same)", [number(model["answers"] and model["answers"]["bleu"], ".1f") for model in models]


def _cost(models: Sequence[Model]) -> Iterator[Row]:
    yield "SIZE AND COST", []
    counts = [model["parameters"] and model["parameters"] / 1e6 for model in models]
    yield "  parameters", [number(count or None, ",.1f", " million") for count in counts]
    if not any(model["cost"] for model in models):
        return
    for label, keys, form, scale, unit in (
        ("memory", ("peak_memory_bytes",), ",.0f", 1e-6, " MB"),
        ("seconds to load", ("load_seconds", "median"), ".2f", 1.0, ""),
        ("seconds to the first token", ("first_token_seconds", "median"), ".3f", 1.0, ""),
        ("tokens a second, one question at a time", ("tokens_per_second", "1", "median"), ".0f", 1.0, ""),
        ("tokens a second, eight at a time", ("tokens_per_second", "8", "median"), ".0f", 1.0, ""),
        ("watt-hours for 1,000 tokens", ("kwh_per_1000_tokens",), ".3f", 1000.0, ""),
        ("watt-hours of its training", ("training", "kwh"), ",.1f", 1000.0, ""),
    ):
        values = [_at(model["cost"], keys) for model in models]
        yield f"  {label}", [number(None if value is None else value * scale, form, unit) for value in values]


def _at(part: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        part = part.get(key) if isinstance(part, Mapping) else None
    return part


def _tasks(models: Sequence[Model]) -> Iterator[Row]:
    names = dict.fromkeys((entry["task"], entry["metric"]) for model in models for entry in model["tasks"])
    if names:
        yield "TASKS of lm-evaluation-harness", []
    for task, metric in names:
        found = [find(model["tasks"], task=task, metric=metric) or {} for model in models]
        errors = [number(entry.get("stderr"), ".3f") for entry in found]
        values = [number(entry.get("value"), ".3f") for entry in found]
        yield (
            f"  {task}, {metric}",
            [v if "–" in (v, e) else f"{v} ± {e}" for v, e in zip(values, errors, strict=True)],
        )


def _differences(results: Mapping[str, Any]) -> Iterator[str]:
    found = results["differences"]
    if not found:
        return
    a, b = found["models"]
    yield f"\nDIFFERENCE, {a} minus {b}, over the same items; an interval without 0 is more than chance"
    if found.get("held_out_answers_bits_per_byte") is not None:
        yield f"  bits per byte of answers: {interval(found, 'held_out_answers_bits_per_byte', '+.3f')}"
    for entry in found["knowledge"]:
        if entry["accuracy"] is not None:
            yield f"  facts ({entry['benchmark']}): {interval(entry, 'accuracy', '+.1%')}"


def _missing(results: Mapping[str, Any]) -> Iterator[str]:
    entries = [(e["model"], e) for e in results["missing"]]
    for model in results["models"].values():
        found = [*model["missing"], *((model["cost"] or {}).get("missing") or [])]
        entries += [(model["name"], entry) for entry in found]
    if entries:
        yield "\nMISSING"
    for name, entry in entries:
        yield f"  {name}, {entry['part']}: {entry['reason']}"
