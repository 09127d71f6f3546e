"""Losses of texts under a network: batched by length, shared contexts read once, logits only where they are scored."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from training.evaluation.chat_forms import Document, Pair
from training.evaluation.networks import Network
from training.evaluation.subjects import DocumentLoss, Likelihood, Unavailable

T = TypeVar("T")

BATCH_TOKENS = 2048
LOGITS_AT_A_TIME = 256
"""Positions whose logits exist at a time: with 49,152 pieces that is 50 MB."""

Done = Callable[[int], object]
"""Told of each number of texts that are done."""


@dataclass(frozen=True)
class Row:
    """Tokens that are read together, and what is scored of them."""

    ids: Sequence[int]  # (S + 1,): each but the last is read, each but the first may be scored
    scored: np.ndarray  # which of ``ids[1:]`` are scored, (S,) bool


@dataclass(frozen=True)
class TokenScores:
    """Of each scored token of a row −log p, and whether it was the likeliest one."""

    nats: np.ndarray
    likeliest: np.ndarray


@dataclass(frozen=True)
class _Shared:
    """Pairs that begin alike, such as the options of one question."""

    begin: list[int]  # ids that all of them begin with
    scored: int  # how many of the last of these belong to the continuations
    rests: dict[int, list[int]]  # of each pair, by its number, the ids that follow; at least one

    @property
    def width(self) -> int:
        return len(self.begin) + sum(map(len, self.rests.values()))


@torch.inference_mode()
def pair_likelihoods(
    network: Network, pairs: Sequence[Pair], text_bytes: Sequence[int], done: Done = lambda n: None
) -> list[Likelihood]:
    """Of each continuation after its context; what several pairs begin with is read once."""
    alone, shared = _by_beginning(network, pairs)
    rows = [_row_of(pairs[i], network.context) for i in alone]
    scores = dict(zip(alone, score_rows(network, rows, done), strict=True))
    for batch in shared:
        scores |= _score_shared(network, batch)
        done(sum(len(group.rests) for group in batch))
    return [
        Likelihood(float(s.nats.sum()), len(s.nats), n, bool(s.likeliest.all()))
        for s, n in ((scores[i], text_bytes[i]) for i in range(len(pairs)))
    ]


def _by_beginning(network: Network, pairs: Sequence[Pair]) -> tuple[list[int], list[list[_Shared]]]:
    """Pairs whose context no other has, and batches of groups that begin alike; beginnings of a batch are as long.

    A pair that does not fit into what the model reads is scored alone, without the beginning of its context.
    """
    by_context: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i, (ids, _) in enumerate(pairs):
        by_context[tuple(ids)].append(i)
    alone: list[int] = []
    by_length: dict[int, list[_Shared]] = defaultdict(list)
    for context, members in by_context.items():
        continuations = [pairs[i][1] for i in members]
        if len(members) == 1 or not all(continuations) or len(context) + max(map(len, continuations)) > network.context:
            alone += members
            continue
        n = min(_common(continuations), min(map(len, continuations)) - 1)
        begin = [*context, *continuations[0][:n]]
        by_length[len(begin)].append(_Shared(begin, n, {i: pairs[i][1][n:] for i in members}))
    shared = []
    for groups in by_length.values():
        groups.sort(key=lambda group: group.width, reverse=True)
        shared += list(_batches(groups, lambda group: group.width))
    return alone, shared


def _common(lists: Sequence[list[int]]) -> int:
    """How many ids all lists begin with."""
    first, last = min(lists), max(lists)
    return next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))


def _batches(items: Sequence[T], width: Callable[[T], int]) -> Iterator[list[T]]:
    """Neighbours whose widths together, each taken as the widest of the batch, are at most ``BATCH_TOKENS``."""
    batch: list[T] = []
    widest = 0
    for item in items:
        widest = max(widest, width(item))
        if batch and widest * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch, widest = [], width(item)
        batch.append(item)
    if batch:
        yield batch


def _row_of(pair: Pair, context: int) -> Row:
    ids = [*pair[0], *pair[1]][-(context + 1) :]
    scored = np.zeros(len(ids) - 1, bool)
    if pair[1]:
        scored[-len(pair[1]) :] = True
    return Row(ids, scored)


def _score_shared(network: Network, batch: Sequence[_Shared]) -> dict[int, TokenScores]:
    """The common beginnings once, then each rest after them.

    The last id of a beginning is read with the rests, since it is what predicts their first.
    """
    rows = [Row(group.begin, np.arange(len(group.begin) - 1) >= len(group.begin) - 1 - group.scored) for group in batch]
    rests = [
        Row([group.begin[-1], *rest], np.ones(len(rest), bool)) for group in batch for rest in group.rests.values()
    ]
    if len(batch[0].begin) == 1:
        own = _score_states(network, network.states(_padded(rests)), rests)
        common = [TokenScores(np.empty(0), np.empty(0, bool)) for _ in batch]
    else:
        states, read = network.read(_padded(rows))
        common = _score_states(network, states, rows)
        numbers = torch.tensor([number for number, group in enumerate(batch) for _ in group.rests])
        own = _score_states(network, network.states_after(read, numbers, _padded(rests)), rests)
    scores: dict[int, TokenScores] = {}
    following = iter(own)
    for group, begin in zip(batch, common, strict=True):
        for i in group.rests:
            rest = next(following)
            scores[i] = TokenScores(
                np.concatenate([begin.nats, rest.nats]), np.concatenate([begin.likeliest, rest.likeliest])
            )
    return scores


@torch.inference_mode()
def score_rows(network: Network, rows: Sequence[Row], done: Done = lambda n: None) -> list[TokenScores]:
    """Every row, batched with those of about its length."""
    found: dict[int, TokenScores] = {}
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].ids), reverse=True)
    for batch in _batches(order, lambda i: len(rows[i].ids)):
        chosen = [rows[i] for i in batch]
        found |= dict(zip(batch, _score_states(network, network.states(_padded(chosen)), chosen), strict=True))
        done(len(batch))
    return [found[i] for i in range(len(rows))]


def _padded(rows: Sequence[Row]) -> Tensor:
    """What is read of the rows (B, S), padded on the right: a causal model's states do not depend on what follows."""
    longest = max(1, *(len(row.ids) - 1 for row in rows)) if rows else 1
    return torch.tensor([[*row.ids[:-1], *[0] * (longest - len(row.ids) + 1)] for row in rows])


