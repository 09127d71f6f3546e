"""The rounds of a blind test: which question is asked with which sides, and what was answered.

Written down as it happens: a round when it is served, a question before the models get it, both answers together.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from .assignment import MODELS, Candidate, assignment_for, first_side, left_model, rank_prompts, shuffle_prompts
from .battles import Answer, Battle, Turn, read_battle, read_turn
from .database import insert
from .messages import many
from .registry import prompt_key
from .rules import Refused, RefusedCall, checked_answer, checked_question, clean, is_blank, is_over, next_turn, shown
from .sessions import Sessions
from .study import Prompt


class Turns(Sessions):
    """The battles of a study's testers with their turns; :class:`~feedback.blind_test.BlindTest` adds the votes."""

    # -- battles ------------------------------------------------------------------------------------------------

    def suggestions(self, tester_id: str, per_category: int = 2) -> list[Prompt]:
        """Prompts that this tester has not seen, at most ``per_category`` of each category: the least served.

        They come in an order of its own draw, so that nothing but chance is to be read from it.
        """
        connection = self.database.connection
        tester = self._row(connection, tester_id)
        taken: dict[str, int] = {}
        chosen = []
        for candidate in self._schedule(connection, tester):
            if taken.get(candidate.category, 0) < per_category:
                taken[candidate.category] = taken.get(candidate.category, 0) + 1
                chosen.append(candidate)
        serving = self._serving(connection, tester["id"])
        bank = {prompt.id: prompt for prompt in self.study.prompts}
        shuffled = shuffle_prompts(self._study["secret"], tester["code"], serving, chosen)
        return [bank[candidate.prompt_id] for candidate in shuffled]

    def start_battle(self, tester_id: str, prompt_id: str | None, text: str, request: str | None = None) -> Battle:
        """Serve a round: draw the sides for this question and write them down.

        ``prompt_id`` names a prompt of the bank; with None, or when ``text`` was edited, the question is the
        tester's own.  ``request`` is a key of the browser's under which this is done once. Raises Repeated or Refused.
        """
        text = checked_question(text)
        with self._acting(tester_id, request) as (connection, row):
            is_open = "SELECT 1 FROM battles WHERE tester_id = ? AND status = 'open'"
            if connection.execute(is_open, [row["id"]]).fetchone():
                raise Refused("A round is open already; vote on it or leave it first.")
            voted = self._voted(connection, row["id"])
            if voted >= self.study.rounds:
                raise Refused(
                    many("The only round is voted; thank you.", "All {n} rounds are voted; thank you.", n=voted)
                )
            self._must_have_room(connection, row)
            scheduled = next(iter(self._schedule(connection, row)), None)
            serving = self._serving(connection, row["id"])
            assignment = assignment_for(self.study.reveal)
            left = left_model(self._study["secret"], row["code"], serving, self._study["block_size"], assignment)
            key = insert(
                connection,
                "battles",
                study_id=self.study_id,
                tester_id=row["id"],
                prompt_id=prompt_key(connection, self.study_id, prompt_id, text),
                left_model=left,
                serving=serving,
                round=voted + 1,
                scheduled_prompt_id=scheduled.key if scheduled else None,
                first_side=first_side(self._study["secret"], row["code"], serving, self._study["block_size"]),
                first_apart=1,
                assignment=assignment,
                served_at=self._now(),
            )
            self._seen(connection, row["id"])
            return read_battle(connection, key)

    def battle(self, tester_id: str, battle_id: int) -> Battle:
        """One of this tester's battles, whatever its state.  Raises Refused for another's."""
        connection = self.database.connection
        return self._own(connection, self._row(connection, tester_id)["id"], battle_id)

    def last_battle(self, tester_id: str) -> Battle | None:
        """The round that was served last, open or not: where a tester goes on, or an undo is possible."""
        return self._latest(tester_id, "status <> 'withdrawn'")

    def voted_battle(self, tester_id: str) -> Battle | None:
        """The round that was voted on last: the one that the guess is about."""
        return self._latest(tester_id, "status = 'voted'")

    def abandon(self, tester_id: str, battle_id: int, reason: str, request: str | None = None) -> None:
        """Leave an open round without a vote; the row and what happened stay.  Raises Refused."""
        with self._write() as connection:
            row = self._active(connection, tester_id)
            self._once(connection, row["id"], request)
            self._open(connection, row["id"], battle_id)
            connection.execute(
                "UPDATE battles SET status = 'abandoned', reason = ?, closed_at = ? WHERE id = ?",
                [clean(reason, 200), self._now(), battle_id],
            )
            self._seen(connection, row["id"])

    # -- turns --------------------------------------------------------------------------------------------------

    def start_turn(self, tester_id: str, battle_id: int, text: str, request: str | None = None) -> Turn:
        """Write down a question before the models get it.

        After a complete turn this is a follow-up; after a failed or cancelled one it is a new attempt at the same.
        Raises Repeated or Refused.
        """
        text = checked_question(text)
        with self._acting(tester_id, request) as (connection, row):
            battle = self._open(connection, row["id"], battle_id)
            number, attempt = next_turn(battle, text, self.study.max_turns)
            if (number, attempt) != (1, 1):  # else the round had room, and stands open
                self._must_have_room(connection, row)
            now = self._now()
            key = insert(
                connection, "turns", battle_id=battle_id, number=number, attempt=attempt, prompt=text, started_at=now
            )
            self._seen(connection, row["id"])
            return Turn(key, battle_id, number, attempt, text, "pending")

    def finish_turn(self, turn_id: int, answers: Mapping[str, Answer]) -> Turn:
        """Write down both answers of a turn.

        The turn is then ``complete``; ``cancelled`` when the tester stopped it (kept, but no vote: lengths cut by
        speed would tell the models apart); ``failed`` when an answer is blank. Raises Refused.
        """
        if set(answers) != set(MODELS):
            raise RefusedCall(f"answers of {sorted(answers)} are no pair; give one of model1 and one of model2.")
        cleaned = {model: checked_answer(answer) for model, answer in answers.items()}
        cancelled = any(answer.stopped == "cancelled" for answer in cleaned.values())
        blank = [model for model, answer in cleaned.items() if is_blank(answer.text)]
        status = "cancelled" if cancelled else "failed" if blank else "complete"
        with self._write() as connection:
            tester = self._pending(connection, turn_id)
            for model, answer in cleaned.items():
                insert(connection, "answers", turn_id=turn_id, model=model, chars=len(answer.text), **vars(answer))
            if status == "failed":
                self._failures(connection, turn_id, dict.fromkeys(blank, "blank answer"))
            return self._end_turn(connection, turn_id, status, tester)

    def fail_turn(self, turn_id: int, model: str, error: str) -> Turn:
        """Write down that a model (or ``both``) failed; the round can be retried or abandoned, never voted on so.

        A second failure of the same turn adds its row and changes nothing else. Raises Refused.
        """
        if model not in (*MODELS, "both"):
            raise RefusedCall(f"{shown(model)} is no model; use model1, model2 or both.")
        with self._write() as connection:
            row = connection.execute("SELECT * FROM turns WHERE id = ?", [turn_id]).fetchone()
            if row is not None and row["status"] == "failed":
                self._failures(connection, turn_id, {model: error})
                return read_turn(connection, row)
            tester = self._pending(connection, turn_id)
            self._failures(connection, turn_id, {model: error})
            return self._end_turn(connection, turn_id, "failed", tester)

    def recover(self, why: str = "interrupted by a restart", own: bool = False) -> int:
        """Fail the turns that nobody works on any more; returns how many.

        At the start of an app those that died with the old process, whichever study it ran; with ``own`` those of this
        study alone, when another takes its place.  Rounds stay open with the same sides and can be retried.
        """
        pending = self.database.connection.execute(
            "SELECT turns.id FROM turns JOIN battles ON battles.id = battle_id"
            " WHERE turns.status = 'pending' AND (:own = 0 OR study_id = :study)",
            {"own": own, "study": self.study_id},
        ).fetchall()
        for row in pending:
            self.fail_turn(row["id"], "both", why)
        return len(pending)

    # -- inside -------------------------------------------------------------------------------------------------

    @contextmanager
    def _acting(self, tester_id: str, request: str | None) -> Iterator[tuple[sqlite3.Connection, sqlite3.Row]]:
        """A transaction of a tester whose session is open, with the tester's row; once under a key of the browser's."""
        self.close_expired()
        with self._write() as connection:
            row = self._active(connection, tester_id)
            self._once(connection, row["id"], request)
            yield connection, row

    def _serving(self, connection: sqlite3.Connection, key: int) -> int:
        return connection.execute("SELECT COUNT(*) FROM battles WHERE tester_id = ?", [key]).fetchone()[0]

    def _schedule(self, connection: sqlite3.Connection, tester: sqlite3.Row) -> list[Candidate]:
        """The bank's prompts that the tester has not seen, the one due first."""
        rows = connection.execute(
            "SELECT id, prompt_id, category, served_left, served_right FROM prompts WHERE study_id = ? AND position IS"
            " NOT NULL AND id NOT IN (SELECT prompt_id FROM battles WHERE tester_id = ?)",
            [self.study_id, tester["id"]],
        )
        return rank_prompts(
            self._study["secret"],
            tester["code"],
            self._serving(connection, tester["id"]),
            [Candidate(*row) for row in rows],
        )

    def _latest(self, tester_id: str, which: str) -> Battle | None:
        connection = self.database.connection
        row = connection.execute(
            f"SELECT MAX(id) FROM battles WHERE tester_id = ? AND {which}", [self._row(connection, tester_id)["id"]]
        ).fetchone()
        return None if row[0] is None else read_battle(connection, row[0])

    def _own(self, connection: sqlite3.Connection, key: int, battle_id: int) -> Battle:
        own = "SELECT 1 FROM battles WHERE id = ? AND tester_id = ?"
        if type(battle_id) is not int or connection.execute(own, [battle_id, key]).fetchone() is None:
            raise Refused("This round is not yours; reload the page.")
        return read_battle(connection, battle_id)

    def _open(self, connection: sqlite3.Connection, key: int, battle_id: int) -> Battle:
        battle = self._own(connection, key, battle_id)
        if battle.status != "open":
            raise is_over(battle)
        return battle

    def _pending(self, connection: sqlite3.Connection, turn_id: int) -> int:
        """The key of the tester whose pending turn this is."""
        row = connection.execute(
            "SELECT turns.status, tester_id FROM turns JOIN battles ON battles.id = battle_id WHERE turns.id = ?",
            [turn_id],
        ).fetchone()
        if row is None:
            raise RefusedCall(f"turn {shown(turn_id)} does not exist.")
        if row["status"] != "pending":
            raise RefusedCall(f"turn {turn_id} is {row['status']} already.")
        return row["tester_id"]

    def _failures(self, connection: sqlite3.Connection, turn_id: int, errors: Mapping[str, str]) -> None:
        for model, error in errors.items():
            insert(connection, "failures", turn_id=turn_id, model=model, error=clean(error, 500), failed_at=self._now())

    def _end_turn(self, connection: sqlite3.Connection, turn_id: int, status: str, tester: int) -> Turn:
        connection.execute("UPDATE turns SET status = ?, finished_at = ? WHERE id = ?", [status, self._now(), turn_id])
        connection.execute(
            "UPDATE testers SET last_seen_at = ? WHERE id = ? AND closed_at IS NULL", [self._now(), tester]
        )
        return read_turn(connection, connection.execute("SELECT * FROM turns WHERE id = ?", [turn_id]).fetchone())
