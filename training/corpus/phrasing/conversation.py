"""Exchanges of small talk, follow-ups and honest limits."""

from __future__ import annotations

from collections.abc import Iterator

from training.corpus.phrasing.wording import Phrase, chat
from training.corpus.records import Records


def phrases(records: Records) -> Iterator[Phrase]:
    """Every wording of every exchange with one of its replies in turn."""
    for exchange in records.exchanges:
        before = [turn for pair in exchange.context for turn in (pair.user, pair.reply)]
        for index, user in enumerate(exchange.user):
            reply = exchange.reply[index % len(exchange.reply)]
            yield chat(f"exchange:{exchange.id}", *before, user, reply)
