"""Engines: one small interface over everything that can answer a conversation, for the app and for measurements.

An engine is chosen by a SPEC (`spec.open_engine`): llama.cpp in this process for a GGUF, PyTorch for a
checkpoint without one, or any OpenAI-compatible server. An engine knows nothing of testers, sides or votes.

Each also tells a measurement, besides what `Engine` asks, how many tokens a text has (`count`) and what it runs on
(`setup`).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

from training.common.message import Message

CONTEXT = 2048  # tokens of a conversation in this process, or less where a model was trained on less


class EngineError(RuntimeError):
    """A model that cannot be opened or that failed: one line with the value, the rule and the remedy.

    Its text may name the model or its file. It is for the terminal, the log and the researchers, never for a tester.
    """


class Unanswerable(EngineError):
    """Another try would fail as well: a request that the model's server refuses."""


class OutOfService(Unanswerable):
    """Any question would fail as well, until somebody mends the server or its settings: a key, a bill, a model gone."""


class TooLong(Unanswerable):
    """The conversation has more tokens than the model can read, as its server found."""


@dataclass(frozen=True)
class Sampling:
    """How an answer is drawn; the same for both models of a round."""

    max_new_tokens: int
    temperature: float  # 0 means the most likely token, always
    top_p: float  # in (0, 1]; the only other filter, so that every kind of engine draws alike
    seed: int  # repeats an answer; with PyTorch only where it is the only one on its way
    to_the_end: bool = False  # for measurements: the end of an answer is ignored, so that all are equally long


@dataclass(frozen=True)
class Piece:
    """A part of an answer: its text, its size in the model's own tokens and, in the last piece, why it ended."""

    text: str
    tokens: int
    finish: Literal["", "stop", "length"] = ""


class Engine(Protocol):
    """What every kind of engine can do. `stream` may be called from several threads at once."""

    @property
    def slots(self) -> int:
        """Answers that it makes at the same time, known once it is started; more would only wait inside it."""

    def start(self) -> None:
        """Load the model, or reach its server; also again, after it broke or was closed. Raises EngineError."""

    def stream(self, messages: list[Message], sampling: Sampling, cancel: threading.Event) -> Iterator[Piece]:
        """Yield the answer to `messages`; end early, without an error, once `cancel` is set. Raises EngineError."""

    def fits(self, messages: list[Message], max_new_tokens: int) -> bool:
        """Whether `messages` and an answer of `max_new_tokens` have room in the model's context."""

    def describe(self) -> dict[str, str]:
        """What answers, for the record of the study: kind, source and, for files, a SHA-256."""

    def health(self) -> dict[str, object]:
        """`{"ok": bool, ...}`, at once and without generating; not ok means that only a new start helps."""

    def close(self) -> None:
        """Free the model's memory; calling it again is harmless."""


Emit = Callable[[Piece], bool]
POLL_SECONDS = 0.1


def relay(produce: Callable[[Emit], None], cancel: threading.Event) -> Iterator[Piece]:
    """Run `produce(emit)` in a thread of its own and yield what it emits.

    `emit` returns whether anybody still listens; a producer stops when it is told False. The iterator itself does not
    wait for that: it ends within POLL_SECONDS of `cancel`, even while the producer sits in a call that cannot be
    interrupted. An exception of the producer is raised here.
    """
    pieces: queue.SimpleQueue[Piece | BaseException | None] = queue.SimpleQueue()
    deserted = threading.Event()

    def emit(piece: Piece) -> bool:
        pieces.put(piece)
        return not (cancel.is_set() or deserted.is_set())

    def run() -> None:
        try:
            produce(emit)
            pieces.put(None)
        except BaseException as error:
            pieces.put(error)

    threading.Thread(target=run, name="engine-relay", daemon=True).start()
    try:
        while not cancel.is_set():
            try:
                piece = pieces.get(timeout=POLL_SECONDS)
            except queue.Empty:
                continue
            if piece is None:
                return
            if isinstance(piece, EngineError):
                raise piece
            if isinstance(piece, BaseException):
                raise EngineError(f"{type(piece).__name__}: {piece}") from piece
            yield piece
    finally:
        deserted.set()
