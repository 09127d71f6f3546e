"""What a training has reached, at its end or at any step of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from training.course import Decisions, Look
from training.scoring import Score


@dataclass
class Outcome:
    """What a training reached; ``seconds`` are those of the optimizer's steps, without evaluation.

    ``stopped`` says what ended it: its ``target``, its ``steps``, ``time`` or ``patience``. ``best`` are the scores of
    the weights that were kept, those of ``best_step``; ``skipped`` counts the steps in which fp16's gradients
    overflowed.
    """

    steps: int = 0
    tokens: int = 0
    epochs: float = 0.0
    seconds: float = 0.0
    wall_seconds: float = 0.0
    stopped: str = "steps"
    scores: dict[str, Score] = field(default_factory=dict)
    best: dict[str, Score] = field(default_factory=dict)
    best_step: int | None = None
    evaluations: int = 0
    evaluations_without_gain: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    planned_steps: int = 0
    decided: Decisions = field(default_factory=Decisions)

    @property
    def tokens_per_second(self) -> float:
        return self.tokens / self.seconds if self.seconds else 0.0

    @property
    def best_loss(self) -> float:
        """Held-out loss that a better one has to beat: that of the first kind."""
        return next(iter(self.best.values())).loss if self.best else math.inf

    def as_dict(self) -> dict[str, Any]:
        """All of it in plain types, as a training state needs them."""
        values = asdict(self)
        values["decided"]["looks"] = [list(look) for look in self.decided.looks]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Outcome:
        """The inverse of ``as_dict``."""
        scores = {key: {kind: Score(**s) for kind, s in values[key].items()} for key in ("scores", "best")}
        decided = dict(values.get("decided", {}))  # an older state has none
        decided["looks"] = [Look(*look) for look in decided.get("looks", [])]
        return cls(**(dict(values) | scores | {"decided": Decisions(**decided)}))
