"""The report's HTML, from facts and statistics."""

from __future__ import annotations

from html import escape
from typing import Any

from .. import __version__
from ..save_buttons import HEAD
from ..statistics import StudyVotes
from ..versions import improved, who_answered
from . import figures
from .facts import Facts
from .sections import Code, disturbances, left_out, number_table, overview, people, subgroups, table, testers_left_out
from .wording import answer, headline, percent

_STYLE = """
:root { color-scheme: light; }
body { font: 16px/1.55 system-ui, sans-serif; color: #1b1b22; background: #fff; margin: 0 auto; padding: 2rem 1.25rem;
       max-width: 46rem; }
h1 { font-size: 1.5rem; line-height: 1.3; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
.headline { font-size: 1.2rem; margin: 1rem 0; padding: .9rem 1.1rem; background: #f2f4fd; border-radius: .6rem; }
.note { color: #4a4a55; font-size: .9rem; } figure { margin: .8rem 0; }
figcaption { color: #4a4a55; font-size: .9rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 20rem), 1fr)); gap: 1rem 2rem; }
.plots figure { margin: 0; }
.wide { overflow-x: auto; background: linear-gradient(90deg, #fff 40%, #fff0) 0 0 / 3rem 100% no-repeat local,
  linear-gradient(270deg, #fff 40%, #fff0) 100% 0 / 3rem 100% no-repeat local,
  linear-gradient(90deg, #0003, #0000) 0 0 / .75rem 100% no-repeat scroll,
  linear-gradient(270deg, #0003, #0000) 100% 0 / .75rem 100% no-repeat scroll; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .3rem .6rem .3rem 0; border-bottom: 1px solid #e6e6ea; vertical-align: top; }
.wide td:first-child { min-width: 6rem; } td.number { font-variant-numeric: tabular-nums; white-space: nowrap; }
code { overflow-wrap: anywhere; font-size: .85em; }
@media print { body { max-width: none; padding: 0; font-size: 11pt; } h2 { break-after: avoid; }
               figure, tr { break-inside: avoid; } .headline { border: 1px solid #8a8a94; } }
"""


def page(votes: StudyVotes, result: dict[str, Any], facts: Facts, now: str) -> str:
    """The whole report as one HTML document."""
    study = facts.study
    body = [
        f"<h1>{escape(study['name'])}</h1>",
        f'<p class="note">Blind comparison of two language models · study <code>{escape(study["label"])}</code>'
        f" · written {escape(now)}</p>",
        *_of_an_improvement(study, result, votes.alpha),
        f'<p class="headline">{escape(headline(result, votes.alpha))}</p>',
        f'<p class="note">{escape(who_answered(study["models"]))}</p>',
        *overview(result, votes.outcomes.testers, votes.alpha, facts.looks),
        *subgroups(result),
        *disturbances(votes, result, facts),
        "<h2>Who took part</h2>",
        table(
            "who took part", ("", "testers"), [*facts.flow, ("Left out by the study's rules", testers_left_out(result))]
        ),
        *people(votes, facts),
        *(["<h2>All statistics</h2>", number_table(result)] if result["n_votes"] else []),
        "<h2>Left out, and why</h2>",
        left_out(result),
        *_study(facts, votes.alpha),
    ]
    return (
        f'<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><meta name="viewport" content='
        f'"width=device-width, initial-scale=1"><title>{escape(study["name"])}: report</title>'
        f"<style>{_STYLE}{figures.STYLE}</style>{HEAD}</head>\n<body>\n" + "\n".join(body) + "\n</body>\n</html>\n"
    )


def _of_an_improvement(study: dict[str, Any], result: dict[str, Any], alpha: float) -> list[str]:
    """Where one model was made of the other: whether testers prefer it."""
    new = improved(study["models"])
    return [f'<p class="headline">{escape(answer(result, alpha, new))}</p>'] if new else []


def _study(facts: Facts, alpha: float) -> list[str]:
    study, settings = facts.study, facts.study["definition"]
    secret = study["secret"] or "told when the study is closed and every session in it is over"
    names = (
        "rounds", "reveal", "max_turns", "max_new_tokens", "temperature", "top_p", "session_timeout_minutes",
        "consent_version",
    )  # fmt: skip
    rows = [(name, str(settings[name])) for name in names]
    rows += [(f"leaves out: {name}", str(value)) for name, value in settings.get("exclusion", {}).items()]
    rows += [
        ("intervals", percent(1 - alpha)),
        ("primary statistic", study["primary_statistic"]),
        ("opened", study["opened_at"]),
        ("closed", study["closed_at"] or "still open"),
        ("Diptych", f"{study['code_version']} (report by {__version__})"),
    ]
    hashes = [
        ("settings", study["study_hash"]), ("models", study["models_hash"]), ("prompts", study["prompt_bank_hash"]),
        ("secret", study["secret_sha256"]), ("the secret itself", secret),
    ]  # fmt: skip
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
        table("settings", ("", ""), rows),
        "<h2>The models</h2>",
        table("models", ("", ""), models),
        "<h2>Consent</h2>",
        f'<p class="note">{escape(settings["consent_text"])}</p>',
        "<h2>Prompts</h2>",
        table("prompts", ("category", "prompt", "Model 1 left", "right", "votes"), prompts),
        "<h2>Hashes</h2>",
        table("hashes", ("SHA-256 of", ""), [(name, Code(value)) for name, value in hashes]),
    ]
