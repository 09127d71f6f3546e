"""The source ``conversation``: exchanges of small talk, follow-ups and honest limits."""

from __future__ import annotations

from collections.abc import Iterator

from training.corpus.phrasing.wording import Phrase, chat
from training.corpus.records import Exchange, Records


def phrases(records: Records) -> Iterator[Phrase]:
    """Every wording of every exchange with one of its replies in turn."""
    for exchange in records.exchanges:
        before = [turn for pair in exchange.context for turn in (pair.user, pair.reply)]
        for index, user in enumerate(_typed(exchange)):
            yield chat(f"exchange:{exchange.id}", *before, user, exchange.reply[index % len(exchange.reply)])


def _typed(exchange: Exchange) -> list[str]:
    """The wordings of the user, and each as it is typed in haste."""
    return list(dict.fromkeys([*exchange.user, *(user.lower().rstrip("?!.") or user for user in exchange.user)]))
