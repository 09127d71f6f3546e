"""The testers' page: consent, rounds, votes, the guess, thanks.

The page is a view: every handler asks `BlindTest` or `Rounds` to act and then shows the scene that the database tells.
Nothing is trusted that comes from the browser; its arguments may be of any type, since anybody can post to them.

Every event is one plain request. While answers are on their way the page's timer asks for news, and that request is
held until there is some. Both answers then come whole and at once; the page's script shows them in equal steps.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import time
from collections.abc import Callable
from typing import Any

import anyio
import gradio as gr

from app import markup, metrics
from app.engines import EngineError
from app.inputs import as_facts, as_key, as_text, as_texts, as_yes_or_no
from app.light_blocks import LightBlocks
from app.rounds import Job
from app.runtime import Runtime
from app.scenes import Phase, Scene, find_scene
from app.testers_layout import TestersLayout, Updates
from feedback.blind_test import Battle, Refused
from feedback.database import DatabaseError

HOLD_SECONDS = 20.0  # so long a request waits for news; proxies end one that is silent for 60
QUEUE_SECONDS = 0.5  # how often a place in the queue is looked at
SETUP_SECONDS = 1.5  # how often the page shows how far a training is
VOTE_KEPT = "The database cannot be written at the moment. Your vote is kept on this page and tried again."
NOT_SAVED = "The database cannot be written at the moment, so nothing was saved. Please try again."

log = logging.getLogger(__name__)


class TestersPage(TestersLayout):
    """The Blocks of `/` with their handlers."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        with LightBlocks(title="Diptych", analytics_enabled=False, fill_width=True) as self.blocks:
            self.lay_out()
            self._connect()

    # -- events -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        components = [value for name, value in vars(self).items() if isinstance(value, gr.blocks.Block)]
        self._outputs = [component for component in components if component not in (self.blocks, self.client)]
        self._outputs += self.background_answers
        client = "(...args) => [...args.slice(0, -1), window.diptych ? window.diptych.client() : '']"
        quick: dict[str, Any] = {"queue": False, "js": client}
        self._on(self.blocks.load, self._load, [self.token, self.client], **quick)
        self._on(self.timer.tick, self._tick, [self.token, self.client], **quick)
        ask = [self.token, self.key, self.prompt, self.client]
        self._on(self.send.click, self._send, ask, **quick)
        self._on(self.prompt.submit, self._send, ask, **quick)
        self._on(self.retry.click, self._retry, [self.token, self.key, self.client], **quick)
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
        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "api_name": None}
        event(self._told(handler), inputs, self._outputs, **quiet, **options)

    def _told(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """A handler that says why what was asked for was refused or could not be done, and leaves the page as it is."""
        if inspect.iscoroutinefunction(handler):
            return handler

        @functools.wraps(handler)
        def handle(*arguments: Any) -> Updates:
            try:
                updates: Updates = handler(*arguments)
            except (Refused, DatabaseError, EngineError) as error:
                return self._say(_reason(error))
            return updates

        return handle

    # -- handlers -----------------------------------------------------------------------------------------------

    def _load(self, token: Any, client: Any) -> Updates:
        updates = self._show(self._scene(as_text(token)))
        code = as_facts(client).get("invite", "")  # from the link
        return {**updates, self.invite: {**updates.get(self.invite, gr.update()), "value": code}}

    async def _tick(self, token: Any, client: Any) -> Updates:
        """News of a training or of answers on their way, held back until there are some."""
        tester_id = as_text(token)
        rounds = self.runtime.rounds
        if rounds is None:
            await asyncio.sleep(SETUP_SECONDS)
        elif job := rounds.job(tester_id):
            await self._wait(job)
            if not job.done.done():
                return self._say(f"Waiting: {job.told} before you." if job.told else markup.WRITING)
        return await anyio.to_thread.run_sync(self._told(lambda: self._show(self._scene(tester_id))))

    async def _wait(self, job: Job) -> None:
        """Until the turn has ended or has another place in the queue, but no longer than a request may last."""
        ended = asyncio.wrap_future(job.done)
        deadline = time.monotonic() + HOLD_SECONDS
        while not job.done.done() and job.place == job.told and (left := deadline - time.monotonic()) > 0:
            await asyncio.wait([ended], timeout=left if job.running else QUEUE_SECONDS)
        job.told = job.place
        ended.cancel()

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
        self.runtime.limits.check(_address(request))
        self.runtime.limits.count(_address(request))  # a wrong invite code counts as well
        tester = self._blind_test.enrol(study.consent_version, answers, as_text(invite))
        return {**self._show(self._scene(tester.id)), self.token: tester.id}

    def _send(self, token: Any, key: Any, prompt: Any, client: Any, request: gr.Request) -> Updates:
        tester_id, text = as_text(token), as_text(prompt)

        def ask() -> None:
            scene = self._scene(tester_id)
            if scene.phase is Phase.VOTE and scene.battle is not None:
                self._rounds.follow_up(tester_id, self._own(scene, key), text)
            else:
                self._rounds.begin(tester_id, text)

        return self._ask(tester_id, key, ask, _address(request))

    def _retry(self, token: Any, key: Any, client: Any, request: gr.Request) -> Updates:
        tester_id = as_text(token)
        return self._ask(
            tester_id,
            key,
            lambda: self._rounds.retry(tester_id, self._own(self._scene(tester_id), key)),
            _address(request),
        )

    def _ask(self, tester_id: str, key: Any, ask: Callable[[], None], address: str) -> Updates:
        try:
            self.runtime.limits.check(address, tester_id)
            ask()
            self.runtime.limits.count(address, tester_id)
        except (Refused, DatabaseError, EngineError) as error:
            scene = self._scene(tester_id)
            # The text stays in its box. A page that shows another round than the tester is in is brought up to date.
            return self._say(_reason(error)) if scene.key == key else self._show(scene, _reason(error))
        return {**self._show(self._scene(tester_id)), self.prompt: "", self.reasons: [], self.comment: ""}

    def _stop(self, token: Any, client: Any) -> Updates:
        if self.runtime.rounds:
            self.runtime.rounds.stop(as_text(token))
        return {self.stop: gr.skip()}  # the request that waits for the answers shows the rest

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
        scene = self._scene(tester_id)
        if scene.phase is Phase.VOTED and scene.key == key:
            self._explain(scene, as_texts(reasons), as_text(comment), as_yes_or_no(enough))
            scene = self._scene(tester_id)
        return self._say(markup.status_line(scene)) if scene.key == key else self._show(scene)

    def _next(self, token: Any, key: Any, reasons: Any, comment: Any, enough: Any, client: Any) -> Updates:
        tester_id = as_text(token)
        scene = self._scene(tester_id)
        if scene.phase is Phase.VOTED:
            self._explain(scene, as_texts(reasons), as_text(comment), as_yes_or_no(enough))
            if scene.last:
                self._blind_test.close(tester_id, "quota")
        scene = self._scene(tester_id, moved_on=True)
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
        sides = self._blind_test.reveal(as_text(token), as_key(key))
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
            self._blind_test.withdraw(tester_id)
            return {**self._show(self._scene("")), **self._show_withdrawn(), self.token: ""}
        self._blind_test.close(tester_id, "quit")
        return self._show(self._scene(tester_id))

    def _guess(self, answer: str, token: Any, client: Any) -> Updates:
        tester_id = as_text(token)
        battle = self._blind_test.voted_battle(tester_id)
        self._blind_test.guess(tester_id, answer)
        scene = self._scene(tester_id)
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
