"""How OpenAI-compatible servers are spoken to, as they are: their address, the key, the proxy, the events they send."""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import time
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from app.engines import EngineError

CONNECT_SECONDS = 5.0
SILENCE_SECONDS = 60.0  # the longest wait for the next event, a long prompt included
_ENDPOINTS = ("/chat/completions", "/completions", "/models", "/responses")


@dataclass(frozen=True)
class Address:
    """Where a server answers. `base` can be shown; `login`, a user and password that stood in it, never is."""

    base: str
    query: str
    login: tuple[str, str] | None

    @classmethod
    def of(cls, url: str) -> Address:
        """Read an address as people copy it: with an endpoint, a query, or a user and password in it."""
        parts = urlsplit(url.strip())
        path = parts.path.rstrip("/")
        for endpoint in _ENDPOINTS:
            path = path.removesuffix(endpoint)
        host = parts.netloc.rpartition("@")[2]
        login = (unquote(parts.username or ""), unquote(parts.password or "")) if "@" in parts.netloc else None
        return cls(urlunsplit((parts.scheme, host, path.rstrip("/"), "", "")), parts.query, login)

    def url(self, endpoint: str) -> str:
        """The address of an endpoint, such as `chat/completions`."""
        return f"{self.base}/{endpoint}" + (f"?{self.query}" if self.query else "")

    def under(self, path: str) -> Address:
        """The same server, further down."""
        return Address(f"{self.base}/{path}", self.query, self.login)

    @property
    def is_local(self) -> bool:
        """Whether this machine or its own network answers there, which no proxy is asked for."""
        host = (urlsplit(self.base).hostname or "").lower()
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return host.endswith((".local", ".localhost", ".internal", ".lan")) or "." not in host
        return address.is_private or address.is_loopback or address.is_link_local


def read_key(role: str) -> str:
    """The key for a server: of this model (DIPTYCH_MODEL1_KEY), else the one for both (OPENAI_API_KEY), else none.

    Raises:
        EngineError: it cannot be sent; the key itself is not told.
    """
    for name in (f"DIPTYCH_{role.upper()}_KEY", "OPENAI_API_KEY"):
        key = os.environ.get(name, "").strip()
        if not key:
            continue
        if not key.isascii() or not key.isprintable() or " " in key:
            raise EngineError(
                f"{name}: holds a blank, a line break or a character that no key has; set it to the key alone"
            )
        return key
    return ""


def connect(address: Address, key: str) -> httpx.Client:
    """A client for a server. Raises EngineError where the environment names a proxy that cannot be used."""
    try:
        return httpx.Client(
            headers={"Authorization": f"Bearer {key}"} if key else {},
            auth=None if key else address.login,
            timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None),
            trust_env=not address.is_local,
        )
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        names = [name for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY") if _variable(name)]
        why = "a SOCKS proxy needs `pip install httpx[socks]`" if isinstance(error, ImportError) else "it is no address"
        raise EngineError(
            f"openai:{address.base}: the proxy in {' or '.join(names) or 'the environment'} cannot be used, {why};"
            " or unset it, or name this server in NO_PROXY"
        ) from None


def _variable(name: str) -> str | None:
    return os.environ.get(name) or os.environ.get(name.lower())


def retry_after(response: httpx.Response) -> float | None:
    """For how many seconds a server asks to be left alone; None where it does not say."""
    said = response.headers.get("retry-after", "").strip()
    try:
        return max(0.0, float(said))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time())
    except (ValueError, TypeError):
        return None


def events(response: httpx.Response) -> Iterator[dict[str, Any]]:
    """The JSON of each server-sent event up to `[DONE]`, which is {"done": True}; {} for what keeps the connection.

    A server that answers a streaming request with one JSON document has one event. Lines end with LF or CR alone:
    U+2028 and U+0085, at which `iter_lines` ends one too, may stand in a JSON text.
    """
    if "json" in response.headers.get("content-type", "") and "event-stream" not in response.headers["content-type"]:
        yield _json(response, response.read())
        yield {"done": True}
        return
    data: list[bytes] = []
    for line in _lines(response):
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
            continue
        if line:
            yield {}
            continue
        if data:
            text, data = b"\n".join(data), []
            if text.strip() == b"[DONE]":
                yield {"done": True}
                return
            yield _json(response, text)
    if data and (text := b"\n".join(data)).strip():
        yield {"done": True} if text.strip() == b"[DONE]" else _json(response, text)


def _lines(response: httpx.Response) -> Iterator[bytes]:
    rest = b""
    for chunk in response.iter_bytes():
        *lines, rest = (rest + chunk).replace(b"\r\n", b"\n").split(b"\n")
        for line in lines:
            yield from line.removesuffix(b"\r").split(b"\r")
    yield from (rest.rstrip(b"\r"), b"")


def _json(response: httpx.Response, data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as error:
        shown = data[:80].decode("utf-8", "replace")
        raise EngineError(f"{response.url.copy_with(query=None)}: an event that is not JSON: {shown}") from error
    return value if isinstance(value, dict) else {}


class Text:
    """The text of an answer, joined from events: halves of a character (an emoji) wait for each other."""

    def __init__(self) -> None:
        self.finish = ""
        self.total: int | None = None  # tokens, once the server tells
        self.asked: int | None = None  # tokens of the question, likewise
        self.done = False
        self._half = ""

    def read(self, event: dict[str, Any]) -> str:
        """What an event adds. Raises EngineError where it reports an error."""
        if event.get("error"):
            raise EngineError(f"the server reports: {str(event['error'])[:200]}")
        self.done = self.done or event.get("done") is True
        usage = event.get("usage") or {}
        self.total = usage.get("completion_tokens", self.total)
        self.asked = usage.get("prompt_tokens", self.asked)
        choice = (event.get("choices") or [{}])[0] or {}
        self.finish = choice.get("finish_reason") or self.finish
        part = choice.get("delta") or choice.get("message") or {}
        text = self._half + _content(part.get("content") if isinstance(part, dict) else None)
        self._half = text[-1] if text and "\ud800" <= text[-1] <= "\udbff" and not self.done else ""
        text = text[: len(text) - len(self._half)]
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _content(content: Any) -> str:
    """Text, or the texts of a list of parts; what a model thinks comes in other fields or parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(
        part if isinstance(part, str) else str(part.get("text") or "")
        for part in parts
        if isinstance(part, str) or (isinstance(part, dict) and part.get("type", "text") in ("text", "output_text"))
    )
