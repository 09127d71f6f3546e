"""Gradio's queue and sessions, through which the researchers' page is answered, bounded in what they keep.

Of each page that was ever opened Gradio keeps a copy of its configuration (0.2 MB), for up to ten thousand pages, and
the messages that its stream has not taken, without an end.
"""

from __future__ import annotations

from typing import Any

import gradio as gr

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
