"""The HTML of the testers' page in the language of the request.

Everything that a tester or a model wrote is escaped and shown as plain text.
"""

from __future__ import annotations

import functools
from collections.abc import Container, Sequence
from html import escape

from app.improvements import Kinship
from app.language import ENGLISH, attributes, current, ntr, paragraphs, said, tr
from app.markdown import MARKDOWN
from app.scenes import Phase, Scene
from feedback.battles import OUT_OF_SERVICE, SET_ASIDE
from feedback.blind_test import Battle
from feedback.messages import Message, many, mark
from feedback.rules import least_seconds
from feedback.study import Prompt, Study

CHOICES = {
    "left": mark("A is better"),
    "tie": mark("Equally good"),
    "both_bad": mark("Both are bad"),
    "right": mark("B is better"),
}


def enough() -> list[tuple[str, str]]:
    """The answers to the second question, and what the page sends for each."""
    return [(tr("Yes"), "yes"), (tr("No"), "no")]


def brand() -> str:
    """The mark, which leads to the start."""
    label = escape(tr("{name}, start page", name="Diptych"))
    return f'<a class="brand" href="" aria-label="{label}">{_LEAVES}<span>Diptych</span></a>'


_LEAVES = (
    '<svg viewBox="0 0 44 30" aria-hidden="true">'
    '<path class="leaf" d="M2 28V11Q2 2 10.5 2T19 11V28Z"/><path class="leaf" d="M25 28V11Q25 2 33.5 2T42 11V28Z"/>'
    '<path class="hinge" d="M18 12.5h8M18 22h8"/></svg>'
)


def progress(scene: Scene, consent: str) -> str:
    """The round's number with a mark for each, and what the script and the style need to know of the scene."""
    turn = len(scene.battle.complete_turns) if scene.battle is not None else 0
    first = {"left": "a", "right": "b"}[scene.battle.first_side] if scene.battle is not None else "a"
    mark = (
        f'<i id="phase" data-phase="{scene.phase.value}" data-key="{scene.key}" data-turn="{turn}" '
        f'data-first="{first}" {_least(scene)}data-consent="{escape(consent)}" '
        f"{attributes(current(), 'data-')} hidden></i>"
    )
    if scene.tester is None or scene.phase is Phase.THANKS:
        return mark
    ticks = "".join(f'<i class="{"done" if n < scene.voted else ""}"></i>' for n in range(scene.rounds))
    text = escape(tr("{voted} of {rounds} voted", voted=scene.voted, rounds=scene.rounds))
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


MENDED_FIRST = mark(
    "Something on our side must be mended before the models can answer, so trying again does not help now. Your votes"
    " so far are saved; please come back later."
)
WRITING = mark("Both answers are being written.")


def status_line(scene: Scene) -> str:
    """What the status line says of a scene when nothing special has happened."""
    battle = scene.battle
    if scene.phase is Phase.VOTED and battle is not None and battle.vote is not None:
        return " ".join(filter(None, (tr(_SAVED[battle.vote.choice]), tr(_ENOUGH[battle.vote.good_enough]))))
    if scene.phase is Phase.BROKEN and battle is not None:
        if battle.turns and battle.turns[-1].status == "cancelled":
            return tr("Stopped. Try again, or ask a new question.")
        return tr("Something went wrong on our side, so there is nothing to vote on. Please try again.")
    if scene.phase is Phase.ASK and battle is not None and battle.reason == OUT_OF_SERVICE:
        return tr(MENDED_FIRST)
    if scene.phase is Phase.ASK and battle is not None and battle.reason == SET_ASIDE:
        return tr("The models cannot answer that question, so it was set aside. Please ask another one.")
    return tr(_LINES.get(scene.phase, ""))


_LINES = {
    Phase.ANSWERING: WRITING,
    Phase.VOTE: mark("Which answer is better?"),
    Phase.GUESS: mark("Your votes are saved."),
}
_SAVED = {
    "left": mark("Saved: A is better."),
    "right": mark("Saved: B is better."),
    "tie": mark("Saved: equally good."),
    "both_bad": mark("Saved: both are bad."),
}
_ENOUGH = {True: mark("Good enough."), False: mark("Not good enough."), None: ""}


KEPT = {  # what is sent again by itself when the database could not be written
    "vote": mark("Your vote is kept on this page and tried again."),
    "remark": mark("Your words are kept on this page and tried again."),
    "judge": mark("Your answer is kept on this page and tried again."),
    "guess": mark("Your guess is kept on this page and tried again."),
}
UNWRITABLE = mark("The database cannot be written at the moment.")
NOT_SAVED = mark("The database cannot be written at the moment, so nothing was saved. Please try again.")
UNKNOWN = mark("This session is not known here; reload the page to begin again.")
BROKEN = mark("Something went wrong on our side. Please try again.")
SURE = {  # what is asked before it is done, and the button that does it
    "finish": (
        mark("Finish now? The votes that you have given stay saved; the rounds that are left are skipped."),
        mark("Finish"),
    ),
    "withdraw": (
        mark("Delete your questions, answers, votes and comments for good? Only a count is kept."),
        mark("Delete"),
    ),
}


