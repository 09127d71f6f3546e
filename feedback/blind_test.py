"""The protocol of a blind test, and its only writer: who may do what, and when.

Every rule is checked here, to answer in a sentence that a tester understands, and again by the database's own
constraints and triggers, for whoever comes by another way.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from typing import Any

from .assignment import MODELS
from .battles import CHOICES, GUESSES, Answer, Battle, Tester, Turn, Vote, read_vote, winner
from .messages import many
from .rules import (
    MAX_CHANGES,
    MAX_COMMENT_CHARS,
    NotNow,
    Refused,
    RefusedCall,
    Repeated,
    checked_reasons,
    checked_seen,
    clean,
    is_duration,
    must_be_votable,
    must_be_yes_or_no,
    must_reveal,
    shown,
)
from .turns import Turns

__all__ = [
    "CHOICES", "GUESSES", "Answer", "Battle", "BlindTest", "NotNow", "Refused", "Repeated", "Tester", "Turn", "Vote",
]  # fmt: skip
FIRST_SEEN = ("left", "right", "both")
# What a vote keeps when words are added to it.
_KEPT = ("choice", "client_time", "vote_seconds", "server_seconds", "left_seen", "right_seen", "first_seen")

# From the last answer stored to the vote, by the server's clock: no browser can have shown it for longer.
# Nothing is known where that clock was set back in between.
_SERVER = (
    "CASE WHEN :kept THEN :server_seconds WHEN :now >= MAX(turns.finished_at)"
    " THEN ROUND((julianday(:now) - julianday(MAX(turns.finished_at))) * 86400, 3) END"
)


def _at_most(claim: str, least: float = 0) -> str:
    """What the browser says it measured, as far as the server's clock allows; votes from before that clock have none.

    ``least``: an answer that was on the screen was there for a moment, however the server's clock rounds.
    """
    return f"MIN(:{claim}, MAX({least}, ifnull({_SERVER}, :{claim})))"


# The repeated columns come from the battle itself, the lengths from what the tester read.
_INSERT_VOTE = f"""
INSERT INTO votes (battle_id, study_id, tester_id, prompt_id, left_model, choice, reasons, comment, good_enough, turns,
                   left_chars, right_chars, leak_flag, voted_at, client_time, vote_seconds, server_seconds, left_seen,
                   right_seen, first_seen)
SELECT battles.id, study_id, tester_id, prompt_id, left_model, :choice, :reasons, :comment, :good_enough,
       COUNT(DISTINCT turns.id), SUM((model = left_model) * chars), SUM((model <> left_model) * chars),
       MAX(leak_flag), :now, :client_time, {_at_most("vote_seconds")}, {_SERVER}, {_at_most("left_seen", 0.001)},
       {_at_most("right_seen", 0.001)}, :first_seen
FROM battles JOIN turns ON turns.battle_id = battles.id AND turns.status = 'complete'
             JOIN answers ON answers.turn_id = turns.id
