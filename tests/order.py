"""Which files begin first, so that no long one is left at the end for one core, and none waits for a training."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

# `--dist loadfile` hands files out in this order; a process has one at work and the next in its queue. The first
# trains Model 1; what needs it comes when others have taken that long.
FIRST = (
    "training/inference/engines/test_llama_cpp.py",
    "training/loop/test_distributed.py",
    "app/test_network.py",
    "training/test_train_model2_pretrained.py",  # trains Model 2: behind the first, so that the two do not meet
    "training/loop/test_plan.py",
    "training/runs/test_runs.py",
    "training/test_push.py",
    "training/hardware/test_compute.py",
    "training/runs/test_full_disk.py",
    "app/test_away.py",
    # From here on with Model 1, and those of a few long tests, which the number of their tests would put last.
    "app/test_demo_training.py",
    "app/test_blindness.py",
    "test_loop_simulation.py",
    "app/test_improve.py",
    "app/test_languages.py",
    "training/evaluation/test_model_card.py",
    "app/test_votes_kept.py",
    "training/evaluation/test_multiple_choice.py",
    "training/evaluation/test_harness.py",
    "training/evaluation/test_held_out.py",
    "test_end_to_end.py",
    "test_snippet.py",
)


def put_in_order(items: list[pytest.Item]) -> None:
    """The files of ``FIRST``, then those of many tests before those of few; a file's own order stays."""
    sizes = Counter(item.path for item in items)
    places = {TESTS / name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: (places.get(item.path, len(FIRST)), -sizes[item.path]))


def has_nothing_for(path: Path, expression: str) -> bool:
    """Whether a file need not be imported for ``-m alone``: loading all takes longer than the tests so marked."""
    return (
        expression == "alone" and path.name.startswith("test_") and "mark.alone" not in path.read_text(encoding="utf-8")
    )
