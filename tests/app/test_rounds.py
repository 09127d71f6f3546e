"""Rounds over real engines: what both models are asked, how both answers grow, and what is stored."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app import metrics
from app.limits import Limits
from app.rounds import Rounds, longest_answer
from app.runtime import Runtime
from app.testers import TestersPage
from feedback.blind_test import BlindTest, Refused
from feedback.database import Database
from feedback.study import Study
from tests.app.chat_server import ANSWER, MODEL, ChatServer
from tests.app.serving import wait_until, write_study
from training.inference.engines import Engine, Piece
from training.inference.engines.openai_server import OpenAIServer


@pytest.fixture
def rounds(tmp_path: Path, chat_server: ChatServer) -> Iterator[Rounds]:
    database = Database(tmp_path / "votes.db")
    study = Study.load(write_study(tmp_path))
    engines: dict[str, Engine] = {model: OpenAIServer(chat_server.base_url, MODEL) for model in ("model1", "model2")}
    for engine in engines.values():
        engine.start()
    rounds = Rounds(
        BlindTest(database, study, {model: engine.describe() for model, engine in engines.items()}), engines, 2
    )
    yield rounds
    rounds.close()
    database.close()


def enrol(rounds: Rounds) -> str:
    return rounds.blind_test.enrol("1").id


def wait(rounds: Rounds, tester: str) -> None:
    if job := rounds.job(tester):
        job.done.result(15)


def test_a_question_of_the_bank_is_recognised_by_its_text(rounds: Rounds) -> None:
    tester = enrol(rounds)
    battle = rounds.begin(tester, "  What is Impressionism? ")
    assert battle.prompt_id == "p1"
    wait(rounds, tester)
    [turn] = rounds.blind_test.battle(tester, battle.id).turns
    assert turn.status == "complete"
    assert {answer.text for answer in turn.answers.values()} == {ANSWER}
    assert all(answer.tokens == len(ANSWER.split()) and answer.stopped == "stop" for answer in turn.answers.values())


def test_a_question_is_held_against_a_bank_that_was_cleaned_once(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A study of a thousand questions was cleaned for each question of anybody, refused ones included."""
    cleaned: list[str] = []

    def clean(text: str) -> str:
        cleaned.append(text)
        return text

    monkeypatch.setattr("app.rounds.clean_prompt", clean)
    tester = enrol(rounds)
    rounds.begin(tester, "Who painted Guernica?")
    wait(rounds, tester)
    assert cleaned == ["Who painted Guernica?"]


def test_each_model_is_asked_with_its_own_answers(rounds: Rounds, chat_server: ChatServer) -> None:
    tester = enrol(rounds)
    battle = rounds.begin(tester, "[name] Hello")
    wait(rounds, tester)
    rounds.follow_up(tester, rounds.blind_test.battle(tester, battle.id), "And then?")
    wait(rounds, tester)
    for request in chat_server.requests[-2:]:
        roles = [message["role"] for message in request["messages"]]
        assert roles == ["user", "assistant", "user"]
        assert request["messages"][1]["content"].startswith("Hello, I am SmolLM")
    assert rounds.blind_test.battle(tester, battle.id).turns[0].answers["model1"].leak_flag


def test_the_oldest_exchange_is_left_out_for_both_when_the_room_ends(rounds: Rounds) -> None:
    exchanges = [("x" * 2900, {"model1": "a", "model2": "b"}), ("short", {"model1": "c", "model2": "d"})]
    asked = rounds._history(exchanges, "now")
    assert [len(messages) for messages in asked.values()] == [3, 3]
    assert asked["model1"][1].content == "c"
    assert asked["model2"][1].content == "d"


def test_a_question_that_no_model_can_read_is_refused_before_it_is_stored(rounds: Rounds) -> None:
    tester = enrol(rounds)
    with pytest.raises(Refused, match="20,000 characters"):
        rounds.begin(tester, "x" * 20_000)
    assert rounds.blind_test.last_battle(tester) is None


