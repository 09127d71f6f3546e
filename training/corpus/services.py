"""Rows as services and their logs keep them, a request beside its response: OpenAI, Anthropic, Gemini, Cohere, Langfuse
and LangSmith."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.corpus.turns import BROKE_OFF, Unreadable, broke_off, is_chat, parsed, role_of

Row = Mapping[str, Any]

_PAIRS = (
    ("request", "response"),
    ("params", "result"),
    ("inputs", "outputs"),
    ("input", "output"),
    ("body", "response"),
)


def of_service(row: Row) -> Row:
    """A row of a log in the form of the others, as messages or as question and answer; any other row as it is."""
    if isinstance(row.get("chat_history"), list | tuple) and "message" in row and "text" in row:  # Cohere's
        said = [_turn("user", row["message"]), _turn("assistant", row["text"])]
        return {**_without(row, "text", "message"), "messages": [*row["chat_history"], *said]}
    if is_chat(row.get("output")) and any(item.get("type") == "message" for item in row["output"]):
        row = {**row, "output": _messages(row["output"])}
    for asked, said_in in _PAIRS:
        before, after = _object(row.get(asked)), _object(row.get(said_in))
        if before is not None and after is not None:
            turns, answer = _asked(before), _answered(after)
            if turns and answer:
                return {**_without(row, asked, said_in), "messages": [*turns, *answer]}
            return {**_without(row, asked, said_in), **before, **after}
        if before is not None and isinstance(row.get(said_in), list | str) and (turns := _asked(before)):
            answer = row[said_in] if is_chat(row[said_in]) else [_turn("assistant", row[said_in])]
            return {**_without(row, asked, said_in), "messages": [*turns, *answer]}
    chat: Any = row.get("messages")
    if is_chat(chat) and role_of(chat[-1]) == "user" and (beside := _beside(row)):
        return {**_without(row, *_BESIDE, "rejected"), "messages": [*chat, *beside]}
    return row


def _beside(row: Row) -> list[Any]:
    """The answer to the last turn of a chat, where it has a column of its own, as in Axolotl's preferences."""
    for name in _BESIDE:
        said: Any = row.get(name)
        if isinstance(said, str) and said.strip():
            return [_turn("assistant", said)]
        turns: Any = [said] if isinstance(said, Mapping) else said
        if is_chat(turns) and role_of(turns[0]) in ("assistant", "call"):
            return list(turns)
    return _answered({"choices": row.get("choices")})


_BESIDE = ("message", "chosen", "completion", "response", "output", "answer")


def _without(row: Row, *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _turn(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def _object(value: Any) -> Row | None:
    """An object, also as the JSON that a table keeps in a cell."""
    if isinstance(value, str) and value.lstrip().startswith('{"') and value.rstrip().endswith("}"):
        value = parsed(value)
    return value if isinstance(value, Mapping) else None


def _asked(request: Row) -> list[Any]:
    """The turns of a request; nothing where it holds none."""
    given = next((request[name] for name in ("messages", "input", "contents") if is_chat(request.get(name))), None)
    if given is None and isinstance(request.get("input"), str):
        given = [_turn("user", request["input"])]
    if given is None:
        return []
    above = next((request[name] for name in ABOVE if request.get(name) is not None), None)
    return [above_turn(above), *given] if above is not None else list(given)


ABOVE = ("system", "system_prompt", "instructions", "systemInstruction", "systeminstruction", "system_instruction")
"""Columns of what the system says, beside a chat."""


def above_turn(said: Any) -> dict[str, Any]:
    """What the system says as a turn; Gemini's has parts of its own."""
    return _turn("system", said["parts"] if isinstance(said, Mapping) and "parts" in said else said)


def _answered(response: Row) -> list[Any]:
    """The turns of a response; nothing where it holds none.

    Raises:
        Unreadable: it says that the answer broke off.
    """
    if isinstance(response.get("body"), Mapping):
        return _answered(response["body"])
    if broke_off(response):
        raise Unreadable(BROKE_OFF)
    for name in ("choices", "candidates", "generations"):
        if is_chat(response.get(name)):
            first = response[name][0]
            if broke_off(first):
                raise Unreadable(BROKE_OFF)
            inner = next((first[key] for key in ("message", "content") if isinstance(first.get(key), Mapping)), None)
            return [inner] if inner else [_turn("assistant", first["text"])] if "text" in first else []
    for name in ("output", "messages"):
        if is_chat(response.get(name)):
            return _messages(response[name])
    if isinstance(response.get("message"), Mapping):
        return [response["message"]]
    if isinstance(response.get("content"), list | str):
        return [_turn("assistant", response["content"])]
    return [_turn("assistant", response["output"])] if isinstance(response.get("output"), str) else []


def _messages(items: Any) -> list[Any]:
    """The messages among the items of a response: not thoughts and calls, which stand beside them."""
    kinds = {"reasoning", "function_call", "function_call_output", "compaction"}
    return [item for item in items if item.get("type") not in kinds and not str(item.get("type", "")).endswith("_call")]
