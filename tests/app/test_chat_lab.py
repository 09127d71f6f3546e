"""The chat lab's answers as they grow."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from app import chat_lab
from app.chat_lab import POLL_SECONDS, Reply
from app.cleaning import clean_answer
from tests.app.chat_server import MODEL, ChatServer
from training.inference.engines import Message, Sampling
from training.inference.engines.openai_server import OpenAIServer


def test_an_answer_of_many_pieces_is_cleaned_for_a_look_and_not_for_each(
    monkeypatch: pytest.MonkeyPatch, chat_server: ChatServer
) -> None:
    cleaned: list[str] = []

    def cleaning(text: str) -> str:
        cleaned.append(text)
        return clean_answer(text)

    monkeypatch.setattr(chat_lab, "clean_answer", cleaning)
    runtime: Any = SimpleNamespace(engines={"model1": OpenAIServer(chat_server.base_url, MODEL)})
    begun = time.monotonic()
    reply = Reply(runtime, "model1", [Message("user", "[many]")], Sampling(1000, 0.5, 0.9, 1))
    while not reply.ended:
        time.sleep(0.01)
    assert reply.text == ("word " * 1000).strip()
    assert 2 < len(cleaned) <= 2 + (time.monotonic() - begun) / POLL_SECONDS
    assert len(cleaned) < 500