@pytest.mark.parametrize(("question", "status"), [("[die]", "failed"), ("[empty]", "failed")])
def test_failures_are_stored_and_can_be_retried(rounds: Rounds, question: str, status: str) -> None:
    tester = enrol(rounds)
    battle = rounds.begin(tester, question)
    wait(rounds, tester)
    battle = rounds.blind_test.battle(tester, battle.id)
    assert battle.turns[-1].status == status
    assert not battle.votable
    rounds.retry(tester, battle)
    wait(rounds, tester)
    assert [turn.attempt for turn in rounds.blind_test.battle(tester, battle.id).turns] == [1, 2]


def test_stop_ends_who_runs_and_who_waits(rounds: Rounds) -> None:
    running, also_running, waiting, last = [enrol(rounds) for _ in range(4)]
    for tester in (running, also_running, waiting, last):
        rounds.begin(tester, "[hold] story")
    job = rounds.job(last)
    assert job is not None
    wait_until(lambda: job.place == 1)  # two workers, and one turn in front of this one
    for tester in (waiting, running):
        started = time.monotonic()
        assert rounds.stop(tester)
        wait(rounds, tester)
        assert time.monotonic() - started < 5
        battle = rounds.blind_test.last_battle(tester)
        assert battle is not None
        assert battle.turns[-1].status == "cancelled"
        assert {answer.stopped for answer in battle.turns[-1].answers.values()} == {"cancelled"}
    wait_until(lambda: job.running)
    for tester in (also_running, last):
        rounds.stop(tester)
    assert not rounds.stop(running), "there is nothing left to stop"


def test_another_study_settles_who_runs_and_who_waits(rounds: Rounds) -> None:
    testers = [enrol(rounds) for _ in range(4)]
    for tester in testers:
        rounds.begin(tester, "[hold] story")
    jobs = [job for tester in testers if (job := rounds.job(tester)) is not None]
    wait_until(lambda: sum(job.running for job in jobs) == 2)
    rounds.close()
    assert all(job.done.done() for job in jobs), "no page waits for news that cannot come"
    turns = "SELECT DISTINCT status FROM turns"
    assert rounds.blind_test.database.connection.execute(turns).fetchall()[0][0] == "cancelled"
    with pytest.raises(Refused, match="restarted"):
        rounds.begin(testers[0], "Who painted Guernica?")


def test_who_waits_is_served_in_turn_and_told_the_place(rounds: Rounds, chat_server: ChatServer) -> None:
    first, *waiting = [enrol(rounds) for _ in range(5)]
    for tester in (first, *waiting):
        rounds.begin(tester, "[hold] story")
    jobs = [job for tester in waiting if (job := rounds.job(tester)) is not None]
    wait_until(lambda: [job.place for job in jobs] == [0, 0, 1, 2])  # two workers: one has the first of these
    rounds.stop(waiting[1])  # who leaves the queue moves the others up
    wait_until(lambda: [job.place for job in jobs[2:]] == [0, 1])
    chat_server.gate.set()
    for tester in (first, *waiting):
        wait(rounds, tester)
    battles = [rounds.blind_test.last_battle(tester) for tester in (first, waiting[0], *waiting[2:])]
    assert {battle.turns[-1].status for battle in battles if battle} == {"complete"}


def test_the_queue_is_fair_over_addresses(rounds: Rounds, chat_server: ChatServer) -> None:
    """Ten testers of one address wait; who comes later from another is before the second of them."""
    crowd = [enrol(rounds) for _ in range(10)]
    for tester in crowd:
        rounds.begin(tester, "[hold] story", origin="203.0.113.7")
    alone = enrol(rounds)
    rounds.begin(alone, "[hold] story", origin="198.51.100.1")
    job = rounds.job(alone)
    assert job is not None
    wait_until(lambda: sum(bool((other := rounds.job(tester)) and other.running) for tester in crowd) == 2)
    assert job.place == 0, "two of the others are being answered, and nobody is before this one"
    places = [other.place for tester in crowd if (other := rounds.job(tester)) and not other.running]
    assert sorted(places) == list(range(1, 9))
    chat_server.gate.set()
    for tester in (*crowd, alone):
        wait(rounds, tester)


