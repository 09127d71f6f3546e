"""What is where on the testers' page, and how a scene fills it."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from app import markup
from app.components import html
from app.language import ENGLISH, RIGHT_TO_LEFT, attributes, current, tr
from app.models_tab import compact_html
from app.rounds import Rounds
from app.runtime import Runtime
from app.scenes import Phase, Scene
from app.waiting import waiting
from feedback.blind_test import BlindTest, NotNow, Vote
from feedback.messages import mark
from feedback.study import MAX_BACKGROUND, BackgroundQuestion, Study

PER_CATEGORY = 2
BUILT_IN = Path(__file__).parent / "study.toml"
TICK_SECONDS = 0.2  # between one request for news and the next
Updates = dict[Any, Any]


FINISH_EARLY, GO_BACK, DELETE = mark("Finish early"), mark("Go back"), mark("Delete my data")
AGREE, START, DONT_KNOW = mark("I have read this and agree to take part."), mark("Start"), mark("I don't know")
STOP, SHOW_ALL, UNDO, WHICH = mark("Stop"), mark("Show all"), mark("Undo"), mark("Which was which?")
NEXT_ROUND, FINISH = mark("Next round"), mark("Finish")
NEW_QUESTION, TRY_AGAIN = mark("New question"), mark("Try again")
YOUR_QUESTION, ABOUT, ASK_BOTH = mark("Your question"), mark("Ask about art or AI"), mark("Ask both")
GOOD_ENOUGH, BOTH_GOOD_ENOUGH = mark("Is the better one good enough?"), mark("Are they good enough?")
WHY, COMMENT, STOOD_OUT = mark("Why? (if you like)"), mark("Comment (if you like)"), mark("Anything that stood out")


class TestersLayout:
    """The components of `/`. What differs between studies is filled in when a scene is shown."""

    __test__ = False  # not a test class, whatever pytest makes of the name

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._built_in = frozenset(prompt.text for prompt in Study.load(BUILT_IN).prompts)

    def lay_out(self) -> None:
        """Make the components, in the Blocks at hand."""
        # Whoever holds the opaque token is the tester. The page's script draws it, keeps it where the browser allows
        # it (`gr.BrowserState` shows a blank page where it does not) and gives it to each event.
        self.token = gr.Textbox("", visible=False)
        self.key = gr.Textbox("", visible=False)  # the round that the page shows, so that a stale tab is found out
        self.client = gr.Textbox("", visible=False)  # filled by the page's script; see `app.delivery`
        self.receipt = html("", elem_id="receipt")
        self.resend = gr.Button("Send again", elem_id="resend")  # these two are the script's, which clicks them
        self.keep = gr.Button("Keep", elem_id="keep")
        self.timer = gr.Timer(TICK_SECONDS, active=False)
        with gr.Row(elem_id="masthead"):
            self.brand = html(markup.brand())
            self.progress = html("", elem_id="progress")
            self.finish = gr.Button(FINISH_EARLY, elem_id="finish", size="sm", visible=False)
        with gr.Column(elem_id="confirm", visible=False) as self.confirm:
            self.confirm_text = html("")
            self.confirm_what = gr.Textbox("", visible=False)
            with gr.Row():
                self.confirm_no = gr.Button(GO_BACK, elem_id="confirm-no")
                self.confirm_yes = gr.Button("Yes", elem_id="confirm-yes", variant="primary")
        self.setup = html("", elem_id="setup-progress", visible=False)
        self._lay_out_welcome()
        self._lay_out_round()
        with gr.Column(elem_id="guess", visible=False) as self.guess:
            self.guess_text = html("")
            with gr.Row():
                self.guesses = {
                    "left_last": gr.Button(markup.ANSWERS["A"], elem_id="guess-left"),
                    "right_last": gr.Button(markup.ANSWERS["B"], elem_id="guess-right"),
                    "dont_know": gr.Button(DONT_KNOW, elem_id="guess-unknown"),
                }
        self.thanks = html("", elem_id="thanks", visible=False)
        self.withdraw = gr.Button(DELETE, elem_id="withdraw", size="sm", visible=False)

    def _lay_out_welcome(self) -> None:
        with gr.Column(elem_id="welcome", visible=False) as self.welcome:
            self.terms = html("")
            with gr.Column(elem_id="background", visible=False) as self.background:
                self.background_answers = [
                    gr.Radio([], label="", elem_id=f"background-{number}", visible=False)
                    for number in range(1, MAX_BACKGROUND + 1)
                ]
            self.invite = gr.Textbox(label="Invite code", elem_id="invite", max_lines=1, visible=False)
            self.consent = gr.Checkbox(label=AGREE, elem_id="consent")
            self.start = gr.Button(START, elem_id="start", variant="primary")

    def _lay_out_round(self) -> None:
        self.question = html("", elem_id="question", visible=False)
        with gr.Column(elem_id="diptych", visible=False) as self.diptych:
            self.switch = html(markup.switch(), elem_id="switch")
            with gr.Row(elem_id="panes"):
                self.left = html("", elem_id="answer-left")
                self.right = html("", elem_id="answer-right")
        with gr.Column(elem_id="dock"):
            self.status = html("", elem_id="status")
            self.stop = gr.Button(STOP, elem_id="stop", visible=False)
            self.show_all = gr.Button(
                SHOW_ALL, elem_id="show-all"
            )  # the script's own: the style shows it in a replay alone
            with gr.Row(elem_id="votes", visible=False) as self.votes:
                self.choices = {
                    choice: gr.Button(text, elem_id=f"vote-{choice.replace('_', '-')}")
                    for choice, text in markup.CHOICES.items()
                }
            self.keys = html(markup.keys())
            with gr.Row(elem_id="voted", visible=False) as self.voted:
                self.undo = gr.Button(UNDO, elem_id="undo-vote")
                self.reveal = gr.Button(WHICH, elem_id="reveal", visible=False)
                self.next = gr.Button(NEXT_ROUND, elem_id="next-round", variant="primary")
            with gr.Row(elem_id="broken", visible=False) as self.broken:
                self.other = gr.Button(NEW_QUESTION, elem_id="other-question")
                self.retry = gr.Button(TRY_AGAIN, elem_id="retry", variant="primary")
        with gr.Row(elem_id="below"):
            with gr.Row(elem_id="composer", visible=False) as self.composer:
                self.prompt = gr.Textbox(label=YOUR_QUESTION, placeholder=ABOUT, elem_id="prompt", max_lines=6, scale=1)
                self.send = gr.Button(ASK_BOTH, elem_id="send", variant="primary", scale=0)
            with gr.Column(elem_id="why", visible=False) as self.why:
                self.enough = gr.Radio(
                    markup.enough(), label=GOOD_ENOUGH, elem_id="good-enough",
                    visible=False,
                )  # fmt: skip
                self.reasons = gr.CheckboxGroup(
                    list(self.runtime.study.reasons), label=WHY, elem_id="reasons", visible=False
                )
                self.comment = gr.Textbox(label=COMMENT, placeholder=STOOD_OUT, elem_id="comment", max_lines=3)
        self.suggestions = html("", elem_id="suggestions", visible=False)

    # -- filling ------------------------------------------------------------------------------------------------------

    def _translate(self) -> Updates:
        """What no scene fills, in the language of the request; the page itself was made in English, once."""
        if current() == ENGLISH:
            return {}
        buttons = {
            self.finish: FINISH_EARLY, self.confirm_no: GO_BACK, self.withdraw: DELETE, self.start: START,
            self.stop: STOP, self.show_all: SHOW_ALL, self.undo: UNDO, self.reveal: WHICH, self.other: NEW_QUESTION,
            self.retry: TRY_AGAIN, self.send: ASK_BOTH, self.guesses["left_last"]: markup.ANSWERS["A"],
            self.guesses["right_last"]: markup.ANSWERS["B"], self.guesses["dont_know"]: DONT_KNOW,
            **{button: markup.CHOICES[choice] for choice, button in self.choices.items()},
        }  # fmt: skip
        updates: Updates = {button: gr.update(value=tr(text)) for button, text in buttons.items()}
        rtl = current() in RIGHT_TO_LEFT
        return updates | {
            self.brand: markup.brand(),
            self.switch: markup.switch(),
            self.keys: markup.keys(),
            self.consent: gr.update(label=tr(AGREE), rtl=rtl),
            self.prompt: gr.update(rtl=rtl),
            self.reasons: gr.update(label=tr(WHY)),
            self.comment: gr.update(label=tr(COMMENT), placeholder=tr(STOOD_OUT), rtl=rtl),
        }

    @property
    def _rounds(self) -> Rounds:
        if self.runtime.rounds is None:
            raise NotNow("The models are not ready yet; please wait a moment.")
        return self.runtime.rounds

    @property
    def _blind_test(self) -> BlindTest:
        return self._rounds.blind_test

    def _say(self, text: str) -> Updates:
        return {self.status: markup.status(text)}

    def _show(self, scene: Scene, text: str = "") -> Updates:
        """Every component as the scene has it; `text` replaces the scene's own status line."""
        phase, battle = scene.phase, scene.battle
        in_round = phase in (Phase.ANSWERING, Phase.BROKEN, Phase.VOTE, Phase.VOTED)
        has_panes = battle is not None and (in_round or phase is Phase.GUESS)
        left, right = (
            markup.panes(battle, phase, self.runtime.study.markdown) if battle is not None and has_panes else ("", "")
        )
        turns_left = self.runtime.study.max_turns - len(battle.complete_turns) if battle else 0
        follows_up = phase is Phase.VOTE and turns_left > 0
        updates: Updates = {
            self.key: scene.key,
            self.timer: gr.update(active=phase in (Phase.SETUP, Phase.ANSWERING)),
            self.progress: markup.progress(scene, self.runtime.study.consent_version),
            self.status: markup.status(text or markup.status_line(scene)),
            self.confirm: gr.update(visible=False),
            self.setup: gr.update(visible=phase is Phase.SETUP, value=self._setup(phase)),
            **self._show_welcome(phase),
            self.question: gr.update(visible=phase is Phase.ASK or has_panes, value=markup.question(scene)),
            self.diptych: gr.update(visible=has_panes),
            self.left: left,
            self.right: right,
            self.stop: gr.update(visible=phase is Phase.ANSWERING),
            self.votes: gr.update(visible=phase is Phase.VOTE),
            self.voted: gr.update(visible=phase is Phase.VOTED),
            self.undo: gr.update(visible=True),
            self.reveal: gr.update(visible=self.runtime.study.reveal == "vote"),
            self.next: gr.update(value=tr(FINISH if scene.last else NEXT_ROUND)),
            self.broken: gr.update(visible=phase is Phase.BROKEN),
            self.why: gr.update(visible=phase in (Phase.VOTE, Phase.VOTED)),
            self.composer: gr.update(visible=phase is Phase.ASK or follows_up),
            self.prompt: gr.update(
                label=tr("Follow-up question ({n} left)", n=turns_left) if follows_up else tr(YOUR_QUESTION),
                placeholder=tr("Ask both a follow-up") if follows_up else tr(ABOUT),
            ),
            self.suggestions: gr.update(visible=phase is Phase.ASK, value=self._suggestions(scene)),
            self.guess: gr.update(visible=phase is Phase.GUESS),
            self.guess_text: markup.guess(self.runtime.kinship) if phase is Phase.GUESS else "",
            self.thanks: gr.update(visible=phase is Phase.THANKS, value=self._thanks(scene)),
            self.finish: gr.update(visible=in_round or phase is Phase.ASK),
            self.withdraw: gr.update(visible=scene.tester is not None and phase in (Phase.ASK, Phase.THANKS)),
        }
        reasons = [(tr(reason), reason) for reason in self.runtime.study.reasons]
        updates[self.reasons] = gr.update(choices=reasons, visible=bool(reasons))
        updates[self.enough] = gr.update(visible=False, value=None)
        if phase is Phase.VOTED and battle is not None and battle.vote is not None:
            updates |= self._show_vote(battle.vote)
        return updates

    def _show_welcome(self, phase: Phase) -> Updates:
        """The consent with what this study asks beside it."""
        study = self.runtime.study
        updates: Updates = {self.welcome: gr.update(visible=phase is Phase.WELCOME)}
        if phase is not Phase.WELCOME:
            return updates
        begins = not self._blind_test.closed
        updates[self.terms] = markup.welcome(study, self._blind_test.challenge()) if begins else markup.closed()
        label = tr("Invite code") if study.access == "invite" else tr("Code")
        coded = study.access == "invite" or bool(study.entry_code)
        updates[self.invite] = gr.update(visible=begins and coded, label=label)
        updates[self.background] = gr.update(visible=begins and bool(study.background))
        updates |= {component: gr.update(visible=begins) for component in (self.consent, self.start)}
        for component, question in zip(self.background_answers, study.background, strict=False):
            label = tr("{question} (if you like)", question=question.text)
            updates[component] = gr.update(label=label, choices=_options(question), visible=True)
        return updates

    def _show_withdrawn(self) -> Updates:
        """In the place of the consent: that nothing is left of a tester, on the page neither."""
        updates: Updates = {part: gr.update(visible=False) for part in (self.background, self.invite, self.start)}
        updates |= {component: gr.update(value=None) for component in self.background_answers}
        return {**updates, self.consent: gr.update(visible=False, value=False), self.terms: markup.withdrawn()}

    def _show_vote(self, vote: Vote) -> Updates:
        """What was said beside a vote, and whether the better answer is good enough."""
        enough = None if vote.good_enough is None else "yes" if vote.good_enough else "no"
        label = tr(BOTH_GOOD_ENOUGH if vote.choice == "tie" else GOOD_ENOUGH)
        return {
            self.reasons: gr.update(value=list(vote.reasons)),
            self.comment: vote.comment,
            self.enough: gr.update(
                visible=vote.choice != "both_bad", value=enough, label=label, choices=markup.enough()
            ),
        }

    def _setup(self, phase: Phase) -> str:
        training = self.runtime.training
        if phase is not Phase.SETUP:
            return ""
        return waiting(training.steps() if training else [], self.runtime.failure, self.runtime.can_go_on)

    def _suggestions(self, scene: Scene) -> str:
        if scene.phase is not Phase.ASK or scene.tester is None:
            return ""
        return markup.suggestions(self._blind_test.suggestions(scene.tester.id, PER_CATEGORY), self._built_in)

    def _thanks(self, scene: Scene, guessed_right: bool | None = None) -> str:
        if scene.phase is not Phase.THANKS or scene.tester is None:
            return ""
        tally, last, models_html = None, None, ""
        if self.runtime.study.reveal != "never" and scene.voted:
            tally = self._blind_test.tally(scene.tester.id)
            if scene.battle is not None:
                last = self._blind_test.reveal(scene.tester.id, scene.battle.id)
            models_html = _in_english(compact_html(self.runtime)) if self.runtime.study.show_models else ""
        return markup.thanks(scene, tally, last, guessed_right, self.runtime.kinship) + models_html


def _in_english(cards: str) -> str:
    """The models' cards, which are English on every page."""
    if not cards or current() == ENGLISH:
        return cards
    return (
        f"<p>{escape(tr('What follows about the models is in English.'))}</p><div {attributes(ENGLISH)}>{cards}</div>"
    )


def _options(question: BackgroundQuestion) -> list[tuple[str, str]]:
    return [*((option, option) for option in question.options), (tr("No answer"), "")]


def merged(first: Updates, second: Updates) -> Updates:
    """Both updates; where both change a component, the second counts, with what only the first one says of it."""
    both = {
        part: {**first[part], **change}
        for part, change in second.items()
        if isinstance(change, dict) and isinstance(first.get(part), dict)
    }
    return first | second | both
