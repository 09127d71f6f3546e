"""The HTML of the testers' page. Everything that a tester or a model wrote is escaped and shown as plain text."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from markdown_it import MarkdownIt

from app.improvements import Kinship
from app.scenes import Phase, Scene
from feedback.battles import SET_ASIDE
from feedback.blind_test import Battle
from feedback.rules import least_seconds
from feedback.study import Prompt, Study

CHOICES = {"left": "A is better", "tie": "Equally good", "both_bad": "Both are bad", "right": "B is better"}
ENOUGH = {"Yes": "yes", "No": "no"}

BRAND = (
    '<a class="brand" href="" aria-label="Diptych, start page"><svg viewBox="0 0 44 30" aria-hidden="true">'
    '<path class="leaf" d="M2 28V11Q2 2 10.5 2T19 11V28Z"/><path class="leaf" d="M25 28V11Q25 2 33.5 2T42 11V28Z"/>'
    '<path class="hinge" d="M18 12.5h8M18 22h8"/></svg><span>Diptych</span></a>'
)


def progress(scene: Scene, consent: str) -> str:
    """The round's number with a mark for each, and what the script and the style need to know of the scene."""
    turn = len(scene.battle.complete_turns) if scene.battle is not None else 0
    first = {"left": "a", "right": "b"}[scene.battle.first_side] if scene.battle is not None else "a"
    mark = (
        f'<i id="phase" data-phase="{scene.phase.value}" data-key="{scene.key}" data-turn="{turn}" '
        f'data-first="{first}" {_least(scene)}data-consent="{escape(consent)}" hidden></i>'
    )
    if scene.tester is None or scene.phase is Phase.THANKS:
        return mark
    ticks = "".join(f'<i class="{"done" if n < scene.voted else ""}"></i>' for n in range(scene.rounds))
    text = f"{scene.voted} of {scene.rounds} voted"
    return f'{mark}<div class="rounds"><span>{text}</span><span class="ticks" aria-hidden="true">{ticks}</span></div>'


def _least(scene: Scene) -> str:
    """For how many seconds each answer must have been on the screen before a vote."""
    if scene.phase is not Phase.VOTE or scene.battle is None:
        return ""
    answers, left = scene.battle.turns[-1].answers, scene.battle.left_model
    sides = (("left", left), ("right", scene.battle.right_model))
    return "".join(f'data-least-{side}="{least_seconds(answers[model].text):g}" ' for side, model in sides)


def status(text: str, again: bool = False) -> str:
    """The one quiet line that says what just happened; `again` lets the page's script repeat the vote."""
    return f"<p{' data-again' if again else ''}>{escape(text)}</p>" if text else ""


WRITING = "Both answers are being written."


def status_line(scene: Scene) -> str:
    """What the status line says of a scene when nothing special has happened."""
    battle = scene.battle
    if scene.phase is Phase.VOTED and battle is not None and battle.vote is not None:
        enough = {True: " Good enough.", False: " Not good enough.", None: ""}[battle.vote.good_enough]
        return f"Saved: {_SAVED[battle.vote.choice]}.{enough}"
    if scene.phase is Phase.BROKEN and battle is not None:
        if battle.turns and battle.turns[-1].status == "cancelled":
            return "Stopped. Try again, or ask a new question."
        return "Something went wrong on our side, so there is nothing to vote on. Please try again."
    if scene.phase is Phase.ASK and battle is not None and battle.reason == SET_ASIDE:
        return "The models cannot answer that question, so it was set aside. Please ask another one."
    return {
        Phase.ANSWERING: WRITING,
        Phase.VOTE: "Which answer is better?",
        Phase.GUESS: "Your votes are saved.",
    }.get(scene.phase, "")


_SAVED = {"left": "A is better", "right": "B is better", "tie": "equally good", "both_bad": "both are bad"}


ADDRESS_KEPT = (
    "So that one person cannot pass for many, a code that is computed from your network address with a secret key is "
    "kept as well. The address itself is not stored, and the key is deleted when the study is closed."
)


