"""The protocol of a blind test, and its only writer: who may do what, and when.

Every rule is checked here, to answer in a sentence that a tester understands, and again by the database's own
constraints and triggers, for whoever comes by another way.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from .assignment import MODELS, Candidate, left_model, rank_prompts
from .battles import CHOICES, Answer, Battle, Tester, Turn, Vote, read_battle, read_turn, read_vote, winner
from .registry import prompt_key
from .rules import (
    MAX_COMMENT_CHARS,
    Refused,
    checked_answer,
    checked_question,
    checked_reasons,
    clean,
    is_blank,
    is_duration,
    must_be_votable,
    must_be_yes_or_no,
    must_reveal,
    next_turn,
    shown,
)
from .sessions import GUESSES, Sessions
from .study import Prompt

__all__ = ["CHOICES", "GUESSES", "Answer", "Battle", "BlindTest", "Refused", "Tester", "Turn", "Vote"]

# The repeated columns come from the battle itself, the lengths from what the tester read.
_INSERT_VOTE = """
INSERT INTO votes (battle_id, study_id, tester_id, prompt_id, left_model, choice, reasons, comment, good_enough, turns,
                   left_chars, right_chars, leak_flag, voted_at, client_time, vote_seconds)
SELECT battles.id, study_id, tester_id, prompt_id, left_model, :choice, :reasons, :comment, :good_enough,
       COUNT(DISTINCT turns.id), SUM((model = left_model) * chars), SUM((model <> left_model) * chars),
       MAX(leak_flag), :now, :client_time, :vote_seconds
FROM battles JOIN turns ON turns.battle_id = battles.id AND turns.status = 'complete'
             JOIN answers ON answers.turn_id = turns.id
