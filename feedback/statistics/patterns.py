"""What votes by a script, or by one hand for many, look like: rules that can leave them out, and a report of them.

Each pattern has innocent causes too (a class behind one address, two who type the same words), so nothing is left out
unless the study file says so beforehand; and none of them looks at which model was chosen.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..study import SAME_SIDE_VOTES, Exclusion

COMMENT_CHARS = 20  # what is shorter, or has letters for less than half of it, two testers write by chance
COLUMNS = {  # by rule, what of an exported vote it needs
    "max_reading_speed": ("server_seconds", "turns"),
    "max_testers_per_address": ("address_group",),
    "max_same_comment": ("comment",),
}
# What the report shows; a study's own rules have their own numbers.
READING_SPEED = 100.0  # characters a second: who skims reads about 60, who reads about 25
PER_ADDRESS = 5
PER_COMMENT = 1
EVEN_PACE = 0.1  # standard deviation of the times between a tester's votes, as a share of their mean
PACE_VOTES = 5
BURST, BURST_SECONDS = 10, 60.0

_TRACES = """
SELECT votes.tester_id, left_chars + right_chars, turns, server_seconds, comment,
       (SELECT MIN(enrolment) FROM testers other WHERE other.study_id = testers.study_id
            AND other.origin = testers.origin),
       voted_at, choice, votes.id
FROM votes NOT INDEXED JOIN testers ON testers.id = votes.tester_id
WHERE votes.study_id = ? AND superseded = 0 ORDER BY votes.id
"""


@dataclass(frozen=True)
class Traces:
    """What N current votes tell of how they were given."""

    tester: NDArray[np.int64]  # (N,) whose vote it is, as numbers
    chars: NDArray[np.float64]  # (N,) characters of both answers, all turns
    turns: NDArray[np.float64]  # (N,) questions before the vote
    seconds: NDArray[np.float64]  # (N,) from the last answers stored to the vote; infinite if unknown
    comments: Sequence[str]  # N comments
    address: NDArray[np.int64]  # (N,) which network address the tester began from, as a number; 0 if that was not kept


def in_force(rules: Exclusion) -> list[str]:
    """The rules in force that need more of a vote than its time, side and length."""
    return [rule for rule in COLUMNS if getattr(rules, rule)]


def left_out_by_patterns(traces: Traces, rules: Exclusion) -> dict[str, NDArray[np.bool_]]:
    """By rule in force, (N,) whether it leaves a vote out."""
    masks = {}
    if rules.max_reading_speed:
        masks["max_reading_speed"] = too_fast(traces, rules.max_reading_speed)
    if rules.max_testers_per_address:
        masks["max_testers_per_address"] = crowded(traces.address, traces.tester, rules.max_testers_per_address)
    if rules.max_same_comment:
        masks["max_same_comment"] = copied(traces, rules.max_same_comment)
    return masks


def unjudged_by_patterns(traces: Traces, rules: Exclusion) -> dict[str, NDArray[np.bool_]]:
    """By rule in force, (N,) whether what it looks at was not measured; who wrote no comment copied none."""
    unknown = {"max_reading_speed": np.isinf(traces.seconds), "max_testers_per_address": traces.address == 0}
    return {rule: mask for rule, mask in unknown.items() if getattr(rules, rule)}


def excluded_by_patterns(connection: sqlite3.Connection, study_id: int, rules: Exclusion) -> dict[int, list[str]]:
    """By the number of each current vote that these rules leave out: which of them do."""
    found: dict[int, list[str]] = {}
    if in_force(rules):
        rows = connection.execute(_TRACES, [study_id]).fetchall()
        for rule, mask in left_out_by_patterns(_traces(rows), rules).items():
            for place in np.flatnonzero(mask):
                found.setdefault(rows[place]["id"], []).append(rule)
    return found


def too_fast(traces: Traces, speed: float) -> NDArray[np.bool_]:
    """Votes that came sooner than the last answers can be read at so many characters a second."""
    return np.asarray(traces.chars > speed * traces.seconds * traces.turns, bool)


def crowded(group: NDArray[np.int64], tester: NDArray[np.int64], most: int) -> NDArray[np.bool_]:
    """Votes in a group (0 is none) that more than so many testers share."""
    pairs = np.unique(np.stack([group, tester]), axis=1)[0]
    groups, testers = np.unique(pairs, return_counts=True)
    return np.isin(group, groups[(testers > most) & (groups != 0)])


def copied(traces: Traces, most: int) -> NDArray[np.bool_]:
    """Votes with a comment of ``COMMENT_CHARS`` or more whose letters and digits over so many testers gave."""
    numbers: dict[str, int] = {}
    group = np.zeros(len(traces.tester), np.int64)
    for place, text in enumerate(traces.comments):
        if len(text) >= COMMENT_CHARS and len(same := _letters(text)) >= COMMENT_CHARS / 2:
            group[place] = numbers.setdefault(same, len(numbers) + 1)
    return crowded(group, traces.tester, most)


_NO_LETTER = re.compile(r"[\W_]+")
# Letters of other scripts, and digits, that look like Latin ones, capitals like others than the small ones.
_ALIKE = str.maketrans(
    "\u0410\u0412\u0415\u0405\u0406\u0408\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425"  # Cyrillic
    "\u0430\u0435\u0455\u0456\u0458\u043e\u0440\u0441\u0443\u0445\u04bb\u0501\u051b\u051d\u04cf"
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"  # Greek
    "\u03b1\u03b9\u03bd\u03bf\u03c1\u03c5\u03f2\u03f3" + "\u0251\u0261\u0131" + "01",
    "ABESIJKMHOPCTYX" + "aesijopcyxhdqwl" + "ABEZHIKMNOPTYX" + "aivopucj" + "agi" + "ol",
)


def _letters(text: str) -> str:
    """What is left of a comment when case, width, accents, spaces, punctuation, emoji and characters nobody sees are
    not; letters that look like Latin ones are these."""
    text = unicodedata.normalize("NFKD", text).translate(_ALIKE)
    return unicodedata.normalize("NFC", _NO_LETTER.sub("", text).casefold())


def read_traces(connection: sqlite3.Connection, study_id: int) -> Traces:
    """Those of a study's current votes, in the order of their numbers."""
    return _traces(connection.execute(_TRACES, [study_id]).fetchall())


