"""Bits per byte: the one figure in which models with other tokenizers are compared."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest

from training.common.score import NOTHING, Score

TRAINING = Path(__file__).parents[3] / "training"


def test_bits_are_those_of_all_tokens_over_the_bytes_of_the_text() -> None:
    score = Score(nats=8 * math.log(2), tokens=4, text_bytes=16)
    assert score.bits_per_byte == pytest.approx(0.5)
    assert (score.loss, score.perplexity) == pytest.approx((2 * math.log(2), 4.0))
    assert Score.of_bits(0.5, 4, 16) == score
    assert NOTHING + score + score == Score(2 * score.nats, 8, 32)
    assert math.isnan(NOTHING.bits_per_byte)


def test_no_other_module_turns_nats_into_bits() -> None:
    turns = re.compile(r"log2?\(2(\.0)?\)")
    found = {path.relative_to(TRAINING).as_posix() for path in TRAINING.rglob("*.py") if turns.search(path.read_text())}
    assert found == {"common/score.py"}
