"""Answers that say of themselves that they broke off, failed or are wrong, and parts by other programs' names."""

from __future__ import annotations

from typing import Any

import pytest

from training.corpus import turns
from training.corpus.forms import messages_of, with_plain_names
from training.corpus.json_rows import rows_of
from training.corpus.turns import Unreadable


def chat(row: dict[str, Any]) -> list[str]:
    """What the turns of a row of JSON say."""
    (inner,) = rows_of(row) or []
    if isinstance(inner, Unreadable):
        raise inner
    return [message.content for message in messages_of(with_plain_names(inner))]


def read(row: dict[str, Any]) -> dict[str, int]:
    """Why nothing of a row is learned; nothing where it is."""
    try:
        chat(row)
    except Unreadable as reason:
        return {str(reason): 1}
    return {}


# -- answers that say of themselves that they are none -----------------------------------------------------------------

ASKED = [{"role": "user", "content": "Who painted it?"}]
SAID = {"role": "assistant", "content": "Goya pain"}
TOLD = {"role": "model", "parts": [{"text": "Goya pain"}]}
LIBRECHAT = {"messageId": "b", "parentMessageId": "a", "isCreatedByUser": False, "sender": "M", "text": "Goya pain"}
ASKED_THERE = {"messageId": "a", "parentMessageId": "0", "isCreatedByUser": True, "sender": "User", "text": "Who?"}


def opened(**more: Any) -> dict[str, Any]:
    """A chat of Open WebUI."""
    said = {"a": {**ASKED[0], "parentId": None}, "b": {**SAID, "parentId": "a", **more}}
    return {"chat": {"history": {"currentId": "b", "messages": said}}}


def of_chatgpt(**more: Any) -> dict[str, Any]:
    said = {"author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["Goy"]}, **more}
    asked = {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["Who?"]}}
    nodes = {"a": {"parent": None, "message": asked}, "b": {"parent": "a", "message": said}}
    return {"mapping": nodes, "current_node": "b"}


HALF = {
    "OpenAI": {"request": {"messages": ASKED}, "response": {"choices": [{"finish_reason": "length", "message": SAID}]}},
    "filtered": {"messages": ASKED, "choices": [{"finish_reason": "content_filter", "message": SAID}]},
    "Anthropic": {"params": {"messages": ASKED}, "result": {"message": {**SAID, "stop_reason": "max_tokens"}}},
    "Ollama": {"request": {"messages": ASKED}, "response": {"message": SAID, "done": True, "done_reason": "length"}},
    "Gemini": {
        "request": {"contents": [{"role": "user", "parts": [{"text": "Who?"}]}]},
        "response": {"candidates": [{"content": TOLD, "finishReason": "MAX_TOKENS"}]},
    },
    "Responses": {"input": ASKED, "output": [{"type": "message", **SAID, "status": "incomplete"}]},
    "LibreChat": {"messages": [ASKED_THERE, {**LIBRECHAT, "unfinished": True}]},
    "LibreChat, failed": {"messages": [ASKED_THERE, {**LIBRECHAT, "error": True}]},
    "Open WebUI": opened(done=False),
    "Open WebUI, failed": opened(error={"content": "overloaded"}),
    "ChatGPT": of_chatgpt(status="in_progress"),
    "ChatGPT, stopped": of_chatgpt(metadata={"finish_details": {"type": "interrupted"}}),
    "a table": {"prompt": "Who?", "response": "Goya pain", "finish_reason": "length"},
    "the Hub's viewer": {"rows": [{"row": {"question": "Who?", "answer": "Goya pain"}, "truncated_cells": ["answer"]}]},
}


@pytest.mark.parametrize("program", HALF)
def test_half_an_answer_is_not_learned(program: str) -> None:
    assert read(HALF[program]) == {turns.BROKE_OFF: 1}


WHOLE = {
    "OpenAI": {"request": {"messages": ASKED}, "response": {"choices": [{"finish_reason": "stop", "message": SAID}]}},
    "Anthropic": {"params": {"messages": ASKED}, "result": {"message": {**SAID, "stop_reason": "end_turn"}}},
    "Open WebUI": opened(done=True, error=None),
    "ChatGPT": of_chatgpt(status="finished_successfully", metadata={"finish_details": {"type": "stop"}}),
    "LibreChat": {"messages": [ASKED_THERE, {**LIBRECHAT, "unfinished": False, "error": False}]},
    "rated": opened(annotation={"rating": 1}),
    "a table": {"prompt": "Who?", "response": "Goya.", "finish_reason": "stop", "rating": 4, "is_correct": True},
    "what is told": {"question": "Is it down?", "answer": "It is.", "label": "negative"},
}


