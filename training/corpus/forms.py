"""What a row of a file says: the forms in which chats, questions and prose are kept, and why a row cannot be read.

Read are the forms of this project, of TRL, Axolotl and Open WebUI, and of the data sets that were made for them
(Alpaca, Dolly, ShareGPT, FastChat's battles). ``docs/data.md`` has an example of each.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from decimal import Decimal
from typing import Any

from training.corpus.sample import Message, Role
from training.corpus.written import dialogue, templated

Row = Mapping[str, Any]

COLUMNS = "question and answer, text, or messages"
"""The plainest forms, for the line that refuses a file; all of them are in ``docs/data.md``."""


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

REASONS = (
    NO_COLUMNS, NO_ANSWER, NO_QUESTION, NO_TEXT, NOT_TEXT, MEDIA, UNKNOWN_ROLE, RATED_BAD, NO_WINNER, SURROGATE, BYTES,
    NESTED, CELLS, NOT_LEARNED, TOO_LONG,
)  # fmt: skip
"""Why rows are not read."""

_QUESTIONS = ("question", "query", "instruction", "prompt", "input", "user", "human")
_ANSWERS = ("answer", "response", "output", "completion", "chosen", "assistant", "bot")
_CHATS = ("messages", "conversations", "conversation", "dialog", "dialogue")
_ROLES: dict[str, str] = {
    **dict.fromkeys(("user", "human", "prompter", "question", "input"), "user"),
    **dict.fromkeys(("assistant", "gpt", "model", "bot", "chatgpt", "bing", "bard", "answer", "output"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "ipython", "function_response", "tool_response"), "tool"),
    **dict.fromkeys(("function_call", "tool_call", "function-call"), "call"),
    "text": "text",
}
# What Open WebUI writes into an answer: what a model thought, and the tools that it called.
_DETAILS = re.compile(r"<details type=\"(?:reasoning|tool_calls|code_interpreter)\".*?</details>\s*", re.DOTALL)


# Templates that begin the answer with <think> leave the end alone in it; an answer cut short there is all thought.
_THOUGHT = re.compile(
    r"\A\s*<think>(?:.*?</think>|.*)|\A(?:(?!<think>).)*?^[ \t]*</think>[ \t]*$", re.DOTALL | re.MULTILINE
)
_CHAT_IN_A_CELL = re.compile(r"\s*\[\s*\{\s*([\"'])(?:role|from|content|value|type)\1\s*:")
_TURNS_IN_A_CELL = re.compile(r"\s*\[?\s*\{\s*([\"'])(?:role|from|speaker|content|value)\1\s*:")
_ROLE_IN_A_CELL = re.compile(r"[\"'](?:role|from|speaker)[\"']\s*:")
_PARTS_IN_A_CELL = re.compile(
    r"\s*\[\s*\{\s*([\"'])type\1\s*:\s*\1(?:(?:in|out)put_)?(?:text|image|image_url)\1.*\]\s*\Z", re.DOTALL
)
_MEDIA_COLUMNS = ("image", "images", "audio", "audios", "video", "videos")
_PLACES = re.compile(r"<(?:image|audio|video)>")


def with_plain_names(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The row under lower-case names without blanks around them: ``Question`` is ``question``."""
    plain: dict[str, Any] = {}
    for name, value in row.items():
        plain.setdefault(str(name).strip().lower(), value)
    return plain


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
    if (
        isinstance(value, float) and value.is_integer() and abs(value) < 1e15
    ):  # a table's whole numbers beside an empty cell
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal | date | time):
        raise Unreadable(NOT_TEXT)
    text = str(value).strip()
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Unreadable(SURROGATE)
    return text


