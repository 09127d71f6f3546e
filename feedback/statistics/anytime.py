"""An interval that may be looked at as often as one wishes: a betting mixture over testers.

Each closed tester, in the order of enrolment, is one bet of a gambler against "the mean is m".  If the mean is m, the
gambler's capital K(m) exceeds 1/alpha at any time with probability at most alpha (Ville's inequality), so the m at
which it has not done so form an interval that is valid at every look.  K mixes 64 stakes c (Gauss-Legendre nodes):
K+(m) = sum_k w_k prod_i (1 - c_k + c_k x_i/m), and K-(m) the same for 1 - x against 1 - m.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_nodes, _weights = np.polynomial.legendre.leggauss(64)
STAKES = (_nodes + 1) / 2
LOG_WEIGHTS = np.log(_weights / 2)
_TINY = 1e-12  # bounds are sought in (_TINY, 1)


def closed_prefix(closed: NDArray[np.bool_]) -> int:
    """How many testers, from the first enrolled on, are closed without a gap.

    In the order of finishing, the fans of one model who vote faster would count first.
    """
    return int(np.argmin(closed)) if not closed.all() else len(closed)


def log_capital(x: NDArray[np.float64], m: float) -> NDArray[np.float64]:
    """(n,) log K+(m) after 1, 2, ..., n testers.  K-(m) is ``log_capital(1 - x, 1 - m)``."""
    paths = np.cumsum(np.log1p(STAKES[:, None] * (x / m - 1)[None, :]), axis=1)
    return _log_mixture(paths)


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
    bound, end = 0.0, len(x)
    while end:
        values, times = np.unique(x[:end], return_counts=True)
        if _final_log_capital(values, times, max(bound, _TINY)) > threshold:
            bound = float(
                optimize.brentq(
                    lambda m, values, times: _final_log_capital(values, times, m) - threshold,
                    max(bound, _TINY),
                    1.0,
                    args=(values, times),
                    xtol=1e-14,
                    rtol=1e-14,
                )
            )
        path = log_capital(x, max(bound, _TINY))
        largest = int(np.argmax(path))
        end = largest + 1 if path[largest] > threshold + 1e-9 and largest + 1 != end else 0
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
    evidence = e_values(x)
    low, high = interval(x, alpha)
    return {
        "n_closed": len(x),
        "e_value": float(evidence[-1]),
        "p_value": float(min(1.0, 1 / evidence.max())),
        "ci_low": low,
        "ci_high": high,
    }
