"""What a tester's page shows at a moment, derived from the database and the workers alone.

Whoever reloads, opens a second tab or comes back after a restart of the server gets the same scene.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from app.rounds import Job, Rounds
from app.runtime import Runtime
from feedback.blind_test import Battle, Tester


class Phase(str, Enum):
    """The states of the page."""

    SETUP = "setup"  # the models are being trained or loaded
    WELCOME = "welcome"  # consent
    ASK = "ask"  # the next question
    ANSWERING = "answering"
    BROKEN = "broken"  # a failed or a stopped turn: try again or ask something else
    VOTE = "vote"
    VOTED = "voted"
    GUESS = "guess"
    THANKS = "thanks"


@dataclass(frozen=True)
class Scene:
    """One state of the page with all that it shows."""

    phase: Phase
    rounds: int
    voted: int = 0
    tester: Tester | None = None
    battle: Battle | None = None
    job: Job | None = None

    @property
    def key(self) -> str:
        """What the page keeps to say which round it shows."""
        return str(self.battle.id) if self.battle is not None else ""

    @property
    def number(self) -> int:
        """Which round this is, from 1."""
        if self.battle is not None and self.phase in (Phase.ANSWERING, Phase.BROKEN, Phase.VOTE, Phase.VOTED):
            return self.battle.round
        return min(self.voted + 1, self.rounds)

    @property
    def last(self) -> bool:
        """Whether every round is voted."""
        return self.voted >= self.rounds


def find_scene(runtime: Runtime, tester_id: str, moved_on: Any = "") -> Scene:
    """The scene for the holder of a token.

    `moved_on` is the key of the voted round that the tester has left for the next question, which only the page knows.
    """
    rounds = runtime.rounds
    total = runtime.study.rounds
    if rounds is None:
        return Scene(Phase.SETUP, total)
    tester = rounds.blind_test.tester(tester_id) if tester_id else None
    if tester is None:
        return Scene(Phase.WELCOME, total)
    voted, total = rounds.blind_test.progress(tester_id)
    if tester.closed_why:
        asks_guess = voted and not tester.guessed and not tester.revealed
        battle = rounds.blind_test.voted_battle(tester_id)
        return Scene(Phase.GUESS if asks_guess else Phase.THANKS, total, voted, tester, battle)
    battle = rounds.blind_test.last_battle(tester_id)
    left = battle is not None and moved_on == str(battle.id)
    phase, battle, job = _of_battle(rounds, tester_id, battle, left)
    return Scene(phase, total, voted, tester, battle, job)


def _of_battle(
    rounds: Rounds, tester_id: str, battle: Battle | None, moved_on: bool
) -> tuple[Phase, Battle | None, Job | None]:
    if battle is None or battle.status == "abandoned" or (battle.status == "voted" and moved_on):
        return Phase.ASK, battle, None
    if battle.status == "voted":
        return Phase.VOTED, battle, None
    if job := rounds.job(tester_id):
        return Phase.ANSWERING, battle, job
    battle = rounds.heal(tester_id, battle)
    return Phase.VOTE if battle.votable else Phase.BROKEN, battle, None