def messages_of(row: Row, system: bool = True) -> tuple[Message, ...]:
    """The chat or the prose that a row holds; ``system``: with what the system says in it, above the user's words.

    Raises:
        Unreadable: the reason why nothing can be learned of it.
    """
    for form in (_battle, _preference, _chat, _open_webui, _pair, _prose):
        messages = form(row, system)
        if messages is not None:
            if len(messages) > 1 and _shows_something(row, messages):
                raise Unreadable(MEDIA)
            return messages
    if any(_is_given(row.get(name)) for name in _ANSWERS):
        raise Unreadable(NO_QUESTION)
    asked = any(name in row for name in (*_QUESTIONS, *_ANSWERS))
    raise Unreadable(NO_ANSWER if asked else NO_TEXT if is_known(row) else NO_COLUMNS)


def _shows_something(row: Row, messages: Sequence[Message]) -> bool:
    """Whether a chat is about a picture or a sound of the row; a mere address beside a question is none."""
    given = [row[name] for name in _MEDIA_COLUMNS if row.get(name) is not None]
    kept = any(isinstance(value, Mapping | bytes) or (isinstance(value, list | tuple) and value) for value in given)
    return kept or any(_PLACES.search(message.content) for message in messages)


def is_known(columns: Iterable[str]) -> bool:
    """Whether rows with these columns may be readable."""
    return not set(columns).isdisjoint((*_QUESTIONS, *_ANSWERS, *_CHATS, "chat", "snapshot", "text", "conversation_a"))


def _battle(row: Row, system: bool) -> tuple[Message, ...] | None:
    """FastChat's battles: the winner's conversation."""
    if "conversation_a" not in row or "conversation_b" not in row:
        return None
    won = [
        side
        for side in "ab"
        if row.get("winner") == f"model_{side}" or str(row.get(f"winner_model_{side}")) in ("1", "1.0")
    ]
    winner = f"conversation_{won[0]}" if len(won) == 1 else None
    if winner is None:
        raise Unreadable(NO_WINNER)
    turns = _decoded(row[winner])
    if not isinstance(turns, list | tuple):
        raise Unreadable(NOT_TEXT if turns else NO_TEXT)
    return turns_of(turns, system)


def _preference(row: Row, system: bool) -> tuple[Message, ...] | None:
    """TRL's preferences: the chosen one; and its unpaired rows, whose answer is good or not."""
    mark = str(row.get("label")).strip().lower()
    unpaired = "completion" in row or "response" in row
    of_chat = any(name in row for name in _CHATS) and mark == "false"  # a number may be of a class
    tagged = str(row.get("kto_tag")).strip().lower() in _BAD
    if (mark in _BAD and unpaired) or of_chat or tagged:
        raise Unreadable(RATED_BAD)
    rating = row.get("data")
    if isinstance(rating, Mapping) and _is_bad(rating.get("rating")):
        raise Unreadable(RATED_BAD)
    chosen = _decoded(row.get("chosen"))
    if _is_chat(chosen):
        return _asked_and_answered(row.get("prompt"), chosen, system)
    if isinstance(chosen, str) and not any(_is_given(row.get(name)) for name in _QUESTIONS):
        return dialogue(re.sub(r"^Human:", "User:", chosen.strip(), flags=re.MULTILINE))  # as Anthropic's are
    return None


_BAD = ("false", "0", "0.0", "-1", "-1.0", "no", "bad", "undesirable")
"""How tables write TRL's mark of an answer that is not good."""


def _is_bad(rating: Any) -> bool:
    try:
        return float(str(rating)) < 0
    except ValueError:
        return False


def _is_given(value: Any) -> bool:
    return value is not None and value == value and (not isinstance(value, str) or bool(value.strip()))


def _is_chat(value: Any) -> bool:
    return isinstance(value, list | tuple) and bool(value) and all(isinstance(turn, Mapping) for turn in value)


def _decoded(value: Any) -> Any:
    """A chat that a table keeps as JSON in a cell; any other value as it is.

    Raises:
        Unreadable: a chat in Python's form, as pandas saves it: not all of it can be read back.
    """
    if not (isinstance(value, str) and _CHAT_IN_A_CELL.match(value)):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise Unreadable(NOT_TEXT) from error
    except RecursionError as error:
        raise Unreadable(NESTED) from error


