"""The report's HTML, from facts and statistics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from .. import __version__
from ..statistics import StudyVotes
from ..statistics.anytime import closed_prefix
from . import figures
from .facts import Facts
from .wording import headline, interval, number, percent

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, sans-serif; color: #1b1b22; background: #fff; margin: 0 auto; padding: 2rem 1.25rem;
       max-width: 46rem; }
h1 { font-size: 1.5rem; line-height: 1.3; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
.headline { font-size: 1.2rem; margin: 1rem 0; padding: .9rem 1.1rem; background: #f2f4fd; border-radius: .6rem; }
.note { color: #4a4a55; font-size: .9rem; } figure { margin: .8rem 0; overflow-x: auto; }
figcaption { color: #4a4a55; font-size: .9rem; }
svg { width: 100%; max-width: 40rem; min-width: 27rem; height: auto; }
.pair svg { max-width: 20rem; min-width: 0; } .pair figure { margin: 0; flex: 1 1 16rem; }
.pair { display: flex; flex-wrap: wrap; gap: 1rem; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #e6e6ea; vertical-align: top; }
td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
code { overflow-wrap: anywhere; font-size: .85em; }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } h2 { break-after: avoid; }
               figure, tr { break-inside: avoid; } svg { min-width: 0; } .headline { border: 1px solid #8a8a94; } }
"""


def page(votes: StudyVotes, result: dict[str, Any], facts: Facts, now: str) -> str:
    """The whole report as one HTML document."""
    study = facts.study
    body = [
        f"<h1>{escape(study['name'])}</h1>",
        f'<p class="note">Blind comparison of two language models · study <code>{escape(study["label"])}</code>'
        f" · written {escape(now)}</p>",
        f'<p class="headline">{escape(headline(result, votes.alpha))}</p>',
        *_preference(votes, result, facts),
        *_disturbances(votes, result, facts),
        *_people(votes, facts),
        *_statistics(result),
        *_study(facts, votes.alpha),
    ]
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><meta name="viewport" content='
        f'"width=device-width, initial-scale=1"><title>{escape(study["name"])}: report</title>'
        f"<style>{_STYLE}</style></head>\n<body>\n" + "\n".join(body) + "\n</body>\n</html>\n"
    )


def _preference(votes: StudyVotes, result: dict[str, Any], facts: Facts) -> list[str]:
    if not result["n_votes"]:
        return []
    counts = result["counts"]
    parts = [
        "<h2>Which model was preferred</h2>",
        _figure(
            figures.preference(result),
            "Mean over testers of the share preferring Model 1, with its interval (none"
            " below 10 testers). A tie and “both bad” count half for each. In brackets: votes.",
        ),
        _table(
            ("", "votes"),
            (
                ("Model 1 better", counts["model1"]),
                ("Model 2 better", counts["model2"]),
                ("A tie", counts["tie"]),
                ("Both bad", counts["both_bad"]),
            ),
        ),
    ]
    x = votes.outcomes.testers.means[: closed_prefix(votes.outcomes.closed)]
    if len(x) > 1:
        parts.append(
            _figure(
                figures.anytime(x, votes.alpha, facts.looks),
                "This interval stays valid however often the"
                " results are looked at; a study may stop when it excludes 50%.",
            )
        )
    return parts


def _disturbances(votes: StudyVotes, result: dict[str, Any], facts: Facts) -> list[str]:
    parts = ["<h2>What else may have moved the votes</h2>"]
    if result["n_votes"]:
        parts += [
            _figure(
                figures.position(result, votes.outcomes),
                "The side: 50% is fair. Sides were drawn by the server,"
                " so a leaning to one side adds noise, not an advantage for a model.",
            ),
            _figure(
                figures.length(votes.outcomes),
                "The length: the share preferring Model 1 where its answer was"
                " relatively short (left) to long (right). At equal length the gap is"
                f" {number(result['length_controlled']['elo_gap'], 0)} Elo points, without that correction"
                f" {number(result['elo_gap'], 0)}.",
            ),
        ]
    blinding = result["blinding"]
    if votes.guesses is not None and len(votes.guesses):
        parts.append(
            f"<p>{len(votes.guesses)} testers guessed which model was trained from scratch; the blinding index"
            f" is {number(blinding['index'], 2)} ({interval(blinding)}), where 0 is blind and 1 is not.</p>"
        )
    else:
        parts.append("<p>No tester has been asked yet to guess which model was which.</p>")
    parts.append(_served(facts))
    parts.append(
        f"<p>Votes on an answer that said who wrote it: {facts.flagged}. They are counted. Failed answers:"
        f" {', '.join(f'{name} {n}' for name, n in sorted(facts.failures.items())) or 'none'}.</p>"
    )
    return parts


def _served(facts: Facts) -> str:
    """Rounds left without a vote, by the side that each model was on: a difference would be a reason for doubt."""
    if len(facts.unvoted) < 2:
        return ""
    from scipy import stats

    (left_gone, left_all), (right_gone, right_all) = (facts.unvoted[model] for model in ("model1", "model2"))
    gone = left_gone + right_gone
    p_value = stats.binomtest(left_gone, gone, left_all / (left_all + right_all)).pvalue if gone else None
    return (
        f"<p>Rounds served and left without a vote: {left_gone} of {left_all} with Model 1 on the left,"
        f" {right_gone} of {right_all} with Model 1 on the right (exact test: p = {number(p_value)}).</p>"
    )


