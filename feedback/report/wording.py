"""What the numbers say, in sentences."""

from __future__ import annotations

from typing import Any


def percent(share: float | None) -> str:
    """A share as a whole percentage, a dash when there is none."""
    return "–" if share is None else f"{100 * share:.0f}%"


def headline(result: dict[str, Any], alpha: float) -> str:
    """One sentence: who is preferred, how sure that is, on how many testers and votes, and whether it is enough.

    "Preferred" is said where the interval excludes 1/2, "leaned to" where it does not or is not there. "Enough to stop"
    means that the anytime interval, which may be looked at all the time, excludes 1/2.
    """
    estimate = result["preference"]["estimate"]
    if estimate is None:
        return "No votes yet."
    testers, votes = result["n_testers"], result["n_votes"]
    size = f"{testers:,} tester{'s' * (testers != 1)}, {votes:,} vote{'s' * (votes != 1)}"
    anytime = result["anytime"]
    enough = anytime["ci_low"] is not None and not anytime["ci_low"] <= 0.5 <= anytime["ci_high"]
    low, high = result["preference"]["ci_low"], result["preference"]["ci_high"]
    share, model = estimate, "Model 1"
    if estimate < 0.5:
        share, model = 1 - estimate, "Model 2"
        low, high = (None if bound is None else 1 - bound for bound in (high, low))
    if abs(estimate - 0.5) < 1e-12:
        said = "preferred neither model"
    else:
        said = f"preferred {model}" if low is not None and low > 0.5 else f"leaned to {model}"
    interval = (
        "too few testers for an interval"
        if low is None or high is None
        else f"{100 * (1 - alpha):g}% interval {max(0, 100 * low):.0f}-{min(100, 100 * high):.0f}%"
    )
    return f"Testers {said}: {percent(share)}, {interval}, {size}; enough to stop: {'yes' if enough else 'no'}."


def answer(result: dict[str, Any], alpha: float, improved: str) -> str:
    """One sentence on a model and what was made of it: whether testers prefer the new one, which is `improved`.

    By the interval that may be looked at at any time alone, and by the study's rule of stopping: it is claimed, and
    the study may end, once that interval excludes 1/2.
    """
    anytime, estimate = result["anytime"], result["preference"]["estimate"]
    closed = anytime["n_closed"]
    if estimate is None or not closed:
        return "Whether testers prefer the new model cannot be said yet: no session is over."
    low, high, share = anytime["ci_low"], anytime["ci_high"], estimate
    if improved == "model2":
        low, high, share = 1 - high, 1 - low, 1 - share
    level = f"{100 * (1 - alpha):g}%"
    size = f"{closed:,} closed session{'s' * (closed != 1)}"
    between = f"{percent(low)} to {percent(high)} however often one looks ({level}, {size})"
    if low > 0.5:
        said = "Testers prefer the new model to the one that it was made from"
    elif high < 0.5:
        said = "Testers prefer the old model to the one that was made from it"
    else:
        return (
            f"No preference can be claimed yet: {percent(share)} for the new model, {between}, which includes an"
            " even split; go on."
        )
    return f"{said}: {percent(share)} for the new one, {between}; enough to stop."


def number(value: Any, digits: int = 3) -> str:
    """A number as the tables show it."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.{digits}f}" if abs(value) < 1e5 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def p_text(value: float | None) -> str:
    """A p-value as the tables show it; one that rounds to nothing as a bound."""
    return "<\N{NO-BREAK SPACE}0.001" if value is not None and value < 0.001 else number(value)


def interval(entry: dict[str, Any]) -> str:
    """An interval as the tables show it."""
    return "–" if entry["ci_low"] is None else f"{entry['ci_low']:.3f} to {entry['ci_high']:.3f}"
