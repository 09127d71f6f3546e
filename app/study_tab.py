"""The study and invites tabs of /admin: what is running, how to begin another study, who may take part."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from app.begun import FOLDER
from app.components import QUIET, html, problem, row, table
from app.inputs import as_text
from app.model_files import NAMES, without_password
from app.runtime import Runtime
from feedback.blind_test import Refused
from feedback.database import DatabaseError
from feedback.entry import Invite
from feedback.export.write import ExportError, replace_file
from feedback.statistics.exclusion import wordings
from feedback.study import Study, StudyError
from feedback.versions import in_words
from training.inference.engines import EngineError


def lay_out_study(tab: gr.Tab, runtime: Runtime) -> None:
    """Add the study's state, its file to edit, and the buttons to begin another study and to close this one."""
    facts = html(elem_id="study-facts")
    said = html(elem_id="study-said")
    with gr.Accordion("Begin another study", open=False, elem_id="study-edit"):
        html(_EDIT, elem_id="study-hint")
        text = gr.Textbox(label="Study file (TOML)", elem_id="study-toml", lines=18, max_lines=18)
        filled = gr.Textbox("", visible=False)  # what it was filled with: what somebody has typed since stays
        shown = gr.Textbox("", visible=False)  # the hash of the study that is shown, which may not be the running one
        begin = gr.Button("Check, save and begin", variant="primary", elem_id="study-begin")
    with gr.Accordion("Close this study", open=False, elem_id="study-end"):
        html(_CLOSE, elem_id="study-close-hint")
        sure = gr.Checkbox(label="Nobody shall enrol in this study any more.", elem_id="study-sure")
        close = gr.Button("Close the study", elem_id="study-close")

    def show(typed: Any, before: Any) -> tuple[str, Any, str, str]:
        toml = runtime.study.toml
        return study_html(runtime), toml if not typed or typed == before else gr.skip(), toml, runtime.study.hash

    def start(toml: Any, seen: Any) -> tuple[str, str, str]:
        if seen != runtime.study.hash:
            return study_html(runtime), another_runs(runtime), runtime.study.hash
        try:
            study = _study_of_page(toml if isinstance(toml, str) else "")
            if study.hash == runtime.study.hash:
                raise StudyError("the text: these are the running study's settings; change something first")
            path = save_study(study, runtime.database.path.parent / FOLDER)
            runtime.begin(study, path)
        except (StudyError, ExportError, DatabaseError, EngineError) as error:
            return study_html(runtime), problem(error), runtime.study.hash
        note = running_note(runtime, study, path)
        return study_html(runtime), f"<p>{escape(note)}</p>", runtime.study.hash

    def end(agreed: Any, seen: Any) -> tuple[str, str, bool, str]:
        message = "<p>Closed. The secret of its draws is told above once every session is over.</p>"
        if seen != runtime.study.hash:
            message = another_runs(runtime)
        elif agreed is not True:
            message = problem("Tick the box first: a closed study stays closed")
        elif runtime.blind_test is None:
            message = problem("The models are not ready, so no study is open")
        else:
            try:
                runtime.blind_test.close_study()
            except DatabaseError as error:
                message = problem(error)
        return study_html(runtime), message, False, runtime.study.hash

    tab.select(show, [text, filled], [facts, text, filled, shown], **QUIET)
    begin.click(start, [text, shown], [facts, said, shown], **QUIET)
    close.click(end, [sure, shown], [facts, said, sure, shown], **QUIET)


def another_runs(runtime: Runtime) -> str:
    """What a page is told that shows another study than the running one: what it would end is not what it shows."""
    return problem(
        f"“{runtime.study.name}” has been begun meanwhile, in another tab or by somebody else, and nothing was done to"
        " it; look at it, and press again if you mean it"
    )


MAX_TYPED = 24_576
"""Longest study file that the page takes, in characters, of which those of a text cost next to nothing to read."""
MAX_TYPED_PARTS = 4_096
"""Most settings, members, tables and lines: each costs up to 3.5 us; the default study's 7,500 characters hold 600."""


