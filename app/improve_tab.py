"""The improve tab of /admin: what the votes can teach, the button that trains, what came of it, and the test of it.

It shows how many votes there are to learn from, and why others are not; whom testers prefer is told under Results.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from html import escape
from typing import Any

import gradio as gr

from app.before_after import ON_LEARNED, begin_before_after, learned_from, next_study
from app.components import QUIET, html, problem, run_html
from app.improve_figures import counts_html, outcome_html
from app.improvement_run import METHODS
from app.improvements import Improvement, improvements_of, is_made_of
from app.model_files import MALFORMED, NAMES
from app.models_tab import strange
from app.results import VOTES_VERSION
from app.runtime import Runtime
from app.study_tab import running_note
from app.waiting import training_step
from feedback.database import DatabaseError
from feedback.export import ExportError
from feedback.preferences import UNTOLD_CONSENT, Preferences, preferences
from feedback.statistics import VotesError
from feedback.statistics.load import choose_study, load_counts
from feedback.statistics.summary import summarise_counts
from feedback.study import StudyError
from training.inference.engines import EngineError
from training.inference.engines.spec import MODELS

HEAD = (
    '<p class="over">The loop</p><h1>Learn from the votes</h1><p>A model learns from what testers preferred and becomes'
    " a new version beside the old one, which stays as it is. Then testers compare the two without knowing which is"
    " which.</p>"
)
SECONDS = 1.5  # between two looks at a run
HINT = "Takes minutes, on this machine; answers take longer meanwhile. The old version stays."
RUNNING = (
    "This study still runs: votes that come later are not learned from, and who learns from a study before its end must"
    " not take its results for final."
)


def lay_out_improve(tab: gr.Tab, runtime: Runtime, looked: Callable[[str], None]) -> gr.Timer:
    """Add the counts, the training and the test of what it made; returns what follows a training."""
    page = _Improve(runtime, looked)
    html(HEAD, elem_id="improve-head")
    with gr.Row(elem_id="improve-choice"):
        model = gr.Radio([(name, model) for model, name in NAMES.items()], value="model2", label="Which model learns",
                         elem_id="improve-model")  # fmt: skip
        method = gr.Radio([(text, name) for name, text in METHODS.items()], value="dpo", label="How",
                          elem_id="improve-method")  # fmt: skip
    counts = html(elem_id="improve-counts")
    with gr.Row(elem_id="improve-run"):
        train = gr.Button("Train on these votes", variant="primary", elem_id="improve-train")
        stop = gr.Button("Stop", elem_id="improve-stop", visible=False)
    message = html(elem_id="improve-told")
    with gr.Column(elem_id="improve-result", visible=False) as result:
        version = gr.Dropdown([], label="Version", elem_id="improve-version")
        outcome = html(elem_id="improve-outcome")
        hint = html(elem_id="improve-hint")
        sure = gr.Checkbox(label="Who is in the middle of the running study may be asked anew.", elem_id="improve-sure")
        begin = gr.Button("Begin a blind test: before against after", variant="primary", elem_id="improve-begin")
    said = html(elem_id="improve-said")
    timer = gr.Timer(SECONDS, active=False)
    running = [train, stop, message, timer]
    made = [result, version, outcome, hint, sure, begin]

    def show(model: Any, method: Any) -> tuple[Any, ...]:
        return page.counts(model, method), *page.running(model), *page.made(model, None)

    def start(model: Any, method: Any) -> tuple[Any, ...]:
        return page.start(model, method), *page.running(model)

    def follow(model: Any) -> tuple[Any, ...]:
        is_over = page.run.progress.state != "running"
        return *page.running(model), *(page.made(model, None) if is_over else (gr.skip() for _ in made))

    def end(model: Any) -> tuple[Any, ...]:
        page.run.stop()
        return page.running(model)

    def start_test(model: Any, method: Any, version: Any, sure: Any) -> tuple[Any, ...]:
        message, *outcome = page.begin(model, version, sure)
        return message, page.counts(model, method), *outcome  # those of the study that runs from now on

    tab.select(show, [model, method], [counts, *running, *made], **QUIET)
    gr.on([model.input, method.input], show, [model, method], [counts, *running, *made], **QUIET)
    train.click(start, [model, method], [said, *running], **QUIET)
    stop.click(end, model, running, **QUIET)
    timer.tick(follow, model, [*running, *made], **QUIET)
    version.input(page.made, [model, version], made, **QUIET)
    begin.click(start_test, [model, method, version, sure], [said, counts, *made], **QUIET)
    return timer


class _Improve:
    """What the tab's handlers do."""

    def __init__(self, runtime: Runtime, looked: Callable[[str], None]) -> None:
        self.runtime = runtime
        self.run = runtime.improvement
        self._looked = looked
        self._lock = threading.Lock()
        self._read: tuple[Any, Preferences] | None = None

    def counts(self, model: Any, method: Any) -> str:
        """How many votes there are to learn from, and what so many can show."""
        runtime = self.runtime
        if runtime.blind_test is None:
            return f"<p>{escape(runtime.failure or 'The models are being prepared; there are no votes yet')}.</p>"
        try:
            self._looked("preferences")
            found = self._preferences(_model(model))
            warned = [RUNNING] if found.header["running"] else []
            warned += [] if found.header["consent_training"] else [f"{UNTOLD_CONSENT.capitalize()}."]
            hints = "".join(f'<p class="hint">{escape(text)}</p>' for text in warned)
            return counts_html(found, _method(method), self._design()) + hints
        except (VotesError, DatabaseError) as error:
            return problem(error)

    def running(self, model: Any) -> tuple[Any, Any, str, Any]:
        """The button, the stop, the line of progress and the timer."""
        progress = self.run.progress
        is_running = progress.state == "running"
        why_not = self._hindrance(_model(model))
        begin = gr.update(visible=not is_running, interactive=not why_not)
        shown = training_step(self.run.step) if is_running else run_html(progress, why_not or HINT)
        return begin, gr.update(visible=is_running), shown, gr.update(active=is_running)

    def made(self, model: Any, version: Any) -> tuple[Any, ...]:
        """What came of the trainings, the newest first, and whether its test can begin."""
        found = self._improvements(_model(model))
        if not found:
            return gr.update(visible=False), gr.skip(), "", "", gr.update(value=False), gr.update(interactive=False)
        chosen = next((one for one in found if one.name == version), found[0])
        names = [(f"{one.name}{'' if one.accepted else ', refused'}", one.name) for one in found]
        menu = gr.update(choices=names, value=chosen.name)
        hint = self._hint(_model(model), chosen) if chosen.accepted else ""
        ready = gr.update(interactive=chosen.accepted and self.runtime.rounds is not None)
        asks = gr.update(value=False, visible=chosen.accepted and bool(self._open_sessions()))
        try:
            outcome = outcome_html(chosen)
        except MALFORMED as error:
            outcome = strange(error)
        return gr.update(visible=True), menu, outcome, hint, asks, ready

    def start(self, model: Any, method: Any) -> str:
        """Begin a training, where nothing stands against it."""
        name, blind_test = _model(model), self.runtime.blind_test
        if blind_test is None or (why := self._hindrance(name)):
            return problem(why if blind_test else "The models are being prepared")
        self.run.start(name, self.runtime.specs[name], _method(method), blind_test.label)
        return ""

    def begin(self, model: Any, version: Any, sure: Any) -> tuple[Any, ...]:
        """Let the test of a version begin in the place of the running study."""
        name = _model(model)
        chosen = next((one for one in self._improvements(name) if one.name == version and one.accepted), None)
        message, testers = "", self._open_sessions()
        if chosen is None:
            message = "Choose a version that was not refused"
        elif testers and sure is not True:
            message = f"{_people(testers)} in the middle of the running study; tick the box to begin all the same"
        elif not is_made_of(str(chosen.folder), self.runtime.engines[name].describe()):
            message = "This version was made of other weights than answer now; train a new one"
        if chosen is None or message:
            return problem(message), *self.made(name, version if chosen else None)
        try:
            file = begin_before_after(
                self.runtime, self.runtime.specs[name], chosen, learned_from(self.runtime, name, chosen)
            )
        except (StudyError, ExportError, DatabaseError, EngineError, VotesError) as error:
            return problem(error), *self.made(name, version)
        note = running_note(self.runtime, self.runtime.study, file)
        message = (
            "Before answers as Model 1, after as Model 2; sides are drawn for every question. Send testers the same"
            " link as before. Whether they prefer the new one is told under Results, in one sentence."
        )
        return f"<p>{escape(note)}</p><p>{message}</p>", *self.made("model2", None)

    # -- inside -------------------------------------------------------------------------------------------------------

    def _preferences(self, model: str) -> Preferences:
        """Those of the running study, read again when a vote has come or a session has ended."""
        test = self.runtime.blind_test
        assert test is not None
        counts = self.runtime.database.connection.execute(VOTES_VERSION, {"id": test.study_id}).fetchone()
        version = (test.study_id, model, *counts)
        with self._lock:
            if self._read is None or self._read[0] != version:
                self._read = version, preferences(self.runtime.database, test.label, model)
            return self._read[1]

    def _design(self) -> dict[str, float]:
        """Votes of each tester, how alike they are, and the error rate, for the power."""
        assert self.runtime.blind_test is not None
        study: sqlite3.Row | None = choose_study(self.runtime.database.connection, self.runtime.blind_test.label)
        assert study is not None
        testers, _ = load_counts(self.runtime.database.connection, study)
        result = summarise_counts(testers, study["alpha"])
        each = result["n_votes"] / result["n_testers"] if result["n_testers"] else study["rounds"]
        icc = ICC if result["icc"] is None else min(1.0, max(0.0, result["icc"]))
        return {"votes_each": each, "icc": icc, "alpha": float(study["alpha"])}

    def _hindrance(self, model: str) -> str:
        if self.runtime.blind_test is None:
            return "The models are being prepared; one can learn once they answer."
        return self.run.lacks(self.runtime.specs[model])

    def _improvements(self, model: str) -> list[Improvement]:
        return improvements_of(self.runtime.specs.get(model, ""))

    def _hint(self, model: str, chosen: Improvement) -> str:
        """Which questions the test asks, and what happens to the running study."""
        runtime = self.runtime
        if runtime.blind_test is None:
            return ""
        try:
            study, all_of_it = next_study(runtime, learned_from(runtime, model, chosen))
        except (VotesError, DatabaseError) as error:
            return problem(error)
        asked = len(study.prompts)
        if asked < all_of_it:
            said = [f"It asks the {asked:,} of {all_of_it:,} questions that no vote of this training was on."]
        elif study.name.endswith(ON_LEARNED):
            said = [
                f"It asks all {all_of_it:,} questions, also those learned from, for too few others are left: it shows"
                " what was learned of these, and nothing of others."
            ]
        else:
            said = [f"It asks all {all_of_it:,} questions; none of their votes was learned from."]
        if testers := self._open_sessions():
            said.append(
                f"{_people(testers)} in the middle of the running study; they are asked anew, their votes stay."
            )
        said.append("The votes given so far stay with the study that they were given in.")
        return f'<p class="hint">{escape(" ".join(said))}</p>'

    def _open_sessions(self) -> int:
        test = self.runtime.blind_test
        sql = "SELECT COUNT(*) FROM testers WHERE study_id = ? AND closed_at IS NULL"
        return int(self.runtime.database.connection.execute(sql, [test.study_id]).fetchone()[0]) if test else 0


ICC = 0.1  # where too few votes are there to tell how alike those of one tester are


def _model(value: Any) -> str:
    return value if value in MODELS else MODELS[1]


def _method(value: Any) -> str:
    return value if value in METHODS else "dpo"


def _people(testers: int) -> str:
    return f"{testers:,} tester{'s are' if testers != 1 else ' is'}"
