"""The parts that the report and the results page share: plots and tables as HTML, from facts and statistics."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape, unescape
from typing import TYPE_CHECKING, Any

from ..save_buttons import PLOT, TABLE, buttons
from ..statistics import StudyVotes
from ..statistics.anytime import closed_prefix
from ..statistics.bias import side_balance
from ..statistics.outcomes import TesterCounts
from . import figures
from .facts import Facts
from .wording import interval, number, p_text, percent

if TYPE_CHECKING:
    from pandas import DataFrame


def overview(result: dict[str, Any], testers: TesterCounts, alpha: float, looks: Iterable[int]) -> list[str]:
    """Preference, anytime interval, side and votes per tester: all that a tally by tester can tell."""
    if not result["n_votes"]:
        return []
    caption = (
        "Mean over testers of the share preferring Model 1, with its interval (none below 10 testers). A tie and"
        " “both bad” count half for each."
    )
    plots = [figure(figures.preference(result), caption)]
    x = testers.means[: closed_prefix(testers.closed)]
    if len(x) > 1:
        caption = "This interval stays valid however often one looks; a study may stop when it excludes 50%."
        plots.append(figure(figures.anytime(x, alpha, looks), caption))
    plots.append(_sides(result, testers))
    plots.append(figure(figures.histogram(testers.votes, "votes per tester", whole=True), ""))
    return ["<h2>Which model was preferred</h2>", grid(plots), _verdicts(result["counts"])]


def _sides(result: dict[str, Any], testers: TesterCounts) -> str:
    """How often the left side won, and Model 1 on either side."""
    caption = (
        "The side: 50% is fair. Sides were drawn by the server, so a leaning to one side adds noise, not an advantage"
        " for a model."
    )
    return figure(figures.position(result, testers.shares_by_side), caption)


def _verdicts(totals: dict[str, int]) -> str:
    """Votes by verdict, with their shares."""
    outcomes = (
        ("Model 1 better", totals["model1"]),
        ("Model 2 better", totals["model2"]),
        ("A tie", totals["tie"]),
        ("Both bad", totals["both_bad"]),
    )
    whole = max(1, sum(totals.values()))
    return table("verdicts", ("", "votes", "share"), [(name, n, percent(n / whole)) for name, n in outcomes])


def subgroups(result: dict[str, Any]) -> list[str]:
    """The preference without flagged answers, by turns, by background, and whether answers were good enough."""
    lines: list[tuple[str, dict[str, Any], int | None]] = []
    if result["n_votes"]:
        lines.append(("All votes", result["preference"], result["n_votes"]))
    if (without := result["without_flagged"]) is not None:
        lines.append(("No answer flagged", without, without["n_votes"]))
    for entry in result["by_turns"]:
        lines.append((f"{entry['turns']} turn{'s' * (entry['turns'] != 1)}", entry, entry["n_votes"]))
    lines += [(f"{e['question']}: {e['answer']}", e, e["n_votes"]) for e in result["by_background"]]
    parts = []
    if len(lines) > 1:
        caption = (
            "The same votes in parts: without answers that said who wrote them, by the number of questions, by what"
            " testers said of themselves."
        )
        parts = ["<h2>In parts of the votes</h2>", figure(figures.forest(lines, "Preference in parts"), caption)]
        categories = [(str(e["category"]), e, e["n_votes"]) for e in result["by_category"]]
        parts.append(_group_table([*lines, *categories], result["n_testers"]))
    return parts + _good_enough(result["good_enough"])


def _group_table(lines: Iterable[tuple[str, dict[str, Any], int | None]], everybody: int) -> str:
    """The preference in each part of the votes, with both p-values."""
    header = ("", "votes", "testers", "prefer Model 1", "interval", "p", "p, adjusted")
    rows = [
        (
            name,
            votes,
            entry.get("n_testers", everybody),
            percent(entry["estimate"]),
            interval(entry),
            p_text(entry["p_value"]),
            p_text(entry.get("p_holm")),
        )
        for name, entry, votes in lines
    ]
    return table("preference in parts", header, rows)


def _good_enough(enough: dict[str, Any] | None) -> list[str]:
    """Whether the better answer was good enough in itself; nothing where nobody was asked."""
    if enough is None:
        return []
    rows = [
        (name, enough[key]["yes"], enough[key]["no"], percent(enough[key]["share"]))
        for name, key in (("Model 1 won", "model1"), ("Model 2 won", "model2"), ("Neither won", "neither"))
    ]
    header = ("", "yes", "no", "share of yes")
    return ["<h2>Was the better answer good enough?</h2>", table("good enough", header, rows)]


def disturbances(votes: StudyVotes, result: dict[str, Any], facts: Facts) -> list[str]:
    """Length, guesses, the balance of what was served, leaks and failures."""
    parts, plots = ["<h2>What else may have moved the votes</h2>"], []
    if result["n_votes"]:
        plots.append(
            figure(
                figures.length(votes.outcomes, votes.alpha),
                "The length: the share preferring Model 1 where its answer was relatively short (top) to long"
                f" (bottom). {_gaps(result)}",
            )
        )
    if votes.guesses is not None and len(votes.guesses):
        plots.append(_guesses(votes.guesses, result["blinding"]))
    else:
        parts.append("<p>No tester has been asked yet to guess which model was which.</p>")
    parts += [grid(plots), _served(facts)]
    failed = ", ".join(f"{name} {n}" for name, n in sorted(facts.failures.items())) or "none"
    parts.append(f"<p>Votes on an answer that said who wrote it: {facts.flagged}. Failed answers: {failed}.</p>")
    return parts


def _gaps(result: dict[str, Any]) -> str:
    """The rating gap with and without the correction for length, or that there is none, and whether votes are few."""
    at_equal_length, few = result["length_controlled"]["elo_gap"], _few_for_lengths(result)
    if at_equal_length is None:
        return "These votes do not tell the gap at equal length."
    corrected, raw = number(at_equal_length, 0), number(result["elo_gap"], 0)
    return (
        f"At equal length the gap is {corrected} Elo points, without that correction {raw}.{f' {few}' if few else ''}"
    )


def _few_for_lengths(result: dict[str, Any]) -> str:
    """That the regression on lengths has fewer than ten of the rarer choice for each of its two coefficients, the least
    that holds them steady (Peduzzi et al. 1996, doi:10.1016/S0895-4356(96)00236-3); empty when it has them."""
    rarer = min(result["counts"]["model1"], result["counts"]["model2"])
    if rarer >= 20 or result["length_controlled"]["elo_gap"] is None:
        return ""
    return (
        f"The gap at equal length rests on {rarer} of the rarer choice, where 20 are the least: do not rely on it yet."
    )


def _guesses(guesses: DataFrame, blinding: dict[str, Any]) -> str:
    """How many testers guessed right and wrong."""
    right = (guesses["answer"] == "left_last") == (guesses["left_model"] == "model1")
    known = guesses["answer"] != "dont_know"
    counts = {
        "right": int((right & known).sum()),
        "wrong": int((~right & known).sum()),
        "don't know": int((~known).sum()),
    }
    caption = (
        f"The blinding index is {number(blinding['index'], 2)} ({interval(blinding)}), where 0 is blind and 1 is not."
    )
    return figure(figures.bars(counts, "testers' guesses which model was which"), caption)


def _served(facts: Facts) -> str:
    """Sides served, and rounds left without a vote, by the side of model1: a difference would be a reason for doubt."""
    if len(facts.unvoted) < 2:
        return ""
    (left_gone, left_all), (right_gone, right_all) = (facts.unvoted[model] for model in ("model1", "model2"))
    gone = side_balance(left_gone, right_gone, left_all / (left_all + right_all))
    unvoted = (
        "none was left without a vote"
        if not left_gone + right_gone
        else f"left without a vote {left_gone:,} and {right_gone:,} of them (p = {number(gone)})"
    )
    return (
        f"<p>Rounds served with Model 1 on the left {left_all:,}, on the right {right_all:,} (exact test: p ="
        f" {number(side_balance(left_all, right_all))}); {unvoted}.</p>"
    )


def people(votes: StudyVotes, facts: Facts) -> list[str]:
    """Time per vote and reasons."""
    plots = []
    if facts.vote_seconds:
        plots.append(figure(figures.histogram(facts.vote_seconds, "seconds to a vote"), ""))
    if facts.reasons:
        plots.append(figure(figures.bars(facts.reasons, "times a reason was ticked"), ""))
    return [grid(plots)] if plots else []


def number_table(result: dict[str, Any]) -> str:
    """Every estimate with its interval and p-value."""
    rows = [*_with_intervals(result), *_without_intervals(result)]
    few = _few_for_lengths(result)
    return table("statistics", ("", "estimate", "interval", "p"), rows) + (f"<p>{few}</p>" if few else "")


def _with_intervals(result: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    sign, anytime = result["sign_test"], result["anytime"]
    sides = " : ".join(f"{sign[side]:,}" for side in ("model1", "model2", "none"))
    leaning = f"Testers leaning to Model 1 : Model 2 : neither = {sides}"
    testers = f"{anytime['n_closed']:,} closed tester{'s' * (anytime['n_closed'] != 1)}"
    closed = f"Anytime-valid, {testers}, e-value {number(anytime['e_value'], 2)}"
    side, blinding = result["position"], result["blinding"]
    entries = (
        ("Mean over testers (primary)", result["preference"], result["preference"]["estimate"]),
        ("Mean over votes", result["pooled"], result["pooled"]["estimate"]),
        ("Mean over votes, new prompts too", result["two_way"], result["two_way"]["estimate"]),
        (leaning, sign, ""),
        (closed, anytime, ""),
        ("Left side wins", side, side["left_estimate"]),
        ("Blinding, overall index", blinding, blinding["index"]),
    )
    return [(name, number(value), interval(entry), p_text(entry["p_value"])) for name, entry, value in entries]


def _without_intervals(result: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    numbers = (
        ("Preference, sides evened out", number(result["position"]["estimate_adjusted"])),
        ("Gap in Elo points", number(result["elo_gap"], 1)),
        ("Gap at equal length, in Elo points", number(result["length_controlled"]["elo_gap"], 1)),
        ("Davidson's model: log of the strengths' ratio", number(result["davidson"]["log_ratio"])),
        ("Davidson's model: readiness to call a tie (nu)", number(result["davidson"]["nu"])),
        ("Likeness of one tester's votes (ICC)", number(result["icc"])),
        ("Agreement of testers (Krippendorff's alpha)", number(result["agreement"]["alpha"])),
        ("Blinding, James' index", number(result["blinding"]["james"])),
        ("Testers needed for 80% power at this difference", number(result["power"]["testers_needed"])),
        ("Of these still to come", number(result["power"]["testers_to_go"])),
    )
    exact = ("Exact sign-flip test", "", "", p_text(result["sign_flip"]["p_value"]))
    return [exact, *((name, value, "", "") for name, value in numbers)]


def testers_left_out(result: dict[str, Any]) -> int:
    """Testers whom the study's rules leave out of the statistics."""
    return sum(
        entry["n"]
        for entry in result["excluded"]
        if entry["reason"].startswith("testers") and entry["reason"].endswith("(rule of the study)")
    )


