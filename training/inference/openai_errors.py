"""What goes wrong with OpenAI-compatible servers, and whether it passes: by status, header and words."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx

_TOO_LONG = re.compile(
    r"context[ _-]?(?:length|size|window|limit)|n_ctx|too long|too many tokens|maximum.{0,20}length|input[ _]length"
    r"|longer than|reduce (?:the|your) (?:length|prompt|input|messages)|less than \d+ tokens|tokens \+ .?max_new_tokens"
    r"|(?:tokens?|prompt|input|context|length)\b.{0,60}exceed|exceed.{0,60}(?:context|token|length|window)|\u8d85\u957f",
    re.IGNORECASE,
)
# What may pass, though it speaks of tokens and of limits that are exceeded.
_RATE = re.compile(
    r"rate.?limit|quota|too many requests|per (?:second|minute|hour|day)|concurren|time.?out|timed out", re.IGNORECASE
)
# What no waiting ends, though it comes with the status of what passes: a bill, a form that the model does not take.
_FOR_GOOD = re.compile(
    r"insufficient[_ ](?:\w+[_ ])?(?:quota|balance|funds|credits?)|current quota|out of credits|credit balance"
    r"|jinja|raise_exception|chat.template|roles must alternate|more system memory",
    re.IGNORECASE,
)
# A quota of each minute has the same words at some.
_LATER = re.compile(r"try (?:again )?in \d|retryDelay|RESOURCE_EXHAUSTED", re.IGNORECASE)
_LOADING = re.compile(
    r"loading (?:the )?model|model[^.]{0,80}\b(?:loading|being loaded|warming up)|still loading"
    r"|not (?:yet )?(?:ready|loaded)",
    re.IGNORECASE,
)
# A model that is gone, and may be loaded again for the next question; LM Studio says so with the status of a wrong one.
_CRASHED = re.compile(
    r"\bcrashed\b|\bmodel\b.{0,40}\bunloaded\b|no models? (?:is |are )?(?:currently )?loaded", re.IGNORECASE
)
_PASSES = re.compile(
    r"overloaded|at capacity|high demand|rate.?limit|too many requests|unavailable|time.?out|server.?error",
    re.IGNORECASE,
)


# A question that the server does not want, also with the status of a key that may not.
_OF_THE_QUESTION = re.compile(
    r"moderation|flagged|content[ _-]?(?:policy|filter|management)|safety|prohibited|inappropriate|harmful",
    re.IGNORECASE,
)
# A model that is gone or was never there, a key or an account that no longer counts, with the status of a bad request.
_OF_THE_SERVER = re.compile(
    r"\bmodel\b.{0,80}(?:not[ _](?:found|exist|supported|available|a valid)|does ?n[o']t exist|decommission|deprecated"
    r"|removed|retired|deleted|no longer|shut ?down|discontinued)|(?:unknown|invalid|no such|unsupported)[ _]model"
    r"|model_(?:decommissioned|deprecated)|not_found_error|deployment ?not ?found"
    r"|(?:api|access|auth|secret)[ _-]?(?:key|token)s?\b.{0,60}(?:expired|invalid|not (?:valid|found)|incorrect|revoked"
    r"|disabled|missing)|(?:invalid|incorrect|expired|missing|no)[ _](?:api|access|auth)[ _-]?(?:key|token)"
    r"|\b(?:account|subscription|organi[sz]ation|project|license|deployment)\b.{0,60}(?:expired|disabled|deactivated"
    r"|suspended|restricted|not found|does not exist|delete)|unauthori[sz]ed|authentication"
    r"|permission[ _](?:error|denied)",
    re.IGNORECASE,
)
FAILED = 500  # the status of a server that has met what it did not expect
_OF_THE_REQUEST = (400, 413, 422)  # statuses that what was asked may have


class ServerError(RuntimeError):
    """A server cannot be asked or did not answer: one line that holds no key and no password.

    `gone`: nobody answers, or not to us, so that another question would fare no better.
    `out_of_service`: nor would any, until somebody mends the server, its settings or ours.
    `broken`: the server says that it has failed by itself, at this question or at any: another one tells.
    """

    gone = False
    out_of_service = False
    broken = False


class ForGood(ServerError):
    """Another try would fail as well."""


class Unfinished(ForGood):
    """The model has thought until its last token."""


class TooLong(ForGood):
    """The conversation has more tokens than the model can read; `context` is how many that are, where it is said."""

    def __init__(self, why: str, context: int | None = None) -> None:
        super().__init__(why)
        self.context = context


class Busy(ServerError):
    """A failure that may pass; `wait` is how many seconds the server asks for, `detail` what else it says."""

    def __init__(self, why: str, wait: float | None = None, detail: str = "", gone: bool = False) -> None:
        super().__init__(why)
        self.wait, self.gone = wait, gone
        self.detail = f" (it says: {detail[:160]})" if detail else ""


def may_pass(code: int) -> bool:
    """Whether a status of HTTP is one of a server that may answer later; 424 is TGI's and 498 Groq's word for that."""
    return code in (408, 409, 424, 425, 429, 498) or (code >= 500 and code not in (501, 505))


def refused(why: str, said: str, code: int = 0) -> ForGood:
    """Whose fault a refusal is, by its status and the words beside it: the question's, or the server's."""
    if _OF_THE_QUESTION.search(said):
        return ForGood(why)
    status = bool(code) and code not in _OF_THE_REQUEST and not may_pass(code)
    mended = status or is_for_good(said) or _OF_THE_SERVER.search(said)
    return out_of_service(ForGood(why)) if mended else ForGood(why)


_Error = TypeVar("_Error", bound=ServerError)


def out_of_service(error: _Error) -> _Error:
    """The same failure, known as one that any question would meet until it is mended."""
    error.gone = error.out_of_service = True
    return error


def is_too_long(detail: str) -> bool:
    """Whether a server says that a conversation has more tokens than it can read, not than it reads in a minute."""
    return bool(_TOO_LONG.search(detail)) and not _RATE.search(detail)


_LATER_IN = re.compile(
    r"(?:again in|retry (?:in|after)|retryDelay\W{1,8})\s*((?:\d+(?:\.\d+)?\s?(?:ms|milli|h|m|s)[a-z]*\s?)+)",
    re.IGNORECASE,
)
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s?(ms|milli|h|m|s)", re.IGNORECASE)
_SECONDS = {"ms": 0.001, "milli": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def wait_in(detail: str) -> float | None:
    """For how many seconds a server asks to be left alone in words; None where it does not say."""
    said = _LATER_IN.search(detail)
    return sum(float(number) * _SECONDS[unit.lower()] for number, unit in _TIME.findall(said[1])) if said else None


def is_for_good(detail: str) -> bool:
    """Whether a server says that something must be paid first, whatever status that has."""
    return bool(_FOR_GOOD.search(detail)) and not _LATER.search(detail)


def is_loading(detail: str) -> bool:
    """Whether a server says that its model is not there yet."""
    return bool(_LOADING.search(detail))


def has_crashed(detail: str) -> bool:
    """Whether a server says that it has lost its model."""
    return bool(_CRASHED.search(detail))


def context_in(detail: str) -> int | None:
    """How many tokens a conversation may have, by what a server says when it refuses one."""
    form = r"(?:maximum|context)[^.]{0,40}?(?:length|size|window)[^.\d]{0,20}(\d{3,7})"
    said = re.search(form, detail, re.IGNORECASE)
    return int(said[1]) if said else None


def retry_after(response: httpx.Response) -> float | None:
    """For how many seconds a server asks to be left alone; None where it does not say."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        said = response.headers.get(name, "").strip()
        try:
            return max(0.0, float(said) * unit)
        except ValueError:
            pass
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _reasons(error: dict[str, Any]) -> list[str]:
    """Why an error happened, where its message says that something did: in what another server has said before."""
    inner = [error.get(name) for name in ("metadata", "innererror", "inner_error", "cause", "details")]
    found = [part for part in inner if isinstance(part, dict)]
    words = [part.get(name) for part in found for name in ("raw", "message", "reason")]
    return [word for word in words if isinstance(word, str)]


def reported(error: Any) -> ServerError:
    """An error that came as an event, after the status said that all is well."""
    parts = error if isinstance(error, dict) else {}
    words = [str(parts.get("message") or parts.get("detail") or error), *_reasons(parts)]
    said = " ".join(": ".join(words).split())[:200]
    what = f"the server reports: {said}"
    codes = [str(parts.get(name)) for name in ("code", "status", "status_code", "statusCode")]
    code = next((int(text) for text in codes if re.fullmatch(r"[45]\d\d", text)), 0)
    kind = " ".join([said, str(parts.get("type")), *codes])
    if is_too_long(said) or "context_length" in kind:
        return TooLong(what, context_in(said))
    if has_crashed(said):
        return Busy(what, wait_in(said))
    if is_for_good(kind) or (code and not may_pass(code)):
        return refused(what, kind, code)
    if code or _PASSES.search(kind) or is_loading(said):
        busy = Busy(what, wait_in(said))
        busy.broken = code == FAILED
        return busy
    why = refused(what, kind)
    return why if why.out_of_service else ServerError(what)
