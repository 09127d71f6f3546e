"""The parts that pages and tabs are laid out from: HTML as it is, tables, numbers, and a problem in words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import gradio as gr

from app.child import Progress
from feedback.save_buttons import TABLE, buttons

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
"""What each event of /admin is registered with: no public name, no veil over what it changes."""


def html(value: str = "", **options: Any) -> gr.HTML:
    """HTML as it is, without Gradio's own style and script."""
    return gr.HTML(value, js_on_load=None, apply_default_css=False, padding=False, **options)


def table(titles: Iterable[str], rows: Iterable[str], label: str, kind: str = "votes") -> str:
    """A table that can be scrolled by itself, and buttons that save it; each row is HTML, from `<tr>` to `</tr>`."""
    shown = f"<div class='{kind}' tabindex='0' role='region' aria-label='{label}'>{bare_table(titles, rows)}</div>"
    return f"<div>{shown}{buttons(label, TABLE)}</div>"


def bare_table(titles: Iterable[str], rows: Iterable[str], caption: str = "") -> str:
    """The table itself, with its caption where there is one."""
    head = "".join(f"<th scope='col'>{title}</th>" for title in titles)
    above = f"<caption>{caption}</caption>" if caption else ""
    return f"<table>{above}<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def row(*cells: str, head: str = "") -> str:
    """A row of a table from cells of HTML; `head` is a first cell that names it."""
    first = f"<th scope='row'>{head}</th>" if head else ""
    return f"<tr>{first}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def numbers(counts: Mapping[str, int]) -> str:
    """Counts as large numbers, each above its name."""
    cards = "".join(f"<div><dt>{name}</dt><dd>{value:,}</dd></div>" for name, value in counts.items())
    return f'<dl class="numbers">{cards}</dl>'


def bar(label: str, percent: int) -> str:
    """How far something is; the label is HTML."""
    return (
        f'<div class="bar" role="progressbar" aria-label="{label}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{percent}"><i style="width:{percent}%"></i></div>'
    )


def problem(error: object) -> str:
    """What went wrong, as a sentence."""
    return f"<p class='problem'>{escape(str(error).rstrip('.'))}.</p>"


def run_html(run: Progress, idle: str) -> str:
    """How a run that is not under way ended, or what is to be said before the first."""
    if run.state == "idle":
        return f'<p class="hint">{escape(idle)}</p>'
    kind = ' class="problem"' if run.state == "failed" else ""
    return f"<p{kind}>{escape(run.text)}</p>"
