"""Votes and testers that a study leaves out, by rules fixed in its study file before the first vote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..study import SAME_SIDE_VOTES, Exclusion
from .outcomes import LEFT, RIGHT, Outcomes, TesterCounts, VotesError
from .patterns import COLUMNS, in_force, wordings

if TYPE_CHECKING:
    from numpy.typing import NDArray

NOTHING = Exclusion()


def rules_of(settings: str | Mapping[str, Any]) -> Exclusion:
    """The rules in a study's stored settings, or in those that a manifest repeats; none where they name none."""
    document = json.loads(settings) if isinstance(settings, str) else settings
    known = {field.name for field in fields(Exclusion)}
    return Exclusion(**{name: value for name, value in (document.get("exclusion") or {}).items() if name in known})


def of_votes(rules: Exclusion) -> bool:
    """Whether a rule looks at single votes, so that counts by tester are not enough."""
    return rules.min_vote_seconds > 0 or rules.min_seen_seconds > 0 or rules.flagged_answers or bool(in_force(rules))


def left_out(testers: TesterCounts, rules: Exclusion) -> list[tuple[str, NDArray[np.bool_]]]:
    """For each rule on testers that is in force: its wording, and (G,) who is left out by it and by none before."""
    masks: list[tuple[str, NDArray[np.bool_]]] = []
    few = testers.closed & (testers.votes < rules.min_votes)
    if rules.min_votes:
        masks.append((f"testers with fewer than {rules.min_votes} votes", few))
    if rules.max_same_side < 1:
        sides = testers.counts.sum(axis=1)[:, [LEFT, RIGHT]]
        decided = sides.sum(axis=1)
        one_sided = testers.closed & (decided >= SAME_SIDE_VOTES) & (sides.max(axis=1) > rules.max_same_side * decided)
        wording = f"testers who chose the same side in over {rules.max_same_side:.0%} of their choices of a side"
        masks.append((wording, one_sided & ~few))
    return masks


def keep_testers(testers: TesterCounts, rules: Exclusion) -> tuple[NDArray[np.bool_], tuple[tuple[str, int], ...]]:
    """(G,) who is kept by the rules on testers, and how many each rule leaves out, with their votes."""
    keep = np.ones(len(testers.closed), bool)
    reasons = []
    for wording, mask in left_out(testers, rules):
        keep &= ~mask
        reasons.append((wording, int(mask.sum())))
    reasons.append(("votes of testers who are left out", int(testers.votes[~keep].sum())))
    return keep, tuple((wording, n) for wording, n in reasons if n)


def exclude(outcomes: Outcomes, rules: Exclusion, masks: Mapping[str, NDArray[np.bool_]] | None = None) -> Outcomes:
    """The outcomes that the rules keep, with what they leave out in ``Outcomes.excluded``.

    Args:
        masks: by rule, (N,) whether it leaves a vote out; needed for the rules on times that are in force.

    Raises:
        VotesError: a rule looks at a column that the table of votes lacks.
    """
    if rules == NOTHING:
        return outcomes
    masks, wording_of = masks or {}, wordings(rules)
    drop = np.zeros(len(outcomes.tester), bool)
    reasons: list[tuple[str, int]] = []
    for name, column, active, mask, wording in (
        (
            "min_vote_seconds",
            "vote_seconds",
            rules.min_vote_seconds > 0,
            masks.get("min_vote_seconds"),
            f"votes given in less than {rules.min_vote_seconds:g} s",
        ),
        (
            "min_seen_seconds",
            "left_seen_seconds or right_seen_seconds",
            rules.min_seen_seconds > 0,
            masks.get("min_seen_seconds"),
            f"votes on an answer that was on the screen for less than {rules.min_seen_seconds:g} s",
        ),
        (
            "flagged_answers",
            "leak_flag",
            rules.flagged_answers,
            outcomes.flagged,
            "votes on an answer that named its model",
        ),
        *((rule, COLUMNS[rule], True, masks.get(rule), wording_of[rule]) for rule in in_force(rules)),
    ):
        if not active:
            continue
        if mask is None:
            raise VotesError(f"the study's rule {name} needs the column {column}, which is missing; export it again")
        reasons.append((wording, int((mask & ~drop).sum())))
        drop |= mask
    kept = outcomes.of_votes(~drop)
    keep, by_tester = keep_testers(kept.testers, rules)
    gone = len(outcomes.closed) - len(kept.closed)
    reasons += [("testers without a vote that these rules keep", gone), *by_tester]
    kept = kept.of_votes(keep[kept.tester])
    return replace(kept, excluded=tuple((wording, n) for wording, n in reasons if n))
