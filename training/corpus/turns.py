"""What a value of a row and a turn of a chat say: a role and words, or why they cannot be read."""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

from training.common import json_text
from training.common.message import BROKEN, CUT, FILTERED
from training.common.thoughts import without_thoughts
from training.corpus.marks import is_no_value, without_calls
from training.corpus.sample import Message, Role


class Unreadable(Exception):
    """A row of which nothing can be learned; the message is the reason, in a few words."""


NO_COLUMNS = "no known columns"
NO_ANSWER = "no answer"
NO_QUESTION = "no question"
NO_TEXT = "no text"
NOT_TEXT = "not text but a list, an object or a flag"
MEDIA = "picture, sound or file"
UNKNOWN_ROLE = "unknown role"
RATED_BAD = "rated bad"
NO_WINNER = "no winner"
SURROGATE = "half a character (lone surrogate)"
BYTES = "bytes that are no text"
NESTED = "nested too deep"
CELLS = "more cells than columns"
NOT_LEARNED = "an answer that is not to be learned"
TOO_LONG = "more than 16 million characters"
TEMPLATE = "a chat template that is not known"
ALONE = "one turn without its chat"
NO_NUMBER = "a year or a rank that is no number"
NO_JSON = "not JSON"
GARBLED = "garbled letters"
PLACEHOLDER = "a placeholder for words that were taken out"
KEY_TWICE = "key twice"
HEADER = "names of columns in place of values"
ECHO = "an answer that repeats its question"
BROKE_OFF = "an answer that broke off or failed"
BESIDE = "in another list than the one that is read, such as a split to test with"
SAME_ANSWERS = "a choice between equal answers"
WORSE_CHOSEN = "a choice that its own scores contradict"

REASONS = (
    NO_COLUMNS, NO_ANSWER, NO_QUESTION, NO_TEXT, NOT_TEXT, MEDIA, UNKNOWN_ROLE, RATED_BAD, NO_WINNER, SURROGATE, BYTES,
    NESTED, CELLS, NOT_LEARNED, TOO_LONG, TEMPLATE, ALONE, NO_NUMBER, NO_JSON, GARBLED, PLACEHOLDER,
    KEY_TWICE, HEADER, ECHO, BESIDE, BROKE_OFF, SAME_ANSWERS, WORSE_CHOSEN,
)  # fmt: skip
"""Why rows are not read."""

