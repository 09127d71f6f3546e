"""Which samples a run learns again, and how many of them at each step."""

from __future__ import annotations

import numpy as np
import pytest

from training.corpus.sample import Message, Sample
from training.data.documents import ChatForm
from training.data.replay import Replay, choose_replay

FORM = ChatForm([], {"user": [1], "assistant": [2]}, [3], [])


def samples(n: int) -> list[Sample]:
    return [
        Sample(
            f"a-{k}", "a", "art", f"row:{k}", (Message("user", "Who?"), Message("assistant", "x" * (3 + k % 9))), "MIT"
        )
        for k in range(n)
    ]


def chosen(n: int, each: float, batches: int, seed: int = 1, max_tokens: int = 64) -> Replay | None:
    encode_batch = lambda texts: [list(text.encode()) for text in texts]  # noqa: E731
    return choose_replay(
        samples(n), encode_batch, FORM, "answers", each=each, batches=batches, max_tokens=max_tokens, seed=seed
    )


def test_steps_share_out_what_is_chosen_and_none_has_what_another_has() -> None:
    found = chosen(500, each=50.5, batches=20)
    assert found is not None
    steps = [found.numbers(batch) for batch in range(20)]
    assert np.array_equal(np.concatenate(steps), found.order)
    assert len(set(found.order)) == len(found.order), "500 samples are more than are needed"
    tokens, longest = [int(found.documents.lengths[one].sum()) for one in steps], int(found.documents.lengths.max())
    assert sum(tokens) == pytest.approx(50.5 * 20, abs=longest)
    assert all(abs(one - 50.5) <= longest for one in tokens)
    assert found.learned * 20 == found.documents.select(found.order).learned.sum()


def test_too_few_come_again_in_another_order() -> None:
    found = chosen(6, each=100, batches=5)
    assert found is not None
    assert len(found.documents) == 6
    assert sorted(found.order[:6]) == sorted(found.order[6:12]) == list(range(6))
    assert list(found.order[:6]) != list(found.order[6:12])


def test_steps_of_less_than_a_sample_have_one_now_and_then() -> None:
    found = chosen(50, each=4, batches=40)
    assert found is not None
    counts = [len(found.numbers(batch)) for batch in range(40)]
    assert set(counts) == {0, 1}
    assert sum(counts) == len(found.order)


def test_the_seed_and_nothing_else_chooses() -> None:
    first, same, other = (chosen(500, 50, 4, seed) for seed in (1, 1, 2**32 - 1))
    assert first is not None
    assert same is not None
    assert other is not None
    assert np.array_equal(first.documents.tokens, same.documents.tokens)
    assert np.array_equal(first.order, same.order)
    assert not np.array_equal(first.documents.tokens, other.documents.tokens)


def test_a_long_sample_is_cut_and_no_sample_is_none() -> None:
    found = chosen(20, each=50, batches=2, max_tokens=9)
    assert found is not None
    assert found.documents.lengths.max() == 9
    assert chosen(0, each=50, batches=2) is None
