"""What OpenAI-compatible servers send, as they send it: events, answers and errors, for ``openai_client``."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx

from training.common.message import BROKEN, CUT, FILTERED
from training.inference.openai_errors import Busy, ForGood, ServerError, is_for_good, out_of_service, reported

MOST_BYTES = 16 << 20  # of one event, or of a body
MOST_TRIED = 1 << 18  # bytes of an event or a body whose end is looked for before it has been told
LONG_PIECE = 40  # characters; that a piece repeats all that came before is no chance from there on
MOST_TOKENS = 10_000_000  # of an answer; a server that counts more has miscounted
_WHOLE = re.compile(
    r"|stop(?:_sequence|_word)?|stopped|eos(?:_token)?|end(?:_turn)?|done|completed?|finished|normal", re.IGNORECASE
)
_NO_END = ("", "null", "none")  # a finish_reason of pieces in the midst of an answer, in words


def events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The JSON of each server-sent event up to `[DONE]`, which is {"done": True}; {} for what keeps the connection.

    A server that answers a streaming request with one JSON document has one event, whatever it calls it. Lines end with
    LF or CR alone: U+2028 and U+0085, at which `iter_lines` ends one too, may stand in a JSON text. Some send
    the JSON of an event in each line, without a name before it (NDJSON).
    """
    kind, data, whole, by_line = "", list[bytes](), b"", False
    words: bytes | None = b""  # what comes before the first event and is none
    for line in _lines(response):
        if line is None or (line and not (whole or data or _BEGINS.match(line))):
            if words == b"" and line and not _FIELD.match(line):
                words = line
            yield {}
        elif not whole and not data and _is_whole(line) and (by_line or _is_piece(line)):
            data, by_line = [line], True
        elif whole or (not data and line.lstrip().startswith((b"{", b"["))):
            whole += line + b"\n"
        elif line.startswith(b"data:"):
            data.append(_DATA.sub(b"", line, count=1))
        elif line.startswith(b"event:"):
            kind = line[6:].strip().decode("utf-8", "replace")
        elif line.startswith(b"error:"):  # as a field of its own, from older servers of llama.cpp
            kind, data = "error", [*data, line[6:]]
        elif line.lstrip().startswith(b"<"):
            raise _web_page(response)
        # Not every server sends the blank line that ends an event.
        if data and (line == b"" or _is_whole(b"\n".join(data))):
            words = None
            for text in _apart(data):
                event = _event(response, kind, text)
                yield event
                if event.get("done") is True:
                    return
            data = []
        kind = "" if line == b"" else kind
        if len(whole) + sum(map(len, data)) > MOST_BYTES:
            raise ServerError(f"an event of more than {MOST_BYTES >> 20} MB; check the server")
    for text in _apart(data) if data else []:
        if words is not None or _is_json(text) or _is_done(text):  # else half an event: the answer has broken off
            yield _event(response, kind, text)
    sentence = (words or b"").decode("utf-8", "replace")[:200]
    if sentence.isprintable() and sentence and not whole:  # in the place of an answer
        yield {"message": sentence}
    if texts := _apart(whole.splitlines()) if whole.strip() else []:
        for text in texts:
            yield _event(response, "", text)
        # One document is the whole answer; of a line an event, the last one says that it is.
        if len(texts) == 1 and words is not None:
            yield {"done": True}


_FIELD = re.compile(rb"\s*$|:|\w+:")
_BEGINS = re.compile(rb"\s*[{\[<]|data:|event:|error:")
_DATA = re.compile(rb"(?:data: ?)+")  # again where a proxy passes lines on as events of its own


def _web_page(response: httpx.Response) -> ForGood:
    message = "answers with a web page, as the login of a network does; check the address and the connection"
    return out_of_service(ForGood(f"{response.url.copy_with(query=None)}: {message}"))


def _chunks(response: httpx.Response) -> Iterator[bytes]:
    """A body, up to the end of the one JSON document that it may be: behind it some servers leave the connection open,
    or break it."""
    document: bytearray | None = bytearray()
    for chunk in response.iter_bytes():
        yield chunk
        if document is None:
            continue
        document += chunk
        if len(document) > MOST_TRIED or not _OPENS.match(document):
            document = None
        elif chunk.rstrip()[-1:] in (b"}", b"]") and _is_json(bytes(document)) and not _is_piece(bytes(document)):
            return


