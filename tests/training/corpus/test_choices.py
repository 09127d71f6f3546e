"""Preferences that are none are counted by their reason and left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.training.corpus.rows import check_unread
from training.corpus.turns import SAME_ANSWERS, WORSE_CHOSEN

USER, GOYA = {"role": "user", "content": "Who was it?"}, {"role": "assistant", "content": "Goya."}
MONET = {"role": "assistant", "content": "Monet."}
MONET_CHOSEN = {"prompt": "Who?", "chosen": "Monet.", "rejected": "Goya."}

NONE: dict[str, tuple[str, Any]] = {
    "equal answers": (SAME_ANSWERS, {"prompt": "Who?", "chosen": "Goya did.", "rejected": " Goya  did.\n"}),
    "equal chats": (SAME_ANSWERS, {"chosen": [USER, GOYA], "rejected": json.dumps([USER, GOYA])}),
    "an answer and a turn that are equal": (SAME_ANSWERS, {"prompt": "?", "chosen": "Goya.", "rejected": [GOYA]}),
    "equal outputs": (
        SAME_ANSWERS,
        {"input": {"messages": [USER]}, "preferred_output": [GOYA], "non_preferred_output": [GOYA]},
    ),
    "a battle of equal answers": (
        SAME_ANSWERS,
        {"conversation_a": [USER, GOYA], "conversation_b": [USER, GOYA], "winner": "model_a"},
    ),
    "equal answers below a chat": (SAME_ANSWERS, {"messages": [USER], "chosen": "Goya.", "rejected": "Goya."}),
    "a lower score": (WORSE_CHOSEN, MONET_CHOSEN | {"score_chosen": 2.0, "score_rejected": 8.5}),
    "a lower score as text": (WORSE_CHOSEN, MONET_CHOSEN | {"chosen-rating": "2", "rejected-rating": "4"}),
    "a lower score of chats": (
        WORSE_CHOSEN,
        {"chosen": [USER, MONET], "rejected": [USER, GOYA], "reward_chosen": -3.5, "reward_rejected": -1},
    ),
    "a margin below 0": (WORSE_CHOSEN, MONET_CHOSEN | {"margin": -0.5}),
}


@pytest.mark.parametrize("what", NONE)
def test_a_preference_that_is_none_is_counted_by_its_reason_and_place(what: str, tmp_path: Path) -> None:
    reason, row = NONE[what]
    check_unread(row, reason, tmp_path)
