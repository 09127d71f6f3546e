"""Any OpenAI-compatible server (vLLM, llama.cpp, TGI, `transformers serve`) over HTTP."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx

from app.engines import EngineError, Message, Piece, Sampling
from app.engines.relay import Emit, relay

ATTEMPTS = 3
BACK_OFF_SECONDS = 0.5  # doubled after each attempt
SLOTS = 64  # answers asked for at the same time; the server has its own queue behind that
CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 60.0  # the longest wait for the next event, a long prompt included
DEADLINE_SECONDS = 180.0  # for a whole answer
HEALTH_SECONDS = 5.0  # how long a health check's result is reused
CHARACTERS_PER_TOKEN = 3  # a cautious guess: the server's tokenizer is not at hand


class _Busy(Exception):
    """A failure that may pass: worth another attempt as long as no text has come."""


class OpenAIServer:
    """One model of one server. The key, where the server wants one, is read from OPENAI_API_KEY."""

    slots = SLOTS

    def __init__(self, base_url: str, model: str) -> None:
        self.base_url = base_url.rstrip("/")
        self.model = model
        self._client = self._connect()
        self._context: int | None = None
        self._checked = (0.0, False)

    def _connect(self) -> httpx.Client:
        key = os.environ.get("OPENAI_API_KEY", "")
        return httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None),
        )

    def start(self) -> None:
        """Reach the server and find the model in its list. Raises EngineError."""
        if self._client.is_closed:
            self._client = self._connect()
        models = self._list_models()
        found = next((entry for entry in models if entry.get("id") == self.model), None)
        if models and found is None:
            names = ", ".join(str(entry.get("id")) for entry in models[:5])
            raise EngineError(f"openai:{self.base_url}#{self.model}: the server has no such model; it has: {names}")
        meta = (found or {}).get("meta") or {}
        context = (found or {}).get("max_model_len") or meta.get("n_ctx") or meta.get("n_ctx_train")
        self._context = int(context) if context else None
        self._checked = (time.monotonic(), True)

    def _list_models(self) -> list[dict[str, Any]]:
        try:
            response = self._client.get(f"{self.base_url}/models", timeout=CONNECT_SECONDS)
            if response.status_code == httpx.codes.NOT_FOUND:
                return []  # the list is optional; the first answer will tell
            return list(response.raise_for_status().json().get("data") or [])
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError) as error:
            raise EngineError(
                f"openai:{self.base_url}: no OpenAI-compatible server answers there ({error}); "
                "start it first, or check the address (it usually ends in /v1)"
            ) from error

    def stream(self, messages: list[Message], sampling: Sampling, cancel: threading.Event) -> Iterator[Piece]:
        """Yield the answer as the server sends it. Tries again, with back-off, until the first text has come."""
        body = {
            "model": self.model,
            "messages": messages,
            "max_tokens": sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        return relay(lambda emit: self._answer(body, emit, cancel), cancel)

    def _answer(self, body: dict[str, Any], emit: Emit, cancel: threading.Event) -> None:
        deadline = time.monotonic() + DEADLINE_SECONDS
        for attempt in range(ATTEMPTS):
            try:
                self._attempt(body, emit, cancel, deadline)
                return
            except _Busy as error:
                if attempt == ATTEMPTS - 1:
                    raise EngineError(f"openai:{self.base_url}: {error}, {ATTEMPTS} times; check the server") from error
                if cancel.wait(BACK_OFF_SECONDS * 2**attempt):
                    return

    def _attempt(self, body: dict[str, Any], emit: Emit, cancel: threading.Event, deadline: float) -> None:
        tokens = 0
        try:
            with self._client.stream("POST", f"{self.base_url}/chat/completions", json=body) as response:
                self._check(response)
                finish = ""
                for event in _events(response):
                    if cancel.is_set():
                        return  # which closes the connection, so that the server stops too
                    if time.monotonic() > deadline:
                        raise EngineError(f"openai:{self.base_url}: no end after {DEADLINE_SECONDS:.0f} s")
                    text, finish, total = _read(event, finish)
                    tokens += 1 if text else 0
                    if text and not emit(Piece(text, 1)):
                        return
                    if total is not None:
                        emit(Piece("", max(0, total - tokens)))
                        tokens = max(tokens, total)
                if not finish:
                    raise EngineError(f"openai:{self.base_url}: the answer broke off; check the server")
                emit(Piece("", 0, "length" if finish == "length" else "stop"))
        except httpx.HTTPError as error:
            self._checked = (0.0, False)  # look again before the next answer
            if tokens:  # a second attempt would say something else after the text that has come
                raise EngineError(
                    f"openai:{self.base_url}: the answer broke off ({error}); check the server"
                ) from error
            raise _Busy(str(error) or type(error).__name__) from error

    def _check(self, response: httpx.Response) -> None:
        if response.is_success:
            return
        status = f"HTTP {response.status_code}"
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            raise _Busy(status)
        detail = response.read().decode("utf-8", "replace")[:200].replace("\n", " ")
        raise EngineError(f"openai:{self.base_url}#{self.model}: {status}: {detail}")

    def fits(self, messages: list[Message], max_new_tokens: int) -> bool:
        """A cautious estimate where the server tells its context, else True."""
        if self._context is None:
            return True
        characters = sum(len(message["content"]) for message in messages)
        return characters / CHARACTERS_PER_TOKEN + 8 * len(messages) + max_new_tokens <= self._context

    def describe(self) -> dict[str, str]:
        """Kind and address with the model's name."""
        return {"kind": "openai", "source": f"{self.base_url}#{self.model}"}

    def health(self) -> dict[str, object]:
        """Whether the server lists its models; looked up at most every few seconds."""
        checked, ok = self._checked
        if time.monotonic() - checked > HEALTH_SECONDS:
            self._checked = (time.monotonic(), ok)  # one look is enough; others use the last result meanwhile
            try:
                self._list_models()
                ok = True
            except EngineError:
                ok = False
            self._checked = (time.monotonic(), ok)
        return {"ok": ok, "context": self._context}

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


def _events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The JSON of each server-sent event up to `[DONE]`; an empty one for a line that only keeps the connection."""
    for line in response.iter_lines():
        if not line.startswith("data:"):
            yield {}
            continue
        data = line[len("data:") :].strip()
        if data == "[DONE]":
            return
        try:
            event = json.loads(data)
        except ValueError as error:
            raise EngineError(f"{response.url}: an event that is not JSON: {data[:80]}") from error
        if isinstance(event, dict):
            yield event


def _read(event: dict[str, Any], finish: str) -> tuple[str, str, int | None]:
    """Text, finish reason so far and, once it is known, the number of tokens of the answer."""
    if "error" in event:
        raise EngineError(f"the server reports: {str(event['error'])[:200]}")
    usage = event.get("usage") or {}
    choice = (event.get("choices") or [{}])[0]
    text = (choice.get("delta") or {}).get("content") or ""
    return text, choice.get("finish_reason") or finish, usage.get("completion_tokens")
