"""FastChat's Bradley-Terry ratings, as ``fastchat/serve/monitor/rating_systems.py`` computes them.

The steps of ``compute_bt`` at commit 0e6d3e4 of lm-sys/FastChat (Apache License 2.0), for two or more models, without
what the arena's own leaderboard adds.  FastChat itself is no dependency: it would install a model server.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import expit


def compute_bt(battles: pd.DataFrame, base: float = 10.0, scale: float = 400.0) -> dict[str, float]:
    """Ratings, mean 1000, from a table with ``model_a``, ``model_b`` and ``winner``; a tie is half a win for each."""
    rows = len(battles)
    codes, models = pd.factorize(pd.concat([battles["model_a"], battles["model_b"]]))
    schedule = np.full((rows, 3), 1, dtype=np.int32)
    schedule[:, 0], schedule[:, 1] = codes[:rows], codes[rows:]
    schedule[battles["winner"] == "model_a", 2] = 2
    schedule[battles["winner"] == "model_b", 2] = 0
    distinct, weights = np.unique(schedule, return_counts=True, axis=0)
    matchups, outcomes = distinct[:, :2], distinct[:, 2] / 2.0
    alpha = math.log(base)

    def loss_and_gradient(ratings: Any) -> tuple[float, Any]:
        pairs = ratings[matchups]
        probability = expit(alpha * (pairs[:, 0] - pairs[:, 1]))
        likelihood = np.log(probability) * outcomes + np.log(1 - probability) * (1 - outcomes)
        slope = -alpha * (outcomes - probability) * weights
        gradient = np.zeros_like(ratings)
        np.add.at(gradient, matchups, slope[:, None] * np.array([1.0, -1.0]))
        return -float((likelihood * weights).sum()), gradient

    fit = minimize(
        loss_and_gradient, np.zeros(len(models)), jac=True, method="L-BFGS-B", options={"maxiter": 100, "gtol": 1e-6}
    )
    ratings = scale * (fit.x - fit.x.mean()) + 1000
    return dict(zip(models, ratings.tolist(), strict=True))
