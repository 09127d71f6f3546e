"""Chats as chat programs export them: under names of their own, and as trees of which the branch that was open last is
what was said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from training.corpus.turns import MEDIA, NOT_TEXT, Unreadable

Row = Mapping[str, Any]

_IDS = ("id", "uuid", "messageId", "message_id")
_BEFORE = ("parent", "parentId", "parentMessageId", "parent_id", "parent_message_uuid")
_OPEN = ("current_node", "currentnode", "currentId", "currNode", "current_leaf_message_uuid")
_TIMES = ("create_time", "created_at", "createdAt", "inserted_at", "timestamp")


def exported(row: Row) -> list[Any] | None:
    """The turns of a chat of ChatGPT, DeepSeek or Open WebUI, or of a rating of the last; None for other rows."""
    if isinstance(nodes := row.get("mapping"), Mapping):
        return _of_nodes(nodes, row.get("current_node"))
    chat: Any = row.get("chat") or row.get("snapshot")
    while isinstance(chat, Mapping) and isinstance(chat.get("chat"), Mapping):
        chat = chat["chat"]
    if not isinstance(chat, Mapping):
        return None
    history = chat.get("history")
    if isinstance(history, Mapping) and isinstance(history.get("messages"), Mapping) and history.get("currentId"):
        return _branch(history["messages"], history["currentId"])
    turns = chat.get("messages")
    return on_one_branch(turns, chat) if isinstance(turns, list | tuple) else None


def on_one_branch(turns: Sequence[Any], row: Row) -> list[Any]:
    """The turns up to the one that was open last, else up to the newest, where they name the ones before them, as those
    of Claude's export, LibreChat and llama.cpp's page do; else all of them."""
    by_id = {_first(turn, _IDS): turn for turn in turns if isinstance(turn, Mapping)}
    if len(by_id) < len(turns) or None in by_id or not any(_before(turn) in by_id for turn in turns):
        return list(turns)
    conversation = row.get("conv")
    named = [_first(one, _OPEN) for one in (row, conversation) if isinstance(one, Mapping)]
    last = next((one for one in named if one in by_id), None)
    return _branch(by_id, _newest(by_id) if last is None else last)


def with_role(turn: Any) -> Any:
    """A turn of LangChain, Claude's export, Gemini or LibreChat under the names of the others."""
    if not isinstance(turn, Mapping) or any(turn.get(name) is not None for name in ("from", "speaker")):
        return turn
    if isinstance(turn.get("kwargs"), Mapping):  # as LangChain keeps its own objects
        name = turn["id"][-1] if isinstance(turn.get("id"), list | tuple) and turn["id"] else turn.get("id")
        return {**turn["kwargs"], "role": _CLASSES.get(str(name).removesuffix("Chunk"))}
    if isinstance(turn.get("versions"), list | tuple):
        turn = _of_lm_studio(turn)
    inner = turn["data"] if isinstance(turn.get("data"), Mapping) else turn
    role = next((turn[name] for name in ("role", "sender", "type") if turn.get(name) is not None), None)
    if isinstance(turn.get("isCreatedByUser"), bool):
        role = "user" if turn["isCreatedByUser"] else "assistant"
    content = next((inner[name] for name in _WORDS if inner.get(name) is not None), None)
    if attached := _attached(turn):
        content = [*(content if isinstance(content, list | tuple) else [content or ""]), *attached]
    return {**turn, "role": role, "content": content}


def _of_lm_studio(turn: Row) -> Row:
    """The version of a message that was open last; an answer is made in steps, of which some are thoughts."""
    place, versions = turn.get("currentlySelected"), turn["versions"]
    if not (isinstance(place, int) and 0 <= place < len(versions) and isinstance(versions[place], Mapping)):
        raise Unreadable(NOT_TEXT)
    version = versions[place]
    steps = version.get("steps")
    if not isinstance(steps, list | tuple):
        return version
    blocks = [_object(step) for step in steps if _object(step).get("type") == "contentBlock"]
    said = [block for block in blocks if _object(block.get("style")).get("type") != "thinking"]
    ends = [_object(_object(block.get("genInfo")).get("stats")).get("stopReason") for block in blocks]
    parts = [part for block in said for part in block.get("content") or () if isinstance(block.get("content"), list)]
    return {"role": version.get("role"), "content": parts, "stop_reason": ends[-1] if ends else None}


_WORDS = ("content", "value", "text", "parts", "message")
_CLASSES = {
    **{"HumanMessage": "user", "AIMessage": "assistant", "SystemMessage": "system"},
    **{"ToolMessage": "tool", "FunctionMessage": "tool"},
}


