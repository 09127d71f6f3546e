"""Engines that really die: what is told meanwhile, and that they come back."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from app import markup
from app.rounds import Rounds
from app.supervised import Supervised
from app.testers import _reason
from feedback.blind_test import BlindTest
from feedback.database import Database
from feedback.study import Study
from tests.any_server import any_server, refusal
from tests.app.chat_server import MODEL, ChatServer
from tests.app.serving import wait_until, write_study
from training.inference.engines import EngineError, Message, OutOfService, Sampling
from training.inference.engines.llama_cpp import LlamaCpp
from training.inference.engines.openai_server import OpenAIServer

QUESTION = [Message("user", "What is Impressionism?")]


def ask(engine: Supervised) -> str:
    return "".join(piece.text for piece in engine.stream(QUESTION, Sampling(4, 0.0, 1.0, 1), threading.Event()))


def test_llama_cpp_is_started_again_with_the_same_weights_alone(
    gguf: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(shutil.copy(gguf, tmp_path))
    inner = LlamaCpp(path)
    engine = Supervised(inner, "model1")
    engine.start()
    before = ask(engine)
    assert before
    inner._server = None  # the server object goes, with its threads and its port
    with pytest.raises(EngineError):
        engine.fits(QUESTION, 4)
    wait_until(lambda: engine.health() == {"ok": True, "context": inner._context, "restarts": 1}, 30)
    assert ask(engine) == before
    described = engine.describe()
    trained_again = tmp_path / "new"
    trained_again.write_bytes(path.read_bytes() + b"\0")
    trained_again.replace(path)
    assert engine.describe() == described, "these weights answer still"
    inner._server = None
    with pytest.raises(EngineError):
        engine.fits(QUESTION, 4)
    wait_until(lambda: "other weights than the study was begun with" in caplog.text, 30)
    assert engine.health() == {"ok": False, "restarts": 1}
    engine.close()
    assert not engine.health()["ok"]


def test_a_killed_server_fails_the_turn_and_its_return_lets_the_round_go_on(tmp_path: Path) -> None:
    server = ChatServer()
    engines = {model: Supervised(OpenAIServer(server.base_url, MODEL), model) for model in ("model1", "model2")}
    for engine in engines.values():
        engine.start()
    database = Database(tmp_path / "votes.db")
    blind_test = BlindTest(
        database, Study.load(write_study(tmp_path)), {model: engine.describe() for model, engine in engines.items()}
    )
    rounds = Rounds(blind_test, engines)
    tester = blind_test.enrol("1").id
    battle = rounds.begin(tester, "[die] in the middle")
    server.close()
    if job := rounds.job(tester):
        job.done.result(20)
    battle = blind_test.battle(tester, battle.id)
    assert battle.turns[-1].status == "failed"
    assert not battle.votable
    wait_until(lambda: not any(engine.health()["ok"] for engine in engines.values()), 20)
    with pytest.raises(EngineError, match="is being started again"):
        engines["model1"].fits(QUESTION, 4)
    rounds.retry(tester, battle)  # accepted, and waits for the engines
    again = ChatServer(server.server_address[1])
    job = rounds.job(tester)
    assert job is not None
    job.done.result(30)
    assert [turn.attempt for turn in blind_test.battle(tester, battle.id).turns] == [1, 2]
    assert all(engine.restarts == 1 for engine in engines.values())
    rounds.close()
    database.close()
    again.close()


def test_a_key_that_is_not_taken_any_more_is_no_reason_to_try_again() -> None:
    """The engine was "being started again" for as long as that lasted, and each tester asked to try again."""
    with any_server() as server:
        engine = Supervised(OpenAIServer(f"{server.url}/v1", "m"), "model1")
        engine.start()
        models, chat = server.models, server.chat
        server.models = refusal(401, "expired")
        server.chat = lambda body: refusal(401, "expired")
        with pytest.raises(OutOfService, match="OPENAI_API_KEY"):
            ask(engine)
        wait_until(lambda: not engine.health()["ok"], 20)
        with pytest.raises(OutOfService, match=r"until it is mended.*OPENAI_API_KEY") as refused:
            ask(engine)
        assert _reason(refused.value) == markup.MENDED_FIRST
        server.models, server.chat = models, chat
        wait_until(lambda: bool(engine.health()["ok"]), 60)
        assert ask(engine) == "ok"
        engine.close()


def test_a_model_that_was_removed_is_not_called_healthy() -> None:
    """Its server lists others still, or it, and every turn failed."""
    with any_server() as server:
        engine = OpenAIServer(f"{server.url}/v1", "m")
        engine.start()
        chat, server.chat = server.chat, lambda body: refusal(404, "The model `m` does not exist")
        with pytest.raises(OutOfService):
            "".join(piece.text for piece in engine.stream(QUESTION, Sampling(4, 0.0, 1.0, 1), threading.Event()))
        assert not engine.health()["ok"]
        server.chat = chat
        engine._checked = (0.0, False)  # a few seconds later
        assert engine.health()["ok"]
        engine.close()


def test_a_server_that_fails_at_every_question_is_not_called_healthy() -> None:
    """Its list of models was there all the time; one that fails at one question stays healthy."""
    with any_server() as server:
        engine = Supervised(OpenAIServer(f"{server.url}/v1", "m"), "model1")
        engine.start()
        chat, fails = server.chat, refusal(500, "CUDA error: out of memory")
        server.chat = lambda body: fails if body["max_tokens"] > 3 else chat(body)
        with pytest.raises(EngineError, match="out of memory"):
            ask(engine)
        assert engine.health()["ok"]
        server.chat = lambda body: fails
        with pytest.raises(EngineError, match="out of memory"):
            ask(engine)
        assert not engine.health()["ok"]
        server.chat = chat
        wait_until(lambda: bool(engine.health()["ok"]), 60)
        assert ask(engine) == "ok"
        engine.close()
