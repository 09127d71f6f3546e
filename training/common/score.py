"""Loss of a text in units that compare: bits per byte, whatever the tokenizer. The only place that computes them."""

from __future__ import annotations

import math
from dataclasses import dataclass

NATS_PER_BIT = math.log(2)


@dataclass(frozen=True)
class Score:
    """Cross-entropy over text, without label smoothing."""

    nats: float  # of all scored tokens, those that end a turn among them
    tokens: int  # how many these are
    text_bytes: int  # UTF-8 bytes of the text alone

    @classmethod
    def of_bits(cls, bits_per_byte: float, tokens: int, text_bytes: int) -> Score:
        """The score that has so many bits per byte."""
        return cls(bits_per_byte * NATS_PER_BIT * text_bytes, tokens, text_bytes)

    @property
    def loss(self) -> float:
        """Nats a token."""
        return self.nats / self.tokens if self.tokens else math.nan

    @property
    def perplexity(self) -> float:
        """Of a token; comparable only between models that share a tokenizer."""
        return math.exp(min(self.loss, 80.0))

    @property
    def bits_per_byte(self) -> float:
        return self.nats / NATS_PER_BIT / self.text_bytes if self.text_bytes else math.nan

    def __add__(self, other: Score) -> Score:
        return Score(self.nats + other.nats, self.tokens + other.tokens, self.text_bytes + other.text_bytes)


NOTHING = Score(0.0, 0, 0)
"""Where a sum of scores begins."""
