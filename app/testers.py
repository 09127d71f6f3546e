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
from app.inputs import as_facts, as_key, as_text, as_texts, as_yes_or_no
from app.light_blocks import LightBlocks
from app.rounds import STEP_SECONDS, replay
from app.runtime import Runtime
from app.scenes import Phase, Scene, find_scene
from app.testers_layout import TestersLayout, Updates
from feedback.blind_test import Battle, Refused
from feedback.database import DatabaseError

POLL_SECONDS = 0.1
VOTE_KEPT = "The database cannot be written at the moment. Your vote is kept on this page and tried again."
NOT_SAVED = "The database cannot be written at the moment, so nothing was saved. Please try again."

log = logging.getLogger(__name__)


class TestersPage(TestersLayout):
    """The Blocks of `/` with their handlers."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        self._hurried: set[str] = set()  # testers who do not want to watch the replay to its end
        with LightBlocks(title="Diptych", analytics_enabled=False, fill_width=True) as self.blocks:
            self.lay_out()
            self._connect()

    # -- events -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        components = [value for name, value in vars(self).items() if isinstance(value, gr.blocks.Block)]
        self._outputs = [component for component in components if component not in (self.blocks, self.client)]
        self._outputs += self.background_answers
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
        enrol = [self.token, self.consent, self.invite, *self.background_answers, self.client]
        self._on(self.start.click, self._start, enrol, **quick)
        self._on(self.stop.click, self._stop, [self.token, self.client], **quick)
        opinion = [self.token, self.key, self.reasons, self.comment, self.client]
        for choice, button in self.choices.items():
            self._on(button.click, functools.partial(self._vote, choice), opinion, **quick)
        judgement = [self.token, self.key, self.reasons, self.comment, self.enough, self.client]
        self._on(self.enough.input, self._judge, judgement, **quick)
        self._on(self.next.click, self._next, judgement, **quick)
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
        yield {self.invite: as_facts(client).get("invite", "")}
        async for updates in self._follow(as_text(token), client):
            yield updates

    async def _tick(self, token: Any, client: Any) -> AsyncIterator[Updates]:
        """While the models are prepared: how far they are, then the test itself."""
        async for updates in self._follow(as_text(token), client):
            yield updates

    def _start(
        self, token: Any, consent: Any, invite: Any, first: Any, second: Any, client: Any, request: gr.Request
    ) -> Updates:
        if consent is not True:
            return self._say("Please tick the box first: without your consent nothing is stored and nothing begins.")
        scene = self._scene(as_text(token))
        if scene.phase is not Phase.WELCOME:  # enrolled in another tab, or the models are not there yet
            return self._show(scene)
        study = self.runtime.study
        answers = {
            question.id: answer
            for question, answer in zip(study.background, map(as_text, (first, second)), strict=False)
            if answer
        }
        try:
            self.runtime.limits.check(_address(request))
            self.runtime.limits.count(_address(request))  # a wrong invite code counts as well
            tester = self._blind_test.enrol(study.consent_version, answers, as_text(invite))
        except (Refused, DatabaseError) as error:
            return self._say(_reason(error))
        return {**self._show(self._scene(tester.id)), self.token: tester.id}

    async def _send(
        self, token: Any, key: Any, prompt: Any, client: Any, request: gr.Request
    ) -> AsyncIterator[Updates]:
        tester_id, text = as_text(token), as_text(prompt)

        def ask() -> None:
            scene = self._scene(tester_id)
            if scene.phase is Phase.VOTE and scene.battle is not None:
                self._rounds.follow_up(tester_id, self._own(scene, key), text)
            else:
                self._rounds.begin(tester_id, text)

        async for updates in self._ask(tester_id, key, ask, client, _address(request)):
            yield updates

    async def _retry(self, token: Any, key: Any, client: Any, request: gr.Request) -> AsyncIterator[Updates]:
        tester_id = as_text(token)

        def ask() -> None:
            self._rounds.retry(tester_id, self._own(self._scene(tester_id), key))

        async for updates in self._ask(tester_id, key, ask, client, _address(request)):
            yield updates

    async def _ask(
        self, tester_id: str, key: Any, ask: Callable[[], None], client: Any, address: str
    ) -> AsyncIterator[Updates]:
        try:
            self.runtime.limits.check(address, tester_id)
            await asyncio.to_thread(ask)
            self.runtime.limits.count(address, tester_id)
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
        problem, again = "", False
        try:
            self._blind_test.vote(
                tester_id, as_key(key), choice, as_texts(reasons), as_text(comment),
                vote_seconds=facts.get("seconds"), client_time=facts.get("time"),
            )  # fmt: skip
            metrics.VOTES.inc()
        except Refused as error:
            problem = str(error)
        except DatabaseError as error:
            log.error("%s", error)
            problem, again = VOTE_KEPT, True
        scene = self._scene(tester_id)
        if scene.phase is Phase.VOTED and scene.battle is not None and scene.battle.id == as_key(key):
            return self._show(scene)  # saved, now or by an earlier click
        if again:
            return {self.status: markup.status(problem, again=True)}
        return self._show(scene, problem)

    def _undo(self, token: Any, key: Any, client: Any) -> Updates:
        return self._act(
            token, lambda tester_id: self._blind_test.undo_vote(tester_id, as_key(key)), "Vote taken back."
        )

    def _judge(self, token: Any, key: Any, reasons: Any, comment: Any, enough: Any, client: Any) -> Updates:
        """Whether the better answer is good enough, saved as soon as it is said."""
        tester_id = as_text(token)
        try:
            scene = self._scene(tester_id)
            if scene.phase is Phase.VOTED and scene.key == key:
                self._explain(scene, as_texts(reasons), as_text(comment), as_yes_or_no(enough))
            scene = self._scene(tester_id)
        except (Refused, DatabaseError) as error:
            return self._say(_reason(error))
        return self._say(markup.status_line(scene)) if scene.key == key else self._show(scene)

    def _next(self, token: Any, key: Any, reasons: Any, comment: Any, enough: Any, client: Any) -> Updates:
        tester_id = as_text(token)
        try:
            scene = self._scene(tester_id)
            if scene.phase is Phase.VOTED:
                self._explain(scene, as_texts(reasons), as_text(comment), as_yes_or_no(enough))
                if scene.last:
                    self._blind_test.close(tester_id, "quota")
            scene = self._scene(tester_id, moved_on=True)
        except (Refused, DatabaseError) as error:
            return self._say(_reason(error))
        return {**self._show(scene), self.reasons: [], self.comment: "", self.prompt: ""}

    def _explain(self, scene: Scene, reasons: list[str], comment: str, enough: bool | None) -> None:
        """Add to a saved vote what was ticked or written after it."""
        battle, tester = scene.battle, scene.tester
        if battle is None or tester is None or battle.vote is None:
            return
        vote = battle.vote
        if (set(reasons), comment.strip(), enough) != (set(vote.reasons), vote.comment, vote.good_enough):
            self._blind_test.explain_vote(tester.id, battle.id, reasons, comment, enough)

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

    # -- inside -------------------------------------------------------------------------------------------------------

    def _scene(self, tester_id: str, moved_on: bool = False) -> Scene:
        return find_scene(self.runtime, tester_id, moved_on)

    def _own(self, scene: Scene, key: Any) -> Battle:
        """The battle of the scene, if it is the one that the page shows."""
        if scene.battle is None or scene.battle.id != as_key(key):
            raise Refused(
                "This page showed another round, perhaps because of another tab; this is the one that you are in."
            )
        return scene.battle


def _address(request: gr.Request) -> str:
    """Where a request comes from, for the limits alone; behind a proxy as `--trust-proxy` says."""
    return request.client.host if request.client else ""


def _reason(error: Exception) -> str:
    """What a tester is told; only the protocol's own sentences are for them."""
    if isinstance(error, Refused):
        return str(error)
    log.error("%s", error)
    return NOT_SAVED if isinstance(error, DatabaseError) else "Something went wrong on our side. Please try again."
