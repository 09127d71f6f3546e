"""A connection to an OpenAI-compatible server: address, key, proxy, and how long an answer may take in all.

httpx bounds each single read, so who sends a byte now and then is never late; a ``Deadline`` bounds them together.
"""

from __future__ import annotations

import ipaddress
import os
import re
import threading
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import httpcore
import httpx

from training.inference.openai_errors import ServerError

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


def read_spec(spec: str) -> tuple[str, str] | None:
    """Address and model's name of `openai:BASE_URL#MODEL`; None where it has another form."""
    base_url, _, model = spec.removeprefix("openai:").partition("#")
    try:
        parts = urlsplit(base_url.strip())
        well_formed = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none, a bracket too few
        return None
    return (base_url, model.strip()) if well_formed and model.strip() else None


def without_password(text: str) -> str:
    """An address or SPEC that can be shown."""
    return re.sub(r"//[^/#]*@", "//...@", text)


def read_key(role: str) -> str:
    """The key for a server: of this model (DIPTYCH_MODEL1_KEY), else the one for both (OPENAI_API_KEY), else none.

    Raises:
        ServerError: it cannot be sent; the key itself is not told.
    """
    for name in (f"DIPTYCH_{role.upper()}_KEY", "OPENAI_API_KEY"):
        key = os.environ.get(name, "").strip()
        if not key:
            continue
        if not key.isascii() or not key.isprintable() or set(key) & set(" \"'"):
            raise ServerError(
                f"{name}: holds a blank, a line break, a quote or a character that no key has; set it to the key alone"
                " (in an env file without quotes)"
            )
        return key
    return ""


def connect(address: Address, key: str) -> httpx.Client:
    """A client for a server. Raises ServerError where the environment names a proxy or certificates of no use."""
    try:
        client = httpx.Client(
            headers=_signed(address, key),
            auth=None if key else address.login,
            timeout=httpx.Timeout(SILENCE_SECONDS, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None),
            trust_env=not address.is_local,
            # SSL_CERT_FILE, which `trust_env` would switch off with the proxies
            verify=httpx.create_ssl_context() if address.base.startswith("https:") else True,
        )
        return timed(client)
    except OSError as error:
        raise ServerError(
            f"SSL_CERT_FILE or SSL_CERT_DIR: cannot be read ({error.strerror}); name a PEM file"
        ) from None
    except (ImportError, ValueError, httpx.InvalidURL) as error:
        names = [name for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY") if _variable(name)]
        why = "a SOCKS proxy needs `pip install httpx[socks]`" if isinstance(error, ImportError) else "it is no address"
        raise ServerError(
            f"openai:{address.base}: the proxy in {' or '.join(names) or 'the environment'} cannot be used, {why};"
            " or unset it, or name this server in NO_PROXY"
        ) from None


def _signed(address: Address, key: str) -> dict[str, str]:
    """The header that holds a key: Azure has one of its own for keys; its tokens, which are JWTs, are Bearer's."""
    host = urlsplit(address.base).hostname or ""
    if key and host.endswith((".azure.com", ".azure-api.net")) and not key.startswith("eyJ"):
        return {"api-key": key}
    return {"Authorization": f"Bearer {key}"} if key else {}


def _variable(name: str) -> str | None:
    return os.environ.get(name) or os.environ.get(name.lower())


_thread = threading.local()  # `deadline`: of what this thread is reading


class Deadline:
    """Within it, what a thread reads through a client that is :func:`timed` has so many seconds in all."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._before: Deadline | None = None
        self.renew()

    def renew(self, seconds: float | None = None) -> None:
        """As many seconds again, or so many: something has come."""
        self._seconds = self._seconds if seconds is None else seconds
        self._until = time.monotonic() + self._seconds

    def left(self) -> float:
        """Seconds that are left. Raises httpcore.ReadTimeout."""
        seconds = self._until - time.monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout(f"no answer within {self._seconds:g} s")
        return seconds

    def __enter__(self) -> Deadline:
        self._before = getattr(_thread, "deadline", None)
        _thread.deadline = self
        return self

    def __exit__(self, *_: object) -> None:
        if getattr(_thread, "deadline", None) is self:  # a generator may be closed in another thread
            _thread.deadline = self._before


def timed(client: httpx.Client) -> httpx.Client:
    """Let the connections that a client opens, directly or by a proxy, end at the deadline of who reads."""
    for transport in (client._transport, *client._mounts.values()):
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = _Backend()  # httpx has no argument for it
    return client


class _Backend(httpcore.SyncBackend):
    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _Stream(super().connect_tcp(*args, **options))


class _Stream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream) -> None:
        self._stream = stream
        self.write, self.close, self.get_extra_info = stream.write, stream.close, stream.get_extra_info  # type: ignore[method-assign]

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        deadline: Deadline | None = getattr(_thread, "deadline", None)
        if deadline is not None:
            left = deadline.left()
            timeout = left if timeout is None else min(timeout, left)
        return self._stream.read(max_bytes, timeout)

    def start_tls(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _Stream(self._stream.start_tls(*args, **options))
