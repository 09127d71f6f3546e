"""The results tab: one sentence, plots, tables; it follows the votes by itself, at little cost.

What a tally by tester can tell (the sentence, the preference, the anytime interval, the side) is read anew whenever
something changed.  What needs the votes themselves is computed at most so often that it takes a twentieth of the time.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from html import escape
from typing import Any

import gradio as gr

from app.components import QUIET, html
from app.runtime import Runtime
from feedback.looks import log_look
from feedback.report import figures, sections
from feedback.report.facts import gather
from feedback.report.wording import answer, headline
from feedback.statistics import VotesError, load_study, summary
from feedback.statistics.load import choose_study, count_superseded, load_counts
from feedback.statistics.preference import sample_size
from feedback.statistics.summary import estimates, excluded, summarise_counts
from feedback.versions import NAMES, improved, who_answered

WINNERS = {**NAMES, "tie": "Equally good", "both_bad": "Both bad"}
SECONDS = 5  # between two looks for something new
SHARE_OF_TIME = 1 / 20  # that computing from the votes may take
Version = tuple[Any, ...]
VOTES_VERSION = (
    "SELECT (SELECT MAX(id) FROM votes), (SELECT COUNT(*) FROM votes WHERE study_id = :id AND superseded = 1),"
    " (SELECT COUNT(closed_at) FROM testers WHERE study_id = :id), (SELECT COUNT(*) FROM testers WHERE study_id = :id),"
    " (SELECT COUNT(*) FROM guesses)"
)
"""What changes with each vote, session and guess of a study."""


class ResultsTab:
    """The tab's components and handlers; lay it out inside a `gr.Tab`."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._lock = threading.Lock()
        self._details: tuple[Version, str, float, float] | None = None  # version, HTML, when, seconds it took

    def lay_out(self, blocks: gr.Blocks) -> gr.Timer:
        """Make the components, load them with the page and keep them up to date; returns what does that."""
        top = html(elem_id="results")
        details = html(elem_id="results-details")
        with gr.Accordion("How many testers do I need?", open=False, elem_id="sample-size"):
            with gr.Row():
                theta = gr.Number(55, label="Share preferring one model, %", minimum=50.1, maximum=99)
                ties = gr.Number(25, label="Ties and both bad, %", minimum=0, maximum=99)
                votes = gr.Number(10, label="Votes of each tester", minimum=1, maximum=1000, precision=0)
                icc = gr.Number(0.1, label="Likeness of one tester's votes (ICC)", minimum=0, maximum=1, step=0.05)
            needed = html(_needed(55, 25, 10, 0.1), elem_id="testers-needed")
        shown = gr.State(None)
        blocks.load(self.refresh, shown, [shown, top, details], **QUIET)
        timer = gr.Timer(SECONDS)
        timer.tick(self.refresh, shown, [shown, top, details], **QUIET)
        for field in (theta, ties, votes, icc):
            field.change(_needed, [theta, ties, votes, icc], needed, **QUIET)
        return timer

    def refresh(self, shown: Any) -> tuple[Any, Any, Any]:
        """What is new since the versions `shown` of the two halves; nothing is sent when nothing is new."""
        connection = self.runtime.database.connection
        try:
            study = choose_study(connection, self._label())
            if study is None:
                return "none", "<p>There are no votes yet.</p>", ""
            version = (study["id"], *connection.execute(VOTES_VERSION, {"id": study["id"]}).fetchone(), self._live())
            seen_top, seen_details = shown if isinstance(shown, (list, tuple)) else (None, None)
            made, details = self._detailed(study, version)
            top = gr.skip() if list(version) == list(seen_top or ()) else self._overview(study)
        except VotesError as error:
            return None, f"<p>{escape(str(error))}</p>", ""
        return [list(version), list(made)], top, gr.skip() if list(made) == list(seen_details or ()) else details

    def _overview(self, study: sqlite3.Row) -> str:
        """The half that the tally tells; a sight of results, so it is written into the look log."""
        database, alpha = self.runtime.database, float(study["alpha"])
        testers, categories = load_counts(database.connection, study)
        superseded = count_superseded(database.connection, study["id"])
        result = summarise_counts(testers, alpha)
        result["by_category"] = estimates("category", categories.items(), alpha)
        result["excluded"] = excluded(testers, superseded, testers.excluded, testers.unjudged)
        log_look(database, study["id"], "results", result)
        looks = database.connection.execute(
            "SELECT DISTINCT testers_closed FROM looks WHERE study_id = ?", [study["id"]]
        ).fetchall()
        models = json.loads(study["models"])
        head = f'<style>{figures.STYLE}</style><p class="over">{escape(study["label"])} · {escape(self._live())}</p>'
        if not result["n_votes"] and not result["excluded"]:
            return f"{head}<h1>No votes yet.</h1><p>The first one appears here by itself.</p>{_who(models)}"
        go = result["power"]["testers_to_go"]
        more = (
            "" if not go else f"<p>Expected to be still needed at this difference: {go:,} tester{'s' * (go != 1)}.</p>"
        )
        return (
            f"{head}{_said(result, alpha, models)}{_always(result)}{more}"
            + "".join(sections.overview(result, testers, alpha, [row[0] for row in looks]))
            + "<h2>Left out, and why</h2>"
            + sections.left_out(result)
        )

    def _detailed(self, study: sqlite3.Row, version: Version) -> tuple[Version, str]:
        """The half that needs the votes, and the version it is of; shared by everybody who looks."""
        with self._lock:
            if self._details is not None:
                made, html, when, took = self._details
                resting = time.monotonic() - when < took / SHARE_OF_TIME
                if made == version or (resting and made[0] == version[0]):
                    return made, html
            began = time.monotonic()
            html = self._computed(study)
            self._details = version, html, time.monotonic(), time.monotonic() - began
            return version, html

    def _computed(self, study: sqlite3.Row) -> str:
        votes = load_study(self.runtime.database, study["label"])
        result = summary(votes.outcomes, votes.guesses, alpha=votes.alpha)
        if not result["n_votes"]:
            return ""
        facts = gather(self.runtime.database.connection, study["id"])
        parts = [
            *sections.subgroups(result),
            *sections.disturbances(votes, result, facts),
            "<h2>Who took part</h2>",
            sections.table("who took part", ("", "testers"), facts.flow),
            *sections.people(votes, facts),
            "<h2>All statistics</h2>",
            sections.number_table(result),
            f'<p class="hint">From {result["n_votes"]:,} votes.</p>',
        ]
        return "".join(parts)

    def _label(self) -> str | None:
        return self.runtime.blind_test.label if self.runtime.blind_test else None

    def _live(self) -> str:
        health = self.runtime.health()
        if health["status"] == "training":
            return "The models are being prepared."
        down = [model for model in ("model1", "model2") if health[model] != "ok"]
        return f"Not answering: {', '.join(down)}." if down else "Both models are ready."