def _chat_in(value: Any) -> list[Any] | None:
    """The turns that the cell of a question, an answer or a text holds in place of words; None for words.

    Raises:
        Unreadable: they are in Python's form.
    """
    if isinstance(value, str):
        if not (_TURNS_IN_A_CELL.match(value) and _ROLE_IN_A_CELL.search(value)):
            return None
        try:
            value = json.loads(value)
        except ValueError as error:
            raise Unreadable(NOT_TEXT) from error
        except RecursionError as error:
            raise Unreadable(NESTED) from error
    turns = [value] if isinstance(value, Mapping) else value
    return list(turns) if _is_chat(turns) and all(_role_of(turn) for turn in turns) else None


def _asked_and_answered(prompt: Any, answer: Any, system: bool) -> tuple[Message, ...]:
    """TRL's prompt and completion; an answer that begins with the user holds the prompt too, as UltraFeedback's."""
    prompt, answer = _as_turns(_decoded(prompt)), _as_answer(_decoded(answer))
    first = _role_of(answer[0]) if answer else None
    if first in ("system", "user"):
        prompt = [turn for turn in prompt if first == "user" and _role_of(turn) == "system"]
    return turns_of([*prompt, *answer], system)


def _role_of(turn: Any) -> str | None:
    given = next((turn[key] for key in ("role", "from", "speaker") if turn.get(key) is not None), None)
    return _ROLES.get(str(given).strip().lower())


def _as_turns(value: Any) -> list[Any]:
    """A prompt as the turns that it is: those given, or one of the user."""
    if _is_chat(value):
        return list(value)
    text = text_of(value)
    return [{"role": "user", "content": text}] if text else []


def _chat(row: Row, system: bool) -> tuple[Message, ...] | None:
    for name in _CHATS:
        turns = _turns_in(row.get(name))
        if isinstance(turns, list | tuple):
            return turns_of([{"role": "system", "content": row.get("system")}, *turns], system)
    answer = next((_decoded(row[name]) for name in ("completion", "chosen") if _is_given(row.get(name))), None)
    if _is_chat(_decoded(row.get("prompt"))) or _is_chat(answer):  # TRL, conversational
        return _asked_and_answered(row.get("prompt"), answer, system)
    return None


def _turns_in(value: Any) -> Any:
    """A chat that a table keeps as JSON in a cell or as an object of lists; any other value as it is."""
    value = _decoded(value)
    return _as_rows(value) if isinstance(value, Mapping) else value


def _as_rows(columns: Mapping[str, Any]) -> Any:
    lists = list(columns.values())
    if not lists or not all(isinstance(one, list | tuple) and len(one) == len(lists[0]) for one in lists):
        return columns
    return [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]


def _as_answer(value: Any) -> list[Any]:
    if not _is_given(value):
        return []
    return list(value) if _is_chat(value) else [{"role": "assistant", "content": value}]


def _open_webui(row: Row, system: bool) -> tuple[Message, ...] | None:
    """An exported chat, or the chat of an exported rating: the branch of it that was open last."""
    chat: Any = row.get("chat") or row.get("snapshot")
    while isinstance(chat, Mapping) and isinstance(chat.get("chat"), Mapping):
        chat = chat["chat"]
    if not isinstance(chat, Mapping):
        return None
    history = chat.get("history")
    if isinstance(history, Mapping) and isinstance(history.get("messages"), Mapping) and history.get("currentId"):
        return turns_of(_branch(history["messages"], history["currentId"]), system)
    turns = chat.get("messages")
    return turns_of(turns, system) if isinstance(turns, list | tuple) else None


def _branch(messages: Mapping[str, Any], last: Any) -> list[Any]:
    """The messages from the first to ``last``, each of which names the one before."""
    found: list[Any] = []
    while (
        isinstance(last, str)
        and last in messages
        and len(found) < len(messages)
        and isinstance(messages[last], Mapping)
    ):
        found.append(messages[last])
        last = messages[last].get("parentId")
    return found[::-1]


