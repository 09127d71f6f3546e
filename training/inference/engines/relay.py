"""A blocking producer of pieces as an iterator that ends at once when it is cancelled."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

from training.inference.engines import EngineError, Piece

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
