"""What a row of a file says: the forms in which chats, questions and prose are kept, and why a row cannot be read.

Read are the forms of this project, of TRL, Axolotl and Open WebUI, and of the data sets that were made for them
(Alpaca, Dolly, ShareGPT, FastChat's battles). ``docs/data.md`` has an example of each.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from training.common.thoughts import without_thoughts
from training.corpus import answers
from training.corpus.accidents import DATA, as_meant
from training.corpus.choices import choice_problem
from training.corpus.exports import exported, on_one_branch, with_role
from training.corpus.marks import is_no_value, without_calls, without_end, without_marks
from training.corpus.sample import Message, Role
from training.corpus.services import ABOVE, above_turn, of_service
from training.corpus.turns import (
    ALONE,
    BROKE_OFF,
    ECHO,
    MEDIA,
    NO_ANSWER,
    NO_COLUMNS,
    NO_QUESTION,
    NO_TEXT,
    NO_WINNER,
    NOT_LEARNED,
    NOT_TEXT,
    RATED_BAD,
    UNKNOWN_ROLE,
    Unreadable,
    broke_off,
    decoded,
    is_bad,
    is_chat,
    is_given,
    is_learned_row,
    is_pairs,
    is_turn,
    number_of,
    parsed,
    repeats,
    role_of,
    text_of,
    turns_of,
)
from training.corpus.written import begun, written

Row = Mapping[str, Any]

COLUMNS = "question and answer, text, or messages"
"""The plainest forms, for the line that refuses a file; all of them are in ``docs/data.md``."""


_QUESTIONS = (
    *("question", "query", "instruction", "prompt", "input", "user", "human", "question_stem", "inputs"),
    *("text_input", "input_text"),
)
_CHATS = ("messages", "conversations", "conversation", "dialog", "dialogue", "chat_messages", "contents")
CHATS = frozenset(_CHATS)
"""Columns of a list of turns."""
_OTHERS = ("chat", "snapshot", "mapping", "text", "conversation_a", "utterances", "candidates")
_TURNS_IN_A_CELL = re.compile(r"\s*\[?\s*\{\s*([\"'])(?:role|from|speaker|content|value)\1\s*:")
_ROLE_IN_A_CELL = re.compile(r"[\"'](?:role|from|speaker)[\"']\s*:")
_TEXTS_IN_A_CELL = re.compile(r"\s*\[\s*\"")
_MEDIA_COLUMNS = ("image", "images", "audio", "audios", "video", "videos")
_PLACES = re.compile(r"<(?:image|audio|video)>|" + DATA.pattern)


def with_plain_names(row: Mapping[Any, Any]) -> dict[str, Any]:
    """The row under lower-case names without blanks around them: ``Question`` is ``question``."""
    plain: dict[str, Any] = {}
    for name, value in row.items():
        plain.setdefault(plain_name(name), value)
    return plain


def plain_name(name: Any) -> str:
    """A column's name in lower case, without blanks around it."""
    return str(name).strip(" \t\r\n\ufeff").lower()


def there_twice(names: Iterable[Any]) -> dict[str, int]:
    """How often columns that may be read are there, whatever their case, which are there twice: one would be lost."""
    counts = Counter(map(plain_name, names))
    return {name: count for name, count in counts.items() if count > 1 and is_known([name])}


def is_pair(names: Iterable[str]) -> bool:
    """Whether columns of these names are a question and its answer."""
    plain = set(map(plain_name, names))
    return not plain.isdisjoint(_QUESTIONS) and not plain.isdisjoint(answers.NAMES)


def is_header(row: Mapping[str, Any]) -> bool:
    """Whether the values of a row are the names of their columns, as where tables were joined."""
    given = {name: value for name, value in row.items() if is_given(value)}
    return is_known(given) and all(
        isinstance(value, str) and plain_name(value) == name for name, value in given.items()
    )


