"""A blind test of a model as it was against what it became by learning from votes: the same questions to ask, without
those that it learned from."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.begun import FOLDER
from app.improvements import Improvement
from app.runtime import Runtime
from app.study_tab import save_study
from feedback.database import DatabaseError
from feedback.preferences import preferences
from feedback.study import Prompt, Study

SUFFIX = ": before and after"
ON_LEARNED = ", learned questions"
MOST_CHARS = 80  # of a study's name


def whole_of(study: Study, definitions: Iterable[str]) -> Study:
    """The study with all questions of the one that the loop began with; any other study as it is.

    What an earlier turn learned from, both models of the next turn know, so it may be asked again.
    `definitions` are those of all studies of the database, the oldest first.
    """

    def settings(document: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in document.items() if name not in ("name", "prompts")}

    own = json.loads(study.canonical)
    for definition in definitions:
        document = json.loads(definition)
        prompts = tuple(Prompt(**prompt) for prompt in document["prompts"])
        is_origin = study.name in (_named(document["name"], suffix) for suffix in (SUFFIX, SUFFIX + ON_LEARNED))
        if is_origin and settings(document) == settings(own) and set(study.prompts) <= set(prompts):
            return replace(study, prompts=prompts)
    return study


def _named(name: str, suffix: str) -> str:
    return name[: MOST_CHARS - len(suffix)] + suffix


def before_after(study: Study, learned: Collection[str]) -> Study:
    """The study for it.

    A model that is asked what it has just learned shows what it remembers, not what it can do. So those questions are
    left out where enough others are left for a whole session; where not, the study's name says so. `learned` are
    the ids of those.
    """
    rest = tuple(prompt for prompt in study.prompts if prompt.id not in learned)
    enough = len(rest) >= study.rounds
    touches = not enough and len(rest) < len(study.prompts)
    suffix = SUFFIX + (ON_LEARNED if touches else "")
    name = study.name.removesuffix(ON_LEARNED).removesuffix(SUFFIX)
    return replace(study, name=_named(name, suffix), prompts=rest if enough else study.prompts)


def next_study(runtime: Runtime, learned: Collection[str]) -> tuple[Study, int]:
    """The study for a version of the running one's model, and of how many questions it chooses."""
    definitions = runtime.database.connection.execute("SELECT definition FROM studies ORDER BY id").fetchall()
    whole = whole_of(runtime.study, [row["definition"] for row in definitions])
    return before_after(whole, learned), len(whole.prompts)


def learned_from(runtime: Runtime, model: str, improvement: Improvement) -> set[str]:
    """Ids of the questions that a version learned from, by its report, else by the votes of now. Raises VotesError."""
    if isinstance(asked := improvement.record.get("questions"), list):
        return set(map(str, asked))
    assert runtime.blind_test is not None
    found = preferences(runtime.database, runtime.blind_test.label, model)
    return {str(record["prompt_id"]) for record in found.records if record["split"] == "train"}


def begin_before_after(runtime: Runtime, spec: str, improvement: Improvement, learned: Collection[str]) -> Path:
    """Let the test begin in the place of the running study: the old model as model1, the new one as model2.

    Args:
        spec: of the model that the improvement was made of.

    Returns:
        The new study's file.

    Raises:
        StudyError, DatabaseError, ExportError, EngineError: as :meth:`Runtime.begin`; nothing has changed then.
    """
    if runtime.rounds is None:
        raise DatabaseError("The models are being prepared; a test can begin once they answer.")
    study, _ = next_study(runtime, learned)
    file = save_study(study, runtime.database.path.parent / FOLDER)
    runtime.begin(study, file, {"model1": spec, "model2": str(improvement.folder)})
    return file
