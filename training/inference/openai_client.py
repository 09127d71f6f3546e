"""OpenAI-compatible servers as they are: the fields that they take, what they answer.

The one client of the app, the evaluation and the timing; it needs no PyTorch.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from training.inference.openai_connection import (
    CONNECT_SECONDS,
    SILENCE_SECONDS,
    Address,
    Deadline,
    connect,
    read_key,
)
from training.inference.openai_errors import (
    FAILED,
    Busy,
    ForGood,
    ServerError,
    TooLong,
    Unfinished,
    context_in,
    has_crashed,
    is_for_good,
    is_loading,
    is_too_long,
    may_pass,
    out_of_service,
    refused,
    retry_after,
    wait_in,
)
from training.inference.openai_events import Text, beginning, events, is_counted, json_of

REST_SECONDS = 5.0  # for what comes behind the end of an answer: how many tokens it has, `[DONE]`
LIST_SECONDS = 30.0  # for the list of models, from the first byte to the last
WHOLE_SECONDS = 90.0  # for an answer that comes as a whole
ATTEMPTS = 3
ATTEMPTS_WHILE_LOADING = 7  # half a minute in all, for a server that says that it still loads its model
BACK_OFF_SECONDS = 0.5  # doubled after each attempt
LONGEST_WAIT_SECONDS = 60.0  # a server that asks for more patience is given up
OPTIONAL = ("seed", "stream_options")  # what an answer can do without
_UNKNOWN = re.compile(
    r"extra|unknown|unexpected|unrecogni|unsupported|not (?:permitted|supported|allowed)", re.IGNORECASE
)
_SAMPLING = ("temperature", "top_p")
_UNFINISHED = re.compile(r"could not finish|output limit was reached", re.IGNORECASE)
# What is begun and never ended goes to the end: to look for an end from each of many beginnings takes minutes.
_TAGS = re.compile(r"<(style|script|head)\b.*?(?:</\1>|\Z)|<[^<>]*>", re.IGNORECASE | re.DOTALL)
_MOST_OF_AN_ERROR = 1 << 16  # bytes of a refusal that are read


class _Adapted(Exception):
    """The server refused a field; the request has another form from now on."""


class Client:
    """One model of one server, with what was learned of it; safe to share between threads.

    Args:
        base_url: as people copy it, see :class:`Address`.
        model: the name that the server knows it by.
        role: ``model1`` or ``model2``, which says whose key is sent; otherwise the one for both.
    """

    def __init__(self, base_url: str, model: str, role: str = "") -> None:
        self.address = Address.of(base_url)
        self.model = model
        self.role = role if role in ("model1", "model2") else ""
        self.left_out: set[str] = set()
        self._limit_fields = ["max_tokens", "max_completion_tokens"]
        self._says_ends = False  # some servers never say how an answer ended, and send no `[DONE]`
        self._http: httpx.Client | None = None

    @property
    def base_url(self) -> str:
        """Where it answers, without a password."""
        return self.address.base

    @property
    def name(self) -> str:
        """The same with the model, as a SPEC."""
        return f"openai:{self.base_url}#{self.model}"

    @property
    def http(self) -> httpx.Client:
        """The connections. Raises ServerError."""
        if self._http is None or self._http.is_closed:
            self._http = connect(self.address, read_key(self.role))
        return self._http

    def close(self) -> None:
        """Close the connections; they are opened again when they are needed, with the key that is set then."""
        if self._http is not None:
            self._http.close()

    # -- the list of models -----------------------------------------------------------------------------------------

    def find(self) -> tuple[bool, dict[str, Any]]:
        """Whether the server has a list of models, and this model's entry. Completes an address without /v1.

        Raises:
            ServerError: nobody answers there, the key is not taken, or the list does not have the model.
        """
        models = self.list_models()
        if models is None and not self.base_url.endswith("/v1"):
            given, self.address = self.address, self.address.under("v1")
            try:
                models = self.list_models()
            except ServerError:
                models = None
            if models is None:
                self.address = given
        entry = next((entry for entry in models or [] if _answers_to(self.model, entry)), None)
        if models and entry is None:
            names = ", ".join(str(entry.get("id")) for entry in models[:5])
            raise out_of_service(ServerError(f"{self.name}: the server has no such model; it has: {names}"))
        return models is not None, entry or {}

    def list_models(self) -> list[dict[str, Any]] | None:
        """What the server lists; None where it has no list. Raises ServerError where nobody answers."""
        try:
            url = self.address.url("models")
            with Deadline(LIST_SECONDS), self.http.stream("GET", url, timeout=CONNECT_SECONDS) as response:
                code = response.status_code
                if code in (401, 403):
                    if self._has_key():  # which may be good for answers alone: the first question tells
                        return None
                    raise out_of_service(ServerError(f"{self.name}: HTTP {code}; {self._about_the_key()}"))
                self._refuse_redirect(response)
                if may_pass(code) and code != 501:
                    raise ServerError(
                        f"{self.name}: HTTP {code} for its list of models ({_error_of(response)[:160]}); it may still"
                        " load one: wait until it is ready"
                    )
                if code in (404, 405, 501) or "json" not in response.headers.get("content-type", ""):
                    return None
                content = json_of(response.raise_for_status())
            if isinstance(content, dict) and content.get("error") and "data" not in content:
                return None  # with status 200, as LM Studio answers at an address that it does not have
            entries = content if isinstance(content, list) else content.get("data") or []
            return [entry for entry in entries if isinstance(entry, dict)]
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, AttributeError, TypeError) as error:
            raise ServerError(
                f"openai:{self.base_url}: no OpenAI-compatible server answers there ({plain(error)}); "
                + _remedy(error, "start it first, or check the address (it usually ends in /v1)")
            ) from None

    # -- questions --------------------------------------------------------------------------------------------------

    def chat(self, fields: dict[str, Any], pause: Callable[[float], object] = time.sleep) -> Iterator[tuple[str, Text]]:
        """Ask for an answer as it is written: each new text, which may be empty, and what is known of the answer.

        Fields that the server does not know get another name or are left out. A server that is busy is asked again,
        until the first text has come.

        Args:
            fields: of the request, ``max_tokens`` among them; model and streaming are added here.
            pause: waits for so many seconds; True gives up.

        Raises:
            ServerError: no answer, or one that broke off; :class:`ForGood` where another try would fail as well.
        """
        fields = {"model": self.model, **fields, "stream": True, "stream_options": {"include_usage": True}}
        failed = 0
        while True:
            text, came = Text(), False
            try:
                for event in self._events("chat/completions", fields, text):
                    more = text.read(event)
                    came = came or bool(more)
                    yield more, text
                text.must_be_whole(self._says_ends)
                self._says_ends = self._says_ends or text.says_end
                return
            except _Adapted:
                continue
            except Busy as error:
                # The connection broke, or stayed open, behind the end of the answer.
                if (text.ended or text.rests) and not text.failed:
                    text.must_be_whole()
                    return
                failed += 1
                wait = BACK_OFF_SECONDS * 2 ** (failed - 1) if error.wait is None else error.wait
                attempts = ATTEMPTS_WHILE_LOADING if is_loading(f"{error}{error.detail}") else ATTEMPTS
                given_up = failed >= attempts or wait > LONGEST_WAIT_SECONDS
                if came or given_up:  # after a text that has come, a second attempt would say something else
                    wait_text = f"; it asks to wait {wait:.0f} s" if error.wait is not None else ""
                    what = f"the answer broke off ({error})" if came else f"{error}, {failed} times{wait_text}"
                    failure = ServerError(f"openai:{self.base_url}: {what}; check the server{error.detail}")
                    failure.gone, failure.broken = error.gone, error.broken
                    raise failure from None
                if pause(wait) is True:
                    return

    def post(self, endpoint: str, fields: dict[str, Any]) -> dict[str, Any]:
        """The JSON object that an endpoint answers, such as ``completions``; asked once. Raises ServerError."""
        url = (
            f"{self.base_url.removesuffix('/v1')}{endpoint}" if endpoint.startswith("/") else self.address.url(endpoint)
        )
        body = self._in_form({"model": self.model, **fields})
        try:
            with Deadline(WHOLE_SECONDS), self.http.stream("POST", url, json=body) as response:
                self._check(response, body)
                content = json_of(response)
        except _Adapted:
            return self.post(endpoint, fields)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise ServerError(f"openai:{self.base_url}: broke off at {endpoint} ({plain(error)})") from None
        if not isinstance(content, dict):
            raise ServerError(f"openai:{self.base_url}: what it answers to {endpoint} is not an object")
        return content

    def _events(self, endpoint: str, fields: dict[str, Any], text: Text) -> Iterator[dict[str, Any]]:
        """What the server sends while `text` is read from it, which says when there is little left to wait for."""
        body = self._in_form(fields)
        try:
            url = self.address.url(endpoint)
            with Deadline(SILENCE_SECONDS) as deadline, self.http.stream("POST", url, json=body) as response:
                if not response.is_success:
                    deadline.renew(min(REST_SECONDS, SILENCE_SECONDS))  # for what it says
                self._check(response, body)
                rests = False
                for event in events(response):
                    yield event
                    if not (rests and text.rests):  # else a server that sends signs of life would be waited for
                        deadline.renew(REST_SECONDS if text.rests else SILENCE_SECONDS)
                    rests = text.rests
                text.closed = is_counted(response)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Busy(plain(error), gone=True) from None

    def _in_form(self, fields: dict[str, Any]) -> dict[str, Any]:
        named = {self._limit_fields[0] if name == "max_tokens" else name: value for name, value in fields.items()}
        return {name: value for name, value in named.items() if name not in self.left_out}

    def _check(self, response: httpx.Response, body: dict[str, Any]) -> None:
        """Raise what a status means: wait, ask in another form, ask less, or give up."""
        if response.is_success:
            return
        code, status = response.status_code, f"HTTP {response.status_code}"
        self._refuse_redirect(response)
        detail = _error_of(response)
        if code in (400, 413, 422):
            self._adapt(detail, body)
        if code == 413 or (code in (400, 422, 500) and is_too_long(detail)):
            raise TooLong(f"{self.name}: {status}: {detail[:200]}", context_in(detail))
        passes = may_pass(code) and (retry_after(response) is not None or not is_for_good(detail))
        if passes or (code in (400, 404) and has_crashed(detail)):
            wait = retry_after(response)
            busy = Busy(status, wait_in(detail) if wait is None else wait, detail)
            busy.broken = code == FAILED
            raise busy
        if code in (401, 403):
            page = "html" in response.headers.get("content-type", "")  # of what stands before the server
            why = f"{detail[:120]}; check what stands before the server" if page else self._about_the_key(detail)
            raise refused(f"{self.name}: {status}; {why}", detail, code)
        if code == 400 and _UNFINISHED.search(detail):
            raise Unfinished(f"{self.name}: thought for all its tokens: {detail[:200]}")
        named = [name for name in _SAMPLING if code in (400, 422) and name in detail and name in body]
        if len(named) == 2:
            message = (
                f"does not take temperature and top_p together; set top_p = 1 (in the study file), which is then left"
                f" out: {detail[:200]}"
            )
            raise out_of_service(ForGood(f"{self.name}: {message}"))
        if named:
            message = (
                f"refuses {named[0]} = {body[named[0]]:g}; set it (in the study file) to what the server takes:"
                f" {detail[:200]}"
            )
            raise out_of_service(ForGood(f"{self.name}: {message}"))
        hint = "; check the address (it usually ends in /v1) and the model's name" if code in (404, 405) else ""
        raise refused(f"{self.name}: {status}: {detail[:200]}{hint}", detail, code)

    def _adapt(self, detail: str, body: dict[str, Any]) -> None:
        """Give a field that the server refuses another name, or leave it out. Raises _Adapted when that was done."""
        if "max_tokens" in body and "max_completion_tokens" in detail:
            self._limit_fields = ["max_completion_tokens"]
            raise _Adapted
        refused = {name for name in OPTIONAL if name in body and name in detail}
        refused |= {name for name in _SAMPLING if body.get(name) == 1 and name in detail}  # which changes nothing
        unknown = _UNKNOWN.search(detail) and not is_too_long(detail)
        if not refused and unknown and "max_tokens" in body and re.search(r"\bmax_tokens\b", detail):
            self._limit_fields = ["max_completion_tokens"]
            raise _Adapted
        if not refused and unknown and "stream" in body and re.search(r"\bstream(?:ing)?\b", detail, re.IGNORECASE):
            refused = {"stream", "stream_options"}
        if not refused and unknown and not any(name in detail for name in _SAMPLING):
            refused = {name for name in OPTIONAL if name in body}
        if refused:
            self.left_out |= refused
            raise _Adapted

    def _refuse_redirect(self, response: httpx.Response) -> None:
        if response.has_redirect_location:
            target = urlsplit(str(response.url.join(response.headers["location"])))
            host = target.netloc.rpartition("@")[2]
            shown = Address.of(urlunsplit((target.scheme, host, target.path, "", ""))).base
            message = f"{self.name}: is answered from another address; write openai:{shown}#{self.model}"
            raise out_of_service(ForGood(message))

    def _has_key(self) -> bool:
        return bool(self.http.headers.keys() & {"authorization", "api-key"} or self.address.login)

    def _about_the_key(self, detail: str = "") -> str:
        names = (f"DIPTYCH_{self.role.upper()}_KEY, or " if self.role else "") + "OPENAI_API_KEY"
        if not self._has_key():
            return f"it wants a key: set {names}"
        key = read_key(self.role)
        detail_shown = re.sub(rf"{re.escape(key[:6])}\S*", "...", detail[:200]) if key else ""  # some repeat it
        return f"it does not take the key that it was sent: look at {names}" + (
            f"; it says: {detail_shown}" if detail_shown else ""
        )


def _names(entry: dict[str, Any]) -> set[str]:
    """The names that a model of a list answers to: Ollama's with a tag, Google's with a folder, others with aliases."""
    more = entry.get("aliases")
    names = {str(entry.get(field)) for field in ("id", "name", "root") if entry.get(field)}
    names |= {str(alias) for alias in more} if isinstance(more, list) else set()
    return names | {name.removesuffix(":latest").removeprefix("models/") for name in names}


# OpenRouter's ways to choose who answers, which every model of its list has.
_ROUTED = re.compile(r":(?:nitro|floor|exacto|online)\Z")


def _answers_to(model: str, entry: dict[str, Any]) -> bool:
    """Whether an entry of a list is of a model; LiteLLM lists patterns, such as `openai/*`."""
    names = _names(entry)
    return not names.isdisjoint({model, _ROUTED.sub("", model)}) or any(
        fnmatchcase(model, name) for name in names if "*" in name
    )


def _error_of(response: httpx.Response) -> str:
    """What the body of a refusal says, in one line without HTML."""
    text = _TAGS.sub(" ", beginning(response, _MOST_OF_AN_ERROR).decode("utf-8", "replace"))
    return " ".join(text.split())[:500]


def _remedy(error: Exception, otherwise: str) -> str:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return "name the certificate that signed the server's own in SSL_CERT_FILE (a PEM file)"
    return "write http:// in place of https://" if "WRONG_VERSION_NUMBER" in str(error) else otherwise


def plain(error: Exception) -> str:
    """What went wrong, without an address, in which a password may stand."""
    text = str(error) or type(error).__name__
    return re.sub(r"[a-z]+://\S*@\S+", "...", text)
