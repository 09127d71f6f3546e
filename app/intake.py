"""Events of the pages, read and measured before anybody sees them: what no page sends costs nothing and breaks nothing.

Gradio would parse, copy and print whatever anybody posts. Here a body is read up to a length, must be an event that the
page has, with as many values as it takes and no text longer than one can be. A researcher's event is then handed on to
Gradio, made anew. A tester's goes to its handler at once: Gradio's way there costs four times as much as the rest, in
routes, sessions and a copy of each output, for a page that keeps no state and takes no files.
"""

from __future__ import annotations

import functools
import inspect
import json
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import anyio
import gradio as gr
from gradio.blocks import BlockFunction
from gradio.utils import is_prop_update
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.client import address
from app.delivery import VERSION, VERSION_HEADER
from app.inputs import as_token
from app.language import said, tr
from app.limits import Later, Limits
from app.login import ENDED, Login
from app.protection import ADMIN, ADMIN_EVENTS, EVENTS, OUR_WORD, declared_length, route_of
from feedback.messages import mark

MAX_EVENT_BYTES = 256 * 1024  # of a tester: a question and a comment at their longest, in escapes, take 50,000
MAX_TEXT = 20_000  # characters of any one value of a tester
MAX_REPORT = 200_000  # characters of the last value, with which the page sends again what it has kept
MAX_DEPTH = 12  # lists within lists; a page sends two
MAX_MARKS = 10_000  # commas and brackets of a tester's event, those of its texts included
ONCE_HEADER = "x-diptych-once"  # a key of a researcher's event, which may be sent again
MAX_ANSWERED = 1000  # of these events, whose answers are kept
MAX_VALUES = 200  # of a tester, counted within lists too: the reasons of a study are fifty at most
TOO_LONG = mark("That is more text than can be sent at once; please shorten it.")
_ENVELOPE: dict[str, Any] = {
    "is_generating": False, "duration": 0, "average_duration": 0, "render_config": None, "changed_state_ids": [],
}  # fmt: skip


@dataclass(frozen=True)
class Events:
    """What one page's events look like."""

    arity: dict[int, int]  # how many values each event takes, by its number
    # For a page all of whose events may change its status line: what an event changes, the line as None.
    outputs: tuple[dict[str, str] | None, ...] = ()
    # By number, of a page whose handlers return dictionaries of values and updates, and are asked here.
    functions: Mapping[int, BlockFunction] = field(default_factory=dict)
    max_bytes: int = MAX_EVENT_BYTES
    max_text: int = MAX_TEXT
    max_marks: int = MAX_MARKS
    max_values: int = MAX_VALUES
    has_room: Callable[[str | None], bool] = lambda page: True  # whether a page takes its answers, by its session

    def say(self, text: str, status: int, wait: float = 0.0) -> Response:
        """An answer that the page shows as a sentence and that changes nothing else; without such a line an error.

        Where it is a limit that passes after some seconds, a header tells our own word from a proxy's.
        """
        headers = {"Retry-After": str(math.ceil(wait)), OUR_WORD: "limit"} if wait else {}
        if not self.outputs:
            return JSONResponse({"error": text}, status, headers)
        data = [f"<p>{escape(text)}</p>" if output is None else output for output in self.outputs]
        return JSONResponse({"error": text, "data": data, **_ENVELOPE}, status if wait else 200, headers)


def events_of(blocks: gr.Blocks, **more: Any) -> Events:
    """Those of a page; where all of them can change the component `#status`, it says what is too long."""
    arity = {number: len(function.inputs) for number, function in blocks.fns.items()}
    outputs: list[list[Any]] = [list(function.outputs) for function in blocks.fns.values()]
    status = (
        next((block for block in outputs[0] if getattr(block, "elem_id", "") == "status"), None) if outputs else None
    )
    if status is None or any(other != outputs[0] for other in outputs):
        return Events(arity, **more)
    unchanged = {"__type__": "update"}
    return Events(arity, tuple(None if block is status else unchanged for block in outputs[0]), **more)


