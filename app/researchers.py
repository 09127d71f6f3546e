"""The researchers' page: results, votes, the chat lab, downloads. Each sight of results goes to the look log."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr
from fastapi import APIRouter, HTTPException
from fastapi.responses import StreamingResponse

from app.chat_lab import lay_out_chat_lab
from app.markup import BRAND
from app.results import results_html
from app.runtime import Runtime
from app.vote_table import vote_table
from feedback.export import FORMATS, ExportError, stream
from feedback.looks import log_look
from feedback.statistics import VotesError, load_study, load_votes, summary
from feedback.statistics.load import choose_study, load_tally
from feedback.statistics.summary import summarise_counts

FORMAT_NOTES = {
    "csv": "One row a vote, for spreadsheets and statistics",
    "jsonl": "One vote a line, with every turn",
    "parquet": "The table, typed and compressed",
    "sqlite": "The whole study, for queries",
    "dpo": "Chosen and rejected answers, for preference training with TRL",
    "kto": "Answers marked good or bad, for TRL",
    "arena": "Battles in the form of Chatbot Arena",
}


class ResearchersPage:
    """The Blocks of `/admin` with their handlers; who sees them is decided before they are reached."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        with gr.Blocks(title="Diptych: researchers", analytics_enabled=False, fill_width=True) as self.blocks:
            self._lay_out()

    def _lay_out(self) -> None:
        with gr.Row(elem_id="masthead"):
            gr.HTML(BRAND.replace('href=""', 'href="/"'), js_on_load=None, apply_default_css=False, padding=False)
            gr.HTML('<a class="quiet" href="/admin/logout">Log out</a>', apply_default_css=False, padding=False)
        with gr.Tabs():
            with gr.Tab("Results", id="results"):
                results = gr.HTML(elem_id="results", js_on_load=None, apply_default_css=False, padding=False)
                refresh = gr.Button("Refresh", elem_id="refresh", size="sm")
            with gr.Tab("Votes", id="votes") as votes_tab:
                votes = gr.HTML(elem_id="votes-table", js_on_load=None, apply_default_css=False, padding=False)
            with gr.Tab("Chat lab", id="lab"):
                lay_out_chat_lab(self.runtime)
            with gr.Tab("Downloads", id="downloads"):
                gr.HTML(_downloads(), js_on_load=None, apply_default_css=False, padding=False)
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        self.blocks.load(self._results, None, results, **quiet)
        refresh.click(self._results, None, results, **quiet)
        votes_tab.select(self._votes, None, votes, **quiet)

    def _results(self) -> str:
        """The results as they are now; looked at, so logged."""
        database = self.runtime.database
        try:
            study = load_study(database, self._label())
        except VotesError as error:
            return f"<p>{escape(str(error))}</p>"
        result = summary(study.outcomes, study.guesses, alpha=study.alpha)
        if study.id is not None:
            log_look(database, study.id, "results", result)
        return results_html(result, study.alpha, study.label or self.runtime.study.name, self._live())

    def _votes(self) -> str:
        """The table of votes of the running study; looked at, so logged."""
        try:
            votes = load_votes(self.runtime.database, self._label())
        except VotesError as error:
            return f"<p>{escape(str(error))}</p>"
        _log(self.runtime, "votes")
        return vote_table(votes)

    def _label(self) -> str | None:
        return self.runtime.blind_test.label if self.runtime.blind_test else None

    def _live(self) -> str:
        health = self.runtime.health()
        if health["status"] == "training":
            return "The models are being prepared."
        down = [model for model in ("model1", "model2") if health[model] != "ok"]
        return f"Not answering: {', '.join(down)}." if down else "Both models are ready."


def _log(runtime: Runtime, kind: str) -> None:
    """Write a look at the running study down."""
    label = runtime.blind_test.label if runtime.blind_test else None
    connection = runtime.database.connection
    study = choose_study(connection, label)
    if study is not None:
        testers, _ = load_tally(connection, study["id"])
        log_look(runtime.database, study["id"], kind, summarise_counts(testers, study["alpha"]))


def export_routes(runtime: Runtime) -> APIRouter:
    """`/admin/export/{format}`; whoever includes the router must require the login."""
    router = APIRouter()

    @router.get("/admin/export/{format}")
    def export(format: str) -> StreamingResponse:
        try:
            study = runtime.blind_test.study_id if runtime.blind_test else None
            one_study = format in FORMATS and FORMATS[format].one_study
            chunks: Iterator[bytes] = stream(runtime.database, format, study if one_study else None)
            _log(runtime, f"export {format}")
        except (ExportError, VotesError) as error:
            raise HTTPException(404, str(error)) from error
        entry = FORMATS[format]
        name = f"diptych-votes{entry.suffix}"
        headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
        return StreamingResponse(chunks, media_type=entry.media_type, headers=headers)

    return router


def _downloads() -> str:
    rows = "".join(
        f'<li><a href="/admin/export/{name}" download>{name.upper()}</a><span>{escape(FORMAT_NOTES[name])}</span></li>'
        for name in FORMATS
    )
    return f'<ul class="downloads">{rows}</ul><p class="hint">Each download is written into the look log.</p>'