def _study_of_page(toml: str) -> Study:
    """Raises StudyError; a text that is too long is refused whole, since cut it would be another study."""
    parts = sum(map(toml.count, ",[{=.\n"))
    for number, most, what in (
        (len(toml), MAX_TYPED, "characters"),
        (parts, MAX_TYPED_PARTS, "lines, commas, dots, brackets and equals signs"),
    ):
        if number > most:
            raise StudyError(
                f"the text: has {number:,} {what}, and the page takes at most {most:,}; save it as a file and begin it"
                " with python app.py --study FILE"
            )
    return Study.from_toml(toml, "the text")


def running_note(runtime: Runtime, study: Study, path: Path) -> str:
    """That a study was begun, and how it goes on after a restart."""
    models = " ".join(f"--{model} {without_password(spec)}" for model, spec in runtime.specs.items())
    return (
        f"“{study.name}” is running. A restart without options goes on with it; with options it is"
        f" --study {path} {models}"
    )


def save_study(study: Study, folder: Path) -> Path:
    """Write a study's file, named after the study and its hash; raises ExportError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(
            f"{folder}: cannot be made ({error.strerror}); check the permissions beside the database"
        ) from None
    name = re.sub(r"[^a-z0-9]+", "-", study.name.lower()).strip("-") or "study"
    path = folder / f"{name[:40]}-{study.hash[:8]}.toml"
    content = study.toml.encode()
    if not (path.is_file() and path.read_bytes() == content):
        replace_file(path, [content])
    return path


_EDIT = (
    "<p>A running study cannot be changed: its settings are fixed by their hash, and votes under other settings are "
    "votes of another study. Change the text below and begin; the old votes stay, and both studies can be downloaded. "
    "Testers who are in the middle of the old study get the new one's consent.</p>"
)
_CLOSE = (
    "<p>Who has begun may finish, and nobody can enrol. Once the last session is over, the secret behind the draws of "
    "sides and questions is told, so that everybody can check them. This cannot be undone.</p>"
)


def study_html(runtime: Runtime) -> str:
    """What is running, with its settings."""
    study, blind_test = runtime.study, runtime.blind_test
    state = "being prepared" if blind_test is None else "closed" if blind_test.closed else "running"
    facts = {
        "State": state,
        "Label in exports": blind_test.label if blind_test else "–",
        **{NAMES[model]: in_words(described) for model, described in (blind_test.models if blind_test else {}).items()},
        "SHA-256 of the settings": study.hash[:16],
        "SHA-256 of the secret": blind_test.secret_sha256[:16] if blind_test else "–",
        "The secret itself": (blind_test.secret if blind_test else None) or "told when it is closed and all are done",
        "Votes of each tester": str(study.rounds),
        "Reveal": {"end": "at the end", "vote": "after each vote", "never": "never"}[study.reveal]
        + (", then a card of each model" if study.show_models else ""),
        "Who may take part": {"open": "whoever has the link", "invite": "with an invite code"}[study.access]
        + (" and the code for all" if study.entry_code else "")
        + (", after work of the browser" if study.proof_of_work_bits else ""),
        "Left out of the statistics": "; ".join(wordings(study.exclusion).values()) or "nothing",
        "Questions": f"{len(study.prompts)} in {len({prompt.category for prompt in study.prompts})} categories",
        "Answers": f"at most {study.max_new_tokens} tokens, temperature {study.temperature:g}, top-p {study.top_p:g}",
    }
    rows = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    return f'<h1>{escape(study.name)}</h1><dl class="facts">{rows}</dl>{_others(runtime)}'


_OTHERS = """
SELECT label, studies.closed_at IS NOT NULL AS closed, models, COUNT(testers.id) AS testers,
       (SELECT COUNT(*) FROM votes WHERE votes.study_id = studies.id AND superseded = 0) AS votes