def welcome(study: Study, challenge: str = "") -> str:
    """What the test is, and what a tester agrees to; with what the browser must work on, where the study says so."""
    paragraphs = "".join(f"<p>{escape(text.strip())}</p>" for text in study.consent_text.split("\n\n"))
    kept = f"<p>{ADDRESS_KEPT}</p>" if study.address_hash else ""
    rounds = f"{study.rounds}&nbsp;round{'s' if study.rounds != 1 else ''}"
    return (
        "<h1>Two answers.<br>Which is better?</h1>"
        f'<p class="lead">Ask a question, read two answers side by side, and choose. {rounds}, about '
        f"{max(1, round(study.rounds * 0.75))}&nbsp;minutes.</p>"
        f'<section class="terms" aria-label="What you agree to">{paragraphs}{kept}</section>'
        + (f'<i id="work" data-challenge="{escape(challenge)}" hidden></i>' if challenge else "")
    )


CLOSED = (
    '<h1>This study is closed.</h1><p class="lead">Nobody can begin any more, and nothing is stored. '
    "Thank you for your interest.</p>"
)

WITHDRAWN = (
    '<h1>Your data has been deleted.</h1><p class="lead">Your questions, votes and comments are gone, and the '
    'answers; only a count is kept. Thank you for your time.</p><p><a href="">Back to the start</a></p>'
    "<i data-forget hidden></i>"
)


def question(scene: Scene) -> str:
    """The heading above the panes, or above the prompt box."""
    if scene.phase is Phase.ASK:
        heading = "What would you like to know?" if scene.voted == 0 else "What next?"
        return f'<p class="over">Round {scene.number} of {scene.rounds}</p><h1>{heading}</h1>'
    if scene.battle is None:
        return ""
    over = "Your last round" if scene.phase is Phase.GUESS else f"Round {scene.number} of {scene.rounds}"
    return f'<p class="over">{over}</p><h1 class="asked-first" dir="auto">{escape(scene.battle.prompt)}</h1>'


KEYS = '<button type="button" id="keys">Turn off the keys 1 to 4</button>'

SWITCH = (
    '<div class="switch" role="group" aria-label="Which answer to show">'
    '<button type="button" data-pane="a" aria-pressed="true">Answer A</button>'
    '<button type="button" data-pane="b" aria-pressed="false">Answer B</button></div>'
)


def panes(battle: Battle, phase: Phase, markdown: bool) -> tuple[str, str]:
    """Both panes, left and right; `markdown` renders what the models wrote in it, on both sides alike."""
    sides = []
    latest = battle.turns[-1] if battle.turns else None
    for letter, model in (("A", battle.left_model), ("B", battle.right_model)):
        parts = [
            _follow_up(turn.number, turn.prompt) + _answer(turn.answers[model].text, markdown)
            for turn in battle.complete_turns
        ]
        if phase is Phase.ANSWERING and latest is not None:
            parts.append(_follow_up(latest.number, latest.prompt) + _WRITING)
        if phase is Phase.BROKEN:
            parts.append(_follow_up(latest.number, latest.prompt) if latest else "")
            parts.append('<p class="none">No answer this time.</p>')
        sides.append(_pane(letter, "".join(parts)))
    return sides[0], sides[1]


_WRITING = '<div class="writing" aria-hidden="true"><i></i><i></i><i></i></div>'


def _pane(letter: str, body: str) -> str:
    header = f'<header aria-hidden="true">{letter}</header>'
    return f'<article class="pane" aria-label="Answer {letter}">{header}{body}</article>'


def _follow_up(number: int, text: str) -> str:
    return f'<p class="asked" dir="auto">{escape(text)}</p>' if number > 1 else ""


def _answer(text: str, markdown: bool) -> str:
    if markdown:
        return f'<div class="answer rendered" dir="auto">{_MARKDOWN.render(text)}</div>'
    return f'<div class="answer" dir="auto">{escape(text)}</div>'


# No HTML of a model's, no pictures (they would be fetched), links to nothing but web pages; no typographic changes.
_MARKDOWN = (
    MarkdownIt("commonmark", {"html": False, "breaks": True}).enable(["table", "strikethrough"]).disable("image")
)