def _traces(rows: Sequence[Any]) -> Traces:
    tester, chars, turns, seconds, comments, address, *_ = zip(*rows, strict=True) if rows else [()] * 6
    return Traces(
        np.array(tester, np.int64),
        np.array(chars, float),
        np.array(turns, float),
        np.array([np.inf if value is None else value for value in seconds], float),
        comments,
        np.array([value or 0 for value in address], np.int64),
    )


def suspicious(connection: sqlite3.Connection, study_id: int) -> list[dict[str, Any]]:
    """The patterns with how many votes and testers show each; no result is among them.

    Each entry has ``pattern``, ``votes``, ``testers`` and ``rule``: the setting that can leave such votes out, or "".
    """
    rows = connection.execute(_TRACES, [study_id]).fetchall()
    traces = _traces(rows)
    times = np.array([datetime.fromisoformat(row[6].replace("Z", "+00:00")).timestamp() for row in rows], float)
    sides = np.array([{"left": 1, "right": 2}.get(row[7], 0) for row in rows], np.int64)
    found = (
        (
            f"votes faster than {READING_SPEED:g} characters a second", "max_reading_speed",
            too_fast(traces, READING_SPEED),
        ),
        (
            f"votes from an address of more than {PER_ADDRESS} testers", "max_testers_per_address",
            crowded(traces.address, traces.tester, PER_ADDRESS),
        ),
        ("votes with a comment that another tester gave too", "max_same_comment", copied(traces, PER_COMMENT)),
        ("votes of testers who always chose the same side", "max_same_side", _one_sided(traces.tester, sides)),
        ("votes of testers whose votes come at even times", "", _even(traces.tester, times)),
        (f"first votes of {BURST} or more testers within {BURST_SECONDS:g} s", "", _burst(traces.tester, times)),
    )  # fmt: skip
    return [
        {"pattern": text, "votes": int(mask.sum()), "testers": len(np.unique(traces.tester[mask])), "rule": rule}
        for text, rule, mask in found
    ]


def _one_sided(tester: NDArray[np.int64], sides: NDArray[np.int64]) -> NDArray[np.bool_]:
    chosen = {key: own[own > 0] for key, own in _by_tester(tester, sides)}
    same = [key for key, own in chosen.items() if len(own) >= SAME_SIDE_VOTES and own.min() == own.max()]
    return np.isin(tester, same)


def _even(tester: NDArray[np.int64], times: NDArray[np.float64]) -> NDArray[np.bool_]:
    even = []
    for key, own in _by_tester(tester, times):
        gaps = np.diff(np.sort(own))
        if len(gaps) >= PACE_VOTES - 1 and gaps.std() < EVEN_PACE * gaps.mean():
            even.append(key)
    return np.isin(tester, even)


def _burst(tester: NDArray[np.int64], times: NDArray[np.float64]) -> NDArray[np.bool_]:
    _, first = np.unique(tester, return_index=True)
    first = first[np.argsort(times[first], kind="stable")]
    begun = times[first]
    ends = np.searchsorted(begun, begun + BURST_SECONDS, "right")
    found = np.zeros(len(tester), bool)
    for start in np.flatnonzero(ends - np.arange(len(begun)) >= BURST):
        found[first[start : ends[start]]] = True
    return found


def _by_tester(tester: NDArray[np.int64], values: NDArray[Any]) -> Iterator[tuple[int, NDArray[Any]]]:
    """Each tester with the values of the votes, in their order."""
    order = np.argsort(tester, kind="stable")
    keys, starts = np.unique(tester[order], return_index=True)
    yield from zip(keys.tolist(), np.split(values[order], starts[1:]), strict=False)
