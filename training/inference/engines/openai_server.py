"""Any OpenAI-compatible server (vLLM, llama.cpp, TGI, `transformers serve`) over HTTP."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from training.inference import openai_errors
from training.inference.engines import (
    Emit,
    EngineError,
    Message,
    OutOfService,
    Piece,
    Sampling,
    TooLong,
    Unanswerable,
    relay,
)
from training.inference.openai_client import Client
from training.inference.openai_errors import ForGood, ServerError, Unfinished
from training.inference.openai_events import Text

SLOTS = 64  # answers asked for at the same time; the server has its own queue behind that
DEADLINE_SECONDS = 180.0  # for a whole answer
HEALTH_SECONDS = 5.0  # how long a health check's result is reused
# A cautious guess of how many tokens a text has, since the server's tokenizer is not at hand: three letters of a Latin
# script make one, a sign of Chinese or Hindi up to one and a half.
TOKENS_PER_ASCII, TOKENS_PER_OTHER = 1 / 3, 1.5
PROBE_TOKENS = 3
PROBE = ([Message("user", "Hello")], Sampling(PROBE_TOKENS, 0.7, 0.9, 1))

log = logging.getLogger(__name__)


@contextmanager
def _as_engine_errors() -> Iterator[None]:
    """A server's failure as an engine's."""
    try:
        yield
    except openai_errors.TooLong as error:
        raise TooLong(str(error)) from error
    except ServerError as error:
        lasting = Unanswerable if isinstance(error, ForGood) else EngineError
        raise (OutOfService if error.out_of_service else lasting)(str(error)) from error


class OpenAIServer:
    """One model of one server; `role` says which key is sent to it."""

    slots = SLOTS

    def __init__(self, base_url: str, model: str, role: str = "") -> None:
        self._client = Client(base_url, model, role)
        self._context: int | None = None
        self._checked = (0.0, False)
        self._looking = threading.Lock()
        self._lists_models = True
        self._refuses = False  # whatever it is asked, perhaps, by what it said last
        self._called = {model}  # by which names it has answered

    @property
    def model(self) -> str:
        """The name that the server knows it by."""
        return self._client.model

    @property
    def base_url(self) -> str:
        """Where it answers, without a password."""
        return self._client.base_url

    def start(self) -> None:
        """Reach the server, find the model in its list, and let it say three tokens. Raises EngineError."""
        client, given = self._client, self._client.base_url
        client.close()
        with _as_engine_errors():
            self._lists_models, found = client.find()
        if client.base_url != given:
            log.warning("openai:%s answers under /v1; write %s", given, client.name)
        self._context = _context(found)
        self._probe()
        if client.left_out:
            log.warning("%s does not know %s; answers do without", client.name, " and ".join(sorted(client.left_out)))
        self._checked = (time.monotonic(), True)

    def _probe(self) -> None:
        """Let it say three tokens. Raises EngineError."""
        try:
            for _ in self.stream(*PROBE, threading.Event()):
                pass
        except EngineError as error:
            if not isinstance(error.__cause__, Unfinished):  # three tokens are few for a model that thinks
                raise
        self._refuses = False

    def stream(self, messages: list[Message], sampling: Sampling, cancel: threading.Event) -> Iterator[Piece]:
        """Yield the answer as the server sends it. Tries again, with back-off, until the first text has come."""
        return relay(lambda emit: self._answer(messages, sampling, emit, cancel), cancel)

    def _answer(self, messages: list[Message], sampling: Sampling, emit: Emit, cancel: threading.Event) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        fields = {
            "messages": [message._asdict() for message in messages],
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
        }
        tokens, text = 0, Text()
        try:
            with _as_engine_errors():
                for more, text in self._client.chat(fields, cancel.wait):
                    if cancel.is_set():
                        return  # which closes the connection, so that the server stops too
                    if time.monotonic() > deadline:
                        raise EngineError(f"openai:{self.base_url}: no end after {DEADLINE_SECONDS:.0f} s")
                    tokens += 1 if more else 0
                    if more and not emit(Piece(more, 1)):
                        return
                    if text.total is not None and text.total != tokens:
                        emit(Piece("", max(0, text.total - tokens)))
                        tokens = max(tokens, text.total)
        except EngineError as error:
            cause = error.__cause__
            if isinstance(cause, ServerError) and (cause.gone or cause.broken):
                self._checked = (0.0, False)  # look again before the next answer
            self._refuses = isinstance(cause, ServerError) and (cause.out_of_service or cause.broken)
            if isinstance(cause, openai_errors.TooLong) and cause.context:
                self._context = min(cause.context, self._context or cause.context)
            raise
        if cancel.is_set():
            return
        self._refuses = False
        self._note_name(text.model)
        if text.empty and text.thinks and text.cut and sampling.max_new_tokens > PROBE_TOKENS:
            raise Unanswerable(
                f"{self._client.name}: thought for all {sampling.max_new_tokens} tokens and said nothing; set"
                " max_new_tokens higher in the study file, or let it think less"
            )
        if text.empty and text.thinks and not text.cut:
            raise EngineError(
                f"{self._client.name}: only thought, which its server parts from the answer, and said nothing; try"
                " another setting of the server's reasoning parser"
            )
        emit(Piece("", 0, "length" if text.cut else "stop"))

    def _note_name(self, name: str) -> None:
        """Say once when another model seems to answer: some servers take the one that is loaded, or a spare one."""
        if not name or name in self._called:
            return
        self._called.add(name)
        asked = self._client.model.rpartition("/")[2].lower()
        if asked not in name.lower() and name.rpartition("/")[2].lower() not in self._client.model.lower():
            log.warning(
                "%s answers under the name %s; look whether that is the model you mean", self._client.name, name
            )

    def fits(self, messages: list[Message], max_new_tokens: int) -> bool:
        """A cautious estimate where the server tells its context, else True; the server itself has the last word."""
        if self._context is None:
            return True
        text = "".join(message.content for message in messages)
        ascii_only = sum(character.isascii() for character in text)
        tokens = ascii_only * TOKENS_PER_ASCII + (len(text) - ascii_only) * TOKENS_PER_OTHER
        return tokens + 8 * len(messages) + max_new_tokens <= self._context

    def describe(self) -> dict[str, str]:
        """Kind and address with the model's name; no password, no query."""
        return {"kind": "openai", "source": f"{self.base_url}#{self.model}"}

    def count(self, text: str) -> None:
        """Not known: the server's tokenizer is not at hand."""

    def setup(self) -> dict[str, Any]:
        """What it runs on is not known."""
        return {"engine": "openai", "version": None, "device": None, "threads": None}

    def health(self) -> dict[str, object]:
        """Whether the server lists its models, or took the last question; looked up at most every few seconds.

        One that refused a question as it would any, or failed at it, is asked for three tokens: its list says nothing
        of a bill, a key or a model that does not fit into memory.
        """
        checked, ok = self._checked
        # One look is enough, however long the server takes; others use the last result meanwhile.
        if time.monotonic() - checked > HEALTH_SECONDS and self._looking.acquire(blocking=False):
            try:
                ok = self._client.list_models() is not None if self._lists_models else ok
                if self._refuses:
                    self._probe()
                    ok = True
            except (ServerError, EngineError):
                ok = False
            finally:
                self._checked = (time.monotonic(), ok)
                self._looking.release()
        return {"ok": ok, "context": self._context}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _context(entry: dict[str, Any]) -> int | None:
    """Tokens of a conversation, as a server's list tells them."""
    meta = entry.get("meta") or {}
    limits = [
        entry.get("max_model_len"),
        *(meta.get(name) for name in ("n_ctx", "n_ctx_train") if isinstance(meta, dict)),
    ]
    return next((value for value in limits if type(value) is int and value > 0), None)
