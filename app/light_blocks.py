"""Gradio's Blocks for a page that keeps no state of its own and of whose many outputs an event changes few.

For each output of each event, also for one that is skipped, Gradio makes a new component and keeps it for the session;
it hands each input to a thread, and keeps a copy of the page's configuration for whoever names a session. It needs that
where it checks a value against changed choices, renders a page anew or takes files. The testers' page does none of this
(its handlers check what comes, and the truth is in the database), so its inputs go to the handlers, and their updates
to the browser, as they are.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable
from typing import Any

import anyio
import gradio as gr
from fastapi import FastAPI
from gradio.blocks import BlockFunction
from gradio.state_holder import SessionState, StateHolder
from gradio.utils import is_prop_update
from starlette.routing import Mount

IDLE_SECONDS = 0.05  # Gradio's queue looks for events a thousand times a second, which is 2% of a core


class LightBlocks(gr.Blocks):
    """Blocks whose handlers return dictionaries of values and updates; choices are given as (label, value) pairs."""

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[Any], state: SessionState | None, explicit_call: bool = False
    ) -> list[Any]:
        """What a handler gets for each input, in their order."""
        self.validate_inputs(block_fn, inputs)
        components: Any = block_fn.inputs
        return [component.preprocess(value) for component, value in zip(components, inputs, strict=False)]

    async def call_function(  # type: ignore[override]
        self, block_fn: BlockFunction, inputs: list[Any], iterator: Any = None, request: Any = None, *_: Any, **__: Any
    ) -> dict[str, Any]:
        """Run a handler: a coroutine at once, a function in a thread."""
        started = time.time()
        handler: Any = block_fn.fn
        arguments = [*inputs, request] if _wants_request(handler) else inputs
        if inspect.iscoroutinefunction(handler):
            prediction = await handler(*arguments)
        else:
            prediction = await anyio.to_thread.run_sync(handler, *arguments)
        duration = time.time() - started
        return {"prediction": prediction, "duration": duration, "is_generating": False, "iterator": None}

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: Any, state: SessionState | None
    ) -> list[Any]:
        """What the browser gets for each output, in their order."""
        changed = {component._id: value for component, value in predictions.items()}
        return [_for_browser(block, changed.get(block._id, gr.skip())) for block in block_fn.outputs]


class OneState(StateHolder):
    """The same empty session for everybody, since nothing is kept in it."""

    def __init__(self, blocks: gr.Blocks) -> None:
        super().__init__()
        self.set_blocks(blocks)
        self._state = SessionState(blocks)

    def __getitem__(self, session_id: str) -> SessionState:
        return self._state


def lighten(server: FastAPI) -> None:
    """Bound what the Blocks mounted on a server keep, and what they do while nobody asks for anything."""
    for route in server.routes:
        if not isinstance(route, Mount):
            continue
        mounted: Any = route.app
        blocks = mounted.get_blocks()
        if isinstance(blocks, LightBlocks):
            mounted.state_holder = OneState(blocks)
        queue = blocks._queue
        queue.sleep_when_free = queue.progress_update_sleep_when_free = IDLE_SECONDS
        # Gradio makes a table of the last 10,000 events after each event, for a dashboard that is not served.
        queue.ANALYTICS_MAX_EVENTS, queue.ANAYLTICS_CACHE_FREQUENCY = 1, 10**9


@functools.cache
def _wants_request(handler: Callable[..., Any]) -> bool:
    return "request" in inspect.signature(handler).parameters


def _for_browser(block: Any, value: Any) -> Any:
    if not is_prop_update(value):
        return block.postprocess(value)
    return {**value, "value": block.postprocess(value["value"])} if "value" in value else dict(value)