def left_out(result: dict[str, Any]) -> str:
    """What is not counted where, and why."""
    rows = [(entry["reason"], entry["n"]) for entry in result["excluded"]]
    return table("left out", ("", "number"), rows) if rows else "<p>Nothing is left out.</p>"


class Code(str):
    """Text that is shown as code."""


def grid(plots: Sequence[str]) -> str:
    """Plots beside each other where there is room."""
    return f'<div class="plots">{"".join(plots)}</div>'


def figure(svg: str, caption: str) -> str:
    """A plot with its caption, and buttons that save it."""
    label = re.search(r'aria-label="([^"]*)"', svg)
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return f"<figure>{svg}{below}{buttons(unescape(label[1]) if label else 'plot', PLOT)}</figure>"


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as an HTML table, and buttons that save it; whole numbers are set as numbers."""

    def cell(value: Any) -> str:
        if isinstance(value, Code):
            return f"<td><code>{escape(value)}</code></td>"
        if isinstance(value, int):
            return f'<td class="number">{value:,}</td>'
        return f"<td>{escape(str(value))}</td>"

    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    top = f"<thead><tr>{head}</tr></thead>" if any(header) else ""
    shown = f'<div class="wide" tabindex="0"><table>{top}<tbody>{lines}</tbody></table></div>'
    return f'<div class="table">{shown}{buttons(title, TABLE)}</div>'
