"""The HTML of the page while the models are prepared: how far each is, its scores so far, what it answers by now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from app.demo_training import Step

WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 40, 628, 14, 190
STATES = {"waiting": "Waiting", "done": "Ready", "failed": "Stopped", "weak": "Has not learned enough yet"}
TICKS = (5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02)
MEANING = (
    "Bits per byte say how surprised a model is by sentences that it has not learned from: near 3 when it knows "
    "nothing, less the more it knows."
)


def waiting(steps: Sequence[Step], failure: str, can_go_on: bool = False) -> str:
    """How far the training of the missing models is, or why it stands still and who can go on with it."""
    body = "".join(training_step(step) for step in steps)
    if failure:
        go_on = (
            '<p>What was learned is saved. <a href="admin/">Researchers</a> go on from there with one click, in the '
            "tab Models; starting the app again does the same.</p>"
            if can_go_on
            else ""
        )
        head = f'<h1>The models could not be prepared</h1><p class="problem">{escape(failure)}.</p>{go_on}'
        return f'<section class="card">{head}{body if can_go_on else ""}</section>'
    return (
        '<section class="card"><h1>Preparing the two models</h1><p class="lead">This happens once, on this machine. '
        f"The test opens on this page by itself.</p>{body or '<p>Loading the models.</p>'}</section>"
    )


def training_step(step: Step) -> str:
    """How far one training is: a bar with its facts in words, its score on the way and an answer of it."""
    run = step.run
    taken = round(100 * run.step / run.steps) if step.state == "running" and run.steps else 0
    share = 100 if step.state == "done" else taken
    told = _curve(step) + _answer(step) if run.looks else ""
    return (
        f'<div class="setup-step {step.state}"><h2>{escape(step.title)}</h2><p>{escape(" · ".join(_facts(step)))}</p>'
        f'<div class="bar" role="progressbar" aria-label="{escape(step.title)}" aria-valuemin="0" aria-valuemax="100" '
        f'aria-valuenow="{share}"><i style="width:{share}%"></i></div>{told}</div>'
    )


def _facts(step: Step) -> list[str]:
    if step.state != "running":
        return [STATES[step.state]]
    facts, run = [step.stage], step.run
    if step.stage == "Training":
        if run.steps:
            facts.append(f"step {run.step:,} of {run.steps:,}")
        if run.loss is not None:
            facts.append(f"loss {run.loss:.2f}")
        if run.seconds_left is not None:
            facts.append(f"about {in_words(run.seconds_left)} left")
        if run.seconds_at_most is not None and run.seconds_at_most > 60:
            facts.append(f"at most {in_words(run.seconds_at_most)}")
    return facts


def in_words(seconds: float) -> str:
    """A time that is still to come, never rounded down."""
    if seconds <= 90:
        return f"{max(5, 5 * math.ceil(seconds / 5))} s"
    return f"{math.ceil(seconds / 60)} min"


def _curve(step: Step) -> str:
    """The scores so far, on a logarithmic scale, with the goal as a line; the same in words for who cannot see it."""
    run = step.run
    now = run.looks[-1][1]
    goal = "" if run.target is None else f"; the goal is {run.target:.2f}"
    said = f"Score on unseen wordings: {now:.2f} bits per byte{goal}"
    first = f"It began at {run.looks[0][1]:.2f}. " if len(run.looks) > 1 else ""
    bits = [score for _, score in run.looks] + ([run.target] if run.target else [])
    low, high = math.log(min(bits) * 0.8), math.log(max(bits) * 1.15)
    end = max(1.0, run.looks[-1][0] + (run.seconds_left or 0.0) * (step.state == "running"))

    def x(seconds: float) -> float:
        return LEFT + (RIGHT - LEFT) * min(1.0, seconds / end)

    def y(score: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (math.log(max(score, 1e-6)) - low) / (high - low)

    parts = [
        f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y(tick) + 4:.1f}" class="end">{tick:g}</text>'
        for tick in TICKS
        if low < math.log(tick) < high
    ]
    if run.target:
        at = y(run.target)
        parts.append(f'<line class="goal" x1="{LEFT}" x2="{RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(f'<text x="{RIGHT}" y="{at - 7:.1f}" class="end goal">goal {run.target:.2f}</text>')
    places = [(x(seconds), y(score)) for seconds, score in run.looks]
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    parts.append(f'<polyline class="score" points="{line}"/>')
    parts.append(f'<circle class="now" cx="{places[-1][0]:.1f}" cy="{places[-1][1]:.1f}" r="5"/>')
    parts.append(f'<text x="{LEFT}" y="{HEIGHT - 8}">0</text>')
    parts.append(f'<text x="{RIGHT}" y="{HEIGHT - 8}" class="end">{_clock(end)}</text>')
    return (
        f'<figure class="score-curve"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{escape(f"{said}. {first}{len(run.looks)} scores so far.")}">{"".join(parts)}</svg>'
        f"<figcaption><b>{escape(said)}.</b> {escape(MEANING)}</figcaption></figure>"
    )


def _clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _answer(step: Step) -> str:
    """What the model says to a question at this moment, as it is."""
    run = step.run
    if not run.question:
        return ""
    lead = "What it answers" if step.state == "done" else "What it answers right now"
    answer = escape(run.answer) or "(nothing)"
    return (
        f'<figure class="answers-now"><figcaption>{lead} to “{escape(run.question)}”</figcaption>'
        f'<blockquote dir="auto">{answer}</blockquote></figure>'
    )
