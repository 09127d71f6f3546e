"""Preferences that are none: the answer that was chosen is the other one too, or has the lower score."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from training.corpus.turns import SAME_ANSWERS, WORSE_CHOSEN, decoded, is_chat, is_given, number_of, role_of

Row = Mapping[str, Any]

_SIDES = (
    *(("chosen", "rejected"), ("preferred_output", "non_preferred_output")),
    *(("response_a", "response_b"), ("conversation_a", "conversation_b")),
)
_SCORE = re.compile(r"(?<![a-z])(?:scores?|ratings?|rewards?)(?![a-z])")
"""In the names of columns, beside ``chosen``: UltraFeedback's ``score_chosen``, Argilla's ``chosen-rating``."""


def choice_problem(row: Row) -> str | None:
    """Why nothing can be learned of what a row prefers; None where something can, or it prefers nothing."""
    for better, worse in _SIDES:
        if is_given(row.get(better)) and is_given(row.get(worse)) and _said(row[better]) == _said(row[worse]):
            return SAME_ANSWERS
    if not is_given(row.get("chosen")):
        return None
    margins = [number_of(row.get("margin"))]
    for name in row:
        if "chosen" in name and _SCORE.search(name.replace("_", " ")):
            scores = number_of(row[name]), number_of(row.get(name.replace("chosen", "rejected")))
            margins.append(None if None in scores else (scores[0] or 0) - (scores[1] or 0))
    return WORSE_CHOSEN if any(margin is not None and margin < 0 for margin in margins) else None


def _said(side: Any) -> Any:
    """One side as it is compared with the other: the words without their blanks, of a chat with who says them."""
    side = decoded(side)
    if not is_chat(side):
        return " ".join(side.split()) if isinstance(side, str) else side
    turns = [(role_of(turn), _said(next((turn[k] for k in ("content", "value") if k in turn), turn))) for turn in side]
    return turns[0][1] if len(turns) == 1 and turns[0][0] == "assistant" else turns
