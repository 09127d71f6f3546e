"""The testers' page: consent, rounds, votes, the guess, thanks.

The page is a view: every handler asks `BlindTest` or `Rounds` to act and then shows the scene that the database tells.
Nothing is trusted that comes from the browser; its arguments may be of any type, since anybody can post to them.

Every event is one plain request. Those that change something carry a key, under which the database does them once; the
browser keeps them until a response has named that key (`app.delivery`), so that a lost request or response loses
nothing and doubles nothing. While answers are on their way the page's timer asks for news, and that request is held
until there is some. Both answers then come whole and at once; the page's script shows them in equal steps.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import json
import logging
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import replace
from html import escape
from typing import Any

import anyio
import gradio as gr

from app import markup, metrics
from app.client import address
from app.delivery import Report, arguments, read_report, receipt, with_one_start
from app.inputs import as_key, as_question, as_text, as_texts, as_token, as_yes_or_no
from app.language import consent_language, ntr, said, tr
from app.limits import Later
from app.runtime import Runtime
from app.scenes import Phase, Scene, find_scene
from app.testers_layout import TestersLayout, Updates, merged
from feedback.blind_test import Battle, NotNow, Refused, Repeated
from feedback.database import DatabaseError
from feedback.rules import MAX_COMMENT_CHARS, clean
from training.inference.engines import EngineError, OutOfService

HOLD_SECONDS = 20.0  # so long a request waits for news; proxies end one that is silent for 60
STRANGERS_CHARS = 20_000  # of a report of nobody that is known
SETUP_SECONDS = 1.5  # how often the page shows how far a training is

log = logging.getLogger(__name__)


class TestersPage(TestersLayout):
    """The Blocks of `/` with their handlers."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__(runtime)
        with gr.Blocks(title="Diptych", analytics_enabled=False, fill_width=True) as self.blocks:
            self.lay_out()
            self._connect()

    # -- events -------------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        components = [value for name, value in vars(self).items() if isinstance(value, gr.blocks.Block)]
        self._outputs = [component for component in components if component not in (self.blocks, self.client)]
        self._outputs += [*self.background_answers, *self.choices.values(), *self.guesses.values()]
        self._replayed: dict[str, tuple[Callable[..., Updates], tuple[str, ...]]] = {}
        self._on(self.blocks.load, "load", self._load)
        self._on(self.resend.click, "load", self._load)
        self._on(self.timer.tick, "tick", self._tick)
        self._on(self.send.click, "send", self._send, "key", "prompt")
        self._on(self.prompt.submit, "send", self._send, "key", "prompt")
        self._on(self.retry.click, "retry", self._retry, "key")
        self._on(self.start.click, "start", self._start, "consent", "invite", "first", "second")
        self._on(self.stop.click, "stop", self._stop)
        for choice, button in self.choices.items():
            vote = functools.partial(self._vote, choice)
            self._on(button.click, f"vote {choice}", vote, "key", "reasons", "comment")
        judgement = ("key", "reasons", "comment", "enough")
        self._on(self.enough.input, "judge", self._judge, *judgement)
        self._on(self.keep.click, "remark", self._remark, "key", "reasons", "comment")
        self._on(self.next.click, "next", self._next, *judgement)
        self._on(self.undo.click, "undo", self._undo, "key")
        self._on(self.reveal.click, "reveal", self._reveal, "key")
        self._on(self.other.click, "other", self._other, "key")
        for what, button in (("finish", self.finish), ("withdraw", self.withdraw)):
            self._on(button.click, f"ask {what}", functools.partial(self._ask_first, what))
        self._on(self.confirm_no.click, "back", self._go_back)
        self._on(self.confirm_yes.click, "confirmed", self._confirmed, "what")
        for answer, button in self.guesses.items():
            self._on(button.click, f"guess {answer}", functools.partial(self._guess, answer))

    def _on(self, event: Callable[..., Any], do: str, handler: Callable[..., Any], *values: str) -> None:
        """Let an event call a handler with the token, these values and the script's report."""
        components = {
            "token": self.token, "key": self.key, "prompt": self.prompt, "consent": self.consent,
            "invite": self.invite, "reasons": self.reasons, "comment": self.comment, "enough": self.enough,
            "what": self.confirm_what, "client": self.client,
            **dict(zip(("first", "second"), self.background_answers, strict=True)),
        }  # fmt: skip
        fields = ("token", *values, "client")
        script = f"window.diptych ? window.diptych.pack({json.dumps(do)}, {json.dumps(fields)}, args) : args"
        handler = wrapped = self._reporting(do, handler)
        if do not in ("load", "tick"):
            self._replayed[do] = (handler, fields)
        if do in ("load", "start"):
            wrapped = self._unhurried(do, handler)
        # Gradio drops an event whose last request is under way; newer words and judgements must not be.
        mode = "multiple" if do in ("remark", "judge") else "once"
        event(
            wrapped, [components[name] for name in fields], self._outputs, js=f"(...args) => {script}", queue=False,
            api_visibility="private", show_progress="hidden", api_name=None, trigger_mode=mode,
        )  # fmt: skip

    def _reporting(self, do: str, handler: Callable[..., Any]) -> Callable[..., Any]:
        """A handler that says why what was asked for was refused or could not be done, and what need not come again."""
        if inspect.iscoroutinefunction(handler):
            return handler
        place = list(inspect.signature(handler).parameters).index("client") - 1  # without the token

        @functools.wraps(handler)
        def handle(token: Any, *given: Any) -> Updates:
            tester_id, report = as_token(token), self._report(token, given[place])
            given = (*given[:place], report, *given[place + 1 :])
            refused = []
            try:
                if report.key is not None and self._blind_test.was_done(tester_id, report.key):
                    raise Repeated("This was done already.")
                updates: Updates = handler(tester_id, *given)
            except NotNow as error:
                return {self.status: markup.status(said(error), again=True)}
            except (DatabaseError, sqlite3.Error) as error:  # the latter of what is read outside of a transaction
                _log_unreadable(error)
                if kept := markup.KEPT.get(do.split()[0]):
                    return {self.status: markup.status(f"{tr(markup.UNWRITABLE)} {tr(kept)}", again=True)}
                updates = self._say(tr(markup.NOT_SAVED))
            except Repeated:
                updates = self._show(self._scene(tester_id, report.moved))
            except (Refused, EngineError) as error:
                scene = self._scene(tester_id, report.moved)
                voted = do.startswith("vote ") and scene.phase is Phase.VOTED and scene.key == given[0]
                updates = self._show(scene, "" if voted else _reason(error))  # an earlier click was saved
                refused = [report.key] if report.key and not voted else []
            except Exception:  # a mistake of ours, which no tester must see as a broken page
                log.exception("a handler broke")
                updates = self._say(tr(markup.BROKEN))
            return {**updates, self.receipt: receipt([report.key], refused)} if report.key else updates

        return handle

    def _unhurried(self, do: str, handler: Callable[..., Updates]) -> Callable[..., Any]:
        """A handler that may begin a session; where that takes a code, in its time, while no thread waits."""

        @functools.wraps(handler)
        async def handle(*given: Any) -> Updates:
            *values, client, request = given
            report = await anyio.to_thread.run_sync(self._report, values[0], client)

            async def run(report: Report) -> Updates:
                return await anyio.to_thread.run_sync(functools.partial(handler, *values, report, request))

            starts = do == "start" or any(item.get("do") == "start" for item in report.waiting)
            if not starts or not self.runtime.study.entry_code:
                return await run(report)
            try:
                async with self.runtime.limits.code(address(request)):
                    return await run(report)
            except Later as error:  # the browser keeps the Start, and sends it again
                waiting = tuple(item for item in report.waiting if item.get("do") != "start")
                shown = {} if do == "start" else await run(replace(report, waiting=waiting))
                return {**shown, self.status: markup.status(said(error), again=True)}

        return handle

    # -- handlers -----------------------------------------------------------------------------------------------

    def _load(self, tester_id: str, client: Report, request: gr.Request) -> Updates:
        """Do what the browser has kept since it could not send it, or got no answer; then show where the tester is."""
        updates, done, refused = self._catch_up(tester_id, with_one_start(client.waiting), request)
        said = updates.get(self.status)
        scene = self._scene(tester_id, client.moved)
        shown = merged(self._translate(), self._show(scene))
        if not client.fresh:  # somebody may be writing there, or have been asked whether to finish
            shown.pop(self.confirm)
            shown.pop(self.comment, None)
            shown[self.reasons].pop("value", None)
        updates |= shown
        if self.runtime.rounds and self._blind_test.has_withdrawn(tester_id):  # and the answer to that was lost
            updates |= self._show_withdrawn()
        if said:
            updates[self.status] = said
        elif not client.fresh and (scene.phase is Phase.GUESS or not markup.status_line(scene)):
            updates.pop(self.status)  # what was refused a moment ago is to be read
        if client.invite:  # from the link
            updates[self.invite] = {**updates.get(self.invite, gr.update()), "value": client.invite}
        return {**updates, self.receipt: receipt(done, refused)}

    def _catch_up(
        self, token: str, waiting: Iterable[dict[str, Any]], request: gr.Request
    ) -> tuple[Updates, list[str], list[str]]:
        """Do in their order what a browser has kept: what changes, and the keys of what was done, and was refused.

        Each counts as an event of its address, as it would have by itself; what is left comes with the next request.
        """
        updates: Updates = {}
        done, refused = list[str](), list[str]()
        known = self.runtime.rounds is None or self._knows(token)
        for item in waiting:
            key = str(item.get("key"))
            if known or item.get("do") == "start":
                try:
                    self.runtime.limits.event(address(request), "", 0)
                except Later as error:
                    return {**updates, **self._say(said(error))}, done, refused
                outcome = self._do_again(item, token, request)
                known = known or self._knows(token)
            else:  # a stranger's, who may send any number, for which nothing is looked up
                outcome = {**self._say(tr(markup.UNKNOWN)), self.receipt: receipt([key], [key])}
            if self.receipt in outcome:
                done.append(key)
                refused += done[-1:] if "data-refused" in outcome[self.receipt] else []
            updates |= outcome
        return updates, done, refused

    def _do_again(self, item: dict[str, Any], token: str, request: gr.Request) -> Updates:
        """What a kept click brings about. With a receipt in it, it need not be sent again."""
        handler, fields = self._replayed.get(str(item.get("do")), (None, ()))
        if handler is None:  # of another version
            return {self.receipt: ""}
        more = [request] if "request" in inspect.signature(handler).parameters else []
        try:
            return handler(*arguments(item, fields, token), *more)
        except Exception:  # what this browser has kept must not lock it out
            log.exception("a kept request (%s) broke", item["do"])
            return {**self._say(tr(markup.BROKEN)), self.receipt: ""}

    async def _tick(self, token: Any, client: Any) -> Updates:
        """News of a training or of answers on their way, held back until there are some."""
        tester_id = as_token(token)
        rounds = self.runtime.rounds
        if rounds is None:
            await asyncio.sleep(SETUP_SECONDS)
        elif job := rounds.job(tester_id):
            await job.news(HOLD_SECONDS)
            if not job.done.done():
                waits = ntr("Waiting: {n} before you.", "Waiting: {n} before you.", n=job.sent)
                return self._say(waits if job.sent else tr(markup.WRITING))
        return await anyio.to_thread.run_sync(self._news, tester_id)

    def _news(self, tester_id: str) -> Updates:
        try:
            return self._show(self._scene(tester_id))
        except (Refused, DatabaseError, sqlite3.Error, EngineError) as error:
            return self._say(_reason(error))

    def _start(
        self, tester_id: str, consent: Any, invite: Any, first: Any, second: Any, client: Report, request: gr.Request
    ) -> Updates:
        if consent is not True:
            return self._say(
                tr("Please tick the box first: without your consent nothing is stored and nothing begins.")
            )
        blind_test, study = self._blind_test, self.runtime.study
        scene = self._scene(tester_id)
        if scene.phase is not Phase.WELCOME:  # enrolled in another tab, or by this very click
            return self._show(scene)
        answers = {
            question.id: answer
            for question, answer in zip(study.background, map(as_text, (first, second)), strict=False)
            if answer
        }
        version = study.consent_version if client.consent is None else client.consent
        with self.runtime.limits.counted(address(request)):
            tester = blind_test.enrol(
                version, answers, as_text(invite, 100), tester_id or None, (client.challenge, client.solution),
                address(request), self.runtime.limits.sessions, consent_language(study),
            )  # fmt: skip
        return {**self._show(self._scene(tester.id)), self.token: tester.id}

    def _send(self, tester_id: str, key: Any, prompt: Any, client: Report, request: gr.Request) -> Updates:
        once, origin = client.key, address(request)
        before = self._scene(tester_id)
        follows = before.phase is Phase.VOTE

        def ask() -> None:
            text = as_question(prompt)
            if follows:
                self._rounds.follow_up(tester_id, self._own(before, key), text, once, origin)
            else:
                self._rounds.begin(tester_id, text, once, origin)

        shown = {**self._ask(tester_id, ask, origin), self.prompt: ""}
        return shown if follows else {**shown, self.reasons: [], self.comment: ""}

    def _retry(self, tester_id: str, key: Any, client: Report, request: gr.Request) -> Updates:
        once, origin = client.key, address(request)

        def ask() -> None:
            self._rounds.retry(tester_id, self._own(self._scene(tester_id), key), once, origin)

        return self._ask(tester_id, ask, origin)

    def _ask(self, tester_id: str, ask: Callable[[], None], origin: str) -> Updates:
        if not tester_id or self._blind_test.tester(tester_id) is None:  # before any work on what a stranger sends
            raise Refused(markup.UNKNOWN)
        with self.runtime.limits.counted(origin, tester_id):
            ask()
        return self._show(self._scene(tester_id))

    def _stop(self, tester_id: str, client: Report) -> Updates:
        if self.runtime.rounds:
            self.runtime.rounds.stop(tester_id)
        return {self.stop: gr.skip()}  # the request that waits for the answers shows the rest

    def _vote(self, choice: str, tester_id: str, key: Any, reasons: Any, comment: Any, client: Report) -> Updates:
        self._blind_test.vote(
            tester_id, as_key(key), choice, as_texts(reasons), as_text(comment),
            vote_seconds=client.seconds, client_time=client.time, seen=client.seen, first_seen=client.first,
            request=client.key,
        )  # fmt: skip
        metrics.VOTES.inc()
        return self._show(self._scene(tester_id))

    def _undo(self, tester_id: str, key: Any, client: Report) -> Updates:
        self._blind_test.undo_vote(tester_id, as_key(key), client.key)
        return self._show(self._scene(tester_id), tr("Vote taken back."))

    def _judge(self, tester_id: str, key: Any, reasons: Any, comment: Any, enough: Any, client: Report) -> Updates:
        """Whether the better answer is good enough, saved as soon as it is said."""
        self._explain(tester_id, key, reasons, comment, client, as_yes_or_no(enough))
        scene = self._scene(tester_id, client.moved)
        return self._say(markup.status_line(scene)) if scene.key == key else self._show(scene)

    def _remark(self, tester_id: str, key: Any, reasons: Any, comment: Any, client: Report) -> Updates:
        """What was ticked or written, saved when the tester pauses, leaves the box or leaves the page.

        The page stays as it is, so that nothing moves under the fingers of who goes on writing.
        """
        self._explain(tester_id, key, reasons, comment, client)
        return {}

    def _next(self, tester_id: str, key: Any, reasons: Any, comment: Any, enough: Any, client: Report) -> Updates:
        scene = self._scene(tester_id)
        if scene.phase is Phase.VOTED and scene.key == key:
            self._explain(tester_id, key, reasons, comment, client, as_yes_or_no(enough))
            if scene.last:
                self._blind_test.close(tester_id, "quota")
        scene = self._scene(tester_id, key)
        return {**self._show(scene), self.reasons: [], self.comment: "", self.prompt: ""}

    def _explain(
        self, tester_id: str, key: Any, reasons: Any, comment: Any, client: Report, enough: bool | None = None
    ) -> None:
        """Keep what was ticked or written beside a round: with its vote while that can be, else by itself."""
        said, words = as_texts(reasons), clean(as_text(comment), MAX_COMMENT_CHARS)  # as they are stored
        scene = self._scene(tester_id)
        if scene.phase is Phase.VOTED and scene.key == key and scene.battle is not None and scene.battle.vote:
            vote = scene.battle.vote
            enough = vote.good_enough if enough is None else enough
            if (set(said), words, enough) != (set(vote.reasons), vote.comment, vote.good_enough):
                once = client.key
                self._blind_test.explain_vote(tester_id, scene.battle.id, said, words, enough, once)
        else:
            self._blind_test.remark(tester_id, as_key(key), said, words)

    def _reveal(self, tester_id: str, key: Any, client: Report) -> Updates:
        """Where the study shows the models after each vote: show them, after which the vote stays."""
        sides = self._blind_test.reveal(tester_id, as_key(key))
        a, b = tr(markup.NAMES[sides["left"]]), tr(markup.NAMES[sides["right"]])
        text = tr("A was {a}, B was {b}.", a=a, b=b)
        return {**self._say(text), self.undo: gr.update(visible=False), self.reveal: gr.update(visible=False)}

    def _other(self, tester_id: str, key: Any, client: Report) -> Updates:
        self._blind_test.abandon(tester_id, as_key(key), "another question", client.key)
        return {**self._show(self._scene(tester_id)), self.reasons: [], self.comment: ""}

    def _ask_first(self, what: str, tester_id: str, client: Report) -> Updates:
        text, yes = markup.SURE[what]
        return {
            self.confirm: gr.update(visible=True), self.confirm_what: what,
            self.confirm_text: f"<p>{escape(tr(text))}</p>", self.confirm_yes: gr.update(value=tr(yes)),
        }  # fmt: skip

    def _go_back(self, tester_id: str, client: Report) -> Updates:
        return {self.confirm: gr.update(visible=False)}

    def _confirmed(self, tester_id: str, what: Any, client: Report, request: gr.Request) -> Updates:
        # Words on their way belong to a round that this may end; a Start has been done, and could try a code here.
        self._catch_up(tester_id, [item for item in client.waiting if item.get("do") != "start"], request)
        if self.runtime.rounds:
            self.runtime.rounds.stop(tester_id)
        if what == "withdraw":
            if not self._blind_test.has_withdrawn(tester_id):
                self._blind_test.withdraw(tester_id)
            return {**self._show(self._scene("")), **self._show_withdrawn(), self.token: ""}
        self._blind_test.close(tester_id, "quit")
        return self._show(self._scene(tester_id))

    def _guess(self, answer: str, tester_id: str, client: Report) -> Updates:
        battle = self._blind_test.voted_battle(tester_id)
        self._blind_test.guess(tester_id, answer, client.key)
        scene = self._scene(tester_id)
        right = None
        if battle is not None and answer != "dont_know":
            right = (battle.left_model if answer == "left_last" else battle.right_model) == "model1"
        return {**self._show(scene), self.thanks: gr.update(visible=True, value=self._thanks(scene, right))}

    # -- inside -------------------------------------------------------------------------------------------------------

    def _knows(self, token: str) -> bool:
        """Whether somebody has begun with this token; also who has withdrawn since, and may have lost the answer."""
        found = token and (self._blind_test.tester(token) is not None or self._blind_test.has_withdrawn(token))
        return bool(found)

    def _report(self, token: Any, client: Any) -> Report:
        """What the page's script tells; of a stranger no more is read than a Start needs."""
        is_long = isinstance(client, str) and len(client) > STRANGERS_CHARS
        return read_report("" if is_long and self.runtime.rounds and not self._knows(as_token(token)) else client)

    def _scene(self, tester_id: str, moved_on: Any = "") -> Scene:
        return find_scene(self.runtime, tester_id, moved_on)

    def _own(self, scene: Scene, key: Any) -> Battle:
        """The battle of the scene, if it is the one that the page shows."""
        if scene.battle is None or scene.battle.id != as_key(key):
            raise Refused(
                "This page showed another round, perhaps because of another tab; this is the one that you are in."
            )
        return scene.battle


def _reason(error: Exception) -> str:
    """What a tester is told; only the protocol's own sentences are for them."""
    if isinstance(error, Refused):
        return said(error)
    if isinstance(error, EngineError):  # which may repeat what its server was sent
        log.error("a model could not be asked", exc_info=error)
        if isinstance(error, OutOfService):
            return tr(markup.MENDED_FIRST)
    else:
        _log_unreadable(error)
    return tr(markup.NOT_SAVED if isinstance(error, DatabaseError) else markup.BROKEN)


def _log_unreadable(error: Exception) -> None:
    """What is wrong with the database; SQLite's own words of what is read may repeat it, and are left out."""
    if isinstance(error, DatabaseError):
        log.error("%s", error)
    else:
        log.error("the database could not be read", exc_info=error)