FROM studies JOIN testers ON testers.study_id = studies.id WHERE studies.id <> ? GROUP BY studies.id ORDER BY studies.id
"""


def _others(runtime: Runtime) -> str:
    """The other studies of the database that somebody took part in, each with the models that it is on."""
    own = runtime.blind_test
    studies = (own or runtime).database.connection.execute(_OTHERS, [own.study_id if own else 0]).fetchall()
    if not studies:
        return ""
    titles = ("Study", "Testers", "Votes", *NAMES.values())
    rows = (
        row(
            escape(study["label"]) + (" (closed)" if study["closed"] else ""),
            *(f"{study[counted]:,}" for counted in ("testers", "votes")),
            *(escape(in_words(described)) for _, described in sorted(json.loads(study["models"]).items())),
        )
        for study in studies
    )
    note = "Votes on other settings or other models are never added to these; each study is read by its label:"
    return (
        f"<h2>Other studies in this database</h2><p class='hint'>{note} <code>python -m feedback stats --study LABEL"
        f"</code>.</p>{table(titles, rows, 'Other studies')}"
    )


def lay_out_invites(tab: gr.Tab, runtime: Runtime) -> None:
    """Add the list of invites, and how to make and revoke them."""
    html("<h1>Invites</h1>", elem_id="invites-head")
    with gr.Row(elem_id="invite-form"):
        label = gr.Textbox(label="For whom (a note)", elem_id="invite-label", max_lines=1)
        uses = gr.Number(1, label="Testers (0: any number)", precision=0, minimum=0, elem_id="invite-uses")
        make = gr.Button("Make an invite", variant="primary", elem_id="invite-make")
    said = html(elem_id="invite-said")
    listing = html(elem_id="invite-list")
    with gr.Row(elem_id="revoke-form"):
        which = gr.Dropdown([], label="Revoke", elem_id="invite-which")
        revoke = gr.Button("Revoke", elem_id="invite-revoke")

    def show() -> tuple[str, Any]:
        invites = runtime.blind_test.invites() if runtime.blind_test else []
        valid = [(f"{invite.id}: {invite.label or 'no note'}", invite.id) for invite in invites if invite.valid]
        return invites_html(runtime, invites), gr.update(choices=valid, value=None)

    def add(note: Any, number: Any, request: gr.Request) -> tuple[Any, ...]:
        try:
            if runtime.blind_test is None:
                raise Refused("The models are not ready yet; please wait a moment.")
            code = runtime.blind_test.make_invite(as_text(note), int(number) if number else None)
        except (Refused, DatabaseError) as error:
            return problem(error), *show()
        message = f"<p>This link is shown once: <code>{escape(_page(request))}?invite={escape(code)}</code></p>"
        return message, *show()

    def remove(invite: Any) -> tuple[Any, ...]:
        try:
            if runtime.blind_test is not None:
                runtime.blind_test.revoke_invite(invite)
        except (Refused, DatabaseError) as error:
            return problem(error), *show()
        return "<p>Revoked.</p>", *show()

    tab.select(show, None, [listing, which], **QUIET)
    make.click(add, [label, uses], [said, listing, which], **QUIET)
    revoke.click(remove, which, [said, listing, which], **QUIET)


def invites_html(runtime: Runtime, invites: list[Invite]) -> str:
    """The list of invites, without their codes, which nobody can see again."""
    note = "" if runtime.study.access == "invite" else '<p class="hint">This study is open: nobody needs an invite.</p>'
    if not invites:
        return f"{note}<p>There are no invites yet.</p>"
    titles = ("Number", "For whom", "Enrolled", "Made (UTC)", "State")
    rows = (
        row(
            str(invite.id),
            escape(invite.label),
            f"{invite.used} of {invite.uses or 'any number'}",
            escape(invite.made_at[:16].replace("T", " ")),
            "revoked" if invite.revoked_at else "valid" if invite.valid else "used up",
        )
        for invite in invites
    )
    return note + table(titles, rows, "Invites")


def _page(request: gr.Request) -> str:
    """The address of the testers' page as this browser reaches it, a sub-path behind a proxy included."""
    path = str(request.request.scope.get("root_path", "")).removesuffix("/admin") if request.request else ""
    return f"{request.headers.get('origin', '')}{path}/"
