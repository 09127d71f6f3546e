"""An engine that is started again when it has died: at once, then with longer and longer waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

from training.inference.engines import Engine, EngineError, Message, OutOfService, Piece, Sampling

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 30.0

log = logging.getLogger(__name__)


class Supervised:
    """`engine` with somebody who looks after it.

    Whether the engine is dead is what its own `health` says; it is asked after each failed answer and whenever this
    `health` is. An answer on its way when the engine dies fails; answers asked for meanwhile are refused. It is started
    again only with the weights that it was started with first, for a study is of one version of each model.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self.name = name
        self._described: dict[str, str] = {}
        self.restarts = 0
        self._engine = engine
        self._lock = threading.Lock()
        self._reviving = False
        self._why: Exception | None = None  # what its last failure was
        self._closed = threading.Event()

    @property
    def slots(self) -> int:
        """Those of the engine, known once it is started."""
        return self._engine.slots

    def start(self) -> None:
        """Start the engine for the first time. Raises EngineError."""
        self._engine.start()
        self._described = self._engine.describe()

    def stream(self, messages: list[Message], sampling: Sampling, cancel: threading.Event) -> Iterator[Piece]:
        """The engine's answer. Raises EngineError."""
        self._must_live()
        try:
            yield from self._engine.stream(messages, sampling, cancel)
        except EngineError as error:
            self._why = error
            self._look()
            raise

    def fits(self, messages: list[Message], max_new_tokens: int) -> bool:
        """As the engine says. Raises EngineError where it is dead."""
        self._must_live()
        try:
            return self._engine.fits(messages, max_new_tokens)
        except EngineError:
            self._look()
            raise

    def describe(self) -> dict[str, str]:
        """What was started, as the engine said then: its file may have been written anew since."""
        return dict(self._described) or self._engine.describe()

    def health(self) -> dict[str, object]:
        """The engine's, with the number of restarts; a dead one is started again."""
        found = {"ok": False} if self._reviving else self._look()
        return {**found, "restarts": self.restarts}

    def close(self) -> None:
        """Close the engine and give up on it."""
        self._closed.set()
        with self._lock:
            self._engine.close()

    def _must_live(self) -> None:
        if not self._reviving:
            return
        if isinstance(self._why, OutOfService):
            raise OutOfService(f"{self.name} is out of service, and asked again until it is mended: {self._why}")
        raise EngineError(f"{self.name} has died and is being started again")

    def _must_be_unchanged(self) -> None:
        """Raises EngineError where the file now holds other weights: votes on them would be told as on the old ones."""
        if self._engine.describe() != self._described:
            raise EngineError("its file holds other weights than the study was begun with; restart the app")

    def _look(self) -> dict[str, object]:
        """The engine's health; begin to revive it where it is dead."""
        found = self._engine.health()
        with self._lock:
            if found["ok"] or self._reviving or self._closed.is_set():
                return found
            self._reviving = True
        log.error("%s has died; starting it again", self.name)
        threading.Thread(target=self._revive, name=f"revive-{self.name}", daemon=True).start()
        return found

    def _revive(self) -> None:
        wait = FIRST_WAIT_SECONDS
        while not self._closed.wait(wait):
            wait = min(2 * wait, LONGEST_WAIT_SECONDS)
            with self._lock:
                if self._closed.is_set():
                    return
                try:
                    self._must_be_unchanged()
                    self._engine.start()
                except Exception as error:  # one that cannot be started now may be later, whatever it raised
                    self._why = error
                    log.error("%s could not be started again: %s; next try in %.1f s", self.name, error, wait)
                    continue
                self.restarts += 1
                self._reviving = False
            log.warning("%s has been started again", self.name)
            return
