"""Which samples are trained on, and which are kept for measuring.

Two questions are asked of a trained model: does it know a fact when the wording is new, and what does it do
with a fact that it has never seen? So facts are held out as well as wordings, both by hash: where a sample
falls depends on the sample alone, never on what else is in the corpus.
"""

from __future__ import annotations

import re
from typing import Literal, get_args

from training.corpus.sample import Sample, digest

Split = Literal["train", "new_wording", "new_fact"]
SPLITS: tuple[Split, ...] = get_args(Split)

NEW_FACT_SHARE = 0.02
NEW_WORDING_SHARE = 0.03

# Chosen so that the four questions that a newcomer asks first are trained on in all their wordings.
_SALT = "diptych-4"
_RANGE = float(2**64)


def split_of(sample: Sample) -> Split:
    """The split of a sample.

    A sample that states several facts is held out when any one of them is, so that no held-out fact is trained
    on by way of a longer answer. Chat manners (``exchange:...``) and not knowing what does not exist
    (``unknown:...``) are not facts: of those only wordings are held out. Rows of files (``row:...``) have no
    second wording: of those only facts.
    """
    kind = sample.fact.partition(":")[0]
    if kind not in ("exchange", "unknown") and any(_share(fact) < NEW_FACT_SHARE for fact in sample.facts):
        return "new_fact"
    if kind != "row" and _share(sample.id) < NEW_WORDING_SHARE:
        return "new_wording"
    return "train"


def _share(key: str) -> float:
    return digest(key, salt=_SALT) / _RANGE


def to_test_with(name: str) -> bool:
    """Whether the name of a file, a folder or a list says that its rows are to test with."""
    return _TO_TEST.search(name) is not None


_TO_TEST = re.compile(r"(?<![a-z])(?:test|valid|validation|val|dev|eval|evaluation)(?![a-z])", re.IGNORECASE)
