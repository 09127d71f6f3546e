"""Votes on the scales that model arenas use: the Elo gap and Davidson's model of two."""

from __future__ import annotations

import numpy as np


def logit(theta: float | None) -> float | None:
    """ln(theta / (1 - theta)); null at 0 and 1, where it is infinite."""
    return float(np.log(theta / (1 - theta))) if theta is not None and 0 < theta < 1 else None


def elo_gap(theta: float | None) -> float | None:
    """400 log10(theta / (1 - theta)): arena points by which model1 is ahead.

    With two models this is exactly the gap that Bradley-Terry programs fit, ties counted as half a win each.  Null
    when one model has every vote.
    """
    log_odds = logit(theta)
    return None if log_odds is None else 400 / float(np.log(10)) * log_odds


def davidson(wins1: int, wins2: int, ties: int) -> tuple[float | None, float | None]:
    """Davidson's model of two: the log of the strengths' ratio, ln(w1/w2), and nu = t / sqrt(w1 w2).

    nu says how readily testers call a tie (0 never; 2 makes equal models tie half of the time).  Null when a model
    never won.
    """
    if not wins1 or not wins2:
        return None, None
    return float(np.log(wins1 / wins2)), float(ties / np.sqrt(wins1 * wins2))