def _people(votes: StudyVotes, facts: Facts) -> list[str]:
    parts = ["<h2>Who took part</h2>", _table(("", "testers"), facts.flow)]
    plots = []
    per_tester = votes.outcomes.testers.votes
    if len(per_tester):
        plots.append(_figure(figures.histogram(per_tester.astype(float).tolist(), "votes per tester", whole=True), ""))
    if facts.vote_seconds:
        plots.append(_figure(figures.histogram(facts.vote_seconds, "seconds to a vote"), ""))
    if facts.reasons:
        plots.append(_figure(figures.bars(facts.reasons, "times a reason was ticked"), ""))
    if votes.guesses is not None and len(votes.guesses):
        right = (votes.guesses["answer"] == "left_last") == (votes.guesses["left_model"] == "model1")
        known = votes.guesses["answer"] != "dont_know"
        plots.append(
            _figure(
                figures.bars(
                    {
                        "right": int((right & known).sum()),
                        "wrong": int((~right & known).sum()),
                        "don't know": int((~known).sum()),
                    },
                    "guesses",
                ),
                "",
            )
        )
    return [*parts, f'<div class="pair">{"".join(plots)}</div>']


def _statistics(result: dict[str, Any]) -> list[str]:
    rows = [
        (name, number(result[key]["estimate"]), interval(result[key]), number(result[key]["p_value"]))
        for name, key in (
            ("Mean over testers (primary)", "preference"),
            ("Mean over votes", "pooled"),
            ("Mean over votes, new prompts too", "two_way"),
        )
    ]
    sign, anytime, side = result["sign_test"], result["anytime"], result["position"]
    rows += [
        ("Exact sign-flip test", "", "", number(result["sign_flip"]["p_value"])),
        (
            f"Testers leaning to Model 1 : Model 2 : neither = {sign['model1']} : {sign['model2']} : {sign['none']}",
            "",
            interval(sign),
            number(sign["p_value"]),
        ),
        (
            f"Anytime-valid, {anytime['n_closed']} closed testers, e-value {number(anytime['e_value'], 2)}",
            "",
            interval(anytime),
            number(anytime["p_value"]),
        ),
        ("Left side wins", number(side["left_estimate"]), interval(side), number(side["p_value"])),
        ("Preference, sides evened out", number(side["estimate_adjusted"]), "", ""),
        ("Davidson's model: log of the strengths' ratio", number(result["davidson"]["log_ratio"]), "", ""),
        ("Davidson's model: readiness to call a tie (nu)", number(result["davidson"]["nu"]), "", ""),
        ("Likeness of one tester's votes (ICC)", number(result["icc"]), "", ""),
        ("Agreement of testers (Krippendorff's alpha)", number(result["agreement"]["alpha"]), "", ""),
        ("Blinding, James' index", number(result["blinding"]["james"]), "", ""),
        ("Testers needed for 80% power at this difference", number(result["power"]["testers_needed"]), "", ""),
    ]
    excluded = [(entry["reason"], entry["n"]) for entry in result["excluded"]] or [("nothing", 0)]
    return [
        "<h2>All statistics</h2>",
        _table(("", "estimate", "interval", "p"), rows),
        "<h2>Left out, and why</h2>",
        _table(("", "number"), excluded),
    ]


def _study(facts: Facts, alpha: float) -> list[str]:
    study, settings = facts.study, facts.study["definition"]
    secret = study["secret"] if study["closed_at"] else "told when the study is closed"
    rows = [
        (name, str(settings[name]))
        for name in (
            "rounds",
            "reveal",
            "max_turns",
            "max_new_tokens",
            "temperature",
            "top_p",
            "session_timeout_minutes",
            "consent_version",
        )
    ]
    rows += [
        ("intervals", percent(1 - alpha)),
        ("primary statistic", study["primary_statistic"]),
        ("opened", study["opened_at"]),
        ("closed", study["closed_at"] or "still open"),
        ("Diptych", f"{study['code_version']} (report by {__version__})"),
    ]
    hashes = [
        (name, study[key])
        for name, key in (
            ("settings", "study_hash"),
            ("models", "models_hash"),
            ("prompts", "prompt_bank_hash"),
            ("secret", "secret_sha256"),
        )
    ] + [("the secret itself", secret)]
    models = [
        (f"{name}: {key}", str(value))
        for name, description in study["models"].items()
        for key, value in description.items()
    ]
    prompts = [
        (row["category"], row["text"], row["served_left"], row["served_right"], row["votes"]) for row in facts.prompts
    ]
    return [
        "<h2>Settings</h2>",
        _table(("", ""), rows),
        "<h2>The models</h2>",
        _table(("", ""), models),
        "<h2>Consent</h2>",
        f'<p class="note">{escape(settings["consent_text"])}</p>',
        "<h2>Prompts</h2>",
        _table(("category", "prompt", "Model 1 left", "right", "votes"), prompts),
        "<h2>Hashes</h2>",
        _table(("SHA-256 of", ""), [(name, _Code(value)) for name, value in hashes]),
    ]


class _Code(str):
    """Text that is shown as code."""


def _figure(svg: str, caption: str) -> str:
    return f"<figure>{svg}{f'<figcaption>{escape(caption)}</figcaption>' if caption else ''}</figure>"


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    def cell(value: Any) -> str:
        if isinstance(value, _Code):
            return f"<td><code>{escape(value)}</code></td>"
        if isinstance(value, int):
            return f'<td class="number">{value:,}</td>'
        return f"<td>{escape(str(value))}</td>"

    head = "".join(f"<th>{escape(name)}</th>" for name in header)
    lines = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows)
    top = f"<thead><tr>{head}</tr></thead>" if any(header) else ""
    return f'<div class="wide"><table>{top}<tbody>{lines}</tbody></table></div>'
