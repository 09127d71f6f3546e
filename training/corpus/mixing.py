"""How often each data source is seen in an epoch: ``--data art=2 squad-v2=0.5``; ``open jax=0`` leaves one out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from training.corpus.sample import CorpusError, Sample, digest

MOST = 100.0
_SALT = "mixing"


def weights(data: Sequence[str]) -> list[tuple[str, float]]:
    """Names or paths and their weights, 1 where none is given.

    A file whose own name ends like a weight is a file.

    A weight of 0 takes a source out of a group that was named before.

    Raises:
        CorpusError: A weight that is not a number from 0 up to 100.
    """
    return [_weight(name) for name in data]


def nothing_left_out(name: str) -> CorpusError:
    """A weight of 0 for what no group before it has."""
    return _refusal(f"{name}=0", name, "0")


def _weight(entry: str) -> tuple[str, float]:
    name, equals, number = entry.rpartition("=")
    if not equals or Path(entry).expanduser().exists():
        return entry, 1.0
    try:
        weight = float(number)
    except ValueError:
        weight = math.nan
    if not name or not 0 <= weight <= MOST:
        raise _refusal(entry, name, number)
    return name, weight


def _refusal(entry: str, name: str, number: str) -> CorpusError:
    return CorpusError(
        f"{entry}: the weight {number!r} must be a number above 0 and at most {MOST:g}, as in {name or 'art'}=2; "
        "leave a source out to see nothing of it, or give it 0 after a group that has it, as in 'open jax=0'"
    )


def copies(sample: Sample, weight: float) -> int:
    """How often an epoch has this sample: the whole part of the weight, and once more for a part of the samples.

    Which part is decided by a hash of the id, so it stays the same when other samples come and go.
    """
    whole = math.floor(weight)
    return whole + (digest(sample.id, salt=_SALT) < (weight - whole) * 2.0**64)
