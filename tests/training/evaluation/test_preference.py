"""The intervals of held-out pairs."""

from __future__ import annotations

import pytest

from training.evaluation.preference import accuracy


@pytest.mark.parametrize("each", [(1, 1, 0), (1, 0.5, 0.5, 0, 0, 0, 0), (1,) * 3 + (0,) * 7])
def test_testers_who_are_alike_but_for_rounding_give_no_point_for_an_interval(each: tuple[float, ...]) -> None:
    testers = [f"t{n}" for n in range(9) for _ in each]
    found = accuracy(list(each) * 9, testers)
    assert found["ci_low"] is not None
    assert found["ci_high"] is not None
    reach = 1 - 0.025 ** (1 / 9)
    share = sum(each) / len(each)
    assert found["ci_low"] == pytest.approx(max(0, share - reach))
    assert found["ci_high"] == pytest.approx(min(1, share + reach))