def _open_link(renderer: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    """A link opens beside the page, without telling where it comes from."""
    tokens[index].attrSet("target", "_blank")
    tokens[index].attrSet("rel", "noopener noreferrer nofollow")
    return str(renderer.renderToken(tokens, index, options, env))


_MARKDOWN.add_render_rule("link_open", _open_link)
_MARKDOWN.validateLink = lambda url: url.lower().startswith(("http://", "https://"))  # type: ignore[method-assign]


def suggestions(prompts: Sequence[Prompt]) -> str:
    """Chips by category; a click puts the question into the prompt box."""
    groups: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        groups.setdefault(prompt.category, []).append(prompt)
    body = "".join(
        f'<div class="group"><h2>{escape(category)}</h2>'
        + "".join(f'<button type="button" class="chip">{escape(prompt.text)}</button>' for prompt in members)
        + "</div>"
        for category, members in groups.items()
    )
    return f'<div class="groups">{body}</div>' if body else ""


_SCRATCH = (
    "One of the two models was trained from scratch, the other began as a pretrained model. Which answer of this round "
    "came from the one <strong>trained from scratch</strong>?"
)
_BEFORE, _AFTER = "as it was before", "after it learned from votes"
_LEARNED = (
    "Both were one model, once as it was before and once after it had learned from earlier votes. Which answer of this "
    "round came from it <strong>{}</strong>?"
)
_KIN = (
    "Both models are of one kind, and the researchers call one of them Model 1. Which answer of this round came from"
    " <strong>Model 1</strong>?"
)


def guess(kinship: Kinship) -> str:
    """What is asked before the reveal; it is always about Model 1."""
    if kinship in ("model1", "model2"):
        text = _LEARNED.format(made(kinship)["model1"])
    else:
        text = _KIN if kinship == "one kind" else _SCRATCH
    return f"<h2>One last question</h2><p>{text}</p>"


def made(kinship: Kinship) -> dict[str, str]:
    """How each model came about, in a few words; nothing where it is not known."""
    if kinship in ("model1", "model2"):
        return {model: _AFTER if model == kinship else _BEFORE for model in NAMES}
    return dict.fromkeys(NAMES, "") if kinship == "one kind" else _MADE


def thanks(
    scene: Scene,
    tally: dict[str, int] | None,
    last: dict[str, str] | None,
    guessed_right: bool | None,
    kinship: Kinship = "",
) -> str:
    """The end: the tester's own tally and who was who, where the study shows it."""
    voted, rounds = scene.voted, scene.rounds
    heading = "Thank you." if voted else "Thank you for looking in."
    everything = f"all {rounds} rounds" if rounds > 1 else "the only round"
    text = everything if voted == rounds else f"{voted} of {rounds} rounds"
    parts = [f'<h1>{heading}</h1><p class="lead">You voted on {text}.</p>']
    if tally is not None and voted:
        parts.append(_tally(tally, made(kinship)))
        if last is not None:
            parts.append(f"<p>In your last round, A was {NAMES[last['left']]}, and B was {NAMES[last['right']]}.</p>")
        if guessed_right is not None:
            parts.append(f"<p>Your guess was {'right' if guessed_right else 'wrong'}.</p>")
    elif voted:
        parts.append("<p>This study does not show which model wrote which answer.</p>")
    return "".join(parts)


NAMES = {"model1": "Model 1", "model2": "Model 2"}
_MADE = {"model1": "trained from scratch", "model2": "pretrained, then fine-tuned"}


def _tally(tally: dict[str, int], made: dict[str, str]) -> str:
    leaves = "".join(
        f'<div class="leaf"><dt>{NAMES[model]}<small>{made[model]}</small></dt>'
        f"<dd>{tally[model]}<small>time{'' if tally[model] == 1 else 's'} better</small></dd></div>"
        for model in NAMES
    )
    rest = f"{tally['tie']} equally good, {tally['both_bad']} both bad."
    return f'<dl class="tally">{leaves}</dl><p>{rest}</p>'
