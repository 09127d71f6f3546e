"""What `/metrics` shows, to this machine or with a token.

No label names a model, and nothing moves before a turn is over: else a tester could match counts to a side.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from feedback.battles import Answer

REGISTRY = CollectorRegistry()

ANSWERS = Counter("diptych_answers", "Answers finished, both models together", registry=REGISTRY)
ANSWER_TOKENS = Counter("diptych_answer_tokens", "Tokens of finished answers, both models together", registry=REGISTRY)
FAILURES = Counter("diptych_failures", "Turns in which a model failed", registry=REGISTRY)
STOPPED = Counter("diptych_stopped", "Turns stopped by their tester", registry=REGISTRY)
FLAGGED = Counter("diptych_flagged", "Answers in which a model seems to name itself", registry=REGISTRY)
VOTES = Counter("diptych_votes", "Votes saved, corrections included", registry=REGISTRY)
RUNNING = Gauge("diptych_turns_running", "Turns being answered now", registry=REGISTRY)
WAITING = Gauge("diptych_turns_waiting", "Turns waiting for a place", registry=REGISTRY)
FIRST_TOKEN = Histogram(
    "diptych_first_token_seconds",
    "From the start of a turn to the first token of each answer",
    buckets=(0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
    registry=REGISTRY,
)
TURN = Histogram(
    "diptych_turn_seconds",
    "From the start of a turn to the end of both answers",
    buckets=(0.5, 1, 2.5, 5, 10, 30, 60, 180),
    registry=REGISTRY,
)
READY = Gauge("diptych_models_ready", "Models that can answer now (0 to 2)", registry=REGISTRY)
RESTARTS = Gauge("diptych_engine_restarts", "Times that a dead engine was started again", registry=REGISTRY)
SPEED = Gauge(
    "diptych_tokens_per_second", "Tokens of the answers finished in the last minute, a second", registry=REGISTRY
)
SPEED_SECONDS = 60.0

_recent: deque[tuple[float, int]] = deque()  # when an answer was finished, and its tokens
_lock = threading.Lock()


def count_turn(answers: Sequence[Answer]) -> None:
    """Both answers of a turn are stored. Counted one by one as they end, they would tell whose side ends first."""
    tokens = sum(answer.tokens for answer in answers)
    ANSWERS.inc(len(answers))
    ANSWER_TOKENS.inc(tokens)
    FLAGGED.inc(sum(answer.leak_flag for answer in answers))
    for answer in answers:
        if answer.first_token_seconds is not None:
            FIRST_TOKEN.observe(answer.first_token_seconds)
    with _lock:
        _recent.append((time.monotonic(), tokens))


def _speed() -> float:
    with _lock:
        while _recent and _recent[0][0] < time.monotonic() - SPEED_SECONDS:
            _recent.popleft()
        return sum(tokens for _, tokens in _recent) / SPEED_SECONDS


SPEED.set_function(_speed)
