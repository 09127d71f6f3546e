"""Questions and answers of the Hub, and captions of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from training.corpus.hub.rows import Keyed, Row
from training.corpus.sample import Message, digest

_NOT_IN_TEXT = ("The text does not say.", "The text does not answer that.", "That cannot be told from the text.")


def eli5(rows: Iterable[Row]) -> Iterator[Keyed]:
    """A question of the forum "Explain like I'm five" and its answer."""
    for row in rows:
        yield _key(row["question"]), (Message("user", row["question"]), Message("assistant", row["answer"]))


def squad(rows: Iterable[Row]) -> Iterator[Keyed]:
    """A passage of Wikipedia and the questions about it, one after the other, as one chat.

    The passage stands before the first question, for an answer is a piece of that passage and reads oddly without it;
    with each of its seven questions by itself it would be learned seven times. A third of the questions look
    answerable and are not: the answer to them is that the text does not say.
    """
    for context, about in groupby(rows, key=lambda row: row["context"]):
        turns: list[Message] = []
        for row in about:
            question = row["question"]
            answer = row["answers"][0] if row["answers"] else _NOT_IN_TEXT[digest(question) % len(_NOT_IN_TEXT)]
            turns += [Message("user", question), Message("assistant", answer)]
        turns[0] = Message("user", f"{context}\n\n{turns[0].content}")
        yield _key(context), tuple(turns)


def coco(rows: Iterable[Row]) -> Iterator[Keyed]:
    """Two people's captions of one photograph, the second as another way to say the first."""
    for row in rows:
        captions = list(dict.fromkeys(row["captions"]))
        if len(captions) < 2:
            continue
        key = row["image_id"]
        first = digest(key) % len(captions)
        question = f"Describe the same picture in other words: {captions[first]}"
        answer = captions[(first + 1) % len(captions)]
        yield key, (Message("user", question), Message("assistant", answer))


def _key(text: str) -> str:
    return f"{digest(text):016x}"
