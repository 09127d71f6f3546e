"""Rows as services and their logs keep them: a request beside its response."""

from __future__ import annotations

import json
from typing import Any

import pytest

from training.corpus.forms import messages_of

ASKED = {"role": "user", "content": "Who painted Guernica?"}
SAID = {"role": "assistant", "content": "Picasso."}
ITEMS = [
    {"type": "reasoning", "summary": []},
    {"type": "web_search_call", "status": "completed"},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Picasso."}]},
]


def constructed(name: str, text: str) -> dict[str, Any]:
    return {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", name],
        "kwargs": {"content": text},
    }


LOGS: dict[str, dict[str, Any]] = {
    "OpenAI's Responses": {"input": [ASKED], "output": ITEMS},
    "the same of a text": {"request": {"input": ASKED["content"]}, "response": {"output": ITEMS}},
    "OpenAI's completions": {"request": {"messages": [ASKED]}, "response": {"choices": [{"message": SAID}]}},
    "a batch": {"body": {"messages": [ASKED]}, "response": {"body": {"choices": [{"message": SAID}]}}},
    "Anthropic": {
        "request": {"messages": [ASKED]},
        "response": {"content": [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Picasso."}]},
    },
    "Gemini": {
        "request": {"contents": [{"role": "user", "parts": [{"text": ASKED["content"]}]}]},
        "response": {"candidates": [{"content": {"role": "model", "parts": [{"text": "Picasso."}]}}]},
    },
    "Gemini's tuning": {"text_input": ASKED["content"], "output": "Picasso."},
    "Vertex's tuning": {"input_text": ASKED["content"], "output_text": "Picasso."},
    "Langfuse": {"input": {"messages": [ASKED]}, "output": SAID},
    "Langfuse's table": {"input": json.dumps({"messages": [ASKED]}), "output": json.dumps(SAID)},
    "Langfuse, a text": {"input": {"messages": [ASKED]}, "output": "Picasso."},
    "LangSmith": {"inputs": {"messages": [ASKED]}, "outputs": {"messages": [SAID]}},
    "LangSmith's pairs": {"inputs": {"question": ASKED["content"]}, "outputs": {"answer": "Picasso."}},
    "LangChain": {
        "messages": [constructed("HumanMessage", ASKED["content"]), constructed("AIMessageChunk", "Picasso.")]
    },
    "Ollama": {"model": "tiny", "messages": [ASKED], "message": SAID, "done": True},
    "OpenRouter": {"messages": [ASKED], "choices": [{"message": SAID}]},
    "a column of its own": {"messages": [ASKED], "response": "Picasso."},
    "Axolotl's preferences": {"messages": [ASKED], "chosen": SAID, "rejected": {"role": "assistant", "content": "Me."}},
    "a list of its own": {"messages": [ASKED], "completion": [SAID]},
    "LMArena's battle": {
        "prompt": json.dumps([ASKED["content"]]),
        "response_a": '["Monet."]',
        "response_b": '["Picasso."]',
        **{"winner_model_a": 0, "winner_model_b": 1, "winner_tie": 0},
    },
    "Cohere": {"chat_history": [], "message": ASKED["content"], "text": "Picasso."},
}


@pytest.mark.parametrize("log", LOGS)
def test_a_request_and_its_response_are_a_chat(log: str) -> None:
    said = [(message.role, message.content) for message in messages_of(LOGS[log])]
    assert said == [("user", "Who painted Guernica?"), ("assistant", "Picasso.")]


def test_what_was_said_before_is_kept() -> None:
    """Cohere's answer was learned as prose, without its question."""
    before = [{"role": "USER", "message": "Hello."}, {"role": "CHATBOT", "message": "Good day."}]
    said = messages_of(LOGS["Cohere"] | {"chat_history": before})
    assert [message.role for message in said] == ["user", "assistant"] * 2
    above = LOGS["Anthropic"] | {"request": {"system": "Be kind.", "messages": [ASKED]}}
    assert messages_of(above)[0].content == "Be kind.\n\nWho painted Guernica?"
