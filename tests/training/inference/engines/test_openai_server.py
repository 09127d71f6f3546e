"""An OpenAI-compatible server, over real HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from tests.app.chat_server import ANSWER, MODEL, ChatServer
from tests.app.serving import wait_until
from training.inference.engines import EngineError, Message, Piece, Sampling
from training.inference.engines.openai_server import OpenAIServer

SAMPLING = Sampling(48, 0.5, 0.8, 7)


@pytest.fixture
def engine(chat_server: ChatServer) -> Iterator[OpenAIServer]:
    engine = OpenAIServer(chat_server.base_url, MODEL)
    engine.start()
    yield engine
    engine.close()


def ask(engine: OpenAIServer, text: str, cancel: threading.Event | None = None) -> list[Piece]:
    return list(engine.stream([Message("user", text)], SAMPLING, cancel or threading.Event()))


def test_an_answer_is_streamed_with_our_settings(engine: OpenAIServer, chat_server: ChatServer) -> None:
    pieces = ask(engine, "What is Impressionism?")
    assert "".join(piece.text for piece in pieces) == ANSWER
    assert sum(piece.tokens for piece in pieces) == len(ANSWER.split())
    assert pieces[-1].finish == "stop"
    sent = chat_server.requests[-1]
    assert (sent["max_tokens"], sent["temperature"], sent["top_p"], sent["seed"]) == (48, 0.5, 0.8, 7)


def test_the_cap_is_told(engine: OpenAIServer) -> None:
    question = [Message("user", "What is Impressionism?")]
    pieces = list(engine.stream(question, Sampling(5, 0.5, 0.8, 7), threading.Event()))
    assert sum(piece.tokens for piece in pieces) == 5
    assert pieces[-1].finish == "length"


def test_a_busy_server_is_asked_again(engine: OpenAIServer, chat_server: ChatServer) -> None:
    chat_server.busy = 1
    assert ask(engine, "[busy] again")[-1].finish == "stop"
    chat_server.busy = 99
    with pytest.raises(EngineError, match="HTTP 503, 3 times"):
        ask(engine, "[busy] and again")
    chat_server.busy = 0


def test_an_answer_that_breaks_off_is_an_error_and_not_repeated(engine: OpenAIServer, chat_server: ChatServer) -> None:
    before = len(chat_server.requests)
    with pytest.raises(EngineError, match="broke off"):
        ask(engine, "[die] now")
    assert len(chat_server.requests) == before + 1


def test_a_cancel_ends_the_stream_here_and_there(engine: OpenAIServer, chat_server: ChatServer) -> None:
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    started = time.monotonic()
    pieces = ask(engine, "[hold] story", cancel)
    assert time.monotonic() - started < 5
    assert pieces
    assert not pieces[-1].finish
    wait_until(lambda: chat_server.streaming == 0)


def test_the_server_tells_its_context(engine: OpenAIServer) -> None:
    assert engine.fits([Message("user", "short")], 100)
    assert not engine.fits([Message("user", "x" * 3000)], 100)


def test_what_cannot_be_reached_or_is_not_served(chat_server: ChatServer) -> None:
    with pytest.raises(EngineError, match="start it first"):
        OpenAIServer("http://127.0.0.1:9/v1", "x").start()
    with pytest.raises(EngineError, match=f"no such model; it has: {MODEL}"):
        OpenAIServer(chat_server.base_url, "other").start()
    server = ChatServer()
    engine = OpenAIServer(server.base_url, MODEL)
    engine.start()
    assert engine.health()["ok"] is True
    server.close()
    engine._checked = (0.0, True)
    assert engine.health()["ok"] is False
