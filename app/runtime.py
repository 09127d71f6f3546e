"""What one running app holds: the study, its database and, once there are models to test, the rounds."""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app import metrics
from app.begun import write_begun
from app.demo_training import DemoTraining
from app.evaluation_run import EvaluationRun
from app.improvement_run import ImprovementRun
from app.improvements import Kinship, is_made_of, kinship_of
from app.language import must_have_texts
from app.limits import Limits
from app.model_files import settled, shortfall_of
from app.rounds import Rounds
from app.supervised import Supervised
from feedback.blind_test import BlindTest
from feedback.database import Database, DatabaseError
from feedback.study import Study, StudyError
from feedback.versions import IMPROVES
from training.inference.engines import EngineError
from training.inference.engines.spec import MODELS, open_engine

PROBE_SECONDS = 2.0
LOW_DISK_BYTES = 64 << 20
FULL_DISK_BYTES = 1 << 20

log = logging.getLogger(__name__)


class Runtime:
    """Opens the blind test as soon as both models are there, training the missing ones first.

    Args:
        study: what is being tested.
        database: where it is written.
        specs: the SPEC of `model1` and `model2`.
        training: trains what is missing; None when nothing is.
        limits: how often one tester and one address may ask.
        evaluation: measures the models when a researcher asks for it.
    """

    def __init__(
        self,
        study: Study,
        database: Database,
        specs: Mapping[str, str],
        training: DemoTraining | None = None,
        limits: Limits | None = None,
        evaluation: EvaluationRun | None = None,
    ) -> None:
        self.study = study
        self.database = database
        self.specs = dict(specs)
        self.training = training
        self.limits = limits or Limits()
        self.evaluation = evaluation or EvaluationRun(self.specs, database.path)
        self.improvement = ImprovementRun(database.path)
        self.engines: dict[str, Supervised] = {}
        self.rounds: Rounds | None = None
        self.failure = ""  # one line for the page when the models cannot be had
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._probe_lock = threading.Lock()
        self._probed = (-PROBE_SECONDS, ("ok", "ok"))

    @property
    def kinship(self) -> Kinship:
        """How the two models that answer are related."""
        return kinship_of(self.specs, self.blind_test.models) if self.blind_test else ""

    @property
    def blind_test(self) -> BlindTest | None:
        """The protocol, once the models are there."""
        return self.rounds.blind_test if self.rounds else None

    def open(self) -> None:
        """Load both models and open the test. Raises EngineError, as for a model that has not learned, or
        DatabaseError."""
        self.engines = self._engines_of(self.specs)
        blind_test = self._blind_test(self.study, self.specs, self.engines)
        if interrupted := blind_test.recover():
            log.warning(
                "%d turns were interrupted by the last stop of the app; their testers can try again", interrupted
            )
        if warning := blind_test.apart_from:
            log.warning("%s", warning)
        self.rounds = Rounds(blind_test, self.engines)
        metrics.READY.set_function(lambda: sum(bool(engine.health()["ok"]) for engine in self.engines.values()))
        metrics.RESTARTS.set_function(lambda: sum(engine.restarts for engine in self.engines.values()))

    def begin(self, study: Study, file: Path, specs: Mapping[str, str] | None = None) -> None:
        """Put another study in the place of the running one, whose votes stay as they are; also with other models.

        Answers on their way and in line end as stopped; who is in the old study's rounds gets the new study's consent.
        Nothing of the old study has ended before all of the new one is ready.

        Args:
            file: the study's, which a restart without options takes up again.
            specs: the SPEC of each model, where others are to answer from now on; while the first are being prepared
                there are none to change.

        Raises:
            StudyError: this very study, with these models, was closed, or its language has no texts.
            DatabaseError, ExportError: it cannot be written down.
            EngineError: a model cannot be had, or has not learned enough.
        """
        must_have_texts(study)
        with self._lock:
            before, old, specs = self.rounds, self.engines, {**self.specs, **(specs or {})}
            if before is None:
                write_begun(self.database.path, file, self.specs)
                self.study = study
                return
            same_models = all(settled(specs[model]) == settled(self.specs[model]) for model in MODELS)
            if study.hash == self.study.hash and same_models and not before.blind_test.closed:
                return  # two who pressed the button at the same moment: nobody's answers are stopped for it
            engines = self._engines_of(specs)
            try:
                blind_test = self._blind_test(study, specs, engines)
                if blind_test.closed:
                    message = f"{blind_test.label} is closed; change a setting, such as its name, to begin another"
                    raise StudyError(message)
                write_begun(self.database.path, file, specs)
            except Exception:
                _close(engines, old)
                raise
            self.specs.update(specs)
            self.engines, self.study = engines, study
            self.rounds = Rounds(blind_test, engines)
        before.close()
        before.blind_test.recover("another study began", own=True)
        _close(old, engines)

    def _engines_of(self, specs: Mapping[str, str]) -> dict[str, Supervised]:
        """An engine for each model, started: one that runs, where it is of the same SPEC. Raises EngineError."""
        for model in MODELS:
            if why := shortfall_of(specs[model], model):
                raise EngineError(why)
        running = [(settled(self.specs[model]), engine) for model, engine in self.engines.items()]
        engines: dict[str, Supervised] = {}
        for model in MODELS:
            taken = next((pair for pair in running if pair[0] == settled(specs[model])), None)
            if taken is not None:
                running.remove(taken)
                engines[model] = taken[1]
                continue
            try:
                engines[model] = Supervised(open_engine(specs[model], model), model)
                engines[model].start()
            except Exception:
                _close(engines, self.engines)
                raise
        return engines

    def _blind_test(self, study: Study, specs: Mapping[str, str], engines: Mapping[str, Supervised]) -> BlindTest:
        described: dict[str, dict[str, Any]] = {model: dict(engines[model].describe()) for model in MODELS}
        for model, other in (MODELS, MODELS[::-1]):
            if is_made_of(specs[model], described[other]):
                described[model][IMPROVES] = True
        return BlindTest(self.database, study, described)

    def train_then_open(self) -> None:
        """Train what is missing in a child process, then open the test; returns at once."""
        self.failure = ""
        self._thread = threading.Thread(target=self._train_then_open, name="setup", daemon=True)
        self._thread.start()

    def _train_then_open(self) -> None:
        try:
            if self.training is not None and not self.training.run():
                self.failure = self.training.failure
            else:
                self.open()
        except (EngineError, DatabaseError) as error:
            self.failure = str(error)
        except OSError as error:  # no log can be written, no process started
            self.failure = f"The models cannot be prepared: {error.strerror or error}"
        if self.failure:
            log.error(self.failure)

    @property
    def can_go_on(self) -> bool:
        """Whether the preparation of the models stands still and can be taken up where it stopped."""
        return bool(self.failure) and self.training is not None and self.rounds is None

    def go_on(self) -> None:
        """Take up a preparation that stands still; returns at once, and does nothing where there is none."""
        with self._lock:
            if self.can_go_on:
                log.info("the preparation of the models goes on")
                self.train_then_open()

    def health(self) -> dict[str, str]:
        """What `/healthz` says: `status` is ok, training or down; no path and no name of a model.

        The database is written to, since one that is deleted, locked or on a full disk can still be read.
        """
        states: dict[str, str] = {model: self._model_state(model) for model in MODELS}
        database, disk = self._written()
        working = "ok" if self.rounds else "training"
        status = "down" if "down" in (database, *states.values()) else working
        health = {"status": status, **states, "database": database}
        return health if disk == "ok" else health | {"disk": disk}

    def _written(self) -> tuple[str, str]:
        """How the database and its disk are; looked up at most every few seconds, by one request at a time."""
        with self._probe_lock:
            if time.monotonic() - self._probed[0] < PROBE_SECONDS:
                return self._probed[1]
            database, disk = "ok", self._room()
            try:
                self.database.probe()
            except (DatabaseError, sqlite3.Error) as error:
                database, disk = "down", "full" if "disk" in str(error) else disk
                log.error("the database cannot be written: %s", error)
            self._probed = time.monotonic(), (database, disk)
            return database, disk

    def _room(self) -> str:
        """ok, low or full; on a full disk the log of the database may still have room for what the probe writes."""
        try:
            free = shutil.disk_usage(self.database.path.parent).free
        except OSError:
            return "low"
        return "ok" if free >= LOW_DISK_BYTES else "low" if free >= FULL_DISK_BYTES else "full"

    def _model_state(self, model: str) -> str:
        if self.failure:
            return "down"
        if self.rounds is None:
            return "training"
        return "ok" if self.engines[model].health()["ok"] else "down"

    def close(self) -> None:
        """End the training, the answers on their way and the engines; close the database."""
        if self.training is not None:
            self.training.close()
        self.evaluation.stop()
        self.improvement.close()
        if self.rounds is not None:
            self.rounds.close()
        for engine in self.engines.values():
            engine.close()
        self.database.close()


def _close(engines: Mapping[str, Supervised], kept: Mapping[str, Supervised]) -> None:
    """Close what is not used any more."""
    for engine in engines.values():
        if engine not in kept.values():
            engine.close()
