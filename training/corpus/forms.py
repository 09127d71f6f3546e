"""What a row of a file says: the forms in which chats, questions and prose are kept, and why a row cannot be read.

Read are the forms of this project, of TRL, Axolotl and Open WebUI, and of the data sets that were made for them
(Alpaca, Dolly, ShareGPT, FastChat's battles). ``docs/data.md`` has an example of each.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from training.corpus.sample import Message, Role
from training.corpus.turns import (
    MEDIA,
    NO_ANSWER,
    NO_COLUMNS,
    NO_QUESTION,
    NO_TEXT,
    NO_WINNER,
    NOT_TEXT,
    RATED_BAD,
    THOUGHT,
    Unreadable,
    decoded,
    is_bad,
    is_chat,
    parsed,
    role_of,
    text_of,
    turns_of,
)
from training.corpus.written import dialogue, templated

Row = Mapping[str, Any]

COLUMNS = "question and answer, text, or messages"
"""The plainest forms, for the line that refuses a file; all of them are in ``docs/data.md``."""


_QUESTIONS = ("question", "query", "instruction", "prompt", "input", "user", "human")
_ANSWERS = ("answer", "response", "output", "completion", "chosen", "assistant", "bot")
_CHATS = ("messages", "conversations", "conversation", "dialog", "dialogue")
_TURNS_IN_A_CELL = re.compile(r"\s*\[?\s*\{\s*([\"'])(?:role|from|speaker|content|value)\1\s*:")
_ROLE_IN_A_CELL = re.compile(r"[\"'](?:role|from|speaker)[\"']\s*:")
_MEDIA_COLUMNS = ("image", "images", "audio", "audios", "video", "videos")
_PLACES = re.compile(r"<(?:image|audio|video)>")


def with_plain_names(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The row under lower-case names without blanks around them: ``Question`` is ``question``."""
    plain: dict[str, Any] = {}
    for name, value in row.items():
        plain.setdefault(str(name).strip().lower(), value)
    return plain


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
    turns = decoded(row[winner])
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
    if isinstance(rating, Mapping) and is_bad(rating.get("rating")):
        raise Unreadable(RATED_BAD)
    chosen = decoded(row.get("chosen"))
    if is_chat(chosen):
        return _asked_and_answered(row.get("prompt"), chosen, system)
    if isinstance(chosen, str) and not any(_is_given(row.get(name)) for name in _QUESTIONS):
        return _dialogue(re.sub(r"^Human:", "User:", chosen.strip(), flags=re.MULTILINE))  # as Anthropic's are
    return None


_BAD = ("false", "0", "0.0", "-1", "-1.0", "no", "bad", "undesirable")
"""How tables write TRL's mark of an answer that is not good."""


def _is_given(value: Any) -> bool:
    return value is not None and value == value and (not isinstance(value, str) or bool(value.strip()))


def _chat_in(value: Any) -> list[Any] | None:
    """The turns that the cell of a question, an answer or a text holds in place of words; None for words.

    Raises:
        Unreadable: they are in Python's form.
    """
    if isinstance(value, str):
        if not (_TURNS_IN_A_CELL.match(value) and _ROLE_IN_A_CELL.search(value)):
            return None
        value = parsed(value)
    turns = [value] if isinstance(value, Mapping) else value
    return list(turns) if is_chat(turns) and all(role_of(turn) for turn in turns) else None


def _asked_and_answered(prompt: Any, answer: Any, system: bool) -> tuple[Message, ...]:
    """TRL's prompt and completion; an answer that begins with the user holds the prompt too, as UltraFeedback's."""
    prompt, answer = _as_turns(decoded(prompt)), _as_answer(decoded(answer))
    first = role_of(answer[0]) if answer else None
    if first in ("system", "user"):
        prompt = [turn for turn in prompt if first == "user" and role_of(turn) == "system"]
    return turns_of([*prompt, *answer], system)


def _as_turns(value: Any) -> list[Any]:
    """A prompt as the turns that it is: those given, or one of the user."""
    if is_chat(value):
        return list(value)
    text = text_of(value)
    return [{"role": "user", "content": text}] if text else []


def _chat(row: Row, system: bool) -> tuple[Message, ...] | None:
    for name in _CHATS:
        turns = _turns_in(row.get(name))
        if isinstance(turns, list | tuple):
            return turns_of([{"role": "system", "content": row.get("system")}, *turns], system)
    answer = next((decoded(row[name]) for name in ("completion", "chosen") if _is_given(row.get(name))), None)
    if is_chat(decoded(row.get("prompt"))) or is_chat(answer):  # TRL, conversational
        return _asked_and_answered(row.get("prompt"), answer, system)
    return None


def _turns_in(value: Any) -> Any:
    """A chat that a table keeps as JSON in a cell or as an object of lists; any other value as it is."""
    value = decoded(value)
    return _as_rows(value) if isinstance(value, Mapping) else value


def _as_rows(columns: Mapping[str, Any]) -> Any:
    lists = list(columns.values())
    if not lists or not all(isinstance(one, list | tuple) and len(one) == len(lists[0]) for one in lists):
        return columns
    return [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]


def _as_answer(value: Any) -> list[Any]:
    if not _is_given(value):
        return []
    return list(value) if is_chat(value) else [{"role": "assistant", "content": value}]


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
    answer, question = THOUGHT.sub("", text_of(row[answered])).strip(), text_of(row[asked])
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
    if answer in map(str, choices):
        return ""
    if answer.isdecimal():
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
        pairs = parsed(pairs)
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
    if chat := _dialogue(text):
        return chat
    turns = _chat_in(text) or templated(text)
    return turns_of(turns, system) if turns else (Message("text", text),)


def _dialogue(text: str) -> tuple[Message, ...] | None:
    chat = dialogue(text)
    return turns_of({"role": message.role, "content": message.content} for message in chat) if chat else None


def normalised_question(question: str) -> str:
    """A question without case, marks and forms of letters: "WHO painted  it" is "Who painted it?"."""
    words = re.findall(r"\w+", unicodedata.normalize("NFKC", question).casefold())
    return " ".join(words) or " ".join(question.split())