ADDRESS_KEPT = mark(
    "So that one person cannot pass for many, a code that is computed from your network address with a secret key is "
    "kept as well. The address itself is not stored, and the key is deleted when the study is closed."
)
PUBLISHED = {
    "votes": mark(
        "When the study is over, your votes, the reasons that you ticked, your guess at the end and the times may be "
        "published under a random number, with the texts of rounds in which you typed nothing. What you typed is not "
        "published, nor anything that you deleted before then."
    ),
    "everything": mark(
        "When the study is over, your questions, the answers, your votes, your guess at the end, your comments and the "
        "times may be published under a random number, and then everybody can read them. What you deleted before then "
        "is not published."
    ),
}


def welcome(study: Study, challenge: str = "") -> str:
    """What the test is, and what a tester agrees to; with what the browser must work on, where the study says so."""
    terms = "".join(f'<p dir="auto">{escape(tr(text))}</p>' for text in paragraphs(study.consent_text))
    besides = (ADDRESS_KEPT if study.address_hash else "", PUBLISHED.get(study.consent_publication, ""))
    terms += "".join(f"<p>{escape(tr(text))}</p>" for text in besides if text)
    minutes = max(1, round(study.rounds * 0.75))
    lead = tr(
        "Ask a question, read two answers side by side, and choose. {rounds}, about {minutes}.",
        rounds=_together(many("{n} round", "{n} rounds", n=study.rounds)),
        minutes=_together(many("{n} minute", "{n} minutes", n=minutes)),
    )
    return (
        f"<h1>{escape(tr('Two answers.'))}<br>{escape(tr('Which is better?'))}</h1>"
        f'<p class="lead">{escape(lead)}</p>'
        f'<section class="terms" aria-label="{escape(tr("What you agree to"))}">{terms}</section>'
        + (f'<i id="work" data-challenge="{escape(challenge)}" hidden></i>' if challenge else "")
    )


def _together(amount: Message) -> str:
    """A number with what is counted, between which no line ends."""
    return said(amount).replace(" ", "\N{NO-BREAK SPACE}")


def closed() -> str:
    """In the place of the consent: that nobody can begin."""
    text = tr("Nobody can begin any more, and nothing is stored. Thank you for your interest.")
    return f'<h1>{escape(tr("This study is closed."))}</h1><p class="lead">{escape(text)}</p>'


def withdrawn() -> str:
    """In the place of the consent: that nothing is left of a tester."""
    text = tr(
        "Your questions, votes and comments are gone, and the answers; only a count is kept. Thank you for your time."
    )
    return (
        f'<h1>{escape(tr("Your data has been deleted."))}</h1><p class="lead">{escape(text)}</p>'
        f'<p><a href="">{escape(tr("Back to the start"))}</a></p><i data-forget hidden></i>'
    )


def question(scene: Scene) -> str:
    """The heading above the panes, or above the prompt box."""
    if scene.phase is Phase.ASK:
        heading = tr("What would you like to know?") if scene.voted == 0 else tr("What next?")
        return f'<p class="over">{_round(scene)}</p><h1>{escape(heading)}</h1>'
    if scene.battle is None:
        return ""
    over = escape(tr("Your last round")) if scene.phase is Phase.GUESS else _round(scene)
    return f'<p class="over">{over}</p><h1 class="asked-first" dir="auto">{escape(scene.battle.prompt)}</h1>'


def _round(scene: Scene) -> str:
    return escape(tr("Round {number} of {rounds}", number=scene.number, rounds=scene.rounds))


def keys() -> str:
    """What turns the keys off and on; the script has its words."""
    return f'<button type="button" id="keys">{escape(tr("Turn off the keys 1 to 4"))}</button>'


def switch() -> str:
    """Where there is room for one answer: which of them is shown."""
    buttons = "".join(
        f'<button type="button" data-pane="{letter.lower()}" aria-pressed="{str(letter == "A").lower()}">'
        f"{escape(tr(ANSWERS[letter]))}</button>"
        for letter in ANSWERS
    )
    return f'<div class="switch" role="group" aria-label="{escape(tr("Which answer to show"))}">{buttons}</div>'


ANSWERS = {"A": mark("Answer A"), "B": mark("Answer B")}


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
            parts.append(f'<p class="none">{escape(tr("No answer this time."))}</p>')
        sides.append(_pane(letter, "".join(parts)))
    return sides[0], sides[1]


_WRITING = '<div class="writing" aria-hidden="true"><i></i><i></i><i></i></div>'