WHERE battles.id = :battle GROUP BY battles.id
"""


class BlindTest(Sessions):
    """One study on one database: the sessions of its testers, their battles, turns and votes.

    Safe to share between threads; all times are the server's.  The arguments are those of
    :class:`~feedback.sessions.Sessions`.
    """

    # -- battles ------------------------------------------------------------------------------------------------

    def suggestions(self, tester_id: str, per_category: int = 2) -> list[Prompt]:
        """Prompts that this tester has not seen, at most ``per_category`` of each category, least served first.

        The first of all is the one that the schedule wants next.
        """
        connection = self.database.connection
        taken: dict[str, int] = {}
        chosen = []
        for candidate in self._schedule(connection, self._row(connection, tester_id)):
            if taken.get(candidate.category, 0) < per_category:
                taken[candidate.category] = taken.get(candidate.category, 0) + 1
                chosen.append(candidate.prompt_id)
        bank = {prompt.id: prompt for prompt in self.study.prompts}
        return [bank[name] for name in chosen]

    def start_battle(self, tester_id: str, prompt_id: str | None, text: str) -> Battle:
        """Serve a round: draw the sides for this question and write them down.

        ``prompt_id`` names a prompt of the bank; with None, or when ``text`` was edited, the question is the
        tester's own.

        Raises:
            Refused: no or too long a question, a round still open, all rounds voted, session closed.
        """
        text = checked_question(text)
        self.close_expired()
        with self._write() as connection:
            row = self._active(connection, tester_id)
            if connection.execute(
                "SELECT 1 FROM battles WHERE tester_id = ? AND status = 'open'", [row["id"]]
            ).fetchone():
                raise Refused("A round is open already; vote on it or leave it first.")
            voted = self._voted(connection, row["id"])
            if voted >= self.study.rounds:
                raise Refused(f"All {self.study.rounds} rounds are voted; thank you.")
            scheduled = next(iter(self._schedule(connection, row)), None)
            serving = self._serving(connection, row["id"])
            left = left_model(self._study["secret"], row["code"], serving, self._study["block_size"])
            cursor = connection.execute(
                "INSERT INTO battles (study_id, tester_id, prompt_id, left_model, serving, round, scheduled_prompt_id,"
                " served_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    self.study_id,
                    row["id"],
                    prompt_key(connection, self.study_id, prompt_id, text),
                    left,
                    serving,
                    voted + 1,
                    scheduled.key if scheduled else None,
                    self._now(),
                ],
            )
            self._seen(connection, row["id"])
            return read_battle(connection, int(cursor.lastrowid or 0))

    def battle(self, tester_id: str, battle_id: int) -> Battle:
        """One of this tester's battles, whatever its state.

        Raises:
            Refused: it is not this tester's.
        """
        connection = self.database.connection
        return self._own(connection, self._row(connection, tester_id)["id"], battle_id)

    def open_battle(self, tester_id: str) -> Battle | None:
        """The round that this tester is in, with everything written so far; to resume after a reload or restart."""
        return self._latest(tester_id, "status = 'open'")

    def last_battle(self, tester_id: str) -> Battle | None:
        """The round that was served last, open or not: where an undo is possible."""
        return self._latest(tester_id, "status <> 'withdrawn'")

    def voted_battle(self, tester_id: str) -> Battle | None:
        """The round that was voted on last: the one that the guess is about."""
        return self._latest(tester_id, "status = 'voted'")

    def abandon(self, tester_id: str, battle_id: int, reason: str) -> None:
        """Leave an open round without a vote; the row and what happened stay.

        Raises:
            Refused: foreign, or not open.
        """
        with self._write() as connection:
            row = self._active(connection, tester_id)
            self._open(connection, row["id"], battle_id)
            connection.execute(
                "UPDATE battles SET status = 'abandoned', reason = ?, closed_at = ? WHERE id = ?",
                [clean(reason, 200), self._now(), battle_id],
            )
            self._seen(connection, row["id"])

    # -- turns --------------------------------------------------------------------------------------------------

    def start_turn(self, tester_id: str, battle_id: int, text: str) -> Turn:
        """Write down a question before the models get it.

        After a complete turn this is a follow-up; after a failed or cancelled one it is a new attempt at the same.

        Raises:
            Refused: foreign or not open, an answer on its way, no room for another turn, another first question.
        """
        text = checked_question(text)
        self.close_expired()
        with self._write() as connection:
            row = self._active(connection, tester_id)
            battle = self._open(connection, row["id"], battle_id)
            number, attempt = next_turn(battle, text, self.study.max_turns)
            cursor = connection.execute(
                "INSERT INTO turns (battle_id, number, attempt, prompt, started_at) VALUES (?, ?, ?, ?, ?)",
                [battle_id, number, attempt, text, self._now()],
            )
            self._seen(connection, row["id"])
            return Turn(int(cursor.lastrowid or 0), battle_id, number, attempt, text, "pending")

    def finish_turn(self, turn_id: int, answers: Mapping[str, Answer]) -> Turn:
        """Write down both answers of a turn.

        The turn is then ``complete``; ``cancelled`` when the tester stopped it (kept, but no vote: lengths cut by
        speed would tell the models apart); ``failed`` when an answer is blank.

        Raises:
            Refused: the turn is unknown or finished, or an answer is missing or impossible.
        """
        if set(answers) != set(MODELS):
            raise Refused(f"answers of {sorted(answers)} are no pair; give one of model1 and one of model2.")
        cleaned = {model: checked_answer(answer) for model, answer in answers.items()}
        cancelled = any(answer.stopped == "cancelled" for answer in cleaned.values())
        blank = [model for model, answer in cleaned.items() if is_blank(answer.text)]
        status = "cancelled" if cancelled else "failed" if blank else "complete"
        with self._write() as connection:
            tester = self._pending(connection, turn_id)
            connection.executemany(
                "INSERT INTO answers (turn_id, model, text, tokens, chars, seconds, first_token_seconds, stopped,"
                " leak_flag) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        turn_id,
                        model,
                        answer.text,
                        answer.tokens,
                        len(answer.text),
                        answer.seconds,
                        answer.first_token_seconds,
                        answer.stopped,
                        int(answer.leak_flag),
                    )
                    for model, answer in cleaned.items()
                ],
            )
            if status == "failed":
                self._failures(connection, turn_id, dict.fromkeys(blank, "blank answer"))
            return self._end_turn(connection, turn_id, status, tester)

    def fail_turn(self, turn_id: int, model: str, error: str) -> Turn:
        """Write down that a model (or ``both``) failed; the round can be retried or abandoned, never voted on so.

        A second failure of the same turn adds its row and changes nothing else.

        Raises:
            Refused: an unknown turn or model, or a turn that was complete already.
        """
        if model not in (*MODELS, "both"):
            raise Refused(f"{shown(model)} is no model; use model1, model2 or both.")
        with self._write() as connection:
            row = connection.execute("SELECT * FROM turns WHERE id = ?", [turn_id]).fetchone()
            if row is not None and row["status"] == "failed":
                self._failures(connection, turn_id, {model: error})
                return read_turn(connection, row)
            tester = self._pending(connection, turn_id)
            self._failures(connection, turn_id, {model: error})
            return self._end_turn(connection, turn_id, "failed", tester)

    def recover(self) -> int:
        """After a restart: fail the turns whose answers died with the old process; returns how many.

        Their rounds stay open with the same sides and can be retried.
        """
        pending = [
            row["id"]
            for row in self.database.connection.execute(
                "SELECT turns.id FROM turns JOIN battles ON battles.id = battle_id"
                " WHERE turns.status = 'pending' AND study_id = ?",
                [self.study_id],
            )
        ]
        for turn_id in pending:
            self.fail_turn(turn_id, "both", "interrupted by a restart")
        return len(pending)

    # -- votes --------------------------------------------------------------------------------------------------

    def vote(
        self,
        tester_id: str,
        battle_id: int,
        choice: str,
        reasons: Iterable[str] = (),
        comment: str = "",
        good_enough: bool | None = None,
        vote_seconds: float | None = None,
        client_time: str | None = None,
    ) -> Vote:
        """Save a verdict; when this returns, it is on the disk.

        Args:
            choice: ``left``, ``right``, ``tie`` or ``both_bad``.
            reasons: some of the study's reasons.
            good_enough: whether the better answer is good enough in itself.
            vote_seconds: from both answers readable to the vote, in seconds, as the browser measured it.
            client_time: the browser's clock.

        Raises:
            Refused: unknown choice or reason, foreign, voted, abandoned, unfinished or failed round, session closed.
        """
        if choice not in CHOICES:
            raise Refused(f"{shown(choice)} is no vote; choose one of {', '.join(CHOICES)}.")
        reasons = checked_reasons(reasons, self.study.reasons)
        comment = clean(comment, MAX_COMMENT_CHARS)
        if vote_seconds is not None and not is_duration(vote_seconds):
            raise Refused(f"vote_seconds = {shown(vote_seconds)} must be a number of seconds, 0 or more.")
        must_be_yes_or_no(good_enough)
        self.close_expired()
        with self._write() as connection:
            row = self._active(connection, tester_id)
            battle = self._own(connection, row["id"], battle_id)
            must_be_votable(battle)
            return self._save_vote(
                connection,
                row["id"],
                {
                    "battle": battle_id,
                    "choice": choice,
                    "reasons": json.dumps(reasons, ensure_ascii=False),
                    "comment": comment,
                    "good_enough": None if good_enough is None else int(good_enough),
                    "client_time": None if client_time is None else clean(str(client_time), 40),
                    "vote_seconds": vote_seconds,
                },
            )

    def undo_vote(self, tester_id: str, battle_id: int) -> None:
        """Take the vote of the last round back, so that it can be given again; the old row stays, superseded.

        Raises:
            Refused: no vote, a later round was begun, the models were revealed, session closed.
        """
        self.close_expired()
        with self._write() as connection:
            row = self._active(connection, tester_id)
            self._supersede(connection, row["id"], battle_id)
            self._seen(connection, row["id"])

    def explain_vote(
        self,
        tester_id: str,
        battle_id: int,
        reasons: Iterable[str],
        comment: str,
        good_enough: bool | None = None,
    ) -> Vote:
        """Give the vote of the last round these reasons, comment and judgement; the old row stays, superseded.

        Raises:
            Refused: unknown reason, or as for :meth:`undo_vote`.
        """
        must_be_yes_or_no(good_enough)
        reasons = checked_reasons(reasons, self.study.reasons)
        comment = clean(comment, MAX_COMMENT_CHARS)
        self.close_expired()
        with self._write() as connection:
            row = self._active(connection, tester_id)
            old = self._supersede(connection, row["id"], battle_id)
            said = {
                "reasons": json.dumps(reasons, ensure_ascii=False),
                "comment": comment,
                "good_enough": None if good_enough is None else int(good_enough),
            }
            kept = {name: old[name] for name in ("choice", "client_time", "vote_seconds")}
            return self._save_vote(connection, row["id"], {"battle": battle_id} | kept | said)

    def _save_vote(self, connection: sqlite3.Connection, key: int, values: dict[str, Any]) -> Vote:
        """Insert a vote whose rules were checked, and read it back."""
        cursor = connection.execute(_INSERT_VOTE, values | {"now": self._now()})
        self._seen(connection, key)
        return read_vote(connection.execute("SELECT * FROM votes WHERE id = ?", [cursor.lastrowid]).fetchone())

    def _supersede(self, connection: sqlite3.Connection, key: int, battle_id: int) -> sqlite3.Row:
        """Take the current vote of a tester's last round out of the count, and return its row."""
        if self._own(connection, key, battle_id).vote is None:
            raise Refused("There is no vote to undo in this round.")
        latest, revealed = connection.execute(
            "SELECT MAX(id), (SELECT revealed_at FROM battles WHERE id = ?) FROM battles WHERE tester_id = ?",
            [battle_id, key],
        ).fetchone()
        if latest != battle_id:
            raise Refused("The next round has begun, so this vote stays.")
        if revealed:
            raise Refused("The models of this round have been shown, so this vote stays.")
        old: sqlite3.Row = connection.execute(
            "SELECT * FROM votes WHERE battle_id = ? AND superseded = 0", [battle_id]
        ).fetchone()
        connection.execute("UPDATE votes SET superseded = 1, superseded_at = ? WHERE id = ?", [self._now(), old["id"]])
        return old

    # -- the reveal ---------------------------------------------------------------------------------------------

    def reveal(self, tester_id: str, battle_id: int) -> dict[str, str]:
        """Which model was on which side: ``{"left": "model1", "right": "model2"}`` or the other way round.

        Raises:
            Refused: the study's policy does not allow it (yet).
        """
        with self._write() as connection:
            row = self._row(connection, tester_id)
            battle = self._own(connection, row["id"], battle_id)
            must_reveal(self.study.reveal, row["closed_at"] is not None, battle)
            self._mark_revealed(connection, row["id"], battle_id)
            return {"left": battle.left_model, "right": battle.right_model}

    def tally(self, tester_id: str) -> dict[str, int]:
        """The tester's own votes by winner (``model1``, ``model2``, ``tie``, ``both_bad``), after the reveal.

        Raises:
            Refused: the study's policy does not allow it (yet).
        """
        with self._write() as connection:
            row = self._row(connection, tester_id)
            must_reveal(self.study.reveal, row["closed_at"] is not None, None)
            self._mark_revealed(connection, row["id"], None)
            counts = dict.fromkeys((*MODELS, "tie", "both_bad"), 0)
            for left, choice, number in connection.execute(
                "SELECT left_model, choice, COUNT(*) FROM votes WHERE tester_id = ? AND superseded = 0"
                " GROUP BY left_model, choice",
                [row["id"]],
            ):
                counts[winner(left, choice)] += number
            return counts

    def close_study(self) -> str:
        """End the study and give its secret, which :attr:`secret_sha256` promised; nobody can enrol any more."""
        with self._write() as connection:
            connection.execute(
                "UPDATE studies SET closed_at = COALESCE(closed_at, ?) WHERE id = ?", [self._now(), self.study_id]
            )
        return self._study["secret"]

    # -- inside -------------------------------------------------------------------------------------------------

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
            self._study["block_size"],
        )

    def _latest(self, tester_id: str, which: str) -> Battle | None:
        connection = self.database.connection
        row = connection.execute(
            f"SELECT MAX(id) FROM battles WHERE tester_id = ? AND {which}", [self._row(connection, tester_id)["id"]]
        ).fetchone()
        return None if row[0] is None else read_battle(connection, row[0])

    def _own(self, connection: sqlite3.Connection, key: int, battle_id: int) -> Battle:
        if (
            type(battle_id) is not int
            or connection.execute("SELECT 1 FROM battles WHERE id = ? AND tester_id = ?", [battle_id, key]).fetchone()
            is None
        ):
            raise Refused("This round is not yours; reload the page.")
        return read_battle(connection, battle_id)

    def _open(self, connection: sqlite3.Connection, key: int, battle_id: int) -> Battle:
        battle = self._own(connection, key, battle_id)
        if battle.status != "open":
            raise Refused(f"This round is {battle.status}; go on to the next one.")
        return battle

    def _pending(self, connection: sqlite3.Connection, turn_id: int) -> int:
        """The key of the tester whose pending turn this is."""
        row = connection.execute(
            "SELECT turns.status, tester_id FROM turns JOIN battles ON battles.id = battle_id WHERE turns.id = ?",
            [turn_id],
        ).fetchone()
        if row is None:
            raise Refused(f"turn {shown(turn_id)} does not exist.")
        if row["status"] != "pending":
            raise Refused(f"turn {turn_id} is {row['status']} already.")
        return row["tester_id"]

    def _failures(self, connection: sqlite3.Connection, turn_id: int, errors: Mapping[str, str]) -> None:
        connection.executemany(
            "INSERT INTO failures (turn_id, model, error, failed_at) VALUES (?, ?, ?, ?)",
            [(turn_id, model, clean(error, 500), self._now()) for model, error in errors.items()],
        )

    def _end_turn(self, connection: sqlite3.Connection, turn_id: int, status: str, tester: int) -> Turn:
        connection.execute("UPDATE turns SET status = ?, finished_at = ? WHERE id = ?", [status, self._now(), turn_id])
        connection.execute(
            "UPDATE testers SET last_seen_at = ? WHERE id = ? AND closed_at IS NULL", [self._now(), tester]
        )
        return read_turn(connection, connection.execute("SELECT * FROM turns WHERE id = ?", [turn_id]).fetchone())

    def _mark_revealed(self, connection: sqlite3.Connection, key: int, battle_id: int | None) -> None:
        now = self._now()
        connection.execute("UPDATE testers SET revealed_at = COALESCE(revealed_at, ?) WHERE id = ?", [now, key])
        connection.execute(
            "UPDATE battles SET revealed_at = COALESCE(revealed_at, ?) WHERE tester_id = ?"
            " AND id = COALESCE(?, id) AND status <> 'open'",
            [now, key, battle_id],
        )
