"""Chats as programs export them: the branch that was open last is learned, and nothing that nobody saw."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.corpus.rows import messages, write
from training.corpus import load, stream, turns
from training.corpus.cleaning import CleaningReport

PLAIN = [("user", "Who?"), ("assistant", "Goya.")]


def node(parent: str | None, role: str, *parts: Any, **more: Any) -> dict[str, Any]:
    content = {"content_type": "text", "parts": list(parts)}
    message = {"author": {"role": role}, "content": content, "metadata": {}, "recipient": "all", "weight": 1.0}
    return {"parent": parent, "children": [], "message": message | more}


def chatgpt(*nodes: dict[str, Any], current: str | None = None) -> dict[str, Any]:
    """An export whose nodes follow one another, after the root and a hidden word of the system."""
    hidden = node("root", "system", "", metadata={"is_visually_hidden_from_conversation": True})
    mapping = {"root": {"parent": None, "children": ["s"], "message": None}, "s": hidden}
    before = "s"
    for number, one in enumerate(nodes):
        mapping[str(number)] = {**copy.deepcopy(one), "id": str(number), "parent": one["parent"] or before}
        before = str(number)
    return {"title": "t", "create_time": 1.5, "id": "c", "mapping": mapping, "current_node": current or before}


def to_tool(text: str) -> dict[str, Any]:
    return node(
        None, "assistant", content={"content_type": "code", "language": "unknown", "text": text}, recipient="web"
    )


ASKED, GOYA, MONET = node(None, "user", "Who?"), node(None, "assistant", "Goya."), node(None, "assistant", "Monet.")
THOUGHT = node(None, "assistant", content={"content_type": "thoughts", "thoughts": [{"summary": "s", "content": "hm"}]})
SOUND = {"content_type": "audio_transcription", "text": "Who?", "direction": "in"}
CLAUDE_ROOT = "00000000-0000-4000-8000-000000000000"


def claude(uuid: str, parent: str, sender: str, *content: Any, **more: Any) -> dict[str, Any]:
    told = {"uuid": uuid, "parent_message_uuid": parent, "sender": sender, "text": "", "attachments": [], "files": []}
    return {
        **told,
        "content": [{"type": "text", "text": one} if isinstance(one, str) else one for one in content],
        **more,
    }


def deepseek(parent: str | None, **pieces: str) -> dict[str, Any]:
    fragments = [{"type": kind, "content": text} for kind, text in pieces.items()]
    return {"parent": parent, "children": [], "message": {"files": [], "model": "m", "fragments": fragments}}


READ: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "chatgpt": (chatgpt(ASKED, GOYA), PLAIN),
    "an answer that was made again": (chatgpt(ASKED, MONET, {**GOYA, "parent": "0"}), PLAIN),
    "an older answer that was opened again": (chatgpt(ASKED, GOYA, {**MONET, "parent": "0"}, current="1"), PLAIN),
    "a question that was changed": (
        chatgpt(node(None, "user", "What?"), MONET, {**ASKED, "parent": "s"}, {**GOYA, "parent": "2"}),
        PLAIN,
    ),
    "thoughts, a call, what the tool said": (
        chatgpt(ASKED, THOUGHT, to_tool("search('goya')"), node(None, "tool", "a record"), GOYA),
        [("user", "Who?\n\na record"), ("assistant", "Goya.")],
    ),
    "instructions of one's own, hidden": (
        chatgpt(
            node(None, "user", content={"content_type": "user_editable_context", "user_profile": "I paint"}),
            ASKED,
            GOYA,
        ),
        PLAIN,
    ),
    "empty answers beside it": (chatgpt(ASKED, node(None, "assistant", ""), GOYA), PLAIN),
    "what was spoken": (
        chatgpt(node(None, "user", SOUND, {"content_type": "audio_asset_pointer", "asset_pointer": "x"}), GOYA),
        PLAIN,
    ),
    "a source in it": (
        chatgpt(ASKED, node(None, "assistant", "Goya.\ue200cite\ue202turn0search1\ue201")),
        PLAIN,
    ),
    "deepseek": (
        {
            "title": "t",
            "mapping": {
                "root": {"parent": None, "children": ["1"], "message": None},
                "1": deepseek("root", REQUEST="Who?"),
                "2": deepseek("1", RESPONSE="Monet."),
                "3": deepseek("1", THINK="hm", RESPONSE="Goya."),
            },
        },
        PLAIN,
    ),
    "claude, flat": (
        {"chat_messages": [{"sender": "human", "text": "Who?"}, {"sender": "assistant", "text": "Goya."}]},
        PLAIN,
    ),
    "claude, made again": (
        {
            "chat_messages": [
                claude("a", CLAUDE_ROOT, "human", "Who?"),
                claude("b", "a", "assistant", "Monet."),
                claude("c", "a", "assistant", {"type": "tool_use", "name": "x"}, {"type": "tool_result"}, "Goya."),
            ]
        },
        PLAIN,
    ),
    "claude, the leaf that is open": (
        {
            "current_leaf_message_uuid": "b",
            "chat_messages": [
                claude("a", CLAUDE_ROOT, "human", "Who?"),
                claude("b", "a", "assistant", "Goya."),
                claude("c", "a", "assistant", "Monet."),
            ],
        },
        PLAIN,
    ),
    "claude, a text that was pasted": (
        {
            "chat_messages": [
                claude(
                    "a", CLAUDE_ROOT, "human", "Who?", attachments=[{"file_name": "", "extracted_content": "By Goya."}]
                ),
                claude("b", "a", "assistant", "Goya."),
            ]
        },
        [("user", "Who?\nBy Goya."), ("assistant", "Goya.")],
    ),
    "librechat": (
        {
            "conversationId": "c",
            "messages": [
                {"messageId": "a", "parentMessageId": "0-0", "sender": "User", "isCreatedByUser": True, "text": "Who?"},
                {
                    "messageId": "b",
                    "parentMessageId": "a",
                    "sender": "GPT-4",
                    "isCreatedByUser": False,
                    "text": "Monet.",
                },
                {
                    "messageId": "c",
                    "parentMessageId": "a",
                    "sender": "GPT-4",
                    "isCreatedByUser": False,
                    "text": "Goya.",
                },
            ],
        },
        PLAIN,
    ),
    "llama.cpp's page": (
        {
            "conv": {"id": "k", "name": "t", "currNode": "b"},
            "messages": [
                {"convId": "k", "id": "r", "type": "root", "parent": None, "role": "system", "content": ""},
                {"convId": "k", "id": "a", "type": "text", "parent": "r", "role": "user", "content": "Who?"},
                {"convId": "k", "id": "b", "type": "text", "parent": "a", "role": "assistant", "content": "Goya."},
                {"convId": "k", "id": "c", "type": "text", "parent": "a", "role": "assistant", "content": "Monet."},
            ],
        },
        PLAIN,
    ),
    "anthropic's blocks": (
        {
            "messages": [
                {"role": "user", "content": "Who?"},
                {"role": "assistant", "content": [{"type": "tool_use", "name": "find", "input": {}}]},
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "content": [{"type": "text", "text": "a record"}]}],
                },
                {"role": "assistant", "content": [{"type": "text", "text": "Goya."}]},
            ]
        },
        [("user", "Who?\n\na record"), ("assistant", "Goya.")],
    ),
}

UNREAD: dict[str, tuple[str, dict[str, Any]]] = {
    "a picture": (turns.MEDIA, chatgpt(node(None, "user", {"content_type": "image_asset_pointer"}, "Who?"), GOYA)),
    "a file beside it": (
        turns.MEDIA,
        chatgpt(node(None, "user", "Who?", metadata={"attachments": [{"name": "a.pdf"}]}), GOYA),
    ),
    "a picture that a tool drew": (
        turns.MEDIA,
        chatgpt(ASKED, to_tool("{}"), node(None, "tool", {"content_type": "image_asset_pointer"}), GOYA),
    ),
    "nothing answered": (turns.NO_ANSWER, chatgpt(ASKED)),
    "nothing in it": (turns.NO_ANSWER, {"title": "t", "mapping": {}, "current_node": None}),
    "a file of claude's": (
        turns.MEDIA,
        {
            "chat_messages": [
                claude("a", CLAUDE_ROOT, "human", "Who?", files=[{"file_name": "a.png"}]),
                claude("b", "a", "assistant", "Goya."),
            ]
        },
    ),
}


@pytest.mark.parametrize("name", READ)
def test_an_export_is_read_as_it_was_seen(name: str, tmp_path: Path) -> None:
    row, expected = READ[name]
    (tmp_path / "conversations.json").write_text(json.dumps([row]))
    (sample,) = load([str(tmp_path / "conversations.json")])
    assert messages(sample) == expected


@pytest.mark.parametrize("name", UNREAD)
def test_what_the_model_would_not_see_is_counted(name: str, tmp_path: Path) -> None:
    reason, row = UNREAD[name]
    report = CleaningReport()
    path = write(tmp_path / "a.jsonl", [{"question": "Who?", "answer": "Goya."}, row])
    assert [messages(sample) for sample in stream([path], report=report)] == [PLAIN]
    assert report.by_reason() == {reason: 1}
    assert report.first == {reason: f"{path}, line 2"}


SESSION = {"type": "session", "harness": "llama.app", "id": "k", "name": "t", "currNode": "b"}


def said(**message: Any) -> dict[str, Any]:
    return {"type": "message", "message": {"convId": "k", "type": "text", **message}}


LINES = [
    SESSION,
    said(id="r", type="root", parent=None, role="system", content=""),
    said(id="a", parent="r", role="user", content="Who?"),
    said(id="c", parent="a", role="assistant", content="Monet."),
    said(id="t", parent="a", role="assistant", content="", toolCalls=[{"function": {"name": "find"}}]),
    said(id="u", parent="t", role="tool", content="a record"),
    said(id="b", parent="u", role="assistant", content="Goya.", reasoningContent="hm"),
]


def test_sessions_of_a_message_a_line_are_chats(tmp_path: Path) -> None:
    """As llama.cpp's page exports them; the Hub's traces name no message before another."""
    trace = [
        {"type": "session", "harness": "mine", "id": "z"},
        {"type": "message", "message": {"role": "user", "content": "Who?"}},
        {"type": "note", "text": 1},
        {"type": "message", "message": {"role": "assistant", "content": [{"type": "text", "text": "Goya."}]}},
    ]
    hidden = [SESSION, said(id="a", parent=None, role="user", content=None)]
    report = CleaningReport()
    path = write(tmp_path / "a.jsonl", [*LINES, *trace, {"question": "Who?", "answer": "Goya."}, *hidden])
    found = [messages(sample) for sample in stream([path], report=report)]
    assert found == [[("user", "Who?\n\na record"), ("assistant", "Goya.")], PLAIN, PLAIN]
    assert report.first == {turns.NO_TEXT: f"{path}, line 13"}
    assert report.by_reason() == {turns.NO_TEXT: 1}


def test_a_session_of_which_a_line_cannot_be_read_is_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"question": "Who?", "answer": "Goya."}, *LINES])
    Path(path).write_text(Path(path).read_text().replace('"Monet."', "[" * 20_000 + "]" * 20_000))
    report = CleaningReport()
    assert [messages(sample) for sample in stream([path], report=report)] == [PLAIN]
    assert report.by_reason() == {turns.NOT_TEXT: 1}


@pytest.mark.parametrize("form", ["whole", "articles"])
def test_squad_s_own_file_is_read(form: str, tmp_path: Path) -> None:
    asked: list[dict[str, Any]] = [
        {"id": "1", "question": "Who painted it?", "answers": [{"text": "Goya", "answer_start": 0}]},
        {"id": "2", "question": "Who sold it?", "is_impossible": True, "answers": []},
    ]
    articles = [{"title": "The Maja", "paragraphs": [{"context": "Goya painted the Maja.", "qas": asked}]}] * 2
    path = tmp_path / "train-v2.0.json"
    path.write_text(json.dumps({"version": "v2.0", "data": articles} if form == "whole" else articles))
    report = CleaningReport()
    found = [messages(sample) for sample in stream([str(path)], report=report)]
    assert found[0] == [("user", "Goya painted the Maja.\n\nWho painted it?"), ("assistant", "Goya")]
    assert report.by_reason()[turns.NO_ANSWER] == 2


def test_a_tree_that_is_a_ring_ends(tmp_path: Path) -> None:
    row = chatgpt(ASKED, GOYA)
    row["mapping"]["0"]["parent"] = "1"
    del row["current_node"]
    path = write(tmp_path / "a.jsonl", [{"question": "Who?", "answer": "Goya."}, row])
    assert load([path])