def messages_of(row: Row, system: bool = True) -> tuple[Message, ...]:
    """The chat or the prose that a row holds; ``system``: with what the system says in it, above the user's words.

    Raises:
        Unreadable: the reason why nothing can be learned of it.
    """
    if not is_learned_row(row):
        raise Unreadable(NOT_LEARNED)
    if _is_rated_bad(row):
        raise Unreadable(RATED_BAD)
    if broke_off(row):
        raise Unreadable(BROKE_OFF)
    if problem := choice_problem(row):
        raise Unreadable(problem)
    row = of_service(row)
    for form in (_battle, _preference, _chat, _exported, _pair, _prose):
        messages = form(row, system)
        if messages is not None:
            if len(messages) > 1 and _shows_something(row, messages):
                raise Unreadable(MEDIA)
            return _without_marks(messages)
    if any(is_given(row.get(name)) for name in answers.NAMES):
        raise Unreadable(NO_QUESTION)
    if is_turn(row):
        raise Unreadable(ALONE)
    asked = any(name in row for name in (*_QUESTIONS, *answers.NAMES))
    raise Unreadable(NO_ANSWER if asked else NO_TEXT if is_known(row) else NO_COLUMNS)


def _is_rated_bad(row: Row) -> bool:
    """Whether somebody's thumb is down, or an answer is said to be wrong; in a text about films that is no rating."""
    if not (is_pair(row) or not CHATS.isdisjoint(row)):
        return False
    wrong = str(row.get("is_correct")).strip().lower() in ("false", "0", "0.0")
    return wrong or any(is_bad(row.get(name)) for name in ("feedback", "rating", "thumb", "thumbs", "vote"))


def _without_marks(messages: Iterable[Message]) -> tuple[Message, ...]:
    said = tuple(Message(role, without_marks(content, role == "text")) for role, content in messages)
    if not all(message.content for message in said):
        raise Unreadable(NO_TEXT)
    return as_meant(said)


def _shows_something(row: Row, messages: Sequence[Message]) -> bool:
    """Whether a chat is about a picture or a sound of the row; a mere address beside a question is none."""
    given = [row[name] for name in _MEDIA_COLUMNS if row.get(name) is not None]
    kept = any(isinstance(value, Mapping | bytes) or (isinstance(value, list | tuple) and value) for value in given)
    return kept or any(_PLACES.search(message.content) for message in messages)


def is_known(columns: Iterable[str]) -> bool:
    """Whether rows with these columns may be readable."""
    return not set(columns).isdisjoint((*_QUESTIONS, *answers.NAMES, *_CHATS, *_OTHERS))


def _battle(row: Row, system: bool) -> tuple[Message, ...] | None:
    """FastChat's and LMArena's battles: the winner's conversation, or its answers to what both were asked."""
    answered = all(name in row for name in ("prompt", "response_a", "response_b", "winner_model_a"))
    if not answered and not ("conversation_a" in row and "conversation_b" in row):
        return None
    won = [
        side
        for side in "ab"
        if row.get("winner") == f"model_{side}" or str(row.get(f"winner_model_{side}")) in ("1", "1.0")
    ]
    if len(won) != 1:
        raise Unreadable(NO_WINNER)
    if answered:
        asked, said = (_turns_in(row[name]) for name in ("prompt", f"response_{won[0]}"))
        if not (_are_texts(asked) and _are_texts(said) and len(asked) == len(said)):
            raise Unreadable(NOT_TEXT)
        return turns_of(_each([text for pair in zip(asked, said, strict=True) for text in pair], {}), system)
    turns = decoded(row[f"conversation_{won[0]}"])
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
    if is_chat(preferred := row.get("preferred_output")):  # OpenAI's
        asked = row.get("input")
        return _asked_and_answered(asked.get("messages") if isinstance(asked, Mapping) else asked, preferred, system)
    chosen = decoded(row.get("chosen"))
    if is_chat(chosen):
        return _asked_and_answered(row.get("prompt"), chosen, system)
    if isinstance(chosen, str) and not any(is_given(row.get(name)) for name in _QUESTIONS):
        return turns_of(turns, system) if (turns := written(chosen)) else None  # as Anthropic's are
    return None