class Intake:
    """ASGI middleware for the two routes by which events come."""

    def __init__(self, app: ASGIApp, testers: Events, researchers: Events, login: Login, limits: Limits) -> None:
        self.app = app
        self._pages = {EVENTS: testers, ADMIN_EVENTS: researchers}
        self._login = login
        self._limits = limits
        self._answered: OrderedDict[str, bytes] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or hand on an event that a page may have sent, and refuse anything else."""
        route = route_of(scope) if scope["type"] == "http" else ""
        if route.startswith(f"{ADMIN}/gradio_api/") and await self._login.user(Request(scope)) is None:
            await JSONResponse({"error": ENDED}, 401)(scope, receive, send)
            return
        events = self._pages.get(route) if route and scope["method"] == "POST" else None
        if events is None:
            await self.app(scope, receive, send)
            return
        if Headers(scope=scope).get(VERSION_HEADER, VERSION) != VERSION:
            await JSONResponse({"error": "The app was upgraded; reload the page."}, 409)(scope, receive, send)
            return
        body = await read_body(receive, events.max_bytes, declared_length(Headers(scope=scope)))
        if body is None:  # the client is gone, or was too slow
            return
        event = _event(body, events) if len(body) <= events.max_bytes else events.say(tr(TOO_LONG), 413)
        try:
            if route == EVENTS:
                token = "" if isinstance(event, Response) else as_token(next(iter(event["data"]), ""))
                self._limits.event(address(Request(scope)), token, len(body))
        except Later as error:
            event = events.say(said(error), 429, error.seconds)
        if not isinstance(event, Response) and not events.has_room(event["session_hash"]):
            event = events.say("This page does not take its answers; reload it.", 429)
        if not isinstance(event, Response) and event["fn_index"] in events.functions:
            data = await _answer(events.functions[event["fn_index"]], event["data"], Request(scope))
            event = JSONResponse({"data": data, **_ENVELOPE})
        if isinstance(event, Response):
            await event(scope, receive, send)
            return
        text = json.dumps(event, ensure_ascii=False)
        await self._once(*_handed_on(scope, receive, text.encode("utf-8", "replace")), send)  # half a character: `?`

    async def _once(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand an event on, once under its key: who lost the answer on its way and asks again gets the same."""
        key, status, parts = Headers(scope=scope).get(ONCE_HEADER, ""), 0, list[bytes]()
        if key in self._answered:
            await Response(self._answered[key], media_type="application/json")(scope, receive, send)
            return

        async def keep(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            parts.append(message.get("body", b""))
            await send(message)

        await self.app(scope, receive, keep)
        if key and status == 200:
            self._answered[key] = b"".join(parts)
            if len(self._answered) > MAX_ANSWERED:
                self._answered.popitem(last=False)


async def read_body(receive: Receive, limit: int, declared: int) -> bytes | None:
    """A request's body; one that is over the limit is read to its end and dropped, but for a byte more than allowed."""
    parts: list[bytes] = []
    kept, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        part = message.get("body", b"")
        if kept <= limit and declared <= limit:
            parts.append(part)
        kept += len(part)
        more = message.get("more_body", False)
    return b"".join(parts) if max(kept, declared) <= limit else bytes(limit + 1)


def _event(body: bytes, events: Events) -> dict[str, Any] | Response:
    """The event as Gradio is given it, or why it is none."""
    if sum(map(body.count, b",[{")) > events.max_marks:  # before a list of so many lists is made
        return _malformed("it has more parts than a page sends")
    try:
        event = json.loads(body, parse_constant=_number, parse_float=_number)
    except (ValueError, RecursionError):
        return _malformed("the body is no JSON")
    number, data = (event.get("fn_index"), event.get("data")) if isinstance(event, dict) else (None, None)
    if type(number) is not int or number not in events.arity:
        return _malformed("fn_index is no event of this page")
    if not isinstance(data, list) or len(data) != events.arity[number]:
        return _malformed(f"data must be a list of {events.arity[number]} values")
    session = event.get("session_hash")
    if not (session is None or (isinstance(session, str) and 0 < len(session) <= 64 and session.isalnum())):
        return _malformed("session_hash must be at most 64 letters and digits")
    trigger = event.get("trigger_id")
    problem = _problem(data, events)
    if problem == TOO_LONG:
        return events.say(tr(TOO_LONG), 413)
    if problem:
        return _malformed(problem)
    kept = {"data": data, "fn_index": number, "session_hash": session, "event_data": _plain(event.get("event_data"))}
    if type(trigger) is int and 0 <= trigger < 1 << 31:
        kept["trigger_id"] = trigger
    return kept


def _problem(data: list[Any], events: Events) -> str:
    """Why values cannot have come from a page; nothing when they can. The last may be longest: see `MAX_REPORT`."""
    inside = [(value, events.max_text, 0) for value in data[:-1]]
    inside += [(value, max(events.max_text, MAX_REPORT), 0) for value in data[-1:]]
    number = len(inside)
    while inside:
        value, longest, depth = inside.pop()
        if isinstance(value, str) and len(value) > longest:
            return TOO_LONG
        if isinstance(value, int) and abs(value) >= 1 << 53:
            return "a number is larger than a browser can count"
        if isinstance(value, (list, dict)):
            members = [*value.keys(), *value.values()] if isinstance(value, dict) else value
            number += len(members)
            if depth >= MAX_DEPTH or number > events.max_values:
                return "values are nested too deeply, or too many"
            inside += [(member, longest, depth + 1) for member in members]
    return ""


def _plain(event_data: Any) -> Any:
    """What a component says with an event, such as which row was chosen, as far as it is small."""
    small = Events({}, max_text=1000)
    return event_data if not _problem([event_data, None], small) and len(json.dumps(event_data)) <= 4000 else None


async def _answer(function: BlockFunction, data: list[Any], request: Request) -> list[Any]:
    """What the browser gets for each output of an event, in their order: what its handler changes, run in a thread."""
    handler: Any = function.fn
    given = [_whole(value) for value in data]
    if _wants_request(handler):
        given.append(gr.Request(request))
    run = handler if inspect.iscoroutinefunction(handler) else functools.partial(anyio.to_thread.run_sync, handler)
    changed = {component._id: value for component, value in (await run(*given)).items()}
    return [_for_browser(block, changed.get(block._id, gr.skip())) for block in function.outputs]


@functools.cache
def _wants_request(handler: Callable[..., Any]) -> bool:
    return "request" in inspect.signature(handler).parameters


def _whole(value: Any) -> Any:
    """A value with a `?` for each half of a character, which neither the database nor an answer can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):  # no page sends one, but a report in this form is read, too
        return {_whole(name): _whole(member) for name, member in value.items()}
    return [_whole(member) for member in value] if isinstance(value, list) else value


def _for_browser(block: Any, value: Any) -> Any:
    if not is_prop_update(value):
        return block.postprocess(value)
    return {**value, "value": block.postprocess(value["value"])} if "value" in value else dict(value)


def _number(text: str) -> float:
    """A number of JSON; Python's own reader would take `NaN`, `Infinity` and what is as large for some."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _malformed(problem: str) -> Response:
    return JSONResponse({"error": f"This is no event of the page: {problem}; reload the page."}, 422)


def _handed_on(scope: Scope, receive: Receive, body: bytes) -> tuple[Scope, Receive]:
    """A scope and a `receive` that give this body; what follows is the client's own."""
    given = False

    async def give() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    dropped = (b"content-length", b"content-type", b"transfer-encoding")
    headers = [(name, value) for name, value in scope["headers"] if name not in dropped]
    headers += [(b"content-length", str(len(body)).encode()), (b"content-type", b"application/json")]
    return {**scope, "headers": headers}, give
