"""The researchers' page, tab by tab. Each sight of results goes to the look log."""

from __future__ import annotations

import contextlib
import functools
import itertools
import logging
import sqlite3
from collections.abc import Iterator
from html import escape
from typing import Any

import gradio as gr
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response, StreamingResponse

from app.chat_lab import lay_out_chat_lab
from app.components import QUIET, html
from app.improve_tab import lay_out_improve
from app.live import live_html
from app.markup import brand
from app.model_files import COMPARISON
from app.models_tab import REPORTS, lay_out_models
from app.results import ResultsTab
from app.runtime import Runtime
from app.study_tab import lay_out_invites, lay_out_study
from app.votes_tab import lay_out_votes
from feedback.database import DatabaseError
from feedback.export import FORMATS, ExportError, describing, stream
from feedback.looks import log_look_at
from feedback.statistics import VotesError
from feedback.statistics.load import choose_study

UNWRITABLE = (
    "The look could not be written down, or the file not made: the database or its disk cannot be written now."
    " /healthz says which; nothing of the votes is lost."
)
log = logging.getLogger(__name__)
LIVE_SECONDS = 2
FORMAT_NOTES = {
    "csv": "One row a vote, for spreadsheets and statistics",
    "jsonl": "One vote a line, with every turn",
    "parquet": "The table, typed and compressed",
    "sqlite": "The whole study, for queries",
    "dpo": "Chosen and rejected answers, for preference training with TRL",
    "kto": "Answers marked good or bad, for TRL",
    "arena": "Battles in the form of Chatbot Arena",
    "guesses": "What testers guessed before the reveal",
    "testers": "One row a tester: consent, end of the session, background",
    "good_enough": "Whether the better answer was good enough, by vote",
    "remarks": "Words beside answers that no vote was given on",
}


_LOG_OUT = '<form method="post" action="logout"><button class="quiet">Log out</button></form>'