_BAD = ("false", "0", "0.0", "-1", "-1.0", "no", "bad", "undesirable")
"""How tables write TRL's mark of an answer that is not good."""


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
    for name in (*_CHATS, "chat", "data"):
        turns = None if name == "chat" and isinstance(row.get(name), Mapping) else _turns_in(row.get(name))
        if isinstance(turns, list | tuple) and (name != "data" or _are_texts(turns)):
            return turns_of([above_turn(_above(row)), *_each(on_one_branch(turns, row), row)], system)
    if turns := _utterances(row) or _best_path(row.get("prompt")):
        return turns_of(turns, system)
    answer = next((decoded(row[name]) for name in ("completion", "chosen") if is_given(row.get(name))), None)
    if is_chat(decoded(row.get("prompt"))) or is_chat(answer):  # TRL, conversational
        return _asked_and_answered(row.get("prompt"), answer, system)
    return None


def _above(row: Row) -> Any:
    return next((row[name] for name in ABOVE if is_given(row.get(name))), None)


def _are_texts(values: Any) -> bool:
    return isinstance(values, list | tuple) and bool(values) and all(isinstance(value, str) for value in values)


def _each(turns: Sequence[Any], row: Row) -> list[Any]:
    """Turns with their roles: of texts alone two people speak by turns (LIMA, UltraChat, DailyDialog), unless
    ``speakers`` says otherwise, and a turn may be a question with its answer (Capybara, Gradio's pairs)."""
    if _are_texts(turns):
        speakers = row.get("speakers")
        if not isinstance(speakers, list | tuple) or len(speakers) != len(turns):
            speakers = ["ab"[place % 2] for place in range(len(turns))]
        if not all(isinstance(who, str | int) for who in speakers) or len(set(speakers)) > 2:
            raise Unreadable(UNKNOWN_ROLE)
        sides = ["user" if who == speakers[0] else "assistant" for who in speakers]
        return [_turn(side, said) for side, said in zip(sides, turns, strict=True)]
    if is_pairs(turns):
        if any(role_of({"role": who}) for who, _ in turns):  # LangChain's, as Python's tuples become lists
            return [_turn(who, said) for who, said in turns]
        return [_turn(who, said) for pair in turns for who, said in zip(("user", "assistant"), pair, strict=True)]
    found: list[Any] = []
    for turn in turns:
        names = _pair_names(turn) if isinstance(turn, Mapping) and role_of(turn) is None else None
        found += (
            [_turn("user", turn[names[0]]), _turn("assistant", turn[names[1]])] if names else [with_role(_said(turn))]
        )
    return found


def _said(turn: Any) -> Any:
    """A turn whose only key is who speaks, with its role; any other as it is."""
    (who, *more) = turn if isinstance(turn, Mapping) and turn else ("", "")
    return _turn(who, turn[who]) if not more and role_of({"role": who}) else turn


def _turn(role: str, content: Any) -> dict[str, Any]:
    return {"role": role, "content": content}


def _utterances(row: Row) -> list[Any]:
    """PersonaChat's turns: those before the last words, whose true form is the last of the candidates; each person
    speaks by turns."""
    given: Any = row.get("utterances")
    last: Row = given[-1] if is_chat(given) else row
    before, candidates = last.get("history"), last.get("candidates")
    if before is None or candidates is None or not _are_texts(before) or not _are_texts(candidates):
        return []
    said = [text for text in (*before, candidates[-1]) if text != "__ SILENCE __"]
    return [_turn(("assistant", "user")[(len(said) - place) % 2 == 0], text) for place, text in enumerate(said)]


def _best_path(message: Any) -> list[Any]:
    """OpenAssistant's tree from its first prompt on, by the replies of the best rank."""
    path: list[Any] = []
    while isinstance(message, Mapping) and "replies" in message:
        path.append({"role": message.get("role"), "content": message.get("text")})
        replies = message["replies"] if is_chat(message["replies"]) else ()
        message = min(replies, key=lambda reply: number_of(reply.get("rank")) or 0, default=None)
    return path


def _turns_in(value: Any) -> Any:
    """A chat that a cell keeps as JSON, as an object of lists or as a text; any other value as it is."""
    if isinstance(value, str) and _TEXTS_IN_A_CELL.match(value):
        return parsed(value)
    value = decoded(value)
    if isinstance(value, str):
        return written(value, named=True) or None
    return _as_rows(value) if isinstance(value, Mapping) else value


def _as_rows(columns: Mapping[str, Any]) -> Any:
    lists = list(columns.values())
    if not lists or not all(isinstance(one, list | tuple) and len(one) == len(lists[0]) for one in lists):
        return columns
    return [dict(zip(columns, values, strict=True)) for values in zip(*lists, strict=True)]