_ROLES: dict[str, str] = {
    **dict.fromkeys(("user", "human", "prompter", "question", "input"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt", "bing", "bard", "answer", "output"), "assistant"),
    **dict.fromkeys(("chatbot", "ai", "llm", "claude", "gemini", "copilot", "deepseek"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "ipython", "function_response", "tool_response"), "tool"),
    **dict.fromkeys(("function_call", "tool_call", "function-call"), "call"),
    "text": "text",
}
# What Open WebUI writes into an answer: what a model thought, and the tools that it called.
_DETAILS = re.compile(r"<details type=\"(?:reasoning|tool_calls|code_interpreter)\".*?</details>\s*", re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")
_CHAT_IN_A_CELL = re.compile(r"\s*\[\s*\{\s*([\"'])(?:role|from|content|value|type)\1\s*:")
_PARTS_IN_A_CELL = re.compile(
    r"\s*\[\s*\{\s*([\"'])type\1\s*:\s*\1(?:(?:in|out)put_)?(?:text|image|image_url)\1.*\]\s*\Z", re.DOTALL
)


def text_of(value: Any) -> str:
    """A value of a row as the text that it is; nothing for null.

    Raises:
        Unreadable: a list, an object, a flag or bytes: their Python form is nothing that anybody wrote.
    """
    if value is None:
        return ""
    if isinstance(value, bytes):  # Parquet's text without the mark that it is text
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            raise Unreadable(BYTES) from error
    if (isinstance(value, float) and not math.isfinite(value)) or (isinstance(value, Decimal) and value.is_nan()):
        return ""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:  # a table's, beside an empty cell
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal | date | time):
        raise Unreadable(NOT_TEXT)
    text = str(value).strip()
    if not text.isascii() and _SURROGATE.search(text):
        raise Unreadable(SURROGATE)
    return text


def is_given(value: Any) -> bool:
    """Whether a cell holds anything: null, NaN and blanks are nothing."""
    return value is not None and value == value and (not isinstance(value, str) or bool(value.strip()))


def decoded(value: Any) -> Any:
    """A chat that a table keeps as JSON in a cell; any other value as it is.

    Raises:
        Unreadable: a chat in Python's form, as pandas saves it: not all of it can be read back.
    """
    return parsed(value) if isinstance(value, str) and _CHAT_IN_A_CELL.match(value) else value


def parsed(cell: str, otherwise: str = NOT_TEXT) -> Any:
    """The JSON of a cell, or of a file.

    Raises:
        Unreadable: it is none, for the reason ``otherwise``, is nested too deep or has a key twice.
    """
    try:
        return json.loads(cell, object_pairs_hook=json_text.once)
    except json_text.KeyTwiceError as error:
        raise Unreadable(KEY_TWICE) from error
    except ValueError as error:
        raise Unreadable(otherwise) from error
    except RecursionError as error:
        raise Unreadable(NESTED) from error


def is_chat(value: Any) -> bool:
    """Whether a value is a list of turns, by its shape alone."""
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(turn, Mapping) for turn in value)


def is_pairs(value: Any) -> bool:
    """Whether a value is a list of pairs of texts: who speaks and what, or a question and its answer."""
    pairs = isinstance(value, list | tuple) and bool(value)
    return pairs and all(isinstance(one, list | tuple) and [*map(type, one)] == [str, str] for one in value)


def is_turn(value: Any) -> bool:
    """Whether an object is a turn of a chat: somebody who speaks, and words."""
    said = isinstance(value, Mapping) and any(name in value for name in ("content", "value", "text", "parts"))
    return said and role_of(value) in ("user", "assistant", "system", "tool", "call")


def number_of(rating: Any) -> float | None:
    """A rating, a score or a rank as a number; None for anything else, such as ``N/A``."""
    try:
        number = float(str(rating))
    except ValueError:
        return None
    return None if math.isnan(number) else number


def is_bad(rating: Any) -> bool:
    """Whether a rating is a number below 0 or a thumb down, as it is or as the ``rating`` of an object."""
    if isinstance(rating, Mapping):
        rating = rating.get("rating")
    if rating is None:
        return False
    number = number_of(rating)
    return _BAD.fullmatch(str(rating).strip()) is not None if number is None else number < 0


_BAD = re.compile(
    r"(?:thumbs?[-_ ]?)?down(?:vote)?|thumbs[-_ ]?down|negative|bad|dislike[ds]?|\U0001f44e", re.IGNORECASE
)


def broke_off(answer: Mapping[Any, Any]) -> bool:
    """Whether an answer, or the object of a service that holds it, says that its end is none."""
    about = answer.get("metadata")
    details = [one.get("finish_details") for one in (answer, about) if isinstance(one, Mapping)]
    ends = [answer.get(name) for name in _ENDS] + [one.get("type") for one in details if isinstance(one, Mapping)]
    unfinished = answer.get("status") in ("incomplete", "in_progress") or answer.get("unfinished") is True
    said = [end for end in ends if isinstance(end, str)]
    return unfinished or any(kind.search(end) for kind in (BROKEN, CUT, FILTERED) for end in said)


_ENDS = ("finish_reason", "finishReason", "finishreason", "stop_reason", "stopReason", "stopreason", "done_reason")


def role_of(turn: Any) -> str | None:
    """Who speaks: user, assistant, system, tool, call or text; None where nobody known does."""
    given = next((turn[key] for key in ("role", "from", "speaker") if turn.get(key) is not None), None)
    return _ROLES.get(str(given).strip(" \t\r\n<|>[]:#*").lower())


def turns_of(turns: Iterable[Any], system: bool = True) -> tuple[Message, ...]:
    """A chat from turns of ``role`` and ``content``, or of ``from`` and ``value``.

    What a system turn says stands before the user's next words (unless ``system`` is off), what a tool said after the
    user's last: both models know two speakers only. A call of a tool says nothing. The chat begins with the user and
    ends with the assistant.

    Raises:
        Unreadable: a turn that cannot be read, no answer to any question, or one that repeats it.
    """
    chat: list[Message] = []
    learned: list[bool] = []
    waiting = asked = ""  # of the system, for the user's next turn; and what the user said in the last one
    of_system: list[str] = []  # by the system: some programs write it above each turn, or beside the chat too
    for turn in turns:
        role, content = _turn(turn)
        if role == "text":
            return (Message("text", content),)
        if role == "system":
            if system and content not in of_system and not is_no_value(content):
                waiting = "\n\n".join(filter(None, (waiting, content)))
            of_system.append(content)
        elif role in ("user", "assistant") and is_no_value(content, chat[-1].content if chat else ""):
            raise Unreadable(NO_TEXT)
        elif role == "user":
            asked = content
            above = "" if content.startswith(waiting) else waiting
            _say(chat, "user", "\n\n".join(filter(None, (above, content))))
            waiting = ""
        elif role == "tool" and chat and content:  # a tool may be there for what it does
            _say(chat, "user", content)
        elif role == "assistant" and chat:  # a greeting before any question answers nothing
            if repeats(asked, content):
                raise Unreadable(ECHO)
            _say(chat, "assistant", content)
            learned.append(is_learned(turn))
    while chat and chat[-1].role == "user":
        chat.pop()
    if not chat:
        raise Unreadable(NO_ANSWER)
    if not all(learned):  # both models learn all answers of a chat
        raise Unreadable(NOT_LEARNED)
    return tuple(chat)


def normalised_question(question: str) -> str:
    """A question without case, marks and forms of letters: "WHO painted  it" is "Who painted it?"."""
    words = _WORD.findall(unicodedata.normalize("NFKC", question).casefold())
    return " ".join(words) or " ".join(question.split())


_WORD = re.compile(r"\w+")


def what_is_asked(said: Sequence[str]) -> str:
    """What a chat is about, of all that is said before its last answer, normalised: its first question. "Hello" is
    none: chats that begin so are told apart by the next, or by all that is said."""
    first = next((question for question in said[::2] if len(question.split()) > 2 or len(question) > 12), None)
    return first or "\x1e".join(said)


def repeats(question: str, answer: str) -> bool:
    """Whether an answer says its question again and nothing else; one greeting answers another."""
    if len(answer) > 2 * len(question) + 20:
        return False
    words = normalised_question(question)
    return words == normalised_question(answer) and not _GREETING.match(words)


_GREETING = re.compile(
    r"(?:hello|hi|hey|good|bye|goodbye|see you|thanks?|cheers|happy|merry|nice|have|take care|welcome|congrat\w+|"
    r"ok|okay|yes|yeah|no|haha|same|me too|you too)\b"
)


def is_learned(turn: Mapping[str, Any]) -> bool:
    """Whether a turn is to be learned: OpenAI's ``weight``, Axolotl's ``train`` and ``training``, ms-swift's ``loss``
    and torchtune's ``masked`` say when not, and when in part."""
    marks = [turn.get(name) for name in ("weight", "train", "training", "loss")]
    unlearned = any(mark is not None and str(mark).lower() in ("0", "0.0", "false") for mark in marks)
    pieces: Any = turn.get("train_detail")  # Axolotl's: of both models every word of an answer is learned
    in_part = is_chat(pieces) and any(piece.get("train") is False for piece in pieces)
    return not unlearned and not in_part and turn.get("masked") is not True


def is_learned_row(row: Mapping[str, Any]) -> bool:
    """The same for a whole row, also with a mask of tokens or turns that are all left out; a loss is a number there."""
    masks = [row.get(name) for name in ("loss_mask", "completion_mask", "assistant_masks", "train_mask")]
    if any(isinstance(mask, list | tuple) and mask and not any(mask) for mask in masks):
        return False
    return is_learned({name: row.get(name) for name in ("weight", "train", "training", "masked")})


def _say(chat: list[Message], role: Role, content: str) -> None:
    if chat and chat[-1].role == role:
        content = f"{chat.pop().content}\n\n{content}"
    chat.append(Message(role, content))


def _turn(turn: Any) -> tuple[str, str]:
    """Role and content of one turn; a call of a tool has the role ``call``."""
    if not isinstance(turn, Mapping):
        raise Unreadable(NOT_TEXT)
    role = role_of(turn)
    if role is None:
        raise Unreadable(UNKNOWN_ROLE)
    if any(is_bad(turn.get(name)) for name in ("annotation", "feedback", "rating")):  # Open WebUI's, LibreChat's
        raise Unreadable(RATED_BAD)
    if role == "assistant" and (broke_off(turn) or turn.get("error") or turn.get("done") is False):
        raise Unreadable(BROKE_OFF)
    value = next((turn[key] for key in ("content", "value", "text", "refusal") if turn.get(key) is not None), None)
    if isinstance(value, str) and _PARTS_IN_A_CELL.match(value):
        value = decoded(value)
    if isinstance(value, Mapping) and "text" in value:
        value = [value]
    parts = value if isinstance(value, list | tuple) else None
    content = text_of(value) if parts is None else _joined(parts, role)
    if role == "assistant" and turn.get("channel") in ("analysis", "commentary"):  # gpt-oss's thoughts and calls
        return "call", ""
    if role == "assistant":
        said = without_calls(without_thoughts(_DETAILS.sub("", content)).strip())
        calls = (
            turn.get("tool_calls")
            or turn.get("toolCalls")
            or turn.get("function_call")
            or any(map(_is_call, parts or ()))
        )
        if said is None or (not said and calls):
            return "call", ""
        content = said
    if not content and role not in ("call", "system", "tool"):
        raise Unreadable(NO_TEXT)
    return role, content


_THOUGHTS = ("thinking", "redacted_thinking", "reasoning")
_CALLS = ("tool_use", "server_tool_use", "tool_call")
_GOOGLES_AND_AMAZONS = {  # parts that have a name for their kind in the place of a type
    **dict.fromkeys(("functionCall", "function_call", "toolUse", "executableCode", "executable_code"), "tool_use"),
    **dict.fromkeys(("functionResponse", "function_response", "toolResult"), "tool_result"),
    **dict.fromkeys(("codeExecutionResult", "code_execution_result"), "tool_result"),
    **dict.fromkeys(("reasoningContent", "cachePoint"), "thinking"),
}


def _kind(part: Mapping[Any, Any]) -> Any:
    if part.get("thought") is True:  # Gemini's
        return "thinking"
    named = (kind for name, kind in _GOOGLES_AND_AMAZONS.items() if part.get(name) is not None)
    return part.get("type") or next(named, None)


def _is_call(part: Any) -> bool:
    return isinstance(part, Mapping) and _kind(part) in _CALLS


def _joined(parts: Iterable[Any], role: str) -> str:
    """What the parts of a message say: a sentence that is cut where a source is named, or at a blank, goes on."""
    cited = any(isinstance(part, Mapping) and part.get("citations") for part in parts)
    said = ""
    for text in filter(None, (_part(part, role) for part in parts)):
        goes_on = cited or not said or said[-1].isspace() or text[0].isspace() or text[0] in ".,;:!?)"
        said += text if goes_on else f"\n{text}"
    return said.strip()


def _part(part: Any, role: str) -> str:
    """One part of a message that is written as a list, with the blanks at its ends."""
    if isinstance(part, str):
        return _as_it_is(part)
    if not isinstance(part, Mapping):
        raise Unreadable(NOT_TEXT)
    kind = _kind(part)
    if kind in (*_THOUGHTS, *_CALLS):
        return ""
    if isinstance(kind, str) and kind.endswith("tool_result"):  # what a tool said, by the user
        return _tool_text(part) if role in ("user", "tool") else ""
    if kind == "refusal":
        return text_of(part.get("refusal"))
    if kind not in (None, "text", "input_text", "output_text"):
        raise Unreadable(MEDIA)
    if any(part.get(name) is not None for name in _MEDIA) or not ("text" in part or "content" in part):
        raise Unreadable(MEDIA)
    return _as_it_is(part.get("text") if part.get("text") is not None else part.get("content"))


def _as_it_is(value: Any) -> str:
    text = text_of(value)
    return value if isinstance(value, str) else text


_MEDIA = (
    *("image", "image_url", "audio", "video", "file", "document"),
    *("inlineData", "inline_data", "fileData", "file_data"),
)


def _tool_text(part: Mapping[Any, Any]) -> str:
    """What a tool said, in Anthropic's, Amazon's or Google's names.

    Raises:
        Unreadable: it is no words: then nothing says on what the answer rests.
    """
    inner = next((part[name] for name in _RESULTS if isinstance(part.get(name), Mapping)), part)
    content = next((inner[name] for name in ("content", "output") if inner.get(name) is not None), None)
    if isinstance(response := inner.get("response"), Mapping) and response:
        if len(response) > 1:
            raise Unreadable(NOT_TEXT)
        content = next(iter(response.values()))
    parts = content if isinstance(content, list | tuple) else [content]
    return _joined([one for one in parts if one is not None], "tool")


_RESULTS = ("toolResult", "functionResponse", "function_response", "codeExecutionResult", "code_execution_result")