@pytest.mark.parametrize("program", WHOLE)
def test_a_whole_answer_is(program: str) -> None:
    assert read(WHOLE[program]) == {}


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [ASKED_THERE, {**LIBRECHAT, "feedback": {"rating": "thumbsDown"}}]},
        {"question": "Who?", "answer": "Monet.", "feedback": "thumbs_down"},
        {"question": "Who?", "answer": "Monet.", "is_correct": False},
        {"messages": [*ASKED, {**SAID, "rating": -1}]},
        opened(annotation={"rating": "-1"}),
    ],
)
def test_an_answer_that_somebody_called_wrong_is_not_learned(row: dict[str, Any]) -> None:
    assert read(row) == {turns.RATED_BAD: 1}


def test_an_answer_that_is_to_be_learned_in_part_is_not() -> None:
    pieces = [{"begin_offset": 0, "end_offset": 3, "train": False}]
    assert read({"messages": [*ASKED, {**SAID, "train_detail": pieces}]}) == {turns.NOT_LEARNED: 1}


# -- parts by the names of Google and Amazon, LM Studio's steps --------------------------------------------------------


def of_parts(*parts: dict[str, Any], asked: tuple[dict[str, Any], ...] = ({"text": "Who?"},)) -> dict[str, Any]:
    return {"contents": [{"role": "user", "parts": list(asked)}, {"role": "model", "parts": list(parts)}]}


@pytest.mark.parametrize("media", ["inlineData", "fileData", "inline_data", "document", "image"])
def test_a_question_about_a_picture_is_not_learned_without_it(media: str) -> None:
    """Parts have names in the place of types there: a picture was passed over without a word."""
    assert read(of_parts({"text": "Goya."}, asked=({media: {"fileUri": "gs://a"}}, {"text": "Who?"}))) == {
        turns.MEDIA: 1
    }


def test_thoughts_and_calls_in_parts_are_left_out_and_what_a_tool_said_is_not() -> None:
    row = of_parts({"functionCall": {"name": "f", "args": {}}})
    row["contents"] += [
        {"role": "user", "parts": [{"functionResponse": {"name": "f", "response": {"result": "By Goya"}}}]},
        {"role": "model", "parts": [{"text": "Let me see.", "thought": True}, {"text": "Goya did."}]},
    ]
    row["systemInstruction"] = {"role": "system", "parts": [{"text": "Be brief."}]}
    assert chat(row) == ["Be brief.\n\nWho?\n\nBy Goya", "Goya did."]
    row["contents"][2]["parts"][0]["functionResponse"]["response"] = {"painter": "Goya", "year": 1800}
    assert read(row) == {turns.NOT_TEXT: 1}


def test_amazons_parts_are_read() -> None:
    said = [[{"text": "Who?"}], [{"toolUse": {"name": "f"}}], [{"toolResult": {"content": [{"text": "By Goya"}]}}]]
    said += [[{"reasoningContent": {"reasoningText": {"text": "Hm."}}}, {"text": "Goya did."}]]
    messages = [{"role": ("user", "assistant")[n % 2], "content": parts} for n, parts in enumerate(said)]
    row = {"schemaVersion": "bedrock-conversation-2024", "system": [{"text": "Be brief."}], "messages": messages}
    assert chat(row) == ["Be brief.\n\nWho?\n\nBy Goya", "Goya did."]


@pytest.mark.parametrize("name", ["system", "system_prompt", "instructions"])
def test_what_the_system_says_beside_a_chat_is_read(name: str) -> None:
    assert chat({name: "Be brief.", "messages": [*ASKED, SAID]})[0] == "Be brief.\n\nWho painted it?"


def test_a_chat_of_lm_studio_is_read_as_it_was_open_last() -> None:
    def step(text: str, **more: Any) -> dict[str, Any]:
        return {"type": "contentBlock", "content": [{"type": "text", "text": text}], **more}

    asked = {"type": "singleStep", "role": "user", "content": [{"type": "text", "text": "Who?"}]}
    steps = [step("Hm.", style={"type": "thinking"}), step("Goya."), {"type": "debugInfoBlock", "debugInfo": "x"}]
    said = [{"type": "multiStep", "role": "assistant", "steps": one} for one in ([step("Monet.")], steps)]
    versions = [{"versions": [asked], "currentlySelected": 0}, {"versions": said, "currentlySelected": 1}]
    assert chat({"name": "Art", "messages": versions}) == ["Who?", "Goya."]
    steps[1]["genInfo"] = {"stats": {"stopReason": "maxPredictedTokensReached"}}
    assert read({"name": "Art", "messages": versions}) == {turns.BROKE_OFF: 1}
    versions[1]["currentlySelected"] = 7
    assert read({"name": "Art", "messages": versions}) == {turns.NOT_TEXT: 1}
