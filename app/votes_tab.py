"""The votes tab of /admin: filters above the table of votes."""

from __future__ import annotations

from typing import Any

import gradio as gr

from app.components import QUIET, html
from app.inputs import as_text
from app.results import WINNERS
from app.runtime import Runtime
from app.vote_table import CHOICES, FLAGS, Filters, categories, vote_table

ANY = ""


def lay_out_votes(tab: gr.Tab, runtime: Runtime, looked: Any) -> None:
    """Add the filters and the table to the Blocks at hand; `looked` writes a look at results down."""
    html("<h1>Votes</h1>")
    with gr.Row(elem_id="vote-filters"):
        choice = gr.Dropdown(_options(CHOICES), value=ANY, label="Choice", elem_id="filter-choice")
        winner = gr.Dropdown(_options(WINNERS), value=ANY, label="Winner", elem_id="filter-winner")
        category = gr.Dropdown([("Any", ANY)], value=ANY, label="Category", elem_id="filter-category")
        flag = gr.Dropdown(
            [(text, key) for key, text in FLAGS.items()], value=ANY, label="State", elem_id="filter-flag"
        )
        tester = gr.Textbox(label="Tester", placeholder="Id, or its beginning", elem_id="filter-tester", max_lines=1)
        text = gr.Textbox(
            label="Text", placeholder="In questions, answers, comments", elem_id="filter-text", max_lines=1
        )
    table = html(elem_id="votes-table")
    filters = [choice, winner, category, flag, tester, text]

    def show(*values: Any) -> str:
        blind_test = runtime.blind_test
        if blind_test is None:
            return "<p>The models are being prepared; there are no votes yet.</p>"
        looked("votes")
        connection = runtime.database.connection
        chosen = Filters(*map(as_text, values))
        return vote_table(connection, blind_test.study_id, chosen, runtime.study.exclusion)

    def open_tab(*values: Any) -> tuple[Any, str]:
        blind_test = runtime.blind_test
        known = categories(runtime.database.connection, blind_test.study_id) if blind_test else []
        return gr.update(choices=[("Any", ANY), *((name, name) for name in known)]), show(*values)

    tab.select(open_tab, filters, [category, table], **QUIET)
    for menu in (choice, winner, category, flag):
        menu.input(show, filters, table, **QUIET)
    for box in (tester, text):
        gr.on([box.submit, box.blur], show, filters, table, **QUIET)


def _options(names: dict[str, str]) -> list[tuple[str, str]]:
    return [("Any", ANY), *((text, key) for key, text in names.items())]