WHERE battles.id = :battle GROUP BY battles.id
"""


class BlindTest(Turns):
    """One study on one database: the sessions of its testers, their battles, turns and votes.

    Safe to share between threads; all times are the server's.  The arguments are those of
    :class:`~feedback.sessions.Sessions`.
    """

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
        seen: Mapping[str, float] | None = None,
        first_seen: str | None = None,
        request: str | None = None,
    ) -> Vote:
        """Save a verdict; when this returns, it is on the disk.

        Args:
            choice: ``left``, ``right``, ``tie`` or ``both_bad``.
            reasons: some of the study's reasons.
            good_enough: whether the better answer is good enough in itself.
            vote_seconds: from both answers readable to the vote, in seconds, as the browser measured it; no more is
                stored than the server's own clock allows, which is stored beside it.
            client_time: the browser's clock.
            seen: for how many seconds the newest answer on the ``left`` and on the ``right`` was on the screen, bounded
                in the same way; None when nobody measured it.
            first_seen: which was there first, ``left``, ``right`` or ``both``.
            request: a key of the browser's under which this is done once.

        Raises:
            Repeated: it was done under this key.
            Refused: unknown choice or reason, foreign, voted, abandoned, unfinished or failed round, an answer that
                was not on the screen or for a moment only, session closed.
            NotNow: the answers have not been there for as long as it takes to look at them.
        """
        if choice not in CHOICES:
            raise RefusedCall(f"{shown(choice)} is no vote; choose one of {', '.join(CHOICES)}.")
        reasons = checked_reasons(reasons, self.study.reasons)
        comment = clean(comment, MAX_COMMENT_CHARS)
        if vote_seconds is not None and not is_duration(vote_seconds):
            raise RefusedCall(f"vote_seconds = {shown(vote_seconds)} must be a number of seconds, 0 or more.")
        must_be_yes_or_no(good_enough)
        with self._acting(tester_id, request) as (connection, row):
            battle = self._own(connection, row["id"], battle_id)
            must_be_votable(battle)
            if comment:  # a vote alone is always taken: its rounds are counted
                self._must_have_room(connection, row)
            on_screen = checked_seen(seen, battle, self._since_answers(connection, battle))
            connection.execute("DELETE FROM remarks WHERE battle_id = ?", [battle_id])  # what it says comes with it
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
                    "first_seen": first_seen if first_seen in FIRST_SEEN else None,
                    **on_screen,
                    "server_seconds": None,
                    "kept": False,
                },
            )

    def undo_vote(self, tester_id: str, battle_id: int, request: str | None = None) -> None:
        """Take the last round's vote back, to be given again; its row stays, superseded. Raises Repeated or Refused."""
        with self._acting(tester_id, request) as (connection, row):
            self._supersede(connection, row["id"], battle_id)
            self._seen(connection, row["id"])

    def explain_vote(
        self,
        tester_id: str,
        battle_id: int,
        reasons: Iterable[str],
        comment: str,
        good_enough: bool | None = None,
        request: str | None = None,
    ) -> Vote:
        """Give the last vote these words and judgement; the old row stays, superseded. Raises Repeated or Refused."""
        must_be_yes_or_no(good_enough)
        reasons = checked_reasons(reasons, self.study.reasons)
        comment = clean(comment, MAX_COMMENT_CHARS)
        with self._acting(tester_id, request) as (connection, row):
            self._must_have_room(connection, row)
            old = self._supersede(connection, row["id"], battle_id)
            said = {
                "reasons": json.dumps(reasons, ensure_ascii=False),
                "comment": comment,
                "good_enough": None if good_enough is None else int(good_enough),
            }
            kept = {name: old[name] for name in _KEPT}
            return self._save_vote(connection, row["id"], {"battle": battle_id, "kept": True} | kept | said)

    def remark(self, tester_id: str, battle_id: int, reasons: Iterable[str], comment: str) -> None:
        """Keep what was ticked and written beside answers on which no vote was given (yet), or after the session.

        Words that were taken back, so that nothing is left, are deleted. Raises Refused.
        """
        reasons = checked_reasons(reasons, self.study.reasons)
        comment = clean(comment, MAX_COMMENT_CHARS)
        with self._write() as connection:
            row = self._row(connection, tester_id)
            self._own(connection, row["id"], battle_id)
            if not reasons and not comment:
                connection.execute("DELETE FROM remarks WHERE battle_id = ?", [battle_id])
                return
            self._must_have_room(connection, row)
            connection.execute(
                "INSERT INTO remarks (battle_id, reasons, comment, written_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (battle_id) DO UPDATE SET reasons = excluded.reasons, comment = excluded.comment,"
                " written_at = excluded.written_at",
                [battle_id, json.dumps(reasons, ensure_ascii=False), comment, self._now()],
            )

    def _since_answers(self, connection: sqlite3.Connection, battle: Battle) -> float:
        """Seconds from a battle's newest answers to now, by the server's clock."""
        query = "SELECT (julianday(?) - julianday(finished_at)) * 86400 FROM turns WHERE id = ?"
        return float(connection.execute(query, [self._now(), battle.turns[-1].id]).fetchone()[0])

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
        given = connection.execute("SELECT COUNT(*) FROM votes WHERE battle_id = ?", [battle_id]).fetchone()[0]
        if given >= MAX_CHANGES:
            text = many(
                "This vote has been changed {n} time; it stays as it is now.",
                "This vote has been changed {n} times; it stays as it is now.",
                n=MAX_CHANGES - 1,
            )
            raise Refused(text)
        old: sqlite3.Row = connection.execute(
            "SELECT * FROM votes WHERE battle_id = ? AND superseded = 0", [battle_id]
        ).fetchone()
        connection.execute("UPDATE votes SET superseded = 1, superseded_at = ? WHERE id = ?", [self._now(), old["id"]])
        return old

    # -- the reveal ---------------------------------------------------------------------------------------------

    def reveal(self, tester_id: str, battle_id: int) -> dict[str, str]:
        """Which model was on which side: ``{"left": "model1", "right": "model2"}`` or the other way round.

        Raises Refused while the study's policy forbids it.
        """
        with self._write() as connection:
            row = self._row(connection, tester_id)
            battle = self._own(connection, row["id"], battle_id)
            must_reveal(self.study.reveal, row["closed_at"] is not None, battle)
            self._mark_revealed(connection, row["id"], battle_id)
            return {"left": battle.left_model, "right": battle.right_model}

    def tally(self, tester_id: str) -> dict[str, int]:
        """The tester's own votes by winner, as :func:`winner` names it. Raises Refused before the reveal."""
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

    def close_study(self) -> str | None:
        """End the study: nobody can enrol any more.  Returns :attr:`secret`."""
        with self._write() as connection:
            connection.execute(
                "UPDATE studies SET closed_at = COALESCE(closed_at, ?) WHERE id = ?", [self._now(), self.study_id]
            )
            connection.execute("DELETE FROM origin_keys WHERE study_id = ?", [self.study_id])
        return self.secret

    # -- inside -------------------------------------------------------------------------------------------------

    def _mark_revealed(self, connection: sqlite3.Connection, key: int, battle_id: int | None) -> None:
        now = self._now()
        connection.execute("UPDATE testers SET revealed_at = COALESCE(revealed_at, ?) WHERE id = ?", [now, key])
        connection.execute(
            "UPDATE battles SET revealed_at = COALESCE(revealed_at, ?) WHERE tester_id = ?"
            " AND id = COALESCE(?, id) AND status = 'voted'",
            [now, key, battle_id],
        )
