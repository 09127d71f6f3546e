"""The table that ``training.evaluate`` prints: what was measured, in words that need no textbook."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from training.evaluation.items import DIRECTIONS, TRUE_FALSE

SPLITS = {"new_wording": "known facts, asked in new words", "new_fact": "facts never trained on"}
Cell = Callable[[Mapping[str, Any]], str]
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


def _cells(models: Sequence[Mapping[str, Any]], cell: Cell) -> list[str]:
    return [cell(model) for model in models]


def interval(value: Mapping[str, Any] | None, form: str) -> str:
    """An estimate and its 95% interval, or a dash."""
    if value is None:
        return "–"
    return f"{value['estimate']:{form}} [{value['low']:{form}}, {value['high']:{form}}]"


def _held_out(models: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    if not any(model["held_out"] for model in models):
        return
    yield "HELD-OUT TEXT: bits per byte; lower means that the model expected the text", []
    for part, label in (("answers", "answers"), ("everything", "questions and answers")):

        def bits(model: Mapping[str, Any], part: str = part, split: str | None = None) -> str:
            score = (model["held_out"] or {}).get(part)
            if score and split:
                score = next((entry for entry in score["by_split"] if entry["split"] == split), None)
            return interval(score and score["bits_per_byte"], ".3f")

        yield f"  {label}", _cells(models, bits)
        if part == "answers":
            for split, meaning in SPLITS.items():
                yield f"    {meaning}", _cells(models, lambda m, split=split: bits(m, "answers", split))  # type: ignore[misc]
    yield ("  perplexity of a token (compare only with the same tokenizer)", _cells(models, _token_perplexity))


def _token_perplexity(model: Mapping[str, Any]) -> str:
    value = model["held_out"] and model["held_out"]["answers"]["token_perplexity"]
    return f"{value:.1f}" if value else "–"


def _knowledge(models: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    names = dict.fromkeys(entry["benchmark"] for model in models for entry in model["knowledge"])
    for name in names:
        entries = [next((e for e in model["knowledge"] if e["benchmark"] == name), None) for model in models]
        known = [entry for entry in entries if entry]
        yield f"FACTS ({name}): share of multiple-choice questions answered rightly", []
        yield "  all", [interval(entry and entry["accuracy"], ".0%") for entry in entries]
        for group in dict.fromkeys(group["group"] for entry in known for group in entry["groups"]):

            def accuracy(entry: Mapping[str, Any] | None, group: str = group) -> str:
                found = next((g for g in (entry or {}).get("groups", ()) if g["group"] == group), None)
                return interval(found and found["accuracy"], ".0%")

            yield f"    {group}", [accuracy(entry) for entry in entries]
        for kind in DIRECTIONS if name == TRUE_FALSE else ():
            found = [next((k for k in (entry or {}).get("kinds", ()) if k["kind"] == kind), None) for entry in entries]
            yield f"    {kind}s", [interval(one and one["accuracy"], ".0%") for one in found]
        for key, label in (
            ("chance", "by guessing"),
            ("longest_option", "always the longest option"),
            ("most_frequent_option", "always what the training texts name most"),
        ):
            yield (
                f"  {label}",
                [f"{entry[key]:.0%}" if entry and entry[key] is not None else "–" for entry in entries],
            )
        if any(entry["contaminated"]["n"] for entry in known):
            yield (
                "  questions left out, since the training held them word for word",
                [str(entry["contaminated"]["n"]) if entry else "–" for entry in entries],
            )


def _answers(models: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    if not any(model["answers"] for model in models):
        return
    yield "ANSWERS to held-out questions", []
    for key, label, form in (
        ("stopped", "stop by themselves", ".0%"),
        ("mean_words", "words", ".1f"),
        ("repetition", "words in a row said twice", ".1%"),
        ("rouge_l", "ROUGE-L (words shared with a reference: not quality)", ".2f"),
    ):
        yield f"  {label}", _cells(models, lambda m, key=key, form=form: interval((m["answers"] or {}).get(key), form))  # type: ignore[misc]
    yield "  BLEU (the same)", _cells(models, lambda m: f"{m['answers']['bleu']:.1f}" if m["answers"] else "–")


def _cost(models: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    yield "SIZE AND COST", []
    yield "  parameters", _cells(models, lambda m: f"{m['parameters'] / 1e6:,.1f} million" if m["parameters"] else "–")
    if not any(model["cost"] for model in models):
        return

    def figure(*keys: str, form: str = ".1f", unit: str = "", scale: float = 1.0) -> Cell:
        def cell(model: Mapping[str, Any]) -> str:
            value: Any = model["cost"]
            for key in keys:
                value = value.get(key) if isinstance(value, Mapping) else None
            return "–" if value is None else f"{value * scale:{form}}{unit}"

        return cell

    for label, get in (
        ("memory", figure("peak_memory_bytes", form=",.0f", unit=" MB", scale=1e-6)),
        ("seconds to load", figure("load_seconds", "median", form=".2f")),
        ("seconds to the first token", figure("first_token_seconds", "median", form=".3f")),
        ("tokens a second, one question at a time", figure("tokens_per_second", "1", "median", form=".0f")),
        ("tokens a second, eight at a time", figure("tokens_per_second", "8", "median", form=".0f")),
        ("watt-hours for 1,000 tokens", figure("kwh_per_1000_tokens", form=".3f", scale=1000)),
        ("watt-hours of its training", figure("training", "kwh", form=",.1f", scale=1000)),
    ):
        yield f"  {label}", _cells(models, get)


def _tasks(models: Sequence[Mapping[str, Any]]) -> Iterator[Row]:
    names = dict.fromkeys((entry["task"], entry["metric"]) for model in models for entry in model["tasks"])
    if names:
        yield "TASKS of lm-evaluation-harness", []
    for task, metric in names:

        def value(model: Mapping[str, Any], task: str = task, metric: str = metric) -> str:
            found = next((e for e in model["tasks"] if (e["task"], e["metric"]) == (task, metric)), None)
            if not found or found["value"] is None:
                return "–"
            error = "" if found.get("stderr") is None else f" ± {found['stderr']:.3f}"
            return f"{found['value']:.3f}{error}"

        yield f"  {task}, {metric}", _cells(models, value)


def _differences(results: Mapping[str, Any]) -> Iterator[str]:
    found = results["differences"]
    if not found:
        return
    a, b = found["models"]
    yield f"\nDIFFERENCE, {a} minus {b}, over the same items; an interval without 0 is more than chance"
    lines = [("bits per byte of answers", found.get("held_out_answers_bits_per_byte"), "+.3f")]
    lines += [(f"facts ({entry['benchmark']})", entry["accuracy"], "+.1%") for entry in found["knowledge"]]
    for label, value, form in lines:
        if value is not None:
            yield f"  {label}: {interval(value, form)}"


def _missing(results: Mapping[str, Any]) -> Iterator[str]:
    entries = [(e["model"], e) for e in results["missing"]]
    for model in results["models"].values():
        found = [*model["missing"], *((model["cost"] or {}).get("missing") or [])]
        entries += [(model["name"], entry) for entry in found]
    if entries:
        yield "\nMISSING"
    for name, entry in entries:
        yield f"  {name}, {entry['part']}: {entry['reason']}"
