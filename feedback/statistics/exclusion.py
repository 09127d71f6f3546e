"""Votes and testers that a study leaves out, by rules fixed in its study file before the first vote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..study import SAME_SIDE_VOTES, Exclusion
from .outcomes import LEFT, RIGHT, Outcomes, TesterCounts, VotesError
from .patterns import COLUMNS

NOTHING = Exclusion()
NEEDS: Mapping[str, tuple[str, ...]] = {  # by rule on votes, what of an exported vote it looks at
    "min_vote_seconds": ("vote_seconds",),
    "min_seen_seconds": ("left_seen_seconds", "right_seen_seconds"),
    "flagged_answers": ("leak_flag",),
    **COLUMNS,
}


def rules_of(settings: str | Mapping[str, Any]) -> Exclusion:
    """The rules in a study's stored settings, or in those that a manifest repeats; none where they name none."""
    document = json.loads(settings) if isinstance(settings, str) else settings
    known = {field.name for field in fields(Exclusion)}
    return Exclusion(**{name: value for name, value in (document.get("exclusion") or {}).items() if name in known})


def of_votes(rules: Exclusion) -> list[str]:
    """The rules in force that look at single votes, so that counts by tester are not enough."""
    return [rule for rule in NEEDS if getattr(rules, rule)]


def wordings(rules: Exclusion) -> dict[str, str]:
    """By rule in force, what it leaves out, as the statistics and the pages say it."""
    share = f"{rules.max_same_side:.0%}"
    every = {
        "min_vote_seconds": f"votes given in less than {rules.min_vote_seconds:g} s",
        "min_seen_seconds": f"votes on an answer that was on the screen for less than {rules.min_seen_seconds:g} s",
        "flagged_answers": "votes on an answer that named its model",
        "max_reading_speed": f"votes faster than {rules.max_reading_speed:g} characters a second",
        "max_testers_per_address": f"votes from an address of more than {rules.max_testers_per_address} testers",
        "max_same_comment": f"votes with a comment that more than {rules.max_same_comment} testers gave",
        "min_votes": f"testers with fewer than {rules.min_votes} votes",
        "max_same_side": f"testers who chose the same side in over {share} of their choices of a side",
    }
    return {rule: text for rule, text in every.items() if getattr(rules, rule) != getattr(NOTHING, rule)}


def left_out(testers: TesterCounts, rules: Exclusion) -> list[tuple[str, NDArray[np.bool_]]]:
    """For each rule on testers that is in force: its wording, and (G,) who is left out by it and by none before."""
    few = testers.closed & (testers.votes < rules.min_votes)
    sides = testers.counts.sum(axis=1)[:, [LEFT, RIGHT]]
    decided = sides.sum(axis=1)
    one_sided = testers.closed & (decided >= SAME_SIDE_VOTES) & (sides.max(axis=1) > rules.max_same_side * decided)
    masks, wording = {"min_votes": few, "max_same_side": one_sided & ~few}, wordings(rules)
    return [(wording[rule], mask) for rule, mask in masks.items() if rule in wording]


def keep_testers(testers: TesterCounts, rules: Exclusion) -> tuple[NDArray[np.bool_], tuple[tuple[str, int], ...]]:
    """(G,) who is kept by the rules on testers, and how many each rule leaves out, with their votes."""
    keep = np.ones(len(testers.closed), bool)
    reasons = []
    for wording, mask in left_out(testers, rules):
        keep &= ~mask
        reasons.append((wording, int(mask.sum())))
    reasons.append(("votes of testers who are left out", int(testers.votes[~keep].sum())))
    return keep, tuple((wording, n) for wording, n in reasons if n)


def exclude(
    outcomes: Outcomes,
    rules: Exclusion,
    masks: Mapping[str, NDArray[np.bool_] | None] | None = None,
    unknown: Mapping[str, NDArray[np.bool_]] | None = None,
) -> Outcomes:
    """The outcomes that the rules keep, with what they leave out in ``Outcomes.excluded``. Raises VotesError.

    Args:
        masks: by rule, (N,) whether it leaves a vote out; needed for the rules on votes that are in force.
        unknown: by rule, (N,) whether what it looks at was not measured; such a vote counts, which is told in
            ``Outcomes.unjudged``.
    """
    if rules == NOTHING:
        return outcomes
    masks, wording_of = {"flagged_answers": outcomes.flagged, **(masks or {})}, wordings(rules)
    drop = np.zeros(len(outcomes.tester), bool)
    reasons: list[tuple[str, int]] = []
    for rule in of_votes(rules):
        if (mask := masks.get(rule)) is None:
            column = " or ".join(NEEDS[rule])
            raise VotesError(f"the study's rule {rule} needs the column {column}, which is missing; export it again")
        reasons.append((wording_of[rule], int((mask & ~drop).sum())))
        drop |= mask
    kept = outcomes.of_votes(~drop)
    keep, by_tester = keep_testers(kept.testers, rules)
    gone = len(outcomes.closed) - len(kept.closed)
    reasons += [("testers without a vote that these rules keep", gone), *by_tester]
    counted = ~drop
    counted[counted] = keep[kept.tester]
    unjudged = [(_unjudged(rule), int((mask & counted).sum())) for rule, mask in (unknown or {}).items()]
    return replace(
        kept.of_votes(keep[kept.tester]),
        excluded=tuple((wording, n) for wording, n in reasons if n),
        unjudged=tuple((wording, n) for wording, n in unjudged if n),
    )


def _unjudged(rule: str) -> str:
    return f"votes that {rule} could not look at, for {' or '.join(NEEDS[rule])} is empty: they count"
