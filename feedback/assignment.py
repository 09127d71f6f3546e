"""Which model is on which side, and which question is due: drawn from the study's secret, never from outcomes.

A draw is an HMAC-SHA256 of the study's secret, so that everything served can be derived again from the database alone.
Where testers learn the sides at the end of their session or never, sides come in permuted blocks within a tester: of
each ``BLOCK_SIZE`` battles, half have model1 on the left.  Where they learn them after each vote, every side is drawn
by itself: three sides of a block that are known would tell the fourth before its vote.

The questions that are shown depend on how often each was served and on draws of their own, never on the side.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

BLOCK_SIZE = 4
MODELS = ("model1", "model2")
# How a battle was assigned.  The first rule also ranked questions by the side that was due, so that who knew the sides
# of earlier rounds could read the next one off the suggestions; it is here for the battles that were served by it.
BY_SIDE, BLOCKS, INDEPENDENT = "by_side", "blocks", "independent"


@dataclass(frozen=True)
class Candidate:
    """A prompt of the bank with how often it was served with model1 on each side."""

    key: int
    prompt_id: str
    category: str
    served_left: int
    served_right: int


def assignment_for(reveal: str) -> str:
    """How new battles are assigned in a study with this policy of revealing."""
    return INDEPENDENT if reveal == "vote" else BLOCKS


def draw(secret: str, *parts: object) -> bytes:
    """HMAC-SHA256 of ``part|part|...`` under a secret given in hexadecimal."""
    return hmac.digest(bytes.fromhex(secret), "|".join(map(str, parts)).encode(), "sha256")


def left_model(secret: str, tester: str, serving: int, block_size: int = BLOCK_SIZE, assignment: str = BLOCKS) -> str:
    """The model on the left in a tester's battle number ``serving`` (from 0).

    Within block ``b`` the places ``j`` are ranked by ``HMAC(secret, "tester|b|j")``; the lower half gets model1 on the
    left.  Hence a tester's counts of left and right never differ by more than half a block.  ``INDEPENDENT`` takes the
    lowest bit of the first byte of ``HMAC(secret, "tester|side|serving")`` instead: 0 is model1.
    """
    if assignment == INDEPENDENT:
        return MODELS[draw(secret, tester, "side", serving)[0] & 1]
    block, place = divmod(serving, block_size)
    ranked = sorted(range(block_size), key=lambda j: draw(secret, tester, block, j))
    return MODELS[0] if ranked.index(place) < block_size // 2 else MODELS[1]


def first_side(secret: str, tester: str, serving: int, block_size: int = BLOCK_SIZE, apart: bool = True) -> str:
    """The answer that a screen with room for one shows first, ``left`` or ``right``, in a tester's battle.

    Half of the battles of a block begin with either side, by a draw of its own: the page says which before the vote.
    Without ``apart`` (battles of earlier releases) it was half of those with the same model on the left, so that of two
    rounds of a block which began alike, who knew the sides of one knew those of the other.
    """
    block, place = divmod(serving, block_size)
    if apart:
        ranked = sorted(range(block_size), key=lambda j: draw(secret, tester, block, "shown first", j))
        return "left" if 2 * ranked.index(place) < block_size else "right"
    left = [left_model(secret, tester, block * block_size + j, block_size) for j in range(block_size)]
    peers = [j for j in range(block_size) if left[j] == left[place]]
    peers.sort(key=lambda j: draw(secret, tester, block, "first", j))
    return "left" if 2 * peers.index(place) < len(peers) else "right"


def rank_prompts(
    secret: str,
    tester: str,
    serving: int,
    unseen: Iterable[Candidate],
    block_size: int = BLOCK_SIZE,
    assignment: str = BLOCKS,
) -> list[Candidate]:
    """Order the prompts that a tester has not seen, the one that the schedule wants first.

    Fewest servings first, ties by a draw.  (``BY_SIDE`` put the one most in need of the side that comes next before the
    draw.)
    """
    by_side = assignment == BY_SIDE
    model1_left = by_side and left_model(secret, tester, serving, block_size) == MODELS[0]

    def rank(prompt: Candidate) -> tuple[int, int, bytes]:
        surplus = prompt.served_left - prompt.served_right  # of model1 on the left
        return (
            prompt.served_left + prompt.served_right,
            0 if not by_side else surplus if model1_left else -surplus,
            draw(secret, tester, "prompt", serving, prompt.prompt_id),
        )

    return sorted(unseen, key=rank)


def shuffle_prompts(secret: str, tester: str, serving: int, prompts: Iterable[Candidate]) -> list[Candidate]:
    """The prompts in an order that tells nothing: neither how often each was served nor the side that is due."""
    return sorted(prompts, key=lambda prompt: draw(secret, tester, "order", serving, prompt.prompt_id))