def _attached(turn: Row) -> list[str]:
    """The texts beside a turn of Claude's export or llama.cpp's page, where long ones are put that somebody pasted."""
    if turn.get("files") and "sender" in turn:
        raise Unreadable(MEDIA)
    texts: list[Any] = []
    for marked_by, beside, name in (("sender", "attachments", "extracted_content"), ("convId", "extra", "content")):
        given = turn.get(beside) if marked_by in turn else None
        texts += [_object(one).get(name) for one in given] if isinstance(given, list | tuple) else []
    if not all(isinstance(text, str) and text for text in texts):
        raise Unreadable(MEDIA)
    return texts


# -- trees -----------------------------------------------------------------------------------------------------------


def _first(turn: Row, names: Sequence[str]) -> Any:
    """What a turn has under the first of several names that it has; None for what is no name of a message."""
    found = next((turn[name] for name in names if turn.get(name) is not None), None)
    return found if isinstance(found, str | int) else None


def _before(turn: Any) -> Any:
    return _first(turn, _BEFORE) if isinstance(turn, Mapping) else None


def _branch(messages: Mapping[Any, Any], last: Any) -> list[Any]:
    """The messages from the first to ``last``, each of which names the one before."""
    found: list[Any] = []
    while isinstance(last, str | int) and len(found) < len(messages) and isinstance(messages.get(last), Mapping):
        found.append(messages[last])
        last = _before(messages[last])
    return found[::-1]


def _newest(messages: Mapping[Any, Any]) -> Any:
    """The newest message that none comes after; where they have no times, the last one."""
    answered = {_before(message) for message in messages.values()}
    leaves = [name for name in messages if name not in answered]

    def time(name: Any) -> str:
        message = messages[name]
        inner = message.get("message") if isinstance(message, Mapping) else None
        return str(_time(message) or _time(inner) or "")

    return max(reversed(leaves), key=time, default=None)


def _time(message: Any) -> Any:
    return next((message[name] for name in _TIMES if message.get(name)), None) if isinstance(message, Mapping) else None


# -- ChatGPT and DeepSeek --------------------------------------------------------------------------------------------


def _of_nodes(nodes: Mapping[Any, Any], last: Any) -> list[Any]:
    last = last if isinstance(last, str) and last in nodes else _newest(nodes)
    said = (_said(node.get("message")) for node in _branch(nodes, last))
    return [turn for turn in said if turn is not None]


def _said(message: Any) -> dict[str, Any] | None:
    """A message as a turn; None for what nobody saw: the root, what is hidden, thoughts, an answer without words."""
    if not isinstance(message, Mapping):
        return None
    if isinstance(message.get("fragments"), list | tuple):
        return _of_fragments(message)
    author, content, about = (_object(message.get(name)) for name in ("author", "content", "metadata"))
    role = author.get("role")
    if about.get("is_visually_hidden_from_conversation") or content.get("content_type") in _UNSEEN:
        return None
    if about.get("attachments"):
        raise Unreadable(MEDIA)
    if role == "assistant" and message.get("recipient") not in (None, "all"):
        return {"role": "tool_call"}
    text = _text(content)
    if role != "user" and not text.strip():
        return None
    ended = {name: message.get(name) for name in ("status", "metadata")}
    return {"role": role, "content": text, "channel": message.get("channel"), **ended}


_UNSEEN = ("user_editable_context", "model_editable_context", "thoughts", "reasoning_recap", "system_error")


def _object(value: Any) -> Row:
    return value if isinstance(value, Mapping) else {}


def _text(content: Row) -> str:
    """The words of a message of ChatGPT; those of a sound stand beside it."""
    parts = content.get("parts")
    if not isinstance(parts, list | tuple):
        parts = [next((content[name] for name in ("text", "result") if content.get(name) is not None), None)]
    texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
    kinds = {part.get("content_type") for part in parts if isinstance(part, Mapping)}
    sounds = {"audio_asset_pointer", "real_time_user_audio_video_asset_pointer"}
    if kinds - {"audio_transcription", "text", None} - (sounds if "audio_transcription" in kinds else set()):
        raise Unreadable(MEDIA)
    if not all(text is None or isinstance(text, str) for text in texts):
        raise Unreadable(NOT_TEXT)
    return "\n".join(text for text in texts if text)


def _of_fragments(message: Row) -> dict[str, Any] | None:
    """A message of DeepSeek, in pieces of which some are thoughts and searches."""
    pieces = [_object(piece) for piece in message["fragments"]]
    asks = any(piece.get("type") == "REQUEST" for piece in pieces)
    if message.get("files"):
        raise Unreadable(MEDIA)
    words = [
        piece.get("content") for piece in pieces if piece.get("type") in ("REQUEST", "RESPONSE", "TEMPLATE_RESPONSE")
    ]
    if not all(isinstance(one, str) for one in words):
        raise Unreadable(NOT_TEXT)
    content = "\n\n".join(str(one) for one in words if one)
    return {"role": "user" if asks else "assistant", "content": content} if asks or content else None
