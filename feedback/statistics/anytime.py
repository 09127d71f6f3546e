"""An interval that may be looked at as often as one wishes: a betting mixture over testers.

Each closed tester, in the order of enrolment, is one bet of a gambler against "the mean is m".  If the mean is m, the
gambler's capital K(m) exceeds 1/alpha at any time with probability at most alpha (Ville's inequality), so the m at
which it has not done so form an interval that is valid at every look.  K mixes 64 stakes c (Gauss-Legendre nodes):
K+(m) = sum_k w_k prod_i (1 - c_k + c_k x_i/m), and K-(m) the same for 1 - x against 1 - m.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_nodes, _weights = np.polynomial.legendre.leggauss(64)
STAKES = (_nodes + 1) / 2
LOG_WEIGHTS = np.log(_weights / 2)
_TINY = 1e-12  # bounds are sought in (_TINY, 1)
_BLOCK = 64  # testers of which a bound on their capital is computed at once


def closed_prefix(closed: NDArray[np.bool_]) -> int:
    """How many testers, from the first enrolled on, are closed without a gap.

    In the order of finishing, the fans of one model who vote faster would count first.
    """
    return int(np.argmin(closed)) if not closed.all() else len(closed)


def log_capital(x: NDArray[np.float64], m: float) -> NDArray[np.float64]:
    """(n,) log K+(m) after 1, 2, ..., n testers.  K-(m) is ``log_capital(1 - x, 1 - m)``."""
    paths = np.cumsum(np.log1p(STAKES[:, None] * (x / m - 1)[None, :]), axis=1)
    return _log_mixture(paths)


def peak(x: NDArray[np.float64], m: float) -> tuple[float, int]:
    """The largest log K+(m) after any number of testers, and the place in ``x`` of the last of them.

    The same as the maximum of :func:`log_capital`, without most of its exponentials: in a block of testers no stake
    can gain more than the sum of its gains there, and blocks that could not reach the largest capital at a block's
    end even so are left out.
    """
    values, kind = np.unique(x, return_inverse=True)
    if len(values) * 8 > len(x):  # counting the values in each block would cost more than it saves
        path = log_capital(x, m)
        return float(path.max()), int(np.argmax(path))
    steps = np.log1p(STAKES[:, None] * (values / m - 1)[None, :])
    block = np.arange(len(x)) // _BLOCK
    counts = np.bincount(block * len(values) + kind, minlength=(block[-1] + 1) * len(values))
    times = counts.reshape(-1, len(values)).T.astype(np.float64)
    gains = steps @ times
    ends = np.cumsum(gains, axis=1)
    starts = ends - gains
    ceilings = _log_mixture(starts + np.maximum(steps, 0) @ times)
    best, place = -np.inf, 0
    for number in np.flatnonzero(ceilings >= _log_mixture(ends).max() - 1e-9):
        inside = np.cumsum(steps[:, kind[number * _BLOCK : (number + 1) * _BLOCK]], axis=1)
        path = _log_mixture(starts[:, [number]] + inside)
        if path.max() > best:
            best, place = float(path.max()), int(number * _BLOCK + np.argmax(path))
    return best, place


def _log_mixture(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """log sum_k w_k exp(logs[k]), for (64, n)."""
    logs = logs + LOG_WEIGHTS[:, None]
    top = logs.max(axis=0)
    return np.asarray(top + np.log(np.exp(logs - top).sum(axis=0)))


def _final_log_capital(values: NDArray[np.float64], times: NDArray[np.int64], m: float) -> float:
    """log K+(m) at the end, where value v was seen so many times (the order does not matter there)."""
    logs = np.log1p(STAKES[:, None] * (values / m - 1)[None, :]) @ times.astype(np.float64)
    return float(_log_mixture(logs[:, None])[0])


def lower_bound(x: NDArray[np.float64], alpha: float) -> float:
    """The smallest m whose capital never reached 2/alpha after any of the n testers: the running lower bound.

    K+ falls in m, so the bound after tester t is the root of K_t+(m) = 2/alpha, and the running bound their maximum.
    From the last tester's root, step to the tester whose capital at that m is largest, until none exceeds 2/alpha.
    """
    from scipy import optimize

    threshold = float(np.log(2 / alpha))

    def excess(m: float, values: NDArray[np.float64], times: NDArray[np.int64]) -> float:
        return _final_log_capital(values, times, m) - threshold

    bound, end = 0.0, len(x)
    while end:
        values, times = np.unique(x[:end], return_counts=True)
        if _final_log_capital(values, times, max(bound, _TINY)) > threshold:
            limits = (max(bound, _TINY), 1.0)
            bound = float(optimize.brentq(excess, *limits, args=(values, times), xtol=1e-14, rtol=1e-14))
        most, largest = peak(x, max(bound, _TINY))
        end = largest + 1 if most > threshold + 1e-9 and largest + 1 != end else 0
    return bound


def interval(x: NDArray[np.float64], alpha: float = 0.05) -> tuple[float, float]:
    """The running (low, high) after all of ``x``; (0, 1) without testers."""
    return lower_bound(x, alpha), 1 - lower_bound(1 - x, alpha)


def e_values(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n,) evidence against "no preference" after each tester: half the larger of K+(1/2) and K-(1/2)."""
    return np.asarray(np.exp(np.maximum(log_capital(x, 0.5), log_capital(1 - x, 0.5))) / 2)


def anytime(x: NDArray[np.float64], alpha: float = 0.05) -> dict[str, Any]:
    """Summary of the closed testers' means ``x`` (in [0, 1], by enrolment).

    ``e_value`` is today's evidence; ``p_value`` is 1 over the largest so far; both null without a closed tester, and
    the interval then is null too.
    """
    if not len(x):
        return {"n_closed": 0, "e_value": None, "p_value": None, "ci_low": None, "ci_high": None}
    now = max(_final_log_capital(*np.unique(side, return_counts=True), 0.5) for side in (x, 1 - x))
    largest = max(peak(side, 0.5)[0] for side in (x, 1 - x))
    low, high = interval(x, alpha)
    return {
        "n_closed": len(x),
        "e_value": float(np.exp(now) / 2),
        "p_value": float(min(1.0, 2 * np.exp(-largest))),
        "ci_low": low,
        "ci_high": high,
    }
