"""Conversations of the Hub as chats that start with the user and end with the assistant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from training.corpus.hub.rows import Keyed, Row
from training.corpus.sample import Message, Role, digest

# Both data sets of small talk set blanks around every mark: "it ' s late , is n't it ?"
_BLANK_BEFORE = re.compile(r"\s+([,.?!;:%)\]]|n't\b|['’](?:s|m|re|ve|ll|d|t)\b)")
_BLANK_INSIDE = re.compile(r"(\w)\s*(['’])\s+(s|m|re|ve|ll|d|t)\b")
_BLANK_AFTER = re.compile(r"([(\[$£])\s+")
_SENTENCE = re.compile(r"(^|[.?!]\s+)([a-z])")
_SILENCE = "__ SILENCE __"


def openassistant(rows: Iterable[Row]) -> Iterator[Keyed]:
    """The best-ranked path through each English tree of messages.

    A message may have several replies, which people ranked (0 is the best). The path follows the best of them from
    the first prompt on and ends with an answer of the assistant.
    """
    roots: list[Row] = []
    replies: dict[str, list[Row]] = {}
    for row in rows:
        if row["lang"] != "en" or row["deleted"]:
            continue
        if row["parent_id"]:
            replies.setdefault(row["parent_id"], []).append(row)
        else:
            roots.append(row)
    for root in roots:
        path = [root]
        while answers := replies.pop(path[-1]["message_id"], None):  # once each: a tree may be damaged into a ring
            path.append(min(answers, key=lambda row: row["rank"]))
        turns = alternate(Message(row["role"], row["text"]) for row in path)
        if turns:
            yield root["message_tree_id"], turns


def dailydialog(rows: Iterable[Row]) -> Iterator[Keyed]:
    """Two people in turn; the one who begins is the user."""
    for row in rows:
        yield from _small_talk(row["dialog"])


def personachat(rows: Iterable[Row]) -> Iterator[Keyed]:
    """Two crowd workers who get to know each other.

    Every conversation is there twice, once from either side; both get the same key. The invented personas are left out.
    """
    for row in rows:
        yield from _small_talk(row["utterances"])


def _small_talk(utterances: Sequence[str]) -> Iterator[Keyed]:
    silent = bool(utterances) and utterances[0] == _SILENCE
    spoken = [plain(text) for text in utterances[silent:]]
    roles: tuple[Role, Role] = ("assistant", "user") if silent else ("user", "assistant")
    turns = alternate(Message(roles[index % 2], text) for index, text in enumerate(spoken))
    if turns:
        yield f"{digest(' '.join(spoken[:2])):016x}", turns


def alternate(messages: Iterable[Message]) -> tuple[Message, ...]:
    """The messages as a chat: from the first user to the last assistant, turns of the same role joined."""
    turns: list[Message] = []
    for message in messages:
        if not message.content or (not turns and message.role != "user"):
            continue
        if turns and turns[-1].role == message.role:
            turns[-1] = Message(message.role, f"{turns[-1].content}\n{message.content}")
        else:
            turns.append(message)
    if turns and turns[-1].role == "user":
        turns.pop()
    return tuple(turns)


def plain(text: str) -> str:
    """Text as people write it, from text whose marks stand between blanks and that may have no capitals.

    >>> plain("hi , it ' s late , is n't it ? i'm off .")
    "Hi, it's late, isn't it? I'm off."
    """
    text = " ".join(text.split())
    text = _BLANK_INSIDE.sub(r"\1\2\3", text)
    text = _BLANK_BEFORE.sub(r"\1", text)
    text = _BLANK_AFTER.sub(r"\1", text)
    if not text.islower():
        return text
    text = re.sub(r"\bi\b", "I", text)
    return _SENTENCE.sub(lambda found: found[1] + found[2].upper(), text)
