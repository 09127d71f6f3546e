"""A card of each model as HTML: what it is, what it learned from, what that cost, what it can.

For researchers with every figure that there is, each with the file that it stands in; for testers, after the reveal,
the few that say most. What was not measured is a dash, and the page says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from training.comparison import Comparison
from training.comparison.content import Text, say
from training.comparison.evidence import Document, ModelEvidence
from training.comparison.headings import answering_energy, parameters, trained_co2, trained_energy
from training.comparison.quality import benchmarks, bits, knowledge
from training.comparison.values import Value, decimal, duration, large, one_place, size, whole
from training.reporting.everyday import everyday_energy
from training.reporting.verdict import ending_in_words, share_in_words

Line = tuple[str, Text | None]
"""A label and what stands beside it, a sentence in which each figure is a value; None where nothing is known."""
ABSENT = "–"
TERMS = 2  # everyday terms on a card


def cards(comparison: Comparison) -> str:
    """Both cards for researchers, as the two leaves of a diptych."""
    return _pair([_card(comparison, model, _all_lines(model)) for model in comparison.models]) + _conversions(
        comparison
    )


def compact_cards(comparison: Comparison) -> str:
    """Both cards for a tester who has seen the reveal: no files, no hashes, the figures that say most."""
    lines = [_few_lines(model) for model in comparison.models]
    # A line that one of them lacks is kept, so that the two stay comparable; one that both lack is not.
    known = {label for found in lines for label, text in found if text is not None}
    kept = [[line for line in found if line[0] in known] for found in lines]
    both = [
        _card(comparison, model, found, has_sources=False) for model, found in zip(comparison.models, kept, strict=True)
    ]
    heading = '<section class="told" aria-label="The two models"><h2>The two models</h2>'
    return f"{heading}{_pair(both)}{_conversions(comparison)}</section>"


def _pair(both: Sequence[str]) -> str:
    return f'<div class="sheets">{"".join(both)}</div>'


def _conversions(comparison: Comparison) -> str:
    """What the everyday terms of the cards rest on."""
    if not any(trained_energy(model) for model in comparison.models):
        return ""
    said = "; ".join(term.conversion for term in everyday_energy(1.0)[:TERMS])
    return f'<p class="hint">Everyday terms: {escape(said)}.</p>'


def _card(comparison: Comparison, model: ModelEvidence, lines: Sequence[Line], has_sources: bool = True) -> str:
    rows = "".join(
        f"<div><dt>{escape(label)}</dt><dd>{ABSENT if text is None else _html(text, has_sources)}</dd></div>"
        for label, text in lines
    )
    return (
        f'<article class="sheet" style="--lines:{len(lines)}" aria-label="{model.title}"><header>'
        f'<p class="over">{model.title}</p><h3>{escape(_made(model))}</h3></header>{_size(model, has_sources)}'
        f'{_knows(comparison, model, has_sources)}<dl class="sheet-facts">{rows}</dl></article>'
    )


def _made(model: ModelEvidence) -> str:
    if not model.report:
        return "Not told how it was made"
    if method := model.report.at("improvement", "method").content:
        return f"Learned from votes, by {str(method).upper()}"
    base = model.report.at("base").content
    return "Trained from scratch" if base is None else "Pretrained, then fine-tuned"


def _size(model: ModelEvidence, has_sources: bool) -> str:
    count = parameters(model)
    if count is None:
        return f'<p class="sheet-size">{ABSENT}<small>size not known</small></p>'
    figure, _, unit = count.text.partition(" ")
    unit = escape(f"{unit} parameters".strip())
    return f'<p class="sheet-size"{_source(count, has_sources)}>{escape(figure)}<small>{unit}</small></p>'


def _all_lines(model: ModelEvidence) -> list[Line]:
    report, costs = model.report, model.measured.at("cost")
    return [
        ("Starts from", _start(model)),
        ("Training data", _data(model)),
        (
            "Learned from",
            _either(say("{} tokens in {} steps", _tokens(model), report.value("steps", show=whole)), _tokens(model)),
        ),
        ("Training ended", _ended(report)),
        ("Training time", _training(report)),
        ("Energy of the training", _energy(model)),
        ("In everyday terms", _everyday(model)),
        ("Held-out bits a byte", _bits(model)),
        ("On disk", _disk(model)),
        ("Speed", _speed(costs)),
        ("Memory while answering", say("{}", costs.value("peak_memory_bytes", show=size))),
        ("Energy of 1,000 tokens", _estimated(answering_energy(model))),
        ("Licence", _licence(model)),
    ]


def _few_lines(model: ModelEvidence) -> list[Line]:
    return [
        ("Starts from", _start(model)),
        ("Learned from", say("{} tokens", _tokens(model))),
        ("Training time", say("{}", model.report.value("train_seconds", show=duration))),
        ("Energy of the training", _estimated(trained_energy(model))),
        ("In everyday terms", _everyday(model)),
        ("Speed", _speed(model.measured.at("cost"))),
    ]


def _tokens(model: ModelEvidence) -> Value | None:
    return model.report.value("tokens", show=large)


def _start(model: ModelEvidence) -> Text | None:
    if not model.report:
        return None
    base, trained = model.report.value("base"), model.report.value("trainable_parameters", show=large)
    if base is None:
        return ("random weights",)
    return _either(say("{}, of which {} parameters were trained", base, trained), base)


def _data(model: ModelEvidence) -> Text | None:
    """The sources with their samples, as the data card counts them, else their names as the report has them."""
    sources = [
        say("{} ({})", source.value("name"), source.value("samples", show=whole))
        for source in model.card.at("sources").items()
    ]
    return _joined(", ", sources) or say("{}", model.report.value("config", "data", show=", ".join))


def _training(report: Document) -> Text | None:
    took, device = report.value("train_seconds", show=duration), report.value("device")
    return _either(say("{} on {}, {}", took, device, report.value("dtype")), took)


def _ended(report: Document) -> Text | None:
    by = report.value("ended_by", show=ending_in_words)
    return _either(
        say("by {} at {} of its plan", by, report.value("plan_share", show=share_in_words)), say("by {}", by)
    )


def _energy(model: ModelEvidence) -> Text | None:
    co2 = say("{} CO2", trained_co2(model))
    return _joined(", ", [_estimated(trained_energy(model)), co2])


def _everyday(model: ModelEvidence) -> Text | None:
    """The training's energy as a lamp and a kettle would use it; their conversions stand below the cards."""
    used = trained_energy(model)
    return None if used is None else (", or ".join(term.text for term in everyday_energy(used.estimate)[:TERMS]),)