def _said(result: dict[str, Any], alpha: float, models: dict[str, Any]) -> str:
    """What the study has found by now, first of all, and on which weights."""
    said = headline(result, alpha)
    if new := improved(models):
        return f"<h1>{_unbroken(escape(answer(result, alpha, new)))}</h1><p>{_unbroken(escape(said))}</p>{_who(models)}"
    return f"<h1>{_unbroken(escape(said))}</h1>{_who(models)}"


def _who(models: dict[str, Any]) -> str:
    return f'<p class="hint">{escape(who_answered(models))}</p>'


def _unbroken(sentence: str) -> str:
    """The interval's hyphen as one at which no line ends."""
    return sentence.replace("-", "\N{NON-BREAKING HYPHEN}")


def _always(result: dict[str, Any]) -> str:
    anytime = result["anytime"]
    if not anytime["n_closed"]:
        return ""
    closed = f"{anytime['n_closed']:,} closed session{'s' * (anytime['n_closed'] != 1)}"
    return (
        f"<p>However often you look: {anytime['ci_low']:.0%} to {anytime['ci_high']:.0%} for Model 1 ({closed}, e-value"
        f" {anytime['e_value']:.3g}).</p>"
    )


def _needed(theta: float | None, ties: float | None, votes: float | None, icc: float | None) -> str:
    """The answer of the small form; percentages as they are typed."""
    if theta is None or ties is None or not votes or icc is None or not (50 < theta < 100 and 0 <= ties < 100):
        return "<p>Fill in all four fields; the share must be between 50 and 100%.</p>"
    needed = sample_size(theta / 100, ties / 100, min(1.0, max(0.0, icc)), max(1.0, votes))
    if needed is None:
        return "<p>So many ties leave no room for such a share.</p>"
    return f"<p><b>{int(-(-needed // 1)):,} testers</b> find it with 80% probability (5% error rate).</p>"