def turns_of(turns: Iterable[Any], system: bool = True) -> tuple[Message, ...]:
    """A chat from turns of ``role`` and ``content``, or of ``from`` and ``value``.

    What a system turn says stands before the user's next words (unless ``system`` is off), what a tool said after the
    user's last: both models know two speakers only. A call of a tool says nothing. The chat begins with the user and
    ends with the assistant.

    Raises:
        Unreadable: a turn that cannot be read, or no answer to any question.
    """
    chat: list[Message] = []
    learned: list[bool] = []
    waiting = ""  # of the system, for the user's next turn
    for turn in turns:
        role, content = _turn(turn)
        if role == "text":
            return (Message("text", content),)
        if role == "system":
            waiting = "" if not system else "\n\n".join(filter(None, (waiting, content)))
        elif role == "user":
            _say(chat, "user", "\n\n".join(filter(None, (waiting, content))))
            waiting = ""
        elif role == "tool" and chat:
            _say(chat, "user", content)
        elif role == "assistant" and chat:  # a greeting before any question answers nothing
            _say(chat, "assistant", content)
            learned.append(is_learned(turn))
    while chat and chat[-1].role == "user":
        chat.pop()
    if not chat:
        raise Unreadable(NO_ANSWER)
    if not all(learned):  # both models learn all answers of a chat
        raise Unreadable(NOT_LEARNED)
    return tuple(chat)


def is_learned(turn: Mapping[str, Any]) -> bool:
    """Whether a turn is to be learned: OpenAI's ``weight`` and Axolotl's ``train`` and ``training`` say when not."""
    marks = (turn.get("weight"), turn.get("train"), turn.get("training"))
    return not any(mark is not None and str(mark).lower() in ("0", "0.0", "false") for mark in marks)


def _say(chat: list[Message], role: Role, content: str) -> None:
    if chat and chat[-1].role == role:
        content = f"{chat.pop().content}\n\n{content}"
    chat.append(Message(role, content))


def _turn(turn: Any) -> tuple[str, str]:
    """Role and content of one turn; a call of a tool has the role ``call``."""
    if not isinstance(turn, Mapping):
        raise Unreadable(NOT_TEXT)
    role = _role_of(turn)
    if role is None:
        raise Unreadable(UNKNOWN_ROLE)
    annotation = turn.get("annotation")
    if isinstance(annotation, Mapping) and _is_bad(annotation.get("rating")):
        raise Unreadable(RATED_BAD)
    value = next((turn[key] for key in ("content", "value", "text") if turn.get(key) is not None), None)
    if isinstance(value, str) and _PARTS_IN_A_CELL.match(value):
        value = _decoded(value)
    if isinstance(value, Mapping) and "text" in value:
        value = [value]
    content = "\n".join(filter(None, map(_part, value))) if isinstance(value, list | tuple) else text_of(value)
    if role == "assistant":
        content = _THOUGHT.sub("", _DETAILS.sub("", content)).strip()
        if not content and (turn.get("tool_calls") or turn.get("function_call")):
            return "call", ""
    if not content and role not in ("call", "system"):
        raise Unreadable(NO_TEXT)
    return role, content


def _part(part: Any) -> str:
    """One part of a message that is written as a list."""
    if isinstance(part, str):
        return text_of(part)
    if not isinstance(part, Mapping):
        raise Unreadable(NOT_TEXT)
    if part.get("type") in ("thinking", "redacted_thinking", "reasoning"):
        return ""
    if part.get("type") not in (None, "text", "input_text", "output_text"):
        raise Unreadable(MEDIA)
    media = [name for name in ("image", "image_url", "audio", "video", "file") if part.get(name) is not None]
    if media:
        raise Unreadable(MEDIA)
    return text_of(part.get("text") if part.get("text") is not None else part.get("content"))