class ResearchersPage:
    """The Blocks of `/admin` with their handlers; who sees them is decided before they are reached."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        with gr.Blocks(title="Diptych: researchers", analytics_enabled=False, fill_width=True) as self.blocks:
            self._lay_out()

    def _lay_out(self) -> None:
        with gr.Row(elem_id="masthead"):
            html(brand().replace('href=""', 'href="../"'))
            html(_LOG_OUT)
        with gr.Tabs():
            with gr.Tab("Results", id="results") as results_tab:
                results_timer = ResultsTab(self.runtime).lay_out(self.blocks)
            with gr.Tab("Live", id="live") as live_tab:
                live = html(elem_id="live")
                timer = gr.Timer(LIVE_SECONDS, active=False)
            with gr.Tab("Votes", id="votes") as votes_tab:
                lay_out_votes(votes_tab, self.runtime, functools.partial(_log, self.runtime))
            with gr.Tab("Models", id="models") as models_tab:
                models_timer = lay_out_models(models_tab, self.runtime)
            with gr.Tab("Improve", id="improve") as improve_tab:
                improve_timer = lay_out_improve(improve_tab, self.runtime, functools.partial(_log, self.runtime))
            with gr.Tab("Study", id="study") as study_tab:
                lay_out_study(study_tab, self.runtime)
            with gr.Tab("Invites", id="invites") as invites_tab:
                lay_out_invites(invites_tab, self.runtime)
            with gr.Tab("Chat lab", id="lab") as lab_tab:
                lay_out_chat_lab(self.runtime)
            with gr.Tab("Downloads", id="downloads") as downloads_tab:
                html(_downloads())
        live_tab.select(self._live, None, [live, timer], **QUIET)
        timer.tick(lambda: live_html(self.runtime), None, live, **QUIET)
        tabs = (
            *(results_tab, live_tab, votes_tab, models_tab, improve_tab, study_tab, invites_tab, lab_tab),
            downloads_tab,
        )
        followers = {improve_tab: improve_timer, models_tab: models_timer, live_tab: timer, results_tab: results_timer}
        for own, follower in followers.items():
            for tab in tabs:  # what follows one tab rests while another is open
                if tab is not own:
                    tab.select(lambda: gr.update(active=False), None, follower, **QUIET)
        results_tab.select(lambda: gr.update(active=True), None, results_timer, **QUIET)

    def _live(self) -> tuple[str, Any]:
        return live_html(self.runtime), gr.update(active=True)


def _log(runtime: Runtime, kind: str) -> None:
    """Write a look at the running study down."""
    label = runtime.blind_test.label if runtime.blind_test else None
    study = choose_study(runtime.database.connection, label)
    if study is not None:
        log_look_at(runtime.database, study, kind)


def _study_of(runtime: Runtime, format: str) -> int | None:
    """The running study in a format that holds one alone; None, which is all of them, in others."""
    one_study = format in FORMATS and FORMATS[format].one_study
    return runtime.blind_test.study_id if one_study and runtime.blind_test else None


def export_routes(runtime: Runtime) -> APIRouter:
    """`/admin/export/{format}`; whoever includes the router must require the login."""
    router = APIRouter()

    reads = ["GET", "HEAD"]

    @router.api_route("/admin/export/{format}", methods=reads)
    def export(format: str, request: Request) -> Response:
        if request.method == "HEAD" and format in FORMATS:  # nothing is seen, so nothing is written down
            return Response(media_type=FORMATS[format].media_type, headers=_attached(format))
        try:
            chunks: Iterator[bytes] = stream(runtime.database, format, _study_of(runtime, format))
            begun = next(chunks, b"")  # what can fail does so before an answer begins
            _log(runtime, f"export {format}")
        except (ExportError, VotesError) as error:
            if isinstance(error.__cause__, (OSError, sqlite3.Error)):  # the file that is written first
                log.error("the export %s could not be made", format[:40], exc_info=error)
                raise HTTPException(503, UNWRITABLE) from error
            raise HTTPException(404, str(error)) from error
        except (DatabaseError, sqlite3.Error, OSError) as error:
            log.error("the export %s could not be made", format[:40], exc_info=error)
            raise HTTPException(503, UNWRITABLE) from error
        media_type = FORMATS[format].media_type
        return StreamingResponse(itertools.chain((begun,), chunks), media_type=media_type, headers=_attached(format))

    @router.api_route("/admin/export/{format}/{what}", methods=reads)
    def describe(format: str, what: str) -> Response:
        try:
            content = describing(runtime.database, format, _study_of(runtime, format), what)
        except ExportError as error:
            raise HTTPException(404, str(error)) from error
        except (DatabaseError, sqlite3.Error, OSError) as error:
            raise HTTPException(503, UNWRITABLE) from error
        kind = "application/json" if what.endswith("json") else "text/markdown; charset=utf-8"
        return Response(content, media_type=kind, headers=_attached(format, f".{what}"))

    @router.api_route("/admin/comparison/{name}", methods=reads)
    def comparison(name: str, request: Request) -> FileResponse:
        path = runtime.evaluation.results / COMPARISON / name
        if name not in REPORTS or not path.is_file():
            raise HTTPException(404, "There is no such file; make the comparison in the tab Models first.")
        try:
            with contextlib.suppress(VotesError):  # without votes there is nothing to be seen of them
                if request.method != "HEAD":
                    _log(runtime, f"comparison {name}")
        except DatabaseError as error:
            raise HTTPException(503, UNWRITABLE) from error
        return FileResponse(path, media_type=REPORTS[name], filename=name, headers={"Cache-Control": "no-store"})

    return router


def _attached(format: str, what: str = "") -> dict[str, str]:
    name = f"diptych-votes{FORMATS[format].suffix}{what}"
    return {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}


def _downloads() -> str:
    rows = "".join(
        f'<li><a href="export/{name}" download>{name.replace("_", " ").upper()}</a>'
        f"<span>{escape(FORMAT_NOTES.get(name, ''))}. "
        f'<a href="export/{name}/codebook.md" download>codebook</a>, '
        f'<a href="export/{name}/manifest.json" download>manifest</a></span></li>'
        for name in FORMATS
    )
    note = '<p class="hint">Downloads are written into the look log.</p>'
    return f'<h1>Downloads</h1><ul class="downloads">{rows}</ul>{note}'
