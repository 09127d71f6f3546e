"""Gradio's queue and sessions, through which the researchers' page is answered, bounded in what they keep.

Of each page that was ever opened Gradio keeps a copy of its configuration (0.2 MB, 15 ms to make) with all that it has
shown, for up to ten thousand pages, and the messages that its stream has not taken, without an end.
"""

from __future__ import annotations

from copy import copy
from types import SimpleNamespace
from typing import Any

import gradio as gr
from gradio.state_holder import SessionState, StateHolder

IDLE_SECONDS = 0.05  # between two looks at a queue
MAX_PAGES = 30  # open at once
MAX_UNREAD = 100  # messages of one page; a page that has just been opened has some thirty


def calm(mounted: Any) -> None:
    """Bound what the Blocks of a mounted page do while nobody asks for anything, and keep of pages that are gone."""
    queue = mounted.get_blocks()._queue
    # It looks for events a thousand times a second, which is 2% of a core.
    queue.sleep_when_free = queue.progress_update_sleep_when_free = IDLE_SECONDS
    # It makes a table of the last 10,000 events after each event, for a dashboard that is not served.
    queue.ANALYTICS_MAX_EVENTS, queue.ANAYLTICS_CACHE_FREQUENCY = 1, 10**9
    mounted.state_holder = _Pages()
    mounted.state_holder.set_blocks(mounted.get_blocks())
    mounted.state_holder.capacity = MAX_PAGES


def has_room(blocks: gr.Blocks, page: str | None) -> bool:
    """Whether a page has taken enough of its messages to get more; forgets those of the eldest of too many pages."""
    queue = blocks._queue
    messages, events = queue.pending_messages_per_session, queue.pending_event_ids_session
    at_rest = [
        name for name in messages if not any(event in queue.event_ids_to_events for event in events.get(name, ()))
    ]
    for name in (*at_rest[: max(0, len(messages) - MAX_PAGES)], *(events.keys() - messages.keys())):
        messages.pop(name, None)
        events.pop(name, None)
    unread = messages.get(page or "")
    return unread is None or unread.qsize() < MAX_UNREAD


class _Page(SessionState):
    """What a page keeps here, without the copy of what it shows, which Gradio makes for links that there are not."""

    def __init__(self, blocks: gr.Blocks) -> None:
        nothing: Any = SimpleNamespace(default_config=SimpleNamespace(blocks={}), blocks={})
        super().__init__(nothing)
        self.blocks_config = copy(blocks.default_config)

    def _update_config(self, key: int) -> None: ...

    def _update_value_in_config(self, key: int, value: Any) -> None: ...


class _Pages(StateHolder):
    def __getitem__(self, session_id: str) -> SessionState:
        if session_id not in self.session_data:
            self.session_data[session_id] = _Page(self.blocks)
        return super().__getitem__(session_id)
