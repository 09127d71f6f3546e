"""The answer in what data sets keep of it: lists of spellings, candidates with their scores, the letter of a choice."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from training.corpus.turns import NO_ANSWER, NOT_TEXT, Unreadable, is_given, number_of, parsed, text_of

NAMES = (
    *("answer", "response", "output", "completion", "chosen", "assistant", "bot"),
    *("answers", "answerkey", "correct_answer", "best_answer", "targets", "completions", "output_text"),
)
"""Columns that hold an answer: in words, then as benchmarks and rated candidates have it."""
PASSAGES = ("context", "passage", "article", "story")
"""Columns of a text that a question is about."""

_MANY = ("answers", "completions")
_PACKED = re.compile(
    r"\s*\{\s*([\"'])(?:text|answer_start)\1\s*:\s*(?:\[|array)|\s*\{.*([\"'])aliases\2\s*:", re.DOTALL
)
_LISTED = re.compile(r"\s*[\[{]")


def answer_in(row: Mapping[str, Any], name: str) -> Any:
    """The answer in a column; what is no text and of no known form stays as it is.

    Raises:
        Unreadable: several answers of which nothing says which is meant, or a choice that is not there.
    """
    answer = _unpacked(row[name], name)
    flag = str(answer).strip().lower() if isinstance(answer, str | bool) else ""
    if flag in ("true", "false") and any(is_given(row.get(about)) for about in PASSAGES):  # BoolQ
        return "Yes" if flag == "true" else "No"
    choices = _named(row.get("choices") if row.get("choices") is not None else row.get("options"))
    if choices and not isinstance(answer, list | tuple | Mapping):
        return _chosen(text_of(answer), choices)
    if name == "answerkey":
        raise Unreadable(NO_ANSWER)
    return answer


def _unpacked(value: Any, name: str) -> Any:
    """One answer of SQuAD's spans, of TriviaQA's spellings, of rated candidates, or of a list of one."""
    if isinstance(value, str) and (_PACKED.match(value) or (name in _MANY and _LISTED.match(value))):
        value = parsed(value)
    if isinstance(value, Mapping) and "aliases" in value:
        return value.get("value")
    if isinstance(value, Mapping) and isinstance(value.get("text"), list | tuple):
        return next(filter(is_given, value["text"]), None)  # each person's span of the same passage
    if not isinstance(value, list | tuple):
        return value
    if name in _MANY and value and all(isinstance(one, Mapping) for one in value):
        return _best(value)
    if not all(one is None or isinstance(one, str) for one in value):
        return value
    said = list(dict.fromkeys(one.strip() for one in value if is_given(one)))
    if len(said) > 1:
        raise Unreadable(NOT_TEXT)
    return said[0] if said else None


def _best(candidates: Sequence[Mapping[str, Any]]) -> Any:
    """What the candidate of the highest score (UltraFeedback) or the first rank (Nectar) says; of spans, which have
    neither, the first."""
    best = candidates[0]
    if all(number_of(one.get("overall_score")) is not None for one in candidates):
        best = max(candidates, key=lambda one: number_of(one["overall_score"]) or 0)
    elif all(number_of(one.get("rank")) is not None for one in candidates):
        best = min(candidates, key=lambda one: number_of(one["rank"]) or 0)
    elif len(candidates) > 1 and not all("answer_start" in one for one in candidates):
        raise Unreadable(NOT_TEXT)
    return next((best[key] for key in ("response", "answer", "text") if is_given(best.get(key))), None)


def _named(choices: Any) -> dict[str, str]:
    """The choices by their places from 0 on, by letters, and by labels of their own; nothing where there are none."""
    if isinstance(choices, str):
        choices = parsed(choices) if _LISTED.match(choices) else ()
    labels: Sequence[Any] = ()
    if isinstance(choices, Mapping) and isinstance(choices.get("text"), list | tuple):
        labels, choices = choices.get("label") or (), choices["text"]
    elif isinstance(choices, Mapping) and all(len(str(label)) == 1 for label in choices):
        labels, choices = list(choices), list(choices.values())
    elif isinstance(choices, list | tuple) and all(isinstance(one, Mapping) for one in choices):
        labels, choices = [one.get("label") for one in choices], [one.get("text") for one in choices]
    if not isinstance(choices, list | tuple):
        return {}
    texts = [text_of(choice) for choice in choices]
    places = {str(place): text for place, text in enumerate(texts)}
    letters = {chr(ord("a") + place): text for place, text in enumerate(texts)}
    return places | letters | {str(label).lower(): text for label, text in zip(labels, texts, strict=False)}


def _chosen(answer: str, choices: Mapping[str, str]) -> str:
    """The choice that an answer names; an answer of other words says what it means."""
    if answer in choices.values() or not re.fullmatch(r"-?\d+|[A-Za-z]?", answer):
        return answer
    if answer.lower() not in choices:
        raise Unreadable(NO_ANSWER)
    return choices[answer.lower()]