def test_one_address_cannot_fill_the_queue(rounds: Rounds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.rounds.MAX_WAITING_FROM_ONE", 3)
    crowd = [enrol(rounds) for _ in range(6)]
    for place, tester in enumerate(crowd[:5]):
        rounds.begin(tester, "[hold] story", origin="203.0.113.7")
        if place < 2:
            wait_until(lambda one=tester: bool((job := rounds.job(one)) and job.running))
    with pytest.raises(Refused, match="of your network"):
        rounds.begin(crowd[5], "[hold] story", origin="203.0.113.7")
    assert rounds.blind_test.last_battle(crowd[5]) is None
    rounds.begin(crowd[5], "[hold] story", origin="198.51.100.1")
    for tester in crowd:
        rounds.stop(tester)


def test_a_vote_stays_in_the_browser_when_the_database_cannot_be_read(rounds: Rounds, tmp_path: Path) -> None:
    runtime = Runtime(rounds.blind_test.study, rounds.blind_test.database, {})
    runtime.rounds = rounds
    page = TestersPage(runtime)
    tester = enrol(rounds)
    battle = rounds.begin(tester, "What is Impressionism?")
    wait(rounds, tester)
    vote, _ = page._replayed["vote left"]
    given = (tester, str(battle.id), [], "", json.dumps({"key": "one-click", "seen": {"left": 1, "right": 1}}))
    database = sqlite3.connect(tmp_path / "votes.db", isolation_level=None)
    with closing(database):
        database.execute("ALTER TABLE requests RENAME TO elsewhere")
        answer = vote(*given)
        assert "kept on this page" in answer[page.status]
        assert page.receipt not in answer, "so the page tries again"
        database.execute("ALTER TABLE elsewhere RENAME TO requests")
    wait_until(lambda: "one-click" in str(vote(*given).get(page.receipt)))  # once both can have been looked at
    saved = rounds.blind_test.battle(tester, battle.id).vote
    assert saved is not None
    assert saved.choice == "left"


def test_each_click_that_a_browser_has_kept_is_an_event_of_its_address(
    rounds: Rounds, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten came with each request and counted as one, so an address could ask for ten times the work."""
    monkeypatch.setattr("app.limits.ADDRESS_EVENTS", 4)
    runtime = Runtime(rounds.blind_test.study, rounds.blind_test.database, {}, limits=Limits(clock=lambda: 0.0))
    runtime.rounds = rounds
    page, tester = TestersPage(runtime), enrol(rounds)
    request: Any = SimpleNamespace(client=SimpleNamespace(host="203.0.113.7"))
    keys = [f"undo-{number:04}" for number in range(10)]
    kept = [{"do": "undo", "key": key, "values": {"key": "1"}, "facts": {"key": key}} for key in keys]
    updates, done, _ = page._catch_up(tester, kept, request)
    assert done == keys[:4]
    assert "from your network" in updates[page.status]
    assert page._catch_up("x" * 32, kept, request)[1] == keys, "a stranger's cost nothing"


def test_the_metrics_move_once_for_both_answers_after_they_are_stored(rounds: Rounds) -> None:
    def answers() -> float:
        return metrics.REGISTRY.get_sample_value("diptych_answers_total") or 0

    before, seen = answers(), set()
    tester = enrol(rounds)
    rounds.engines["model2"] = Slow(rounds.engines["model2"])
    battle = rounds.begin(tester, "What is Impressionism?")
    job = rounds.job(tester)
    assert job is not None
    while not job.done.done():
        stored = rounds.blind_test.battle(tester, battle.id).votable
        moved = answers() - before
        assert moved in (0, 2)
        assert not moved or stored or rounds.blind_test.battle(tester, battle.id).votable
        seen.add(moved)
        time.sleep(0.005)
    assert answers() - before == 2
    assert 0 in seen, "it was looked at while one had ended and the other not"


class Slow:
    """An engine that begins a second later."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def stream(self, *arguments: Any) -> Iterator[Any]:
        time.sleep(1)
        yield from self._engine.stream(*arguments)


class Endless:
    """An engine that never ends, and whose pieces are as large as it is told."""

    slots = 2

    def __init__(self, piece: str) -> None:
        self.piece = piece
        self.sent = 0
        self.closed = False

    def fits(self, *_: Any) -> bool:
        return True

    def health(self) -> dict[str, object]:
        return {"ok": True}

    def stream(self, *_: Any) -> Iterator[Any]:
        try:
            while True:
                self.sent += 1
                yield Piece(self.piece, 1)
        finally:
            self.closed = True


@pytest.mark.parametrize(("piece", "most"), [("x" * 50_000_000, 1), ("word ", 2 * 48 + 1)])
def test_an_answer_ends_at_a_limit_while_it_streams(rounds: Rounds, piece: str, most: int) -> None:
    endless: Any = Endless(piece)
    rounds.engines["model2"] = endless
    tester = enrol(rounds)
    battle = rounds.begin(tester, "Tell me everything.")
    wait(rounds, tester)
    [turn] = rounds.blind_test.battle(tester, battle.id).turns
    assert turn.status == "complete"
    assert turn.answers["model2"].stopped == "length"
    assert len(turn.answers["model2"].text) <= longest_answer(48)
    assert endless.sent <= most
    assert endless.closed


def test_both_models_write_at_once_and_who_waits_reads_the_place(rounds: Rounds, chat_server: ChatServer) -> None:
    testers = [enrol(rounds) for _ in range(4)]
    runtime = Runtime(rounds.blind_test.study, rounds.blind_test.database, {})
    runtime.rounds = rounds
    page = TestersPage(runtime)
    rounds.begin(testers[0], "[hold] story")
    wait_until(lambda: chat_server.streaming == 2)
    for tester in testers[1:]:
        rounds.begin(tester, "[hold] story")
    job = rounds.job(testers[3])
    assert job is not None
    wait_until(lambda: job.place == 1)  # two workers, and one turn in front of this one
    with ThreadPoolExecutor(1) as pool:  # a browser of other tests may have left its event loop in this thread

        def said() -> Any:
            return pool.submit(asyncio.run, page._tick(testers[3], "")).result()[page.status]

        assert said() == "<p>Waiting: 1 before you.</p>"
        rounds.stop(testers[2])
        assert said() == "<p>Both answers are being written.</p>"
    chat_server.gate.set()
    for tester in testers:
        wait(rounds, tester)


def test_a_full_queue_refuses_before_anything_is_stored(rounds: Rounds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.rounds.MAX_WAITING", 0)
    tester = enrol(rounds)
    with pytest.raises(Refused, match="Too many people"):
        rounds.begin(tester, "Hello?")
    assert rounds.blind_test.last_battle(tester) is None


def test_an_engine_that_hangs_fails_the_turn(
    rounds: Rounds, chat_server: ChatServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.rounds.TURN_SECONDS", 0.5)
    tester = enrol(rounds)
    battle = rounds.begin(tester, "[hold] for ever")
    wait(rounds, tester)
    assert rounds.blind_test.battle(tester, battle.id).turns[-1].status == "failed"
    wait_until(lambda: chat_server.streaming == 0)


def test_a_turn_that_lost_its_worker_is_given_up(rounds: Rounds) -> None:
    tester = enrol(rounds)
    battle = rounds.blind_test.start_battle(tester, None, "Hello?")
    rounds.blind_test.start_turn(tester, battle.id, "Hello?")
    battle = rounds.heal(tester, rounds.blind_test.battle(tester, battle.id))
    assert battle.turns[-1].status == "failed"
