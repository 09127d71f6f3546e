"""Any OpenAI-compatible server (vLLM, llama.cpp, TGI, `transformers serve`) over HTTP."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx

from app.engines import EngineError, Message, Piece, Sampling, TooLong, Unanswerable
from app.engines.openai_wire import CONNECT_SECONDS, Address, Text, connect, events, read_key, retry_after
from app.engines.relay import Emit, relay

ATTEMPTS = 3
BACK_OFF_SECONDS = 0.5  # doubled after each attempt
LONGEST_WAIT_SECONDS = 60.0  # a server that asks for more patience is given up
SLOTS = 64  # answers asked for at the same time; the server has its own queue behind that
DEADLINE_SECONDS = 180.0  # for a whole answer
HEALTH_SECONDS = 5.0  # how long a health check's result is reused
# A cautious guess of how many tokens a text has, since the server's tokenizer is not at hand: three letters of a Latin
# script make one, a sign of Chinese or Hindi up to one and a half.
TOKENS_PER_ASCII, TOKENS_PER_OTHER = 1 / 3, 1.5
OPTIONAL = ("seed", "stream_options")  # what an answer can do without
PROBE = ([{"role": "user", "content": "Hello"}], Sampling(3, 0.7, 0.9, 1))

log = logging.getLogger(__name__)


class _Busy(Exception):
    """A failure that may pass: worth another attempt as long as no text has come."""

    def __init__(self, why: str, wait: float | None = None) -> None:
        super().__init__(why)
        self.wait = wait


class _Adapted(Exception):
    """The server refused a field; the request has another form from now on."""


class OpenAIServer:
    """One model of one server; `role` says which key is sent to it."""

    slots = SLOTS

    def __init__(self, base_url: str, model: str, role: str = "") -> None:
        self._address = Address.of(base_url)
        self._role = role
        self.model = model
        self._client: httpx.Client | None = None
        self._context: int | None = None
        self._checked = (0.0, False)
        self._lists_models = True
        self._limit_field = "max_tokens"
        self._left_out: set[str] = set()

    @property
    def base_url(self) -> str:
        """Where it answers, without a password."""
        return self._address.base

    @property
    def _name(self) -> str:
        return f"openai:{self.base_url}#{self.model}"

    @property
    def _http(self) -> httpx.Client:
        if self._client is None or self._client.is_closed:
            self._client = connect(self._address, read_key(self._role))
        return self._client

    def start(self) -> None:
        """Reach the server, find the model in its list, and let it say three tokens. Raises EngineError."""
        self._client = None
        found = self._find_model()
        meta = (found or {}).get("meta") or {}
        context = (found or {}).get("max_model_len") or meta.get("n_ctx") or meta.get("n_ctx_train")
        self._context = int(context) if context else None
        for _ in self.stream(*PROBE, threading.Event()):
            pass
        if self._left_out:
            log.warning("%s does not know %s; answers do without", self._name, " and ".join(sorted(self._left_out)))
        self._checked = (time.monotonic(), True)

    def _find_model(self) -> dict[str, Any] | None:
        """The model's entry in the server's list; None where there is no list. Completes an address without /v1."""
        models = self._list_models()
        if models is None and not self.base_url.endswith("/v1"):
            given, self._address = self._address, self._address.under("v1")
            try:
                models = self._list_models()
            except EngineError:
                models = None
            if models is None:
                self._address = given
            else:
                log.warning("openai:%s answers under /v1; write openai:%s#%s", given.base, self.base_url, self.model)
        self._lists_models = models is not None
        found = next((entry for entry in models or [] if entry.get("id") == self.model), None)
        if models and found is None:
            names = ", ".join(str(entry.get("id")) for entry in models[:5])
            raise EngineError(f"{self._name}: the server has no such model; it has: {names}")
        return found

    def _list_models(self) -> list[dict[str, Any]] | None:
        """What the server lists; None where it has no list."""
        try:
            response = self._http.get(self._address.url("models"), timeout=CONNECT_SECONDS)
            if response.is_server_error and response.status_code != 501:
                response.raise_for_status()
            if response.status_code in (401, 403):
                raise EngineError(f"{self._name}: HTTP {response.status_code}; {self._about_the_key()}")
            if response.status_code in (404, 405, 501) or "json" not in response.headers.get("content-type", ""):
                return None
            entries = response.raise_for_status().json().get("data") or []
            return [entry for entry in entries if isinstance(entry, dict)]
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError) as error:
            raise EngineError(
                f"openai:{self.base_url}: no OpenAI-compatible server answers there ({_plain(error)}); "
                "start it first, or check the address (it usually ends in /v1)"
            ) from None

    def _about_the_key(self) -> str:
        own = f"DIPTYCH_{self._role.upper()}_KEY, or " if self._role else ""
        return f"it wants a key: set {own}OPENAI_API_KEY"

    def stream(self, messages: list[Message], sampling: Sampling, cancel: threading.Event) -> Iterator[Piece]:
        """Yield the answer as the server sends it. Tries again, with back-off, until the first text has come."""
        return relay(lambda emit: self._answer(messages, sampling, emit, cancel), cancel)

    def _body(self, messages: list[Message], sampling: Sampling) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self.model,
            "messages": messages,
            self._limit_field: sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return {name: value for name, value in body.items() if name not in self._left_out}

    def _answer(self, messages: list[Message], sampling: Sampling, emit: Emit, cancel: threading.Event) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        failed = 0
        while True:
            try:
                self._attempt(self._body(messages, sampling), emit, cancel, deadline)
                return
            except _Adapted:
                continue
            except _Busy as error:
                failed += 1
                wait = BACK_OFF_SECONDS * 2 ** (failed - 1) if error.wait is None else error.wait
                if failed == ATTEMPTS or wait > LONGEST_WAIT_SECONDS:
                    told = f"; it asks to wait {wait:.0f} s" if error.wait is not None else ""
                    raise EngineError(
                        f"openai:{self.base_url}: {error}, {failed} times{told}; check the server"
                    ) from error
                if cancel.wait(wait):
                    return

    def _attempt(self, body: dict[str, Any], emit: Emit, cancel: threading.Event, deadline: float) -> None:
        tokens, text = 0, Text()
        try:
            with self._http.stream("POST", self._address.url("chat/completions"), json=body) as response:
                self._check(response, body)
                for event in events(response):
                    if cancel.is_set():
                        return  # which closes the connection, so that the server stops too
                    if time.monotonic() > deadline:
                        raise EngineError(f"openai:{self.base_url}: no end after {DEADLINE_SECONDS:.0f} s")
                    more = text.read(event)
                    tokens += 1 if more else 0
                    if more and not emit(Piece(more, 1)):
                        return
                    if text.total is not None and text.total != tokens:
                        emit(Piece("", max(0, text.total - tokens)))
                        tokens = max(tokens, text.total)
                if not text.finish and not text.done:
                    raise EngineError(f"openai:{self.base_url}: the answer broke off; check the server")
                emit(Piece("", 0, "length" if text.finish == "length" else "stop"))
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            self._checked = (0.0, False)  # look again before the next answer
            if tokens:  # a second attempt would say something else after the text that has come
                raise EngineError(
                    f"openai:{self.base_url}: the answer broke off ({_plain(error)}); check the server"
                ) from None
            raise _Busy(_plain(error)) from None

    def _check(self, response: httpx.Response, body: dict[str, Any]) -> None:
        """Raise what a status means: wait, ask in another form, ask less, or give up."""
        if response.is_success:
            return
        code, status = response.status_code, f"HTTP {response.status_code}"
        if code in (408, 409, 425, 429) or response.is_server_error:
            raise _Busy(status, retry_after(response))
        detail = response.read().decode("utf-8", "replace")[:500].replace("\n", " ")
        if code in (401, 403):
            self._checked = (0.0, False)
            raise Unanswerable(f"{self._name}: {status}; {self._about_the_key()}")
        if code in (400, 413, 422):
            self._adapt(detail, body)
            if re.search(r"context|too long|too many tokens|maximum.{0,20}length|exceed", detail, re.IGNORECASE):
                self._learn_context(detail)
                raise TooLong(f"{self._name}: {status}: {detail[:200]}")
            for name in ("temperature", "top_p"):
                if name in detail:
                    raise Unanswerable(
                        f"{self._name}: refuses {name} = {body.get(name):g}; set it in the study file to what the"
                        f" server takes: {detail[:200]}"
                    )
        raise Unanswerable(f"{self._name}: {status}: {detail[:200]}{self._hint(code)}")

    def _hint(self, code: int) -> str:
        return "; check the address (it usually ends in /v1) and the model's name" if code in (404, 405) else ""

    def _adapt(self, detail: str, body: dict[str, Any]) -> None:
        """Give a field that the server refuses another name, or leave it out. Raises _Adapted when that was done."""
        if "max_completion_tokens" in detail and "max_tokens" in body:
            self._limit_field = "max_completion_tokens"
            raise _Adapted
        if "max_completion_tokens" in body and "max_completion_tokens" in detail and "max_tokens" not in self._left_out:
            self._limit_field = "max_tokens"
            self._left_out.add("max_completion_tokens")
            raise _Adapted
        refused = {name for name in OPTIONAL if name in body and name in detail}
        if not refused and re.search(r"extra|unknown|unexpected|unrecogni|not (?:permitted|supported)", detail, re.I):
            refused = {name for name in OPTIONAL if name in body}
        if refused:
            self._left_out |= refused
            raise _Adapted

    def _learn_context(self, detail: str) -> None:
        form = r"(?:maximum|context)[^.]{0,40}?(?:length|size|window)[^.\d]{0,20}(\d{3,7})"
        if said := re.search(form, detail, re.IGNORECASE):
            self._context = min(int(said[1]), self._context or int(said[1]))

    def fits(self, messages: list[Message], max_new_tokens: int) -> bool:
        """A cautious estimate where the server tells its context, else True; the server itself has the last word."""
        if self._context is None:
            return True
        text = "".join(message["content"] for message in messages)
        ascii_only = sum(character.isascii() for character in text)
        tokens = ascii_only * TOKENS_PER_ASCII + (len(text) - ascii_only) * TOKENS_PER_OTHER
        return tokens + 8 * len(messages) + max_new_tokens <= self._context

    def describe(self) -> dict[str, str]:
        """Kind and address with the model's name; no password, no query."""
        return {"kind": "openai", "source": f"{self.base_url}#{self.model}"}

    def health(self) -> dict[str, object]:
        """Whether the server lists its models, or took the last question; looked up at most every few seconds."""
        checked, ok = self._checked
        if time.monotonic() - checked > HEALTH_SECONDS:
            self._checked = (time.monotonic(), ok)  # one look is enough; others use the last result meanwhile
            try:
                ok = self._list_models() is not None if self._lists_models else ok
            except EngineError:
                ok = False
            self._checked = (time.monotonic(), ok)
        return {"ok": ok, "context": self._context}

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()


def _plain(error: Exception) -> str:
    """What went wrong, without an address, in which a password may stand."""
    text = str(error) or type(error).__name__
    return re.sub(r"[a-z]+://\S*@\S+", "...", text)
