"""The HTML of the page while the models are prepared: how far each is, its scores so far, what it answers by now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from app.components import bar
from app.demo_training import TRAINING, Step
from app.language import ntr, number, tr
from feedback.messages import mark

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 40, 628, 14, 190
STATES = {
    "waiting": mark("Waiting"),
    "done": mark("Ready"),
    "failed": mark("Stopped"),
    "weak": mark("Has not learned enough yet"),
}
TICKS = (5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02)
MEANING = mark(
    "Bits per byte say how surprised a model is by sentences that it has not learned from: near 3 when it knows "
    "nothing, less the more it knows."
)


def waiting(steps: Sequence[Step], failure: str, can_go_on: bool = False) -> str:
    """How far the training of the missing models is, or why it stands still and who can go on with it."""
    body = "".join(training_step(step) for step in steps)
    if failure:
        text = tr(
            'What was learned is saved. <a href="admin/">Researchers</a> go on from there with one click, in the tab'
            " Models; starting the app again does the same."
        )
        go_on = f"<p>{text}</p>" if can_go_on else ""
        why = f'<p class="problem" lang="en" dir="ltr">{escape(failure)}.</p>'
        head = f"<h1>{escape(tr('The models could not be prepared'))}</h1>{why}{go_on}"
        return f'<section class="card">{head}{body if can_go_on else ""}</section>'
    lead = tr("This happens once, on this machine. The test opens on this page by itself.")
    loading = f"<p>{escape(tr('Loading the models.'))}</p>"
    return (
        f'<section class="card"><h1>{escape(tr("Preparing the two models"))}</h1><p class="lead">{escape(lead)}</p>'
        f"{body or loading}</section>"
    )


def training_step(step: Step) -> str:
    """How far one training is: a bar with its facts in words, its score on the way and an answer of it."""
    run = step.run
    taken = round(100 * run.step / run.steps) if step.state == "running" and run.steps else 0
    share = 100 if step.state == "done" else taken
    learned = _curve(step) + _answer(step) if run.looks else ""
    title = escape(tr(step.title))
    return (
        f'<div class="setup-step {step.state}"><h2>{title}</h2><p>{escape(" · ".join(_facts(step)))}</p>'
        f"{bar(title, share)}{learned}</div>"
    )


def _facts(step: Step) -> list[str]:
    if step.state != "running":
        return [tr(STATES[step.state])]
    facts, run = [tr(step.stage)], step.run
    if step.stage == TRAINING:
        if run.steps:
            facts.append(tr("step {step:,} of {steps:,}", step=run.step, steps=run.steps))
        if run.loss is not None:
            facts.append(tr("loss {loss:.2f}", loss=run.loss))
        if run.seconds_left is not None:
            facts.append(tr("about {time} left", time=in_words(run.seconds_left)))
        if run.seconds_at_most is not None and run.seconds_at_most > 60:
            facts.append(tr("at most {time}", time=in_words(run.seconds_at_most)))
    return facts


def in_words(seconds: float) -> str:
    """A time that is still to come, never rounded down."""
    if seconds <= 90:
        return tr("{n} s", n=max(5, 5 * math.ceil(seconds / 5)))
    return tr("{n} min", n=math.ceil(seconds / 60))


def _curve(step: Step) -> str:
    """The scores so far, on a logarithmic scale, with the goal as a line; the same in words for who cannot see it."""
    run = step.run
    now = run.looks[-1][1]
    if run.target is None:
        score_text = tr("Score on unseen wordings: {score:.2f} bits per byte.", score=now)
    else:
        text = mark("Score on unseen wordings: {score:.2f} bits per byte; the goal is {goal:.2f}.")
        score_text = tr(text, score=now, goal=run.target)
    first = tr("It began at {score:.2f}.", score=run.looks[0][1]) if len(run.looks) > 1 else ""
    count = ntr("{n} score so far.", "{n} scores so far.", n=len(run.looks))
    bits = [score for _, score in run.looks] + ([run.target] if run.target else [])
    low, high = math.log(min(bits) * 0.8), math.log(max(bits) * 1.15)
    end = max(1.0, run.looks[-1][0] + (run.seconds_left or 0.0) * (step.state == "running"))

    def x(seconds: float) -> float:
        return LEFT + (RIGHT - LEFT) * min(1.0, seconds / end)

    def y(score: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (math.log(max(score, 1e-6)) - low) / (high - low)

    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" class="end">{number(tick):g}</text>'
        for tick in TICKS
        if low < math.log(tick) < high
    ]
    if run.target:
        at = y(run.target)
        parts.append(f'<line class="goal" x1="{LEFT}" x2="{RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        text = escape(tr("goal {goal:.2f}", goal=run.target))
        parts.append(f'<text x="{RIGHT}" y="{at - 7:.1f}" class="end goal">{text}</text>')
    places = [(x(seconds), y(score)) for seconds, score in run.looks]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    parts.append(f'<polyline class="score" points="{line}"/>')
    parts.append(f'<circle class="now" cx="{places[-1][0]:.1f}" cy="{places[-1][1]:.1f}" r="5"/>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">0</text>')
    parts.append(f'<text x="{RIGHT}" y="{HEIGHT - 8}" class="end">{_clock(end)}</text>')
    return (
        f'<figure class="score-curve"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(" ".join(filter(None, (score_text, first, count))))}">{"".join(parts)}</svg>'
        f"<figcaption><b>{escape(score_text)}</b> {escape(tr(MEANING))}</figcaption></figure>"
    )


def _clock(seconds: float) -> str:
    return tr("{n} s", n=round(seconds)) if seconds < 90 else tr("{n} min", n=round(seconds / 60))


def _answer(step: Step) -> str:
    """What the model says to a question at this moment, as it is."""
    run = step.run
    if not run.question:
        return ""
    asked = mark("What it answers to “{question}”")
    now = mark("What it answers right now to “{question}”")
    lead = tr(asked if step.state == "done" else now, question=run.question)
    answer = escape(run.answer) or escape(tr("(nothing)"))
    return (
        f'<figure class="answers-now"><figcaption>{escape(lead)}</figcaption>'
        f'<blockquote dir="auto">{answer}</blockquote></figure>'
    )
