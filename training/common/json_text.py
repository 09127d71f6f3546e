"""JSON that anybody may have written: what breaks Python's reader is a ValueError, as all else that is none."""

from __future__ import annotations

import json
from typing import Any

_DIGITS = 300  # of a whole number; beyond some 308 no float holds it, and what formats or compares it breaks


def loads(text: str | bytes) -> Any:
    """As :func:`json.loads`; a whole number that no float holds is infinite.

    Raises:
        ValueError: it is no JSON, or is nested too deeply.
    """
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)
