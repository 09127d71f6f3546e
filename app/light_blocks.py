"""Gradio's Blocks for a page with many outputs, of which an event changes few.

For each output of each event, also for one that is skipped, and at each step of a generator, Gradio makes a new
component and keeps it for the session, in the thread of the event loop: with 44 outputs some 20 ms, and the replay of
two answers has 36 steps. It needs them where it checks a value against changed choices or renders a page anew. The
testers' page does neither (its handlers check choices themselves), so its updates go to the browser as they are.
"""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.blocks import BlockFunction
from gradio.state_holder import SessionState
from gradio.utils import is_prop_update


class LightBlocks(gr.Blocks):
    """Blocks whose handlers return dictionaries of values and updates; choices are given as (label, value) pairs."""

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any], state: SessionState | None
    ) -> list[Any]:
        """What the browser gets for each output, in their order."""
        if not isinstance(predictions, dict):  # the end of a generator
            return await super().postprocess_data(block_fn, predictions, state)
        changed = {component._id: value for component, value in predictions.items()}
        return [_for_browser(block, changed.get(block._id, gr.skip())) for block in block_fn.outputs]


def _for_browser(block: Any, value: Any) -> Any:
    if not is_prop_update(value):
        return block.postprocess(value)
    return {**value, "value": block.postprocess(value["value"])} if "value" in value else dict(value)
