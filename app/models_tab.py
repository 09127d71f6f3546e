"""The models tab of /admin: both models as their files tell of them, and the comparison, made here at a button's press.

Everything is read from the files each time the tab is opened; nothing of it reaches a tester before the reveal.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from html import escape
from typing import Any

import gradio as gr

from app.child import Progress
from app.components import QUIET, bar, html, run_html
from app.model_cards import cards, compact_cards
from app.model_files import COMPARISON, MALFORMED, Known, read_models
from app.model_plots import STYLE, held_out_curves, loss_curve
from app.runtime import Runtime
from feedback.report import figures
from feedback.report.sections import figure, grid
from training.comparison import Comparison, headings, two_minutes
from training.comparison.content import Plot, Section
from training.comparison.html import section_html, style

HEADING = '<p class="over">What answers in this study</p><h1>Two models, side by side</h1>'
SECONDS = 1.5  # between two looks at a run
REPORTS = {"report.html": "text/html", "report.md": "text/markdown", "report.json": "application/json"}
CURVE = "{}: loss in training (line) and on held-out text (marks). Nats a token depend on the model's own tokens."
HELD_OUT = "Both on held-out text. Bits a byte do not depend on the tokens, so here they compare; fewer are better."

log = logging.getLogger(__name__)


def lay_out_models(tab: gr.Tab, runtime: Runtime) -> gr.Timer:
    """Add the cards, the curves, the comparison and the button that makes it; returns what follows a run."""
    run = runtime.evaluation
    overview = html(elem_id="models")
    with gr.Row(elem_id="models-run"):
        begin = gr.Button("Evaluate and compare", variant="primary", elem_id="models-evaluate")
        stop = gr.Button("Stop", elem_id="models-stop", visible=False)
        go_on = gr.Button("Go on training", variant="primary", elem_id="models-go-on", visible=False)
    progress_line = html(elem_id="models-progress")
    comparison = html(elem_id="models-comparison")
    timer = gr.Timer(SECONDS, active=False)
    outputs = [overview, comparison, begin, stop, go_on, progress_line, timer]

    def show() -> tuple[Any, ...]:
        return *models_html(runtime), *run_updates(runtime, run.progress)

    def follow() -> tuple[Any, ...]:
        progress = run.progress
        if progress.state != "running" and not _is_preparing(runtime):  # what was written is to be seen
            return show()
        return gr.skip(), gr.skip(), *run_updates(runtime, progress)

    def start() -> tuple[Any, ...]:
        if not _hindrance(runtime):
            run.start(runtime.blind_test.label if runtime.blind_test else None)
        return follow()

    def take_up() -> tuple[Any, ...]:
        runtime.go_on()
        return follow()

    def end() -> tuple[Any, ...]:
        run.stop()
        return follow()

    tab.select(show, None, outputs, **QUIET)
    timer.tick(follow, None, outputs, **QUIET)
    begin.click(start, None, outputs, **QUIET)
    stop.click(end, None, outputs, **QUIET)
    go_on.click(take_up, None, outputs, **QUIET)
    return timer


def models_html(runtime: Runtime) -> tuple[str, str]:
    """The overview, and the comparison below the button."""
    try:
        known = read_models(runtime.specs, runtime.evaluation.results)
    except MALFORMED as error:
        return HEADING + strange(error), ""
    notes = "".join(f"<li>{escape(sentence)}</li>" for sentence in known.absent)
    absent = f'<ul class="absent" aria-label="What is not known">{notes}</ul>' if notes else ""
    head = f"<style>{figures.STYLE}{STYLE}</style>{HEADING}"
    if known.comparison is None:
        return f"{head}{absent}", ""
    overview = _safely(lambda comparison: cards(comparison) + absent + _curves(comparison), known.comparison)
    return head + overview, _safely(lambda comparison: _compared(comparison, runtime), known.comparison)


def compact_html(runtime: Runtime) -> str:
    """What a tester sees of the models; only for the page after that tester's reveal."""
    try:
        known: Known = read_models(runtime.specs, runtime.evaluation.results)
        return compact_cards(known.comparison) if known.comparison is not None else ""
    except MALFORMED:
        log.exception("the models' files are not as they should be")
        return ""


