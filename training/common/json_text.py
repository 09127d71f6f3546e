"""JSON that anybody may have written: what breaks Python's reader is a ValueError, as all else that is none."""

from __future__ import annotations

import json
from collections import Counter
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


class KeyTwiceError(ValueError):
    """A key stands in an object twice; the message names it."""


def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object, for ``object_pairs_hook`` of what a user wrote: of a key that is there twice one value would be lost.

    Raises:
        KeyTwiceError: there is such a key.
    """
    found = dict(pairs)
    if len(found) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise KeyTwiceError(f"the key {max(counts, key=counts.__getitem__)!r} is there twice; leave one out")
    return found


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= _DIGITS else float(digits)
