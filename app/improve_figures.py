"""The HTML of the improve tab: how many votes there are to learn from, what they can show, what came of a training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from html import escape
from typing import Any

from app.components import numbers, row, table
from app.improvements import Improvement
from app.model_files import reasons
from feedback.preferences import Preferences
from feedback.report.wording import percent
from feedback.statistics.preference import MIN_TESTERS, smallest_share

USABLE = {"dpo": ("win",), "sft": ("win",), "kto": ("win", "both_bad")}
"""Outcomes of votes that a method learns from."""
UNUSED = {"tie": "ties: neither answer was preferred", "both_bad": "both bad: neither answer was preferred"}


def counts_html(found: Preferences, method: str, design: Mapping[str, float]) -> str:
    """How many votes a method can use, and what so many show; `design` is `votes_each`, `icc` and `alpha`."""
    header = found.header
    learned, held_out = ([one for one in found.records if one["split"] == split] for split in ("train", "held_out"))
    usable = {_vote(record) for record in learned if record["outcome"] in USABLE[method]}
    held = {_vote(record) for record in held_out}
    pairs_held = [record for record in held_out if record["outcome"] == "win"]
    counts = {
        "Votes to learn from": len(usable),
        "Held back, to see what was learned": len(held),
        "Votes that count": header["n_votes"],
        "Testers": header["n_testers"],
    }
    return (
        f"{numbers(counts)}{_left_out(header, method)}"
        f"<h2>What so many can show</h2>{_power(header, pairs_held, design)}"
    )


def _vote(record: Mapping[str, Any]) -> str:
    """The vote that a record is of: of one without a winner there are two, one for each answer."""
    return str(record["id"]).partition("-")[0]


def _left_out(header: Mapping[str, Any], method: str) -> str:
    reasons = dict(header["left_out"])
    reasons |= {why: header["outcomes"].get(name, 0) for name, why in UNUSED.items() if name not in USABLE[method]}
    rows = [row(escape(why), f"{n:,}") for why, n in reasons.items() if n]
    if not rows:
        return '<p class="hint">Every vote can be learned from.</p>' if header["n_votes"] else ""
    return table(("Not learned from", "votes"), rows, "Not learned from", "wide")


def _power(header: Mapping[str, Any], held: list[Any], design: Mapping[str, float]) -> str:
    testers, votes = header["n_testers"], header["n_votes"]
    said = []
    if testers < MIN_TESTERS:
        said.append(
            f"{testers:,} tester{'s are' if testers != 1 else ' is'} too few to claim anything: what few people teach"
            f" is their taste alone. A blind test of the new model needs {MIN_TESTERS} testers or more."
        )
    elif votes:
        ties = (header["outcomes"].get("tie", 0) + header["outcomes"].get("both_bad", 0)) / votes
        share = smallest_share(testers, ties, design["icc"], design["votes_each"], design["alpha"])
        found = (
            f"would show a win rate of {percent(share)} or more of the new model"
            if share is not None
            else "would show no win rate that can be with so many ties"
        )
        said.append(
            f"A blind test with as many testers as these ({testers:,}, {design['votes_each']:.0f} votes each) {found},"
            f" with 80% probability and {design['alpha']:.0%} error at one look at its end; the interval that may be"
            " looked at at any time needs some more."
        )
    groups = Counter(record["tester"] for record in held)
    share = smallest_share(len(groups), 0.0, design["icc"], len(held) / len(groups)) if groups else None
    if len(groups) < MIN_TESTERS or share is None:
        said.append(
            f"{len(held):,} pair{'s' * (len(held) != 1)} of {len(groups):,} tester{'s' * (len(groups) != 1)} held back"
            " are too few to judge by what was learned; only the blind test can."
        )
    else:
        said.append(
            f"On {len(held):,} pairs of {len(groups):,} testers held back, choosing as they did in {percent(share)} of"
            " the pairs or more can be told from chance."
        )
    return "".join(f"<p>{escape(text)}</p>" for text in said)


def outcome_html(improvement: Improvement) -> str:
    """What came of a training: the choices of held-out testers before and after, and each guard with its limit."""
    record = improvement.record
    verdict = (
        "No guard stands against it; whether people prefer it only a blind test can say."
        if improvement.accepted
        else "Refused, so testers are not shown it: " + "; ".join(reasons(record))
    )
    kind = "" if improvement.accepted else ' class="problem"'
    facts = [f"by {str(record.get('method', '')).upper()}", f"from the votes of {record.get('study', 'a study')}"]
    rows = (row(*map(escape, cells), head=escape(label)) for label, *cells in _rows(record))
    shown = table(("", "Before", "After", "Limit"), rows, "Before and after", "wide")
    return (
        f"<h2>Version {escape(improvement.name)}</h2><p class='hint'>{escape(', '.join(facts))}</p>"
        f"<p{kind}>{escape(verdict)}</p>{_notes(record)}{shown}"
    )


def _rows(record: Mapping[str, Any]) -> list[tuple[str, ...]]:
    held = _dict(record.get("held_out"))
    rows: list[tuple[str, ...]] = []
    if held.get("judged"):
        said = f"Finds the preferred answer the likelier one ({held.get('n')} pairs of {held.get('testers')} testers)"
        rows.append((said, _accuracy(held.get("before")), _accuracy(held.get("after")), "–"))
        rows.append(("Moved towards the preferred answer", "–", _accuracy(held.get("gain")), "–"))
        rows.append(("Where that is the longer one", "–", _accuracy(held.get("gain_where_preferred_is_longer")), "–"))
        rows.append(("Where it is not", "–", _accuracy(held.get("gain_where_preferred_is_not")), "–"))
    guards = _dict(record.get("guards"))
    for key, label in GUARDS.items():
        if guard := _dict(guards.get(key)):
            rows.append((label, *(_number(guard.get(name), key) for name in ("before", "after", "limit"))))
    return rows


GUARDS = {
    "bits_per_byte": "Bits per byte of unseen text: less is better, at most the limit",
    "closed_book": "Right answers from memory: at least the limit",
}


def _notes(record: Mapping[str, Any]) -> str:
    """Why nothing is claimed of the pairs held back, and whether the votes follow length alone."""
    held, length = _dict(record.get("held_out")), _dict(record.get("length"))
    said = [] if held.get("judged") else [f"Held-out votes: {held.get('why_not') or 'none'}; nothing is claimed"]
    longer = length.get("preferred_is_longer")
    if isinstance(longer, int | float):
        said.append(f"The preferred answer was the longer one in {percent(longer)} of the pairs learned from")
    return "".join(f"<p class='hint'>{escape(text)}.</p>" for text in said)


def _accuracy(record: Any) -> str:
    record = _dict(record)
    if not isinstance(record.get("accuracy"), int | float):
        return "–"
    low, high = record.get("ci_low"), record.get("ci_high")
    is_known = isinstance(low, int | float) and isinstance(high, int | float)
    return percent(record["accuracy"]) + (f" ({percent(low)} to {percent(high)})" if is_known else "")


def _number(value: Any, key: str) -> str:
    if not isinstance(value, int | float):
        return "–"
    return f"{value:.3f}" if key == "bits_per_byte" else f"{value:.1%}"


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