def _safely(show: Callable[[Comparison], str], comparison: Comparison) -> str:
    """What `show` makes; a sentence where a file holds something else than our commands write."""
    try:
        return show(comparison)
    except MALFORMED as error:
        return strange(error)


def strange(error: Exception) -> str:
    """That a file of the models holds something else; to be called while the error is handled."""
    log.exception("the models' files are not as they should be")
    return f'<p class="problem">A file of the models is not as our commands write it ({escape(str(error))}).</p>'


def _curves(comparison: Comparison) -> str:
    rows = {model.name: (model.title, model.metrics.content or []) for model in comparison.models}
    plots = [loss_curve(model, name, found) for model, (name, found) in rows.items()]
    captions = [CURVE.format(name) for name, _ in rows.values()]
    shown = [
        figure(svg, said)
        for svg, said in zip([*plots, held_out_curves(rows)], [*captions, HELD_OUT], strict=True)
        if svg
    ]
    return f"<h2>How they learned</h2>{grid(shown)}" if shown else ""


def _compared(comparison: Comparison, runtime: Runtime) -> str:
    folded = "".join(_folded(_without_curves(section)) for section in headings(comparison))
    said = section_html(_without_votes(two_minutes(comparison)))
    return f'<div class="comparison"><style>{style()}</style>{said}{_reports(runtime)}{folded}</div>'


def _without_votes(section: Section) -> Section:
    """Results are seen under Results, where each sight of them is written into the look log."""
    unsaid = [entry for entry in section.missing if not entry.startswith("User testing")]
    return replace(section, missing=(*unsaid, "User testing: see Results; the report has it too."))


def _folded(section: Section) -> str:
    """One of the headings, to be opened."""
    head = f"<summary><b>{escape(section.title)}</b><span>{escape(section.lead)}</span></summary>"
    return f"<details>{head}{section_html(section)}</details>"


def _without_curves(section: Section) -> Section:
    """The curves stand above, where their points can be read."""
    kept = [block for block in section.blocks if not (isinstance(block, Plot) and block.name.startswith("curve-"))]
    return replace(section, blocks=tuple(kept))


def _reports(runtime: Runtime) -> str:
    """Links to the files of the last comparison, where there is one."""
    folder = runtime.evaluation.results / COMPARISON
    links = [f'<a href="comparison/{name}" download>{name}</a>' for name in REPORTS if (folder / name).is_file()]
    if not links:
        return ""
    note = "One file to keep or hand in, with the votes; downloads are written into the look log."
    return f'<p class="reports">{" ".join(links)}</p><p class="hint">{note}</p>'


def run_updates(runtime: Runtime, progress: Progress) -> tuple[Any, Any, Any, str, Any]:
    """How the button, the stop, the button of a training that stands still, the line of progress and the timer are."""
    running = progress.state == "running"
    hindrance = _hindrance(runtime)
    begin = gr.update(visible=not running and not runtime.can_go_on, interactive=not hindrance)
    progress_line, follows = _progress_html(progress, hindrance), gr.update(active=running or _is_preparing(runtime))
    return begin, gr.update(visible=running), gr.update(visible=runtime.can_go_on), progress_line, follows


def _is_preparing(runtime: Runtime) -> bool:
    return runtime.rounds is None and not runtime.failure


def _hindrance(runtime: Runtime) -> str:
    if runtime.failure:
        return f"{runtime.failure}." + (" It can go on from its saved state." if runtime.can_go_on else "")
    if runtime.rounds is None:
        return "The models are being prepared; they can be evaluated once they answer."
    return runtime.evaluation.lacks()


def _progress_html(progress: Progress, hindrance: str) -> str:
    if progress.state == "running":
        shown = bar("Evaluation", round(100 * (progress.share or 0)))
        return f'<p>{escape(progress.text)}</p>{shown}<p class="hint">Answers take longer while it runs.</p>'
    idle = hindrance or "Measures both models on this machine, in a few minutes, and writes the comparison."
    return run_html(progress, idle)