_MARK = b"\xef\xbb\xbf"  # the byte order mark that some servers begin with
_OPENS = re.compile(rb"(?:%b)?\s*(?:[{\[]|\Z)" % _MARK)


def _is_whole(text: bytes) -> bool:
    """Whether the object of an event, or `[DONE]`, has come to its end, so that nothing needs to be waited for."""
    return len(text) <= MOST_TRIED and (_is_done(text) or (text.rstrip()[-1:] in (b"}", b"]") and _is_json(text)))


def _is_piece(document: bytes) -> bool:
    """Whether JSON is a piece of an answer, of which some servers send one in each line."""
    if _is_done(document):
        return False
    value = _json(document)
    choices = value.get("choices") if isinstance(value, dict) else None
    return isinstance(choices, list) and any("delta" in _object(choice) for choice in choices)


def _lines(response: httpx.Response) -> Iterator[bytes | None]:
    """Each line, also one whose event is whole before its end has come; None for a chunk that ends none."""
    rest, first, half = b"", True, False
    for chunk in _chunks(response):
        chunk = chunk.removeprefix(b"\n") if half else chunk
        half = chunk.endswith(b"\r")  # of CR LF
        *lines, rest = (rest + chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")).split(b"\n")
        for line in lines:
            yield line.removeprefix(_MARK) if first else line
            first = False
        named = rest.startswith(b"data:") and _is_whole(_DATA.sub(b"", rest, count=1))
        if named or (rest[:1] == b"{" and _is_whole(rest) and _is_piece(rest)) or (first and rest[:1] == b"<"):
            lines, rest, first = [rest], b"", False
            yield lines[0]
        if not lines:
            if len(rest) > MOST_BYTES:
                raise ServerError(f"a line of more than {MOST_BYTES >> 20} MB; check the server")
            yield None
    yield rest.removeprefix(_MARK) if first else rest


def _apart(lines: list[bytes]) -> list[bytes]:
    """One JSON text of many lines, or, where a server forgets the blank lines between events, one of each line."""
    joined = b"\n".join(lines)
    if len(lines) > 1 and not _is_json(joined) and all(_is_json(line) or _is_done(line) for line in lines if line):
        return [line for line in lines if line.strip()]
    return [joined] if _is_json(joined) else _in_a_row(joined)


def _in_a_row(text: bytes) -> list[bytes]:
    """JSON texts one behind the other, as where a proxy has lost the line ends between events; else the text itself."""
    words, at, found = text.decode("utf-8", "replace"), 0, list[bytes]()
    try:
        while (at := _GAP.match(words, at).end()) < len(words):  # type: ignore[union-attr]
            if len(words) - at < _LONGEST_DONE and _is_done(words[at:].encode()):
                return [*found, words[at:].encode()]
            _, end = _DECODER.raw_decode(words, at)
            found.append(words[at:end].encode())
            at = end
    except (ValueError, RecursionError):
        return [text]
    return found or [text]


_GAP, _LONGEST_DONE = re.compile(r"\s*(?:data:\s*)*"), 20
_DECODER = json.JSONDecoder(strict=False)


def _is_json(data: bytes) -> bool:
    try:
        _json(data)
    except (ValueError, RecursionError):
        return False
    return True


def _is_done(data: bytes) -> bool:
    return data.strip().strip(b'"').upper() == b"[DONE]"


def _event(response: httpx.Response, kind: str, data: bytes) -> dict[str, Any]:
    if _is_done(data):
        return {"done": True}
    if not data.strip():
        return {}
    try:
        value = _json(data)
    except (ValueError, RecursionError):
        shown = data[:80].decode("utf-8", "replace")
        if kind == "error":
            return {"error": shown.strip()}
        url = response.url.copy_with(query=None)
        raise ServerError(f"{url}: an event that is not JSON: {shown}") from None
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return {}
    return {"error": value} if kind == "error" and not value.get("error") else value


def beginning(response: httpx.Response, most: int) -> bytes:
    """A body, of which no more than so many bytes are read; whoever sends it may never end.

    Of a refusal, what has come until its connection breaks or rests is enough.
    """
    parts, size = list[bytes](), 0
    try:
        for chunk in _chunks(response):
            parts.append(chunk)
            size += len(chunk)
            if size > most:
                break
    except httpx.HTTPError:
        if response.is_success:
            raise
    return b"".join(parts)[:most]


def is_counted(response: httpx.Response) -> bool:
    """Whether HTTP tells the end of a body from a connection that broke: by its length, or by chunks and a last one."""
    return "content-length" in response.headers or "chunked" in response.headers.get("transfer-encoding", "").lower()


def json_of(response: httpx.Response) -> Any:
    """The JSON of a body. Raises ValueError where it is none."""
    try:
        return _json(beginning(response, MOST_BYTES))
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None


def _json(data: bytes) -> Any:
    try:  # halves of a character, and tabs as they are, which some servers write, pass
        return json.loads(data, strict=False)
    except UnicodeDecodeError:
        return json.loads(data.decode("utf-8", "replace"), strict=False)


class Text:
    """The text of an answer, joined from events: halves of a character (an emoji) wait for each other."""

    def __init__(self) -> None:
        self.finish = ""
        self.model = ""  # as the server calls what answers
        self.total: int | None = None  # tokens, once the server tells
        self.asked: int | None = None  # tokens of the question, likewise
        self.done = False
        self.closed = False  # the server has ended the body of its answer as HTTP wants it
        self.rests = False  # an end has come, and nothing was said since
        self.empty = True
        self.thinks = False  # the model has thought, in a field of its own or in tokens that are counted alone
        self._chose = self._said = False  # something had the form of an answer; something came at all
        self._went_on = False  # text came behind an end, so that no end of this server's is one
        self._goes_on = False  # text came without an end, so that an end of this server's is one
        self._by_message = False  # the text comes in messages, not in deltas
        self._calls = False  # a tool was called
        self._half = ""
        self._index: Any = None  # of several answers, the one that came first
        self._came = list[str]()
        self._odd = ""  # the first event that has the form of no answer

    def read(self, event: dict[str, Any]) -> str:
        """What an event adds. Raises ServerError where it reports an error."""
        choice = self._choice(event.get("choices"))
        error = _error(event) or _error(choice)
        if error is not None and not self.ended:  # what fails behind a whole answer is not the answer
            raise reported(error)
        self.done = self.done or event.get("done") is True
        self._chose = self._chose or bool(choice)
        self._said = self._said or bool(event)
        self._odd = self._odd or ("" if choice or not event else json.dumps(event, ensure_ascii=False)[:160])
        usage = _object(event.get("usage"))
        self.total = _count(usage.get("completion_tokens"), self.total)
        self.asked = _count(usage.get("prompt_tokens"), self.asked)
        self.thinks = self.thinks or _has_thought(usage)
        self.model = _word(event.get("model")) or self.model
        finish = str(choice.get("finish_reason") or choice.get("finishReason") or "")
        finish = "" if finish.lower() in _NO_END else finish
        # A message behind the pieces that it is made of says them again, and so does a last piece that is all of them.
        message = {} if self._came and not self._by_message else _object(choice.get("message"))
        part = _object(choice.get("delta")) or message
        self._by_message = self._by_message or bool(message)
        self._calls = self._calls or bool(part.get("tool_calls") or part.get("function_call"))
        self.thinks = self.thinks or any(part.get(name) for name in _THOUGHTS) or _is_thought(part.get("content"))
        said = _content(part.get("content")) or _content(part.get("refusal"))
        said = said or _word(choice.get("text")) or _word(choice.get("delta"))
        if finish and len(said) >= LONG_PIECE and said == "".join(self._came):
            said = ""
        self._went_on = self._went_on or bool(said and self.finish)
        self._goes_on = self._goes_on or bool(said and not finish)
        self.finish = finish or self.finish
        if event:
            self.rests = bool(self.finish) and (not said or (self._goes_on and not self._went_on))
        self._came += [said] if said else []
        text = self._half + said
        self._half = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" and not self.done else ""
        text = text[: len(text) - len(self._half)].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        self.empty = self.empty and not text.strip()
        return text

    def _choice(self, choices: Any) -> dict[str, Any]:
        """Of the answers that an event adds to, the one that is read; nobody asked for a second one."""
        for choice in choices if isinstance(choices, list) else []:
            index = _object(choice).get("index")
            if self._index is None:
                self._index = index
            if choice and index in (None, self._index):
                return _object(choice)
        return {}

    @property
    def ended(self) -> bool:
        """Whether there is an answer whose end has come; a server that says so with each piece has not said it."""
        return bool(self.finish) and not self.empty and not self._went_on

    @property
    def says_end(self) -> bool:
        """Whether the server has said in any way that the answer has ended."""
        return bool(self.finish) or self.done

    @property
    def cut(self) -> bool:
        """Whether the answer was ended by its greatest length."""
        return bool(CUT.search(self.finish))

    @property
    def failed(self) -> bool:
        """Whether the server has ended the answer because something went wrong; Ollama may end one that only loaded."""
        return bool(BROKEN.search(self.finish)) or (self.empty and self.finish == "load")

    def must_be_whole(self, says_ends: bool = True) -> None:
        """Raise what an end means that is none: a connection that broke, a filter, a tool in place of an answer.

        A text of a server of which nobody has heard an end yet (`says_ends`) is whole where its body is.
        """
        named = "" if self.finish in ("content_filter", "error") else f" (finish_reason = {self.finish[:40]!r})"
        if FILTERED.search(self.finish):
            raise ForGood(
                f"the server's content filter ended the answer{named}; choose a server or a setting without it"
            )
        if self.failed:
            raise (Busy if self.empty else ServerError)(
                f"the server ended the answer with an error{named}{'' if self.empty else '; check the server'}"
            )
        if self.empty and (self._calls or self.finish in ("tool_calls", "function_call")):
            raise ForGood("the model called a tool in place of answering; serve it without tools")
        if self._said and not self._chose:
            message = (
                "the server's answer has no choices, as one of OpenAI's interface; check the address (it usually ends"
                f" in /v1) and the server; it says: {self._odd}"
            )
            raise out_of_service(ForGood(message)) if is_for_good(self._odd) else ServerError(message)
        if not self.says_end and (says_ends or self.empty or not self.closed):
            raise ServerError("the answer broke off; check the server")
        if self.empty and not (self.cut or _WHOLE.fullmatch(self.finish)):
            raise ForGood(f"the server ended an answer without a word{named}; look that up in the server's manual")


_THOUGHTS = (
    "reasoning_content", "reasoning", "reasoning_details", "reasoning_text", "thinking", "thinking_blocks", "thought",
)  # fmt: skip


def _word(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _count(value: Any, before: int | None) -> int | None:
    return value if type(value) is int and 0 <= value <= MOST_TOKENS else before


def _error(event: dict[str, Any]) -> Any:
    """The error that an event reports, in any of the forms that servers have for it; None where it reports none."""
    error = event.get("error")
    if error is True or event.get("object") == "error" or (event.get("type") == "error" and not error):
        return event
    if isinstance(error, dict):
        return error if any(error.values()) else None
    if not error and not event.keys() & {"choices", "usage", "done", "type", "delta", "finish_reason"}:
        return event if event.get("detail") or isinstance(event.get("message"), str) else None
    return error or None


def _content(content: Any) -> str:
    """Text, or the texts of a list of parts; what a model thinks comes in other fields or parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(
        part if isinstance(part, str) else str(part.get("text") or part.get("refusal") or "")
        for part in parts
        if isinstance(part, str)
        or (
            isinstance(part, dict)
            and part.get("type", "text") in ("text", "output_text", "refusal")
            and not part.get("thought")
        )
    )


def _has_thought(usage: dict[str, Any]) -> bool:
    """Whether a server counts tokens of thoughts, all that some (OpenAI's, Google's) tell of them: by their name, or as
    the ones that are neither of the question nor of the answer."""
    details = (_object(usage.get(f"{name}_tokens_details")) for name in ("completion", "output"))
    named = [usage.get("reasoning_tokens"), *(part.get("reasoning_tokens") for part in details)]
    asked, said, total = (_count(usage.get(f"{name}_tokens"), None) for name in ("prompt", "completion", "total"))
    rest = total - asked - said if None not in (asked, said, total) else 0  # type: ignore[operator]
    return rest > 0 or any(_count(number, 0) for number in named)


def _is_thought(content: Any) -> bool:
    """Whether a list of parts holds what a model thinks (Mistral's form)."""
    parts = content if isinstance(content, list) else []
    return any(isinstance(part, dict) and (part.get("thought") or part.get("type") in _THOUGHTS) for part in parts)
