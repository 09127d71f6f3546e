"""The answering of rounds: a worker for each turn that outlives the page which asked.

Both models answer at the same time and to the end before a word of either is shown. A worker belongs to the tester,
not to a page: closing or reloading the page changes nothing, and the truth is in the database.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from app import metrics
from app.cleaning import clean_answer, clean_prompt
from app.leaks import leaks
from feedback.battles import OUT_OF_SERVICE, SET_ASIDE
from feedback.blind_test import Answer, Battle, BlindTest, NotNow, Refused, Turn
from feedback.database import DatabaseError
from feedback.messages import many
from feedback.rules import MAX_ANSWER_CHARS
from training.inference.engines import (
    Engine,
    EngineError,
    Message,
    OutOfService,
    Piece,
    Sampling,
    TooLong,
    Unanswerable,
)

MAX_WAITING = 200
MAX_WAITING_FROM_ONE = 60  # of one address: two classes of thirty, each with a question on its way
QUEUE_SECONDS = 0.5  # how often a place in the queue is looked at for a page
TURN_SECONDS = 240.0  # after so long a turn has failed, whatever the engines say
OVER_LIMIT = 2  # times the tokens asked for, by whatever a server counts as one, after which an answer is ended
CHARS_PER_TOKEN = 24
REVIVAL_SECONDS = 20.0  # a turn that comes while an engine is being started again waits so long for it
REVIVAL_POLL_SECONDS = 0.2

log = logging.getLogger(__name__)


@dataclass
class Job:
    """One turn on its way. `cancel` ends both models; `stopped` says that it was the tester's wish.

    `done` has its result, None, as soon as the turn's end is in the database; it cannot be cancelled.
    """

    tester_id: str
    turn: Turn
    messages: list[tuple[str, dict[str, str]]]  # each earlier question with both answers
    cancel: threading.Event = field(default_factory=threading.Event)
    done: Future[None] = field(default_factory=Future)
    stopped: bool = False
    running: bool = False
    place: int = 0  # how many turns wait in front of this one; 0 when it is its turn
    sent: int = 0  # the place that the page has been told
    origin: str = ""  # the address that it came from, kept while it is on its way

    def __post_init__(self) -> None:
        self.done.set_running_or_notify_cancel()

    async def news(self, seconds: float) -> None:
        """Wait until the turn has ended or has another place in the queue, but no longer than so many seconds."""
        ended = asyncio.wrap_future(self.done)
        deadline = time.monotonic() + seconds
        while not self.done.done() and self.place == self.sent and (left := deadline - time.monotonic()) > 0:
            await asyncio.wait([ended], timeout=left if self.running else QUEUE_SECONDS)
        self.sent = self.place
        ended.cancel()


class Rounds:
    """Starts, follows and stops the turns of all testers. Every rule of the protocol is `BlindTest`'s.

    As many turns are answered at the same time as both engines have places for. The others wait in a queue that is fair
    over addresses as well as testers: next is the one from whose address the fewest are before it, answered or waiting,
    then the one that came first. A tester has one turn on its way at most, so each gets one in each go round.
    """

    def __init__(self, blind_test: BlindTest, engines: Mapping[str, Engine], workers: int | None = None) -> None:
        self.blind_test = blind_test
        self.engines = dict(engines)
        self._bank = {clean_prompt(prompt.text): prompt for prompt in blind_test.study.prompts}
        workers = workers or min(engine.slots for engine in self.engines.values())
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="turn")
        self._models = ThreadPoolExecutor(2 * workers, thread_name_prefix="model")
        self._jobs: dict[str, Job] = {}  # by tester: nobody has two turns on their way
        self._waiting: list[Job] = []
        self._lock = threading.RLock()
        self._closed = False

    # -- what a tester can do -----------------------------------------------------------------------------------

    def begin(self, tester_id: str, text: str, request: str | None = None, origin: str = "") -> Battle:
        """Serve a new round for a question and start its answers, once under the key of a request. Raises Refused."""
        text = clean_prompt(text)
        known = self._bank.get(text)
        text = known.text if known else text
        self._history([], text)
        with self._lock:
            self._must_have_room(origin)
            battle = self.blind_test.start_battle(tester_id, known.id if known else None, text, request)
            self._submit(tester_id, battle, text, None, origin)
        return battle

    def follow_up(
        self, tester_id: str, battle: Battle, text: str, request: str | None = None, origin: str = ""
    ) -> None:
        """Ask a further question in an open round, once under the key of a request. Raises Refused."""
        text = clean_prompt(text)
        self._history(_conversation(battle), text)
        with self._lock:
            self._must_have_room(origin)
            self._submit(tester_id, battle, text, request, origin)

    def retry(self, tester_id: str, battle: Battle, request: str | None = None, origin: str = "") -> None:
        """Ask again what failed or was stopped, as a new attempt, once under the key of a request. Raises Refused."""
        text = battle.turns[-1].prompt if battle.turns else battle.prompt
        with self._lock:
            self._must_have_room(origin)
            self._submit(tester_id, battle, text, request, origin)

    def stop(self, tester_id: str) -> bool:
        """End both answers on their way; whether there were any."""
        job = self.job(tester_id)
        if job is None:
            return False
        job.stopped = True
        job.cancel.set()
        with self._lock:
            waited = job in self._waiting
            if waited:
                self._waiting.remove(job)
        if waited:
            self._stop_waiting(job)
        return True

    def _stop_waiting(self, job: Job) -> None:
        nothing = Answer("", 0, 0.0, None, "cancelled")
        self._conclude(job, lambda: self._store(job, dict.fromkeys(self.engines, nothing)))

    def job(self, tester_id: str) -> Job | None:
        """The tester's turn on its way, if there is one."""
        with self._lock:
            return self._jobs.get(tester_id)

    def heal(self, tester_id: str, battle: Battle) -> Battle:
        """The battle; a pending turn that no worker is on (it could not write its end) is given up first.

        Where that cannot be written either it stays as it is, so that a full disk keeps nobody from reading.
        """
        with self._lock:
            if not battle.turns or battle.turns[-1].status != "pending" or tester_id in self._jobs:
                return battle
            battle = self.blind_test.battle(tester_id, battle.id)  # it may have ended since it was read
            if battle.turns[-1].status == "pending":
                try:
                    self.blind_test.fail_turn(battle.turns[-1].id, "both", "interrupted")
                except DatabaseError as error:
                    log.error("%s", error)
                battle = self.blind_test.battle(tester_id, battle.id)
        return battle

    def close(self) -> None:
        """Cancel what is on its way or in line, and wait for the workers."""
        with self._lock:
            self._closed = True
            for job in self._jobs.values():
                job.cancel.set()
            waiting, self._waiting = self._waiting, []
        for job in waiting:
            self._stop_waiting(job)
        self._pool.shutdown()
        self._models.shutdown()

    # -- the work -----------------------------------------------------------------------------------------------

    def _must_have_room(self, origin: str) -> None:
        """Under the lock in which the turn is submitted: however many come at once, and whenever this is closed."""
        if self._closed:
            raise NotNow("The server is being restarted; please wait a minute.")
        if len(self._waiting) >= MAX_WAITING:
            raise Refused("Too many people are asking at the moment; please try again in a minute.")
        if origin and sum(job.origin == origin for job in self._waiting) >= MAX_WAITING_FROM_ONE:
            raise Refused("Too many people of your network are asking at the moment; please try again in a minute.")

    def _submit(self, tester_id: str, battle: Battle, text: str, request: str | None, origin: str) -> None:
        turn = self.blind_test.start_turn(tester_id, battle.id, text, request)
        job = Job(tester_id, turn, _conversation(battle), origin=origin)
        self._jobs[tester_id] = job
        self._waiting.append(job)
        self._count()
        self._pool.submit(self._run_next)

    def _count(self) -> None:
        """After every change: the order of the queue, the places in it and the gauges, under the lock."""
        before = Counter(job.origin for job in self._jobs.values() if job.running)
        ranks: dict[int, int] = {}
        for job in sorted(self._waiting, key=lambda job: job.turn.id):
            ranks[job.turn.id] = before[job.origin]
            before[job.origin] += 1
        self._waiting.sort(key=lambda job: (ranks[job.turn.id], job.turn.id))
        for place, job in enumerate(self._waiting):
            job.place = place
        metrics.RUNNING.set(len(self._jobs) - len(self._waiting))
        metrics.WAITING.set(len(self._waiting))

    def _run_next(self) -> None:
        """Answer whoever is first in the queue when a worker is free; nobody, where one has left it."""
        with self._lock:
            self._count()
            if not self._waiting:
                return
            job = self._waiting.pop(0)
            job.running, job.place = True, 0
            self._count()
        started = time.monotonic()
        self._conclude(job, lambda: self._answer_or_fail(job, started))
        metrics.TURN.observe(time.monotonic() - started)

    def _conclude(self, job: Job, work: Callable[[], None]) -> None:
        """Do the last of a job's work and let go of it, whatever happens."""
        try:
            work()
        except (DatabaseError, Refused) as error:
            log.error("turn %d could not be stored: %s", job.turn.id, error)
        except Exception:
            log.exception("turn %d broke", job.turn.id)
        finally:
            with self._lock:
                self._jobs.pop(job.tester_id, None)
                self._count()
            job.done.set_result(None)

    def _answer_or_fail(self, job: Job, started: float) -> None:
        try:
            self._answer(job, started)
        except (EngineError, Refused) as error:  # an engine that is dead cannot even count the question's tokens
            self._fail(job, {"both": error})

    def _answer(self, job: Job, started: float) -> None:
        """Let both models answer; store both answers, or what went wrong.

        Where a model's server finds the conversation too long, both are asked again without its oldest part.
        """
        self._await_engines(job)
        messages = job.messages
        while True:
            answers, errors = self._ask_both(job, self._history(messages, job.turn.prompt), started)
            if not messages or not any(isinstance(error, TooLong) for error in errors.values()):
                break
            messages = messages[1:]
            job.cancel.clear()
            if job.stopped or self._closed:
                job.cancel.set()
        if errors:
            self._fail(job, errors)
        else:
            self._store(job, answers)

    def _ask_both(
        self, job: Job, history: dict[str, list[Message]], started: float
    ) -> tuple[dict[str, Answer], dict[str, Exception]]:
        """What each model answers to its conversation, and what went wrong, by model."""
        study = self.blind_test.study
        futures = {}
        for model, engine in self.engines.items():
            sampling = Sampling(study.max_new_tokens, study.temperature, study.top_p, secrets.randbits(31))
            futures[model] = self._models.submit(self._one, engine, history[model], sampling, job, started)
        late = wait(futures.values(), timeout=TURN_SECONDS).not_done
        if late:
            job.cancel.set()  # an engine that hangs says nothing; the relay ends all the same
        answers: dict[str, Answer] = {}
        errors: dict[str, Exception] = {}
        for model, future in futures.items():
            try:
                answers[model] = future.result()
            except Exception as error:
                errors[model] = error
            if future in late:
                errors[model] = EngineError(f"no end after {TURN_SECONDS:.0f} s")
        return answers, errors

    def _fail(self, job: Job, errors: Mapping[str, Exception]) -> None:
        """Write down what went wrong; set the round aside where another try would fail as well.

        The log says only that something did: a server's error may repeat the question.
        """
        for model, error in errors.items():
            message = str(error) or type(error).__name__
            log.error("turn %d: %s failed; the tab Live of /admin says why", job.turn.id, model)
            log.debug("turn %d: %s: %s", job.turn.id, model, message)
            self.blind_test.fail_turn(job.turn.id, model, message)
        if any(isinstance(error, Unanswerable) for error in errors.values()):
            lasting = any(isinstance(error, OutOfService) for error in errors.values())
            reason = OUT_OF_SERVICE if lasting else SET_ASIDE
            self.blind_test.abandon(job.tester_id, job.turn.battle_id, reason)
        metrics.FAILURES.inc()

    def _await_engines(self, job: Job) -> None:
        """Wait while an engine is being started again; whoever waits too long learns from the engine itself."""
        deadline = time.monotonic() + REVIVAL_SECONDS
        while time.monotonic() < deadline and not all(engine.health()["ok"] for engine in self.engines.values()):
            if job.cancel.wait(REVIVAL_POLL_SECONDS):
                return

    def _store(self, job: Job, answers: dict[str, Answer]) -> None:
        if job.stopped:  # a model that had ended by then is not to be told apart
            answers = {model: replace(answer, stopped="cancelled") for model, answer in answers.items()}
        turn = self.blind_test.finish_turn(job.turn.id, answers)
        if any(answer.tokens for answer in answers.values()):
            metrics.count_turn(list(answers.values()))  # both at once, and not before they are stored
        metrics.STOPPED.inc(int(job.stopped))
        log.info(
            "turn answered",
            extra={
                "turn": job.turn.id,
                "status": turn.status,
                "seconds": round(max(answer.seconds for answer in answers.values()), 3),
                "tokens": sum(answer.tokens for answer in answers.values()),
            },
        )
        if turn.status == "failed":
            metrics.FAILURES.inc()

    def _one(self, engine: Engine, messages: list[Message], sampling: Sampling, job: Job, started: float) -> Answer:
        """One model's answer, cleaned. An engine that fails ends the other side too."""
        parts: list[str] = []
        room, tokens, finish, first = longest_answer(sampling.max_new_tokens), 0, "", None
        pieces = engine.stream(messages, sampling, job.cancel)
        try:
            for piece in pieces:
                if piece.text and first is None:
                    first = time.monotonic() - started
                parts.append(piece.text[:room])
                room -= len(parts[-1])
                tokens += piece.tokens
                finish = piece.finish or finish
                if room <= 0 or tokens > OVER_LIMIT * sampling.max_new_tokens:
                    finish = "length"  # a server that knows no limit, or does not keep to it
                    break
        except Exception:
            job.cancel.set()
            raise
        finally:
            close_stream(pieces)
        seconds = time.monotonic() - started
        raw = "".join(parts)
        text = clean_answer(raw)
        if raw.strip() and not text and finish == "length":
            raise Unanswerable(
                f"wrote nothing but thoughts in {tokens} tokens; set max_new_tokens higher in the study file, or let it"
                " think less"
            )
        *earlier, question = (message.content for message in messages if message.role == "user")
        flag = leaks(text, question, " ".join(earlier))
        return Answer(text, tokens, seconds, first, finish or "cancelled", flag, raw)

    def _history(self, exchanges: list[tuple[str, dict[str, str]]], text: str) -> dict[str, list[Message]]:
        """What each model is asked: the same exchanges for both, the oldest left out until both have room.

        Raises Refused when the question alone is too long for one of them.
        """
        limit = self.blind_test.study.max_new_tokens
        for start in range(len(exchanges) + 1):
            asked = {model: _messages(exchanges[start:], model, text) for model in self.engines}
            if all(engine.fits(asked[model], limit) for model, engine in self.engines.items()):
                return asked
        message = many(
            "The question has {n:,} character, more than the models can read; please shorten it.",
            "The question has {n:,} characters, more than the models can read; please shorten it.",
            n=len(text),
        )
        raise Refused(message)


def longest_answer(max_new_tokens: int) -> int:
    """Characters after which an answer is cut while it is still being written; a token rarely has more than ten."""
    return min(MAX_ANSWER_CHARS, 200 + CHARS_PER_TOKEN * max_new_tokens)


def close_stream(pieces: Iterator[Piece]) -> None:
    """End an engine's stream now, where it is a generator, rather than when it is forgotten."""
    if isinstance(pieces, Generator):
        pieces.close()


def _conversation(battle: Battle) -> list[tuple[str, dict[str, str]]]:
    return [
        (turn.prompt, {model: answer.text for model, answer in turn.answers.items()}) for turn in battle.complete_turns
    ]


def _messages(exchanges: list[tuple[str, dict[str, str]]], model: str, text: str) -> list[Message]:
    said = [m for q, answers in exchanges for m in (Message("user", q), Message("assistant", answers[model]))]
    return [*said, Message("user", text)]