def _as_answer(value: Any) -> list[Any]:
    if not is_given(value):
        return []
    return list(value) if is_chat(value) else [{"role": "assistant", "content": value}]


def _exported(row: Row, system: bool) -> tuple[Message, ...] | None:
    turns = exported(row)
    return None if turns is None else turns_of(turns, system)


def _pair(row: Row, system: bool) -> tuple[Message, ...] | None:
    """A question and its answer under the names that people give them."""
    found = _pair_names(row)
    if found is None:
        return None
    asked, answered = found
    given = row.get("system") if row.get("system") is not None else row.get("system_prompt")
    turns = [_chat_in(row[name]) for name in found]
    said = turns[1] or answers.answer_in(row, answered)
    if not turns[0] and isinstance(row[asked], str) and (begin := begun(text_of(row[asked]))):
        turns[0], said = begin, without_end(said) if isinstance(said, str) else said
    if any(turns) or is_chat(said):
        if is_given(row.get("context")) or is_given(row.get("history")):
            raise Unreadable(NOT_TEXT)  # whether they stand before the chat or are in it, nothing says
        before_it = [{"role": "system", "content": given}, *_as_turns(turns[0] or row[asked])]
        return _asked_and_answered(before_it, said, system)
    answer, question = without_calls(without_thoughts(text_of(said)).strip()), text_of(row[asked])
    if not question or is_no_value(question):
        raise Unreadable(NO_QUESTION)
    if not answer or is_no_value(answer, f"{question} {row.get('choices') or row.get('options') or ''}"):
        raise Unreadable(NO_ANSWER)
    question, answer = _without_labels(question, answer)
    if found == ("prompt", "completion") and (bare := _ASKED_TO_GO_ON.sub("", question)) != question and bare:
        question, answer = bare, _STOPPED.sub("", answer) or answer  # as OpenAI's first guide had them written
    if repeats(question, answer):
        raise Unreadable(ECHO)
    before: list[Message] = []
    if asked == "instruction":  # Alpaca's input and Dolly's context belong to what is asked
        more = [text_of(row.get(name)) for name in ("input", "context")]
        question = "\n\n".join([question, *(text for text in more if text and not is_no_value(text, question))])
    elif text_of(row.get("topic")).partition("/")[0] == "conversation":
        before += _context_messages(text_of(row.get("context")))
    else:  # what is asked about, as in SQuAD
        about = text_of(next((row[name] for name in answers.PASSAGES if is_given(row.get(name))), None))
        question = "\n\n".join(filter(None, ("" if is_no_value(about) else about, question)))
    before = [*_history(row.get("history")), *before]
    chat = [*before, Message("user", question), Message("assistant", answer)]
    if system and (above := text_of(given)) and not is_no_value(above):
        chat[0] = Message("user", f"{above}\n\n{chat[0].content}")
    return tuple(chat)


_ASKED_TO_GO_ON = re.compile(r"\s*(?:\n\s*#{3}(?:\s*#{3})?|->|=>)\s*\Z")
_STOPPED = re.compile(r"\s*(?:#{3}|\bEND)\s*\Z")


def _without_labels(question: str, answer: str) -> tuple[str, str]:
    """A question and an answer that both say what they are, as ``Q: Who?`` and ``A: Goya.``, without these labels."""
    turns = written(f"{question}\n{answer}") if ":" in question[:20] and ":" in answer[:20] else []
    if [role_of(turn) for turn in turns] != ["user", "assistant"] or not all(turn["content"] for turn in turns):
        return question, answer
    said = turns[0]["content"], turns[1]["content"]
    return said if question.endswith(said[0]) and answer.endswith(said[1]) else (question, answer)


def _pair_names(row: Row) -> tuple[str, str] | None:
    """The columns of question and answer: of the first question that has an answer beside it."""
    asked = [name for name in _QUESTIONS if is_given(row.get(name))]
    answered = [name for name in answers.NAMES if is_given(row.get(name))]
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
    if role_of(row) not in (None, "text"):  # a message of OpenAssistant's table
        raise Unreadable(ALONE)
    turns = _chat_in(text) or written(text, named=True)
    return turns_of(turns, system) if turns else (Message("text", text),)
