"""Ten answers side by side: the same prompts, both models, word for word."""

from __future__ import annotations

from training.comparison.content import AnswerPair, Section
from training.comparison.evidence import Comparison

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
