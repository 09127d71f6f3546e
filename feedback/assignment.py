"""Which model is on which side, and which question is due: drawn from the study's secret, never from outcomes.

Sides come in permuted blocks within a tester: of each ``BLOCK_SIZE`` battles, half have model1 on the left.  A draw is
an HMAC-SHA256 of the study's secret, so that everything served can be derived again from the database alone.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass

BLOCK_SIZE = 4
MODELS = ("model1", "model2")


@dataclass(frozen=True)
class Candidate:
    """A prompt of the bank with how often it was served with model1 on each side."""

    key: int
    prompt_id: str
    category: str
    served_left: int
    served_right: int


def draw(secret: str, *parts: object) -> bytes:
    """HMAC-SHA256 of ``part|part|...`` under a secret given in hexadecimal."""
    return hmac.digest(bytes.fromhex(secret), "|".join(map(str, parts)).encode(), "sha256")


def left_model(secret: str, tester: str, serving: int, block_size: int = BLOCK_SIZE) -> str:
    """The model on the left in a tester's battle number ``serving`` (from 0).

    Within block ``b`` the places ``j`` are ranked by ``HMAC(secret, "tester|b|j")``; the lower half gets model1 on the
    left.  Hence a tester's counts of left and right never differ by more than half a block.
    """
    block, place = divmod(serving, block_size)
    ranked = sorted(range(block_size), key=lambda j: draw(secret, tester, block, j))
    return MODELS[0] if ranked.index(place) < block_size // 2 else MODELS[1]


def first_side(secret: str, tester: str, serving: int, block_size: int = BLOCK_SIZE) -> str:
    """The answer that a screen with room for one shows first, ``left`` or ``right``, in a tester's battle.

    Of the battles of a block with the same model on the left, half begin with either side; so each model is as often
    first as second, on the left as on the right.
    """
    block, place = divmod(serving, block_size)
    left = [left_model(secret, tester, block * block_size + j, block_size) for j in range(block_size)]
    peers = [j for j in range(block_size) if left[j] == left[place]]
    peers.sort(key=lambda j: draw(secret, tester, block, "first", j))
    return "left" if 2 * peers.index(place) < len(peers) else "right"


def rank_prompts(
    secret: str, tester: str, serving: int, unseen: Iterable[Candidate], block_size: int = BLOCK_SIZE
) -> list[Candidate]:
    """Order the prompts that a tester has not seen, the one that the schedule wants first.

    Fewest servings first; among those the one most in need of the side that comes next; ties by a draw.
    """
    model1_left = left_model(secret, tester, serving, block_size) == MODELS[0]

    def rank(prompt: Candidate) -> tuple[int, int, bytes]:
        surplus = prompt.served_left - prompt.served_right  # of model1 on the left
        return (
            prompt.served_left + prompt.served_right,
            surplus if model1_left else -surplus,
            draw(secret, tester, "prompt", serving, prompt.prompt_id),
        )

    return sorted(unseen, key=rank)