def _score_states(network: Network, states_BSD: Tensor, rows: Sequence[Row]) -> list[TokenScores]:
    places = [(row, place) for row, each in enumerate(rows) for place in np.flatnonzero(each.scored).tolist()]
    labels = torch.tensor([rows[row].ids[place + 1] for row, place in places], dtype=torch.long)
    at = torch.tensor(places, dtype=torch.long).reshape(-1, 2).to(states_BSD.device)
    states_ND = states_BSD[at[:, 0], at[:, 1]]
    nats, likeliest = np.empty(len(places)), np.empty(len(places), bool)
    for start in range(0, len(places), LOGITS_AT_A_TIME):
        part = slice(start, start + LOGITS_AT_A_TIME)
        logits = network.logits(states_ND[part]).float()
        wanted = labels[part].to(logits.device)
        loss = logits.logsumexp(-1) - logits.gather(-1, wanted[:, None])[:, 0]
        best = logits.max(-1).indices  # as argmax, in a third of its time on a CPU
        nats[part], likeliest[part] = loss.cpu().numpy(), (best == wanted).cpu().numpy()
    if not np.isfinite(nats).all():
        raise Unavailable(
            "its losses are not numbers (NaN): the training diverged or the file is damaged; train it again with a "
            "lower learning rate"
        )
    ends = np.cumsum([int(row.scored.sum()) for row in rows])[:-1]
    return [TokenScores(*both) for both in zip(np.split(nats, ends), np.split(likeliest, ends), strict=True)]


def document_likelihoods(
    network: Network, documents: Sequence[Document], done: Done = lambda n: None
) -> list[DocumentLoss]:
    """Each document's losses, over answers and over everything, from one pass."""
    windows = [_windows(document, network.context) for document in documents]
    scores = iter(score_rows(network, [row for rows in windows for row in rows], done))
    losses = []
    for document, rows in zip(documents, windows, strict=True):
        nats = np.concatenate([next(scores).nats for _ in rows])
        of_answers = document.answers[1:][document.everything[1:]]
        losses.append(
            DocumentLoss(
                Likelihood(float(nats[of_answers].sum()), int(of_answers.sum()), document.answer_bytes),
                Likelihood(float(nats.sum()), len(nats), document.all_bytes),
            )
        )
    return losses


def _windows(document: Document, context: int) -> list[Row]:
    """The document in one row, or in several that overlap by half where it is longer than the model can read: every
    token is scored once, with at least half of the context before it."""
    scored = document.everything[1:]
    rows: list[Row] = []
    done, step = 0, max(1, context // 2)
    while not rows or done < len(scored):
        end = min(len(scored), context if not rows else done + step)
        start = max(0, end - context)
        part = scored[start:end].copy()
        part[: done - start] = False
        rows.append(Row(document.ids[start : end + 1], part))
        done = end
    return rows
