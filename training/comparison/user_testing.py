"""What the testers preferred, from the statistics of the blind test."""

from __future__ import annotations

from dataclasses import replace

from training.comparison.charts import forest
from training.comparison.content import Block, Paragraph, Plot, Row, Section, Table, say
from training.comparison.evidence import Comparison, Document
from training.comparison.values import Show, Value, decimal, one_place, percent, shown, span, whole

COUNTS = {"model1": "Model 1 better", "model2": "Model 2 better", "tie": "A tie", "both_bad": "Both bad"}


def preference(comparison: Comparison) -> Value | None:
    """The share that prefers Model 1, averaged over testers, with its interval where there are enough of them."""
    return comparison.statistics.value("preference", show=percent)


def user_testing(comparison: Comparison) -> Section:
    """Votes, the preference with its interval, and what may have disturbed it."""
    statistics = comparison.statistics
    lead = "Which answer people preferred who did not know which model had written it."
    missing = tuple(
        f"{entry.reason[:1].upper()}{entry.reason[1:]}." for entry in comparison.missing if entry.part == "user testing"
    )
    if not statistics or not statistics.at("n_votes").content:
        return Section("user-testing", "User testing", lead, (), missing or ("No vote has been cast yet.",))
    blocks: list[Block] = [_table(statistics), *_by_category(comparison)]
    note = "Sides were drawn anew for every question and testers were not told which model was which. "
    blocks.append(Paragraph((note + _versions(statistics) + _few_for_lengths(statistics),), is_caution=True))
    return Section("user-testing", "User testing", lead, tuple(blocks), missing)


def _versions(statistics: Document) -> str:
    """On which weights the votes are; ``evidence.load`` has compared them with those in the models' folders."""
    names = [statistics.at("study", "models", name).content for name in ("model1", "model2")]
    if all(names):
        return f"The votes are on Model 1 as {names[0]} and Model 2 as {names[1]}, the weights above."
    return (
        "The statistics do not name the weights of both models: that the votes were cast on the very models above is"
        " for whoever held the test to say."
    )


def _few_for_lengths(statistics: Document) -> str:
    """As in the report of the votes: ten of the rarer choice for each coefficient of the regression on lengths."""
    rarer = min(statistics.at("counts", name).content or 0 for name in ("model1", "model2"))
    if rarer >= 20 or statistics.value("length_controlled", "elo_gap") is None:
        return ""
    return (
        f" The gap at equal length rests on {rarer} of the rarer choice, where 20 are the least: do not rely on it yet."
    )


def _table(statistics: Document) -> Table:
    lines: list[tuple[str, Value | None]] = [
        ("Votes", statistics.value("n_votes", show=whole)),
        ("Testers", statistics.value("n_testers", show=whole)),
    ]
    lines += [(label, statistics.value("counts", key, show=whole)) for key, label in COUNTS.items()]
    lines += [
        ("Prefer Model 1, mean over testers", statistics.value("preference", show=percent)),
        ("The same, valid at any time", _range(statistics.at("anytime"), percent)),
        ("Gap in Elo points, Model 1 minus Model 2", statistics.value("elo_gap", show=one_place)),
        ("The same at equal length of answers", statistics.value("length_controlled", "elo_gap", show=one_place)),
        ("Left side wins (fair is half)", _left(statistics)),
        ("Testers knew which was which (0: blind, 1: knew)", blinding(statistics)),
        ("Agreement of testers (Krippendorff's alpha)", statistics.value("agreement", "alpha", show=decimal)),
    ]
    rows = [Row(label, (value,)) for label, value in lines if value is not None]
    absent = tuple(label for label, value in lines if value is None)
    note = f"Not computed from so few votes: {', '.join(absent)}." if absent else ""
    return Table("The blind test", ("", ""), tuple(rows), absent, note)


def _range(part: Document, show: Show) -> Value | None:
    """An interval that has no middle of its own."""
    low, high = part.value("ci_low", show=show), part.value("ci_high", show=show)
    if low is None or high is None:
        return None
    raw = {"ci_low": low.raw, "ci_high": high.raw}
    return Value(raw, span(low.raw, high.raw, show), low.sources + high.sources, show=show)


def _left(statistics: Document) -> Value | None:
    found, around = (
        statistics.value("position", "left_estimate", show=percent),
        _range(statistics.at("position"), percent),
    )
    if found is None or around is None:
        return found
    return replace(found, text=f"{found.text} ({around.text})", sources=found.sources + around.sources)


def blinding(statistics: Document) -> Value | None:
    """How well testers guessed which model was which, with its interval."""
    part = statistics.at("blinding")
    index, around = part.value("index", show=decimal), _range(part, decimal)
    if index is None or around is None:
        return index
    raw = {"estimate": index.raw, **around.raw}
    return replace(index, raw=raw, text=f"{index.text} ({around.text})", sources=index.sources + around.sources)


def _by_category(comparison: Comparison) -> list[Block]:
    entries = list(comparison.statistics.at("by_category").items())
    rows, lines = [], []
    overall = preference(comparison)
    if overall is not None:
        lines.append(("All votes", [("model1", overall)], 0.5))
    for entry in entries:
        name, share = str(entry.at("category").content), entry.value(show=percent)
        rows.append(Row(name, (entry.value("n_votes", show=whole), share)))
        if share is not None:
            lines.append((name, [("model1", share)], 0.5))
    blocks: list[Block] = []
    if lines:
        title = "Share that prefers Model 1"
        svg = forest(title, lines, "{:.0%}".format, "← Model 2 preferred · Model 1 preferred →", low=0, high=1)
        blocks.append(Plot("preference", title, svg, "Dashes are an even split; lines are the study's intervals."))
    if rows:
        blocks.append(Table("By kind of question", ("", "votes", "prefer Model 1"), tuple(rows)))
    return blocks


def headline(comparison: Comparison) -> tuple[str | Value, ...] | None:
    """Whom testers preferred, or that no preference can be claimed; None without votes."""
    share, statistics = preference(comparison), comparison.statistics
    votes, testers = statistics.value("n_votes", show=whole), statistics.value("n_testers", show=whole)
    if share is None:
        return None
    if share.ends is None:
        return say(
            "In the blind test no preference can be claimed yet: {} testers are too few for an interval around the {}"
            " that prefer Model 1.",
            testers,
            share,
        )
    start = "In the blind test, {} votes of {} testers, "
    if not share.excludes(0.5):
        rest = "no preference can be claimed: {} prefer Model 1, and the interval includes an even split."
        return say(start + rest, votes, testers, share)
    if share.estimate > 0.5:
        return say(start + "Model 1 is preferred: its share is {}, a tie counting half.", votes, testers, share)
    return say(start + "Model 2 is preferred: its share is {}, a tie counting half.", votes, testers, _other(share))


def _other(share: Value) -> Value:
    """The share that prefers Model 2."""
    assert share.ends is not None
    low, high = share.ends
    raw = {"estimate": 1 - share.estimate, "low": 1 - high, "high": 1 - low}
    return Value(raw, shown(raw, percent), share.sources, how="1 − the share that prefers Model 1", show=percent)