def _pane(letter: str, body: str) -> str:
    header = f'<header aria-hidden="true">{letter}</header>'
    return f'<article class="pane" aria-label="{escape(tr(ANSWERS[letter]))}">{header}{body}</article>'


def _follow_up(number: int, text: str) -> str:
    return f'<p class="asked" dir="auto">{escape(text)}</p>' if number > 1 else ""


@functools.lru_cache(maxsize=100)  # Markdown takes some 10 ms for 1,000 characters, and a page shows its answers again
def _answer(text: str, markdown: bool) -> str:
    if markdown:
        return f'<div class="answer rendered" dir="auto">{MARKDOWN.render(text)}</div>'
    return f'<div class="answer" dir="auto">{escape(text)}</div>'


def suggestions(prompts: Sequence[Prompt], built_in: Container[str] = ()) -> str:
    """Chips by category; a click puts the question into the prompt box.

    The questions of the built-in study, which are English, are said to be, where the page is not.
    """
    groups: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        groups.setdefault(prompt.category, []).append(prompt)
    body = "".join(
        f'<div class="group"><h2 dir="auto">{escape(tr(category))}</h2>'
        + "".join(_chip(prompt.text, prompt.text in built_in) for prompt in members)
        + "</div>"
        for category, members in groups.items()
    )
    foreign = current() != ENGLISH and any(prompt.text in built_in for prompt in prompts)
    text = tr("The suggested questions are in English. You can also ask one of your own.") if foreign else ""
    note = f'<p class="over">{escape(text)}</p>' if foreign else ""
    return f'{note}<div class="groups">{body}</div>' if body else ""


def _chip(text: str, english: bool) -> str:
    language = f' lang="{ENGLISH}"' if english else ""
    return f'<button type="button" class="chip" dir="auto"{language}>{escape(text)}</button>'


# What is asked before the reveal; each text has a `<strong>` of its own.
_SCRATCH = mark(
    "One of the two models was trained from scratch, the other began as a pretrained model. Which answer of this round "
    "came from the one <strong>trained from scratch</strong>?"
)
_KIN = mark(
    "Both models are of one kind, and the researchers call one of them Model 1. Which answer of this round came from"
    " <strong>Model 1</strong>?"
)
_LEARNED = {
    "model1": mark(
        "Both were one model, once as it was before and once after it had learned from earlier votes. Which answer of "
        "this round came from it <strong>after it learned from votes</strong>?"
    ),
    "model2": mark(
        "Both were one model, once as it was before and once after it had learned from earlier votes. Which answer of "
        "this round came from it <strong>as it was before</strong>?"
    ),
}
_BEFORE, _AFTER = mark("as it was before"), mark("after it learned from votes")


def guess(kinship: Kinship) -> str:
    """What is asked before the reveal; it is always about Model 1."""
    text = {"one kind": _KIN, **_LEARNED}.get(kinship, _SCRATCH)
    return f"<h2>{escape(tr('One last question'))}</h2><p>{tr(text)}</p>"


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
    heading = tr("Thank you.") if voted else tr("Thank you for looking in.")
    if voted == rounds:
        text = ntr("You voted on the only round.", "You voted on all {n} rounds.", n=rounds)
    else:
        text = ntr("You voted on {voted} of {n} round.", "You voted on {voted} of {n} rounds.", n=rounds, voted=voted)
    parts = [f'<h1>{escape(heading)}</h1><p class="lead">{escape(text)}</p>']
    if tally is not None and voted:
        parts.append(_tally(tally, made(kinship)))
        if last is not None:
            a, b = tr(NAMES[last["left"]]), tr(NAMES[last["right"]])
            parts.append(f"<p>{escape(tr('In your last round, A was {a}, and B was {b}.', a=a, b=b))}</p>")
        if guessed_right is not None:
            text = tr("Your guess was right.") if guessed_right else tr("Your guess was wrong.")
            parts.append(f"<p>{escape(text)}</p>")
    elif voted:
        parts.append(f"<p>{escape(tr('This study does not show which model wrote which answer.'))}</p>")
    return "".join(parts)


NAMES = {"model1": mark("Model 1"), "model2": mark("Model 2")}
_MADE = {"model1": mark("trained from scratch"), "model2": mark("pretrained, then fine-tuned")}


def _tally(tally: dict[str, int], made: dict[str, str]) -> str:
    leaves = "".join(
        f'<div class="leaf"><dt>{escape(tr(NAMES[model]))}<small>{escape(tr(made[model]))}</small></dt>'
        f"<dd>{tally[model]}<small>{escape(ntr('time better', 'times better', n=tally[model]))}</small></dd></div>"
        for model in NAMES
    )
    rest = tr("{tie} equally good, {both_bad} both bad.", tie=tally["tie"], both_bad=tally["both_bad"])
    return f'<dl class="tally">{leaves}</dl><p>{escape(rest)}</p>'
