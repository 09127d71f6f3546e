"""What a training report says of how a training ended, and whether its model has learned enough to be shown.

Read by the commands, the app and the comparison; so it needs nothing but the report itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

USABLE_BITS_PER_BYTE = 1.2
"""Where answers of Model 1 stop being sentences (docs/experiments.md)."""
OWN_DATA = (["core"], ["embedded"])
"""Data of which that was measured; for reports of older versions, which name no limit."""
ENDINGS = {"target": "its target", "steps": "the end of its plan", "time": "time", "patience": "want of progress"}

Report = Mapping[str, Any]


def is_cut_short(report: Report) -> bool:
    """Whether a run with a target was ended by its limit of seconds, so that its state is kept and it can go on."""
    return report.get("ended_by") == "time" and _config(report).get("target_bits_per_byte") is not None


def score_of(report: Report) -> tuple[str, float] | None:
    """The kind of held-out samples that a training is judged by, and its bits per byte; None where there are none."""
    val = report.get("val")
    for kind, score in val.items() if isinstance(val, dict) else ():
        bits = score.get("bits_per_byte") if isinstance(score, dict) else None
        return (str(kind), float(bits)) if isinstance(bits, int | float) else None
    return None


def usable_limit(report: Report) -> float | None:
    """Bits per byte that a model may score at most to be shown to testers; None for no limit."""
    config = _config(report)
    limit = config.get("usable_bits_per_byte", USABLE_BITS_PER_BYTE if config.get("data") in OWN_DATA else None)
    return float(limit) if isinstance(limit, int | float) else None


def shortfall(report: Report) -> str:
    """Why the model must not be shown to testers, as the end of a sentence that begins with its name; else nothing."""
    limit, score = usable_limit(report), score_of(report)
    if limit is None or score is None or score[1] <= limit:  # a score that is no number is a shortfall
        return ""
    kind, bits = score
    reached = f"{bits:.2f}" if math.isfinite(bits) else "no number of"
    text = (
        f"has not learned enough to be tested: {reached} bits per byte on {in_words(kind)}, at most {limit:g} is asked"
    )
    how = ending(report)
    return f"{text} ({how})" if how else text


def ending(report: Report) -> str:
    """How the training ended and how far it came: "ended by time at 4% of its plan"; empty where that is unknown."""
    ended, share = report.get("ended_by", report.get("stopped_by")), report.get("plan_share")
    if ended not in ENDINGS:
        return ""
    if not isinstance(share, int | float) or ended == "steps":
        return f"ended by {ENDINGS[ended]}"
    return f"ended by {ENDINGS[ended]} at {share_in_words(share)} of its plan"


def ending_in_words(ended: str) -> str:
    """What ended a training."""
    return ENDINGS.get(ended, ended)


def share_in_words(share: float) -> str:
    """A share as a percentage that is never rounded to nothing, nor to the whole."""
    if 0 < share < 0.01:
        return f"{share:.2%}"
    return "99%" if 0.99 <= share < 1 else f"{share:.0%}"


def in_words(kind: str) -> str:
    """A kind of held-out samples."""
    return {"new_wording": "new wordings", "new_fact": "new facts"}.get(kind, kind)


def _config(report: Report) -> Mapping[str, Any]:
    config = report.get("config")
    return config if isinstance(config, dict) else {}