def _bits(model: ModelEvidence) -> Text | None:
    """As the evaluation measured them, else as the training did at its end."""
    own = model.report.value("val_bits_per_byte", show=decimal)
    return _either(say("{}", bits(model)), say("{}, by the training itself", own))


def _disk(model: ModelEvidence) -> Text | None:
    sizes = model.measured.at("cost", "sizes")
    parts = [say(text, sizes.value(key, show=size)) for key, text in (("weights", "{} weights"), ("gguf", "{} GGUF"))]
    return _joined(", ", parts) or say("{}", model.report.value("size_bytes", show=size))


def _speed(costs: Document) -> Text | None:
    speed, wait = (
        costs.value("tokens_per_second", "1", show=one_place),
        costs.value("first_token_seconds", show=duration),
    )
    one = say("{} tokens a second", speed and speed.point())
    return _joined(", ", [one, say("the first after {}", wait and wait.point())])


def _licence(model: ModelEvidence) -> Text | None:
    licence = licence_of(model.folder / "README.md")
    return (licence,) if licence else None


def licence_of(card: Path) -> str | None:
    """`license:` in the front matter of a model card, or None."""
    try:
        text = card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    front = re.match(r"---\n(.*?)\n---", text, re.S)
    line = re.search(r"^license:[ \t]*(\S.*)$", front[1], re.M) if front else None
    return line[1].strip("\"' ") if line else None


def _knows(comparison: Comparison, model: ModelEvidence, has_sources: bool) -> str:
    """Art knowledge on a scale, by group of questions where there are groups."""
    names = benchmarks(comparison)
    entry = knowledge(model, names[0]) if names else Document("")
    meters = [_meter(str(group.at("group").content), group, has_sources) for group in entry.at("groups").items()]
    meters = [meter for meter in meters if meter] or [_meter("all questions", entry, has_sources)]
    said = "".join(meters) or "<p>not measured</p>"
    return f'<div class="knows"><p><b>Art knowledge</b></p>{said}</div>'


def _meter(name: str, entry: Document, has_sources: bool) -> str:
    """The share of right answers on a scale with its interval, and where chance would be; empty where not measured."""
    accuracy, chance = entry.value("accuracy", show=_share), entry.value("chance", show=_share)
    if accuracy is None:
        return ""
    marks, said = "", ""
    if accuracy.ends is not None:
        low, high = accuracy.ends
        marks = f'<i class="span" style="left:{100 * low:.1f}%;width:{100 * (high - low):.1f}%"></i>'
        said = f" ({_share(low)} to {_share(high)})" if low < high else ""
    marks += f'<i class="point" style="left:{100 * accuracy.estimate:.1f}%"></i>'
    asked = entry.value("n", show=whole)
    hints = [f"{asked.text} questions with options" if asked else ""]
    if chance is not None:
        marks += f'<i class="chance" style="left:{100 * chance.estimate:.1f}%"></i>'
        hints.append(f"guessing would reach {chance.text}")
    hint = "; ".join(part for part in hints if part)
    return (
        f"<p{_source(accuracy, has_sources)}>{escape(name[:1].upper() + name[1:])}: <b>{_share(accuracy.estimate)}</b>"
        f' right{said}</p><div class="line" aria-hidden="true">{marks}</div><p class="hint">{escape(hint)}</p>'
    )


def _share(share: float) -> str:
    return f"{share:.0%}"


def _estimated(value: Value | None) -> Text | None:
    """A figure with the word that it was estimated, or measured."""
    return say("{}, estimated" if value is not None and value.status == "estimated" else "{}, measured", value)


def _either(*texts: Text | Value | None) -> Text | None:
    first = next((text for text in texts if text is not None), None)
    return (first,) if isinstance(first, Value) else first


def _joined(between: str, texts: Iterable[Text | None]) -> Text | None:
    """The texts that there are, one after the other; None when there is none."""
    parts: list[str | Value] = []
    for text in texts:
        if text is not None:
            parts += [between] if parts else []
            parts += text
    return tuple(parts) or None


def _html(text: Text, has_sources: bool) -> str:
    return "".join(
        escape(part) if isinstance(part, str) else f"<span{_source(part, has_sources)}>{escape(part.text)}</span>"
        for part in text
    )


def _source(value: Value, has_sources: bool) -> str:
    return f' title="{escape(value.title)}"' if has_sources else ""
