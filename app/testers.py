"""The testers' page: consent, rounds, votes, the guess, thanks.

The page is a view: every handler asks `BlindTest` or `Rounds` to act and then shows the scene that the database tells.
Nothing is trusted that comes from the browser; its arguments may be of any type, since anybody can post to them.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable
from typing import Any

import gradio as gr

from app import markup, metrics
from app.engines import EngineError
from app.inputs import as_facts, as_key, as_text, as_texts
from app.rounds import STEP_SECONDS, Rounds, replay
from app.runtime import Runtime
from app.scenes import Phase, Scene, find_scene
from feedback.blind_test import Battle, BlindTest, Refused
from feedback.database import DatabaseError

POLL_SECONDS = 0.1
PER_CATEGORY = 2
NOT_SAVED = "The database cannot be written at the moment, so nothing was saved. Please try again."

log = logging.getLogger(__name__)
Updates = dict[Any, Any]


class TestersPage:
    """The Blocks of `/` with their handlers."""

    __test__ = False  # not a test class, whatever pytest makes of the name

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._hurried: set[str] = set()  # testers who do not want to watch the replay to its end
        with gr.Blocks(title="Diptych", analytics_enabled=False, fill_width=True) as self.blocks:
            self._lay_out()
            self._connect()

    # -- layout -------------------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        # Whoever holds the opaque token is the tester; the fixed `secret` only keeps it readable after a restart.
        self.token = gr.BrowserState("", storage_key="diptych", secret="diptych")
        self.key = gr.Textbox("", visible=False)  # the round that the page shows, so that a stale tab is found out
        self.client = gr.Textbox("", visible=False)  # filled by the page's script: reduced motion, seconds, clock
        self.timer = gr.Timer(1.5, active=self.runtime.rounds is None)
        with gr.Row(elem_id="masthead"):
            _html(markup.BRAND)
            self.progress = _html("", elem_id="progress")
            self.finish = gr.Button("Finish early", elem_id="finish", size="sm", visible=False)
        with gr.Column(elem_id="confirm", visible=False) as self.confirm:
            self.confirm_text = _html("")
            self.confirm_what = gr.Textbox("", visible=False)
            with gr.Row():
                self.confirm_no = gr.Button("Go back", elem_id="confirm-no")
                self.confirm_yes = gr.Button("Yes", elem_id="confirm-yes", variant="primary")
        self.setup = _html("", elem_id="setup-progress", visible=False)
        with gr.Column(elem_id="welcome", visible=False) as self.welcome:
            _html(markup.welcome(self.runtime.study))
            self.consent = gr.Checkbox(label="I have read this and agree to take part.", elem_id="consent")
            self.start = gr.Button("Start", elem_id="start", variant="primary")
        self._lay_out_round()
        with gr.Column(elem_id="guess", visible=False) as self.guess:
            _html(markup.GUESS)
            with gr.Row():
                self.guesses = {
                    "left_last": gr.Button("Answer A", elem_id="guess-left"),
                    "right_last": gr.Button("Answer B", elem_id="guess-right"),
                    "dont_know": gr.Button("I don't know", elem_id="guess-unknown"),
                }
        self.thanks = _html("", elem_id="thanks", visible=False)
        self.withdraw = gr.Button("Delete my data", elem_id="withdraw", size="sm", visible=False)

    def _lay_out_round(self) -> None:
        self.question = _html("", elem_id="question", visible=False)
        with gr.Column(elem_id="diptych", visible=False) as self.diptych:
            _html(markup.SWITCH, elem_id="switch")
            with gr.Row(elem_id="panes"):
                self.left = _html("", elem_id="answer-left")
                self.right = _html("", elem_id="answer-right")
        with gr.Column(elem_id="dock"):
            self.status = _html("", elem_id="status")
            self.stop = gr.Button("Stop", elem_id="stop", visible=False)
            with gr.Row(elem_id="votes", visible=False) as self.votes:
                self.choices = {
                    choice: gr.Button(text, elem_id=f"vote-{choice.replace('_', '-')}")
                    for choice, text in markup.CHOICES.items()
                }
            with gr.Row(elem_id="voted", visible=False) as self.voted:
                self.undo = gr.Button("Undo", elem_id="undo-vote")
                self.reveal = gr.Button("Which was which?", elem_id="reveal", visible=False)
                self.next = gr.Button("Next round", elem_id="next-round", variant="primary")
            with gr.Row(elem_id="broken", visible=False) as self.broken:
                self.other = gr.Button("New question", elem_id="other-question")
                self.retry = gr.Button("Try again", elem_id="retry", variant="primary")
        with gr.Row(elem_id="below"):
            with gr.Row(elem_id="composer", visible=False) as self.composer:
                self.prompt = gr.Textbox(
                    label="Your question", placeholder="Ask about art or AI", elem_id="prompt", max_lines=6, scale=1
                )
                self.send = gr.Button("Ask both", elem_id="send", variant="primary", scale=0)
            with gr.Column(elem_id="why", visible=False) as self.why:
                reasons = list(self.runtime.study.reasons)
                self.reasons = gr.CheckboxGroup(
                    reasons, label="Why? (if you like)", elem_id="reasons", visible=bool(reasons)
                )
                self.comment = gr.Textbox(
                    label="Comment (if you like)", placeholder="Anything that stood out", elem_id="comment", max_lines=3
                )
        self.suggestions = _html("", elem_id="suggestions", visible=False)

    # -- events -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        components = [value for name, value in vars(self).items() if isinstance(value, gr.blocks.Block)]
        self._outputs = [component for component in components if component not in (self.blocks, self.client)]
        client = "(...args) => [...args.slice(0, -1), window.diptych ? window.diptych.client() : '']"
        # Events that follow an answer go through Gradio's queue, since they last; all others are plain requests.
        lasting: dict[str, Any] = {"concurrency_limit": None, "js": client}
        quick: dict[str, Any] = {"queue": False, "js": client}
        self._on(self.blocks.load, self._load, [self.token, self.client], **lasting)
        self._on(self.timer.tick, self._tick, [self.token, self.client], **lasting)
        ask = [self.token, self.key, self.prompt, self.client]
        self._on(self.send.click, self._send, ask, **lasting)
        self._on(self.prompt.submit, self._send, ask, **lasting)
        self._on(self.retry.click, self._retry, [self.token, self.key, self.client], **lasting)
        self._on(self.start.click, self._start, [self.token, self.consent, self.client], **quick)
        self._on(self.stop.click, self._stop, [self.token, self.client], **quick)
        opinion = [self.token, self.key, self.reasons, self.comment, self.client]
        for choice, button in self.choices.items():
            self._on(button.click, functools.partial(self._vote, choice), opinion, **quick)
        self._on(self.next.click, self._next, opinion, **quick)
        self._on(self.undo.click, self._undo, [self.token, self.key, self.client], **quick)
        self._on(self.reveal.click, self._reveal, [self.token, self.key, self.client], **quick)
        self._on(self.other.click, self._other, [self.token, self.key, self.client], **quick)
        for what, button in (("finish", self.finish), ("withdraw", self.withdraw)):
            self._on(button.click, functools.partial(self._ask_first, what), [self.token, self.client], **quick)
        self._on(self.confirm_no.click, self._go_back, [self.token, self.client], **quick)
        self._on(self.confirm_yes.click, self._confirmed, [self.token, self.confirm_what, self.client], **quick)
        for answer, button in self.guesses.items():
            self._on(button.click, functools.partial(self._guess, answer), [self.token, self.client], **quick)

    def _on(self, event: Callable[..., Any], handler: Callable[..., Any], inputs: list[Any], **options: Any) -> None:
        event(
            handler, inputs, self._outputs, api_visibility="private", show_progress="hidden", api_name=None, **options
        )

    # -- handlers -----------------------------------------------------------------------------------------------

    async def _load(self, token: Any, client: Any) -> AsyncIterator[Updates]:
        async for updates in self._follow(as_text(token), client):
            yield updates

    async def _tick(self, token: Any, client: Any) -> AsyncIterator[Updates]:
        """While the models are prepared: how far they are, then the test itself."""
        async for updates in self._follow(as_text(token), client):
            yield updates

    def _start(self, token: Any, consent: Any, client: Any) -> Updates:
        if consent is not True:
            return self._say("Please tick the box first: without your consent nothing is stored and nothing begins.")
        scene = self._scene(as_text(token))
        if scene.phase is not Phase.WELCOME:  # enrolled in another tab, or the models are not there yet
            return self._show(scene)
        try:
            tester = self._blind_test.enrol(self.runtime.study.consent_version)
        except (Refused, DatabaseError) as error:
            return self._say(_reason(error))
        return {**self._show(self._scene(tester.id)), self.token: tester.id}

    async def _send(self, token: Any, key: Any, prompt: Any, client: Any) -> AsyncIterator[Updates]:
        tester_id, text = as_text(token), as_text(prompt)

        def ask() -> None:
            scene = self._scene(tester_id)
            if scene.phase is Phase.VOTE and scene.battle is not None:
                self._rounds.follow_up(tester_id, self._own(scene, key), text)
            else:
                self._rounds.begin(tester_id, text)

        async for updates in self._ask(tester_id, key, ask, client):
            yield updates

    async def _retry(self, token: Any, key: Any, client: Any) -> AsyncIterator[Updates]:
        tester_id = as_text(token)

        def ask() -> None:
            self._rounds.retry(tester_id, self._own(self._scene(tester_id), key))

        async for updates in self._ask(tester_id, key, ask, client):
            yield updates

    async def _ask(self, tester_id: str, key: Any, ask: Callable[[], None], client: Any) -> AsyncIterator[Updates]:
        try:
            await asyncio.to_thread(ask)
        except (Refused, DatabaseError, EngineError) as error:
            scene = await asyncio.to_thread(self._scene, tester_id)
            # The text stays in its box. A page that shows another round than the tester is in is brought up to date.
            yield self._say(_reason(error)) if scene.key == key else self._show(scene, _reason(error))
            return
        yield {self.prompt: "", self.reasons: [], self.comment: ""}
        async for updates in self._follow(tester_id, client):
            yield updates

    def _stop(self, token: Any, client: Any) -> Updates:
        tester_id = as_text(token)
        if self.runtime.rounds and not self.runtime.rounds.stop(tester_id):
            self._hurried.add(tester_id)
        return {self.stop: gr.skip()}  # the event that follows the answers shows the rest

    def _vote(self, choice: str, token: Any, key: Any, reasons: Any, comment: Any, client: Any) -> Updates:
        tester_id, facts = as_text(token), as_facts(client)
        problem = ""
        try:
            self._blind_test.vote(
                tester_id, as_key(key), choice, as_texts(reasons), as_text(comment),
                vote_seconds=facts.get("seconds"), client_time=facts.get("time"),
            )  # fmt: skip
            metrics.VOTES.inc()
        except (Refused, DatabaseError) as error:
            problem = _reason(error)
        scene = self._scene(tester_id)
        if scene.phase is Phase.VOTED and scene.battle is not None and scene.battle.id == as_key(key):
            problem = ""  # a second click on a vote that is saved
        return self._show(scene, problem)

    def _undo(self, token: Any, key: Any, client: Any) -> Updates:
        return self._act(
            token, lambda tester_id: self._blind_test.undo_vote(tester_id, as_key(key)), "Vote taken back."
        )

    def _next(self, token: Any, key: Any, reasons: Any, comment: Any, client: Any) -> Updates:
        tester_id = as_text(token)
        try:
            scene = self._scene(tester_id)
            if scene.phase is Phase.VOTED:
                self._explain(scene, as_texts(reasons), as_text(comment))
                if scene.last:
                    self._blind_test.close(tester_id, "quota")
            scene = self._scene(tester_id, moved_on=True)
        except (Refused, DatabaseError) as error:
            return self._say(_reason(error))
        return {**self._show(scene), self.reasons: [], self.comment: "", self.prompt: ""}

    def _explain(self, scene: Scene, reasons: list[str], comment: str) -> None:
        """Add to a saved vote what was ticked or written after it."""
        battle, tester = scene.battle, scene.tester
        if battle is None or tester is None or battle.vote is None:
            return
        if set(reasons) != set(battle.vote.reasons) or comment.strip() != battle.vote.comment:
            self._blind_test.explain_vote(tester.id, battle.id, reasons, comment)

    def _reveal(self, token: Any, key: Any, client: Any) -> Updates:
        """Where the study shows the models after each vote: show them, after which the vote stays."""
        try:
            sides = self._blind_test.reveal(as_text(token), as_key(key))
        except (Refused, DatabaseError) as error:
            return self._say(_reason(error))
        text = f"A was {markup.NAMES[sides['left']]}, B was {markup.NAMES[sides['right']]}."
        return {**self._say(text), self.undo: gr.update(visible=False), self.reveal: gr.update(visible=False)}

    def _other(self, token: Any, key: Any, client: Any) -> Updates:
        return self._act(token, lambda tester_id: self._blind_test.abandon(tester_id, as_key(key), "another question"))

    def _ask_first(self, what: str, token: Any, client: Any) -> Updates:
        texts = {
            "finish": "Finish now? The votes that you have given stay saved; the rounds that are left are skipped.",
            "withdraw": "Delete your questions, answers, votes and comments for good? Only a count is kept.",
        }
        yes = {"finish": "Finish", "withdraw": "Delete"}[what]
        text = f"<p>{texts[what]}</p>"
        return {
            self.confirm: gr.update(visible=True), self.confirm_what: what,
            self.confirm_text: text, self.confirm_yes: gr.update(value=yes),
        }  # fmt: skip

    def _go_back(self, token: Any, client: Any) -> Updates:
        return {self.confirm: gr.update(visible=False)}

    def _confirmed(self, token: Any, what: Any, client: Any) -> Updates:
        tester_id = as_text(token)
        if self.runtime.rounds:
            self.runtime.rounds.stop(tester_id)
        if what == "withdraw":
            updates = self._act(token, self._blind_test.withdraw, "Your data has been deleted.")
            return {**updates, self.token: "", self.confirm: gr.update(visible=False), self.consent: False}
        updates = self._act(token, lambda tester_id: self._blind_test.close(tester_id, "quit"))
        return {**updates, self.confirm: gr.update(visible=False)}

    def _guess(self, answer: str, token: Any, client: Any) -> Updates:
        tester_id = as_text(token)
        try:
            battle = self._blind_test.voted_battle(tester_id)
            self._blind_test.guess(tester_id, answer)
            scene = self._scene(tester_id)
        except (Refused, DatabaseError) as error:
            return self._say(_reason(error))
        right = None
        if battle is not None and answer != "dont_know":
            right = (battle.left_model if answer == "left_last" else battle.right_model) == "model1"
        return {**self._show(scene), self.thanks: gr.update(visible=True, value=self._thanks(scene, right))}

    def _act(self, token: Any, action: Callable[[str], object], done: str = "") -> Updates:
        """Do what was asked and show the scene that follows, or why it was refused."""
        tester_id = as_text(token)
        try:
            action(tester_id)
        except (Refused, DatabaseError) as error:
            done = _reason(error)
        return self._show(self._scene(tester_id), done)

    # -- following an answer ------------------------------------------------------------------------------------

    async def _follow(self, tester_id: str, client: Any) -> AsyncIterator[Updates]:
        """Show the scene; where answers are on their way, wait for both, replay them together, ask for the vote."""
        scene = await asyncio.to_thread(self._scene, tester_id)
        yield self._show(scene)
        if scene.job is None or self.runtime.rounds is None:
            return
        place = 0
        while not scene.job.done.is_set():
            await asyncio.sleep(POLL_SECONDS)
            if place != (place := self.runtime.rounds.place(scene.job)):
                yield self._say(f"Waiting: {place} before you." if place else markup.WRITING)
        scene = await asyncio.to_thread(self._scene, tester_id)
        if scene.phase is Phase.VOTE and scene.battle is not None and not as_facts(client).get("reduced"):
            async for updates in self._replay(tester_id, scene.battle):
                yield updates
        yield self._show(await asyncio.to_thread(self._scene, tester_id))

    async def _replay(self, tester_id: str, battle: Battle) -> AsyncIterator[Updates]:
        """Both answers grow in equal steps with one start and one end; a stop shows them whole."""
        answers = battle.turns[-1].answers
        self._hurried.discard(tester_id)
        yield {self.stop: gr.update(value="Show all")}
        for partial in replay(answers[battle.left_model].text, answers[battle.right_model].text):
            if tester_id in self._hurried:
                break
            left, right = markup.panes(battle, Phase.ANSWERING, partial)
            yield {self.left: left, self.right: right}
            await asyncio.sleep(STEP_SECONDS)
        self._hurried.discard(tester_id)

    # -- showing ------------------------------------------------------------------------------------------------

    @property
    def _rounds(self) -> Rounds:
        if self.runtime.rounds is None:
            raise Refused("The models are not ready yet; please wait a moment.")
        return self.runtime.rounds

    @property
    def _blind_test(self) -> BlindTest:
        return self._rounds.blind_test

    def _scene(self, tester_id: str, moved_on: bool = False) -> Scene:
        return find_scene(self.runtime, tester_id, moved_on)

    def _own(self, scene: Scene, key: Any) -> Battle:
        """The battle of the scene, if it is the one that the page shows."""
        if scene.battle is None or scene.battle.id != as_key(key):
            raise Refused(
                "This page showed another round, perhaps because of another tab; this is the one that you are in."
            )
        return scene.battle

    def _say(self, text: str) -> Updates:
        return {self.status: markup.status(text)}

    def _show(self, scene: Scene, text: str = "") -> Updates:
        """Every component as the scene has it; `text` replaces the scene's own status line."""
        phase, battle = scene.phase, scene.battle
        in_round = phase in (Phase.ANSWERING, Phase.BROKEN, Phase.VOTE, Phase.VOTED)
        has_panes = battle is not None and (in_round or phase is Phase.GUESS)
        left, right = markup.panes(battle, phase) if battle is not None and has_panes else ("", "")
        turns_left = self.runtime.study.max_turns - len(battle.complete_turns) if battle else 0
        follows_up = phase is Phase.VOTE and turns_left > 0
        updates: Updates = {
            self.key: scene.key,
            self.timer: gr.update(active=phase is Phase.SETUP),
            self.progress: markup.progress(scene),
            self.status: markup.status(text or markup.status_line(scene)),
            self.confirm: gr.update(visible=False),
            self.setup: gr.update(visible=phase is Phase.SETUP, value=self._setup(phase)),
            self.welcome: gr.update(visible=phase is Phase.WELCOME),
            self.question: gr.update(visible=phase is Phase.ASK or has_panes, value=markup.question(scene)),
            self.diptych: gr.update(visible=has_panes),
            self.left: left,
            self.right: right,
            self.stop: gr.update(visible=phase is Phase.ANSWERING, value="Stop"),
            self.votes: gr.update(visible=phase is Phase.VOTE),
            self.voted: gr.update(visible=phase is Phase.VOTED),
            self.undo: gr.update(visible=True),
            self.reveal: gr.update(visible=self.runtime.study.reveal == "vote"),
            self.next: gr.update(value="Finish" if scene.last else "Next round"),
            self.broken: gr.update(visible=phase is Phase.BROKEN),
            self.why: gr.update(visible=phase in (Phase.VOTE, Phase.VOTED)),
            self.composer: gr.update(visible=phase is Phase.ASK or follows_up),
            self.prompt: gr.update(
                label=f"Follow-up question ({turns_left} left)" if follows_up else "Your question",
                placeholder="Ask both a follow-up" if follows_up else "Ask about art or AI",
            ),
            self.suggestions: gr.update(visible=phase is Phase.ASK, value=self._suggestions(scene)),
            self.guess: gr.update(visible=phase is Phase.GUESS),
            self.thanks: gr.update(visible=phase is Phase.THANKS, value=self._thanks(scene)),
            self.finish: gr.update(visible=in_round or phase is Phase.ASK),
            self.withdraw: gr.update(visible=scene.tester is not None and phase in (Phase.ASK, Phase.THANKS)),
        }
        if phase is Phase.VOTED and battle is not None and battle.vote is not None:
            updates |= {self.reasons: list(battle.vote.reasons), self.comment: battle.vote.comment}
        return updates

    def _setup(self, phase: Phase) -> str:
        training = self.runtime.training
        if phase is not Phase.SETUP:
            return ""
        return markup.setup(training.steps() if training else [], self.runtime.failure)

    def _suggestions(self, scene: Scene) -> str:
        if scene.phase is not Phase.ASK or scene.tester is None:
            return ""
        return markup.suggestions(self._blind_test.suggestions(scene.tester.id, PER_CATEGORY))

    def _thanks(self, scene: Scene, guessed_right: bool | None = None) -> str:
        if scene.phase is not Phase.THANKS or scene.tester is None:
            return ""
        tally = last = None
        if self.runtime.study.reveal != "never" and scene.voted:
            tally = self._blind_test.tally(scene.tester.id)
            if scene.battle is not None:
                last = self._blind_test.reveal(scene.tester.id, scene.battle.id)
        return markup.thanks(scene, tally, last, guessed_right)


def _html(value: str, **options: Any) -> gr.HTML:
    return gr.HTML(value, js_on_load=None, apply_default_css=False, padding=False, **options)


def _reason(error: Exception) -> str:
    """What a tester is told; only the protocol's own sentences are for them."""
    if isinstance(error, Refused):
        return str(error)
    log.error("%s", error)
    return NOT_SAVED if isinstance(error, DatabaseError) else "Something went wrong on our side. Please try again."