def _pair(row: Row, system: bool) -> tuple[Message, ...] | None:
    """A question and its answer under the names that people give them."""
    found = _pair_names(row)
    if found is None:
        return None
    asked, answered = found
    given = row.get("system") if row.get("system") is not None else row.get("system_prompt")
    turns = [_chat_in(row[name]) for name in found]
    if any(turns):
        if _is_given(row.get("context")) or _is_given(row.get("history")):
            raise Unreadable(NOT_TEXT)  # whether they stand before the chat or are in it, nothing says
        before_it = [{"role": "system", "content": given}, *_as_turns(turns[0] or row[asked])]
        return _asked_and_answered(before_it, turns[1] or row[answered], system)
    answer, question = _THOUGHT.sub("", text_of(row[answered])).strip(), text_of(row[asked])
    if not answer or not question:
        raise Unreadable(NO_ANSWER if question else NO_QUESTION)
    before: list[Message] = []
    choices = row.get("choices") if row.get("choices") is not None else row.get("options")
    if isinstance(choices, list | tuple) and (choice := _choice(answer, choices)):
        answer = choice
    if asked == "instruction":  # Alpaca's input and Dolly's context belong to what is asked
        more = [text_of(row.get(name)) for name in ("input", "context")]
        more = ["" if text == "<noinput>" else text for text in more]
        question = "\n\n".join([question, *filter(None, more)])
    elif text_of(row.get("topic")).partition("/")[0] == "conversation":
        before += _context_messages(text_of(row.get("context")))
    else:  # what is asked about, as in SQuAD
        question = "\n\n".join(filter(None, (text_of(row.get("context")), question)))
    before = [*_history(row.get("history")), *before]
    chat = [*before, Message("user", question), Message("assistant", answer)]
    if system and (said := text_of(given)):
        chat[0] = Message("user", f"{said}\n\n{chat[0].content}")
    return tuple(chat)


def _choice(answer: str, choices: Sequence[Any]) -> str:
    """The choice that a number from 0 on or a letter stands for; nothing where the answer says what it means."""
    if answer.isdecimal() and answer not in map(str, choices):
        place = int(answer)
    elif len(answer) == 1 and answer.isalpha():
        place = ord(answer.upper()) - ord("A")
    else:
        return ""
    return text_of(choices[place]) if 0 <= place < len(choices) else ""


def _pair_names(row: Row) -> tuple[str, str] | None:
    """The columns of question and answer: of the first question that has an answer beside it."""
    asked = [name for name in _QUESTIONS if _is_given(row.get(name))]
    answered = [name for name in _ANSWERS if _is_given(row.get(name))]
    return (asked[0], answered[0]) if asked and answered else None


def _history(pairs: Any) -> list[Message]:
    """Earlier questions and answers, a pair each, as LLaMA-Factory has them."""
    if isinstance(pairs, str) and pairs.lstrip().startswith("["):  # of a table
        try:
            pairs = json.loads(pairs)
        except (ValueError, RecursionError) as error:
            raise Unreadable(NOT_TEXT) from error
    if not isinstance(pairs, list | tuple):
        return []
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise Unreadable(NOT_TEXT)
    speakers: tuple[Role, Role] = ("user", "assistant")
    if not all(text_of(said) for pair in pairs for said in pair):
        raise Unreadable(NO_TEXT)
    return [Message(role, text_of(said)) for pair in pairs for role, said in zip(speakers, pair, strict=True)]


def _context_messages(context: str) -> Sequence[Message]:
    lines = [line for line in context.splitlines() if line.strip()]
    if len(lines) % 2:
        lines = lines[1:]  # a chat starts with its user
    return [Message("assistant" if index % 2 else "user", line) for index, line in enumerate(lines)]


def _prose(row: Row, system: bool) -> tuple[Message, ...] | None:
    text = text_of(row.get("text"))
    if not text:
        return None
    if chat := dialogue(text):
        return chat
    turns = _chat_in(text) or templated(text)
    return turns_of(turns, system) if turns else (Message("text", text),)


def normalised_question(question: str) -> str:
    """A question without case, marks and forms of letters: "WHO painted  it" is "Who painted it?"."""
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", question).casefold())
    return " ".join(words) or " ".join(question.split())
