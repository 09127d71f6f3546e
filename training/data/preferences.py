"""Preferences from votes, tokenised as a method learns them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.corpus.sample import Message
from training.data.documents import ChatForm, Documents, EncodeBatch
from training.data.preference_file import Preferences, PreferencesError


@dataclass(frozen=True)
class Examples:
    """What is learned, or held back: E examples over the documents of a ``PreferenceData``.

    Attributes:
        documents: (E, 2) the preferred document and the other one; (E, 1) a single one.
        wanted: (E,) whether a single document is wanted; all true for pairs.
        weights: (E,) with a mean of 1.
        records: of each, the record that it is of.
    """

    documents: np.ndarray
    wanted: np.ndarray
    weights: np.ndarray
    records: Sequence[Mapping[str, Any]]

    def __len__(self) -> int:
        return len(self.documents)


@dataclass(frozen=True)
class PreferenceData:
    """Tokenised preferences: a document is a question with one answer, whose tokens alone are learned.

    Attributes:
        documents: all of them, those that are held back and those of ``mismatched`` too.
        train: in the form of the method.
        held_out: pairs, whatever the method.
        mismatched: (E,) for each single example of ``train`` the document of its question with another's answer, by
            which kto estimates how far the model has moved; empty for pairs.
        left_out: how many records taught nothing, by reason.
    """

    documents: Documents
    train: Examples
    held_out: Examples
    mismatched: np.ndarray
    left_out: Mapping[str, int]


def prepare_preferences(
    preferences: Preferences,
    method: str,
    encode_batch: EncodeBatch,
    form: ChatForm,
    *,
    ties: str = "leave_out",
    max_tokens: int = 1024,
    seed: int = 1,
) -> PreferenceData:
    """Tokenise what a method can use.

    Raises:
        PreferencesError: when nothing is left to learn from: why, and what to do.
    """
    left_out: dict[str, int] = {}
    train = [record for record in preferences.records if record["split"] == "train"]
    held = [r for r in preferences.records if r["split"] == "held_out" and r["outcome"] == "win" and not _are_equal(r)]
    used = [record for record in train if _is_used(record, method, ties, left_out)]
    _check_any(preferences, method, used, left_out)
    texts: list[tuple[list[Message], bool]] = []

    def document(record: Mapping[str, Any], side: str) -> int:
        texts.append((_messages(record, record[side]), record.get(f"{side}_ended") is not False))
        return len(texts) - 1

    sides = _SIDES[:1] if method == "sft" else _SIDES
    pairs = {id(r): tuple(document(r, side) for side in sides) for r in used if r["outcome"] == "win"}
    pairs |= {id(r): tuple(document(r, side) for side in _SIDES) for r in held}
    single: dict[tuple[int, bool], int] = {}
    for record in used:
        if record["outcome"] != "win":
            side = "chosen" if record["chosen"] is not None else "rejected"
            single[id(record), side == "chosen"] = document(record, side)
    learned: list[tuple[tuple[int, ...], bool, Mapping[str, Any]]]
    if method != "kto":
        learned = [(pairs[id(r)], True, r) for r in used]
    else:
        learned = [((d,), not place, r) for r in used if id(r) in pairs for place, d in enumerate(pairs[id(r)])]
        learned += [((single[id(r), w],), w, r) for r in used for w in (True, False) if (id(r), w) in single]
    order = np.random.default_rng(seed).permutation(len(learned))
    learned = [learned[place] for place in order]
    mismatched: list[int] = []
    if method == "kto":
        for place, (_, _, record) in enumerate(learned):
            other = learned[place - 1][0][0]
            question, (answered, ended) = _messages(record, "")[:-1], texts[other]
            texts.append(([*question, answered[-1]], ended))
            mismatched.append(len(texts) - 1)
    documents, fits = _tokenise(texts, encode_batch, form, max_tokens)
    keep = [place for place, (which, _, _) in enumerate(learned) if all(fits[d] for d in which)]
    if len(keep) < len(learned):
        left_out["questions that leave no room for an answer within max_tokens"] = len(learned) - len(keep)
    if not keep:
        raise PreferencesError(f"no question leaves room for an answer in max_tokens={max_tokens} tokens; raise it")
    return PreferenceData(
        documents,
        _examples([learned[place] for place in keep]),
        _examples([(pairs[id(r)], True, r) for r in held if all(fits[d] for d in pairs[id(r)])]),
        np.array([mismatched[place] for place in keep] if mismatched else [], np.int64),
        left_out,
    )


def _is_used(record: Mapping[str, Any], method: str, ties: str, left_out: dict[str, int]) -> bool:
    why = ""
    if record["outcome"] == "tie" and (method != "kto" or ties != "wanted"):
        why = "answers of ties"
    elif record["outcome"] == "both_bad" and method != "kto":
        why = "answers of which both were bad"
    elif not record["weight"] > 0:
        why = "votes without weight"
    elif _are_equal(record):
        why = "votes between equal answers"
    if why:
        left_out[why] = left_out.get(why, 0) + 1
    return not why


def _are_equal(record: Mapping[str, Any]) -> bool:
    """Whether the preferred answer says what the other one does: a place or a moment was preferred, and no words."""
    said = [[message.content.split() for message in _messages(record, record[side] or "")] for side in _SIDES]
    return record["outcome"] == "win" and said[0] == said[1]


_SIDES = ("chosen", "rejected")


def _check_any(
    preferences: Preferences, method: str, used: Sequence[Mapping[str, Any]], left_out: Mapping[str, int]
) -> None:
    if used:
        return
    header = preferences.header
    if not header["n_votes"]:
        raise PreferencesError(
            f'study "{header["study"]}" has no vote that counts; collect votes first (python app.py), then learn'
        )
    if not header["n_pairs"] and method != "kto":
        raise PreferencesError(
            f'none of the {header["n_votes"]} votes of study "{header["study"]}" prefers an answer: all are ties or '
            f"both bad, and {method} learns from preferences; collect more, or use --method kto, which learns from "
            "answers of which both are bad"
        )
    said = ", ".join(f"{n} {reason}" for reason, n in left_out.items()) or "all are held back"
    raise PreferencesError(
        f'none of the {header["n_votes"]} votes of study "{header["study"]}" can be learned by {method} ({said}); '
        "collect more votes"
    )


def _messages(record: Mapping[str, Any], answer: Any) -> list[Message]:
    """The conversation of one side; after several questions ``answer`` is a list of messages."""
    said = [{"role": "assistant", "content": answer}] if isinstance(answer, str) else answer
    return [Message(message["role"], message["content"]) for message in (*record["prompt"], *said)]


def vote_of(record: Mapping[str, Any]) -> str:
    """The vote that a record is of: of one that preferred neither answer there are two records, one for each."""
    return str(record["id"]).partition("-")[0]


def answer_bytes(answer: str | Sequence[Mapping[str, str]]) -> int:
    """UTF-8 bytes of an answer, or of all of them after several questions."""
    if isinstance(answer, str):
        return len(answer.encode())
    return sum(len(message["content"].encode()) for message in answer if message["role"] == "assistant")


def _tokenise(
    texts: Sequence[tuple[list[Message], bool]], encode_batch: EncodeBatch, form: ChatForm, max_tokens: int
) -> tuple[Documents, list[bool]]:
    """Each conversation in a model's chat form, and whether it has an answer within ``max_tokens``.

    The end of an answer is learned where the model had ended it: not where it was cut off.
    """
    encoded = iter(encode_batch([content for messages, _ in texts for _, content in messages]))
    documents, answer_bytes, fits = [], [], []
    for messages, ended in texts:
        spans: list[tuple[list[int], bool]] = [(form.begin, False)] if form.begin else []
        for place, (role, _) in enumerate(messages):
            is_answer, is_last = role == "assistant", place == len(messages) - 1
            spans += [(form.before[role], False), (next(encoded), is_answer)]
            if ended or not is_last:
                spans.append((form.end, is_answer))
            if form.after and not is_last:
                spans.append((form.after, False))
        documents.append(_cut(spans, max_tokens))
        fits.append(any(learned and ids for ids, learned in documents[-1]))
        answer_bytes.append(sum(len(content.encode()) for role, content in messages if role == "assistant"))
    return Documents.from_spans(documents, answer_bytes), fits


def _cut(spans: Sequence[tuple[list[int], bool]], max_tokens: int) -> list[tuple[list[int], bool]]:
    if sum(len(ids) for ids, _ in spans) <= max_tokens:  # nearly all: copies make Python's collector walk them again
        return list(spans)
    kept, room = [], max_tokens
    for ids, learned in spans:
        kept.append((ids[:room], learned))
        room -= len(kept[-1][0])
    return kept


def _examples(learned: Sequence[tuple[tuple[int, ...], bool, Mapping[str, Any]]]) -> Examples:
    width = len(learned[0][0]) if learned else 2
    weights = np.array([record["weight"] for _, _, record in learned], np.float64)
    return Examples(
        np.array([which for which, _, _ in learned], np.int64).reshape(len(learned), width),
        np.array([wanted for _, wanted, _ in learned], bool),
        (weights / weights.mean()).astype(np.float32) if len(weights) else weights.astype(np.float32),
        [record for _, _, record in learned],
    )
