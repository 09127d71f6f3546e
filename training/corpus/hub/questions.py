"""Questions and answers of the Hub, and captions of pictures."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from training.corpus.hub.rows import Keyed, Row
from training.corpus.sample import Message, digest

_NOT_IN_TEXT = (
    "The text does not say.",
    "The text does not answer that.",
    "That cannot be told from the text.",
)


def eli5(rows: Iterable[Row]) -> Iterator[Keyed]:
    """A question of the forum "Explain like I'm five" and its answer."""
    for row in rows:
        question, answer = _stripped(row["question"]), _stripped(row["answer"])
        if question and answer:
            yield _key(question), (Message("user", question), Message("assistant", answer))


def squad(rows: Iterable[Row]) -> Iterator[Keyed]:
    """A passage of Wikipedia and the questions about it, one after the other, as one chat.

    The passage stands before the first question, for an answer is a piece of that passage and reads oddly without it;
    with each of its seven questions by itself it would be learned seven times. A third of the questions look
    answerable and are not: the answer to them is that the text does not say.
    """
    for context, about in groupby(rows, key=lambda row: _stripped(row["context"])):
        turns: list[Message] = []
        for row in about:
            question = _stripped(row["question"])
            if context and question:
                spans = [span.strip() for span in row["answers"]["text"] if span.strip()]
                answer = spans[0] if spans else _NOT_IN_TEXT[digest(question) % len(_NOT_IN_TEXT)]
                turns += [Message("user", question), Message("assistant", answer)]
        if turns:
            turns[0] = Message("user", f"{context}\n\n{turns[0].content}")
            yield _key(context), tuple(turns)


def coco(rows: Iterable[Row]) -> Iterator[Keyed]:
    """Two people's captions of one photograph, the second as another way to say the first."""
    for row in rows:
        captions = list(dict.fromkeys(filter(None, map(_stripped, row["captions"] or ()))))
        if len(captions) < 2:
            continue
        key = str(row["image_id"])
        first = digest(key) % len(captions)
        question = f"Describe the same picture in other words: {captions[first]}"
        answer = captions[(first + 1) % len(captions)]
        yield key, (Message("user", question), Message("assistant", answer))


def _stripped(text: str | None) -> str:
    return (text or "").strip()


def _key(text: str) -> str:
    return f"{digest(text):016x}"
