"""Who takes part in a study: consent, the session's life, the closing guess, withdrawal."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timezone
from typing import Any

from .assignment import MODELS
from .battles import GUESSES, Tester, read_tester, timestamp
from .database import Database, DatabaseError, insert
from .entry import (
    Invite,
    challenge,
    check_code,
    check_work,
    make_invite,
    read_invites,
    revoke_invite,
    use_invite,
)
from .messages import many
from .registry import close_expired, earlier, register, remove_tester, revealed_secret
from .rules import ROW_CHARS, TESTERS_AT_ONCE, Refused, RefusedCall, Repeated, checked_background, room, shown
from .study import Study
from .versions import changed

# Characters that some testers have written, with what their rows take.
_WRITTEN = f"""
WITH who AS (SELECT id FROM testers WHERE {{}}),
    rounds AS (SELECT id FROM battles WHERE tester_id IN (SELECT id FROM who))
SELECT {ROW_CHARS} * (SELECT COUNT(*) FROM rounds)
    + (SELECT ifnull(SUM(length(prompt) + {ROW_CHARS}), 0) FROM turns WHERE battle_id IN (SELECT id FROM rounds))
    + (SELECT ifnull(SUM(length(comment) + {ROW_CHARS}), 0) FROM votes WHERE battle_id IN (SELECT id FROM rounds))
    + (SELECT ifnull(SUM(length(comment) + {ROW_CHARS}), 0) FROM remarks WHERE battle_id IN (SELECT id FROM rounds))
"""

CLOSING = ("quota", "timeout", "quit")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{32}")  # 24 random bytes
_REQUEST = re.compile(r"[A-Za-z0-9_-]{8,64}")


class Sessions:
    """The testers of one study on one database; :class:`~feedback.blind_test.BlindTest` adds what they do.

    Args:
        database: where everything is kept.
        study: the settings; with ``models`` they identify the study, so that another file or other checkpoints begin
            a study of their own and never mix with the votes at hand.
        models: a description of ``model1`` and of ``model2`` (names, hashes, sampling), stored as JSON.
        clock: the present time; tests pass their own.
    """

    def __init__(
        self,
        database: Database,
        study: Study,
        models: Mapping[str, Mapping[str, Any]],
        clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        if set(models) != set(MODELS):
            raise ValueError(f"models = {sorted(models)} must be described as model1 and model2")
        self.database = database
        self.study = study
        self._clock = clock
        with self._write() as connection:
            self._study = register(connection, study, {model: dict(models[model]) for model in MODELS}, self._now())
        self.models: dict[str, dict[str, Any]] = json.loads(self._study["models"])

    @property
    def label(self) -> str:
        """The study's name in exports."""
        return self._study["label"]

    @property
    def study_id(self) -> int:
        """The study's key in the database."""
        return self._study["id"]

    @property
    def apart_from(self) -> str:
        """A sentence where testers have already taken part in this study with other models, and nobody with these."""
        before = earlier(self.database.connection, self._study)
        if before is None:
            return ""
        return (
            f"{self.label} begins, apart from {before['label']}, for its models are others"
            f" ({changed(json.loads(before['models']), json.loads(self._study['models']))}); the votes there stay"
        )

    @property
    def closed(self) -> bool:
        """Whether nobody can enrol any more."""
        row = self.database.connection.execute("SELECT closed_at FROM studies WHERE id = ?", [self.study_id]).fetchone()
        return row[0] is not None

    @property
    def secret_sha256(self) -> str:
        """SHA-256 of the secret behind every draw: shown before the first vote, so that nobody can change it later."""
        return self._study["secret_sha256"]

    @property
    def secret(self) -> str | None:
        """The secret behind every draw, once it foretells nothing: the study is closed and so is every session."""
        self.close_expired()
        return revealed_secret(self.database.connection, self.study_id)

    def enrol(
        self,
        consent_version: str,
        background: Mapping[str, str] | None = None,
        invite: str | None = None,
        token: str | None = None,
        work: tuple[str, str] = ("", ""),
        address: str = "",
        most: int = 0,
        language: str | None = None,
    ) -> Tester:
        """Write down a consent and begin a session.

        Args:
            background: an answer for each of the study's questions that was answered, by its id.
            invite: a code; needed, and counted, where the study is not open to everybody, or has a code for all.
            token: what the tester will be known by, drawn by the browser; who holds one that is known already is that
                tester, so that the same click, sent twice, enrols once.  Without it one is drawn here.
            address: from where; a keyed hash of it is kept where the study says so.
            most: testers who may begin from one such address within an hour; 0 is no limit.
            work: a challenge and its solution for this token, where the study asks for one.
            language: in which the consent was read, as a code of ISO 639; None where that is not known.

        Raises:
            Refused: the consent is to another text than the study's, an answer is none of the question's, the invite
                is not valid, the token has the wrong form or was withdrawn, or the study is closed.
        """
        if token is not None:
            if not _TOKEN.fullmatch(token):
                raise Refused("This page is out of date; please reload it.")
            if known := self.tester(token):
                return known
        if bits := self.study.proof_of_work_bits:
            check_work(self._study["secret"], bits, self._clock(), token or "", invite or "", *work)
        if self.study.entry_code and self.study.access == "open":
            check_code(invite or "", self.study.entry_code)
        if consent_version != self.study.consent_version:
            raise Refused("The consent text has changed; please reload the page and read it again.")
        answers = checked_background(background or {}, self.study.background)
        token = token or secrets.token_urlsafe(24)
        with self._write() as connection:
            if row := self._find(connection, token):  # by another request of the same click, in between
                return read_tester(row, token)
            if connection.execute("SELECT 1 FROM testers WHERE code = ?", [self._code(token)]).fetchone():
                raise Refused("What this browser contributed was deleted; reload the page to begin again.")
            if self.closed:
                raise Refused("This study is closed; thank you for your interest.")
            origin = self._origin(connection, address, most) if self.study.address_hash and address else None
            used = use_invite(connection, self.study_id, invite or "") if self.study.access == "invite" else None
            last = connection.execute("SELECT MAX(enrolment) FROM testers WHERE study_id = ?", [self.study_id])
            insert(
                connection,
                "testers",
                study_id=self.study_id,
                code=self._code(token),
                enrolment=(last.fetchone()[0] or 0) + 1,
                consent_version=consent_version,
                consent_language=language,
                background=json.dumps(answers, ensure_ascii=False),
                invite=used,
                origin=origin,
                enrolled_at=self._now(),
                last_seen_at=self._now(),
            )
            return read_tester(self._row(connection, token), token)

    def _origin(self, connection: sqlite3.Connection, address: str, most: int) -> str:
        """An address as it is kept.  Raises Refused where too many have just begun from it, over restarts too."""
        connection.execute(
            "INSERT OR IGNORE INTO origin_keys (study_id, key) VALUES (?, ?)", [self.study_id, secrets.token_hex(32)]
        )
        key = connection.execute("SELECT key FROM origin_keys WHERE study_id = ?", [self.study_id]).fetchone()[0]
        origin = hmac.new(bytes.fromhex(key), address.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:16]
        begun = connection.execute(
            "SELECT COUNT(*) FROM testers WHERE study_id = ? AND origin = ?"
            " AND enrolled_at > strftime('%Y-%m-%dT%H:%M:%fZ', ?, '-1 hour')",
            [self.study_id, origin, self._now()],
        ).fetchone()[0]
        if most and begun >= most:
            text = many(
                "{n:,} person has begun from your network within an hour; come back later.",
                "{n:,} people have begun from your network within an hour; come back later.",
                n=begun,
            )
            raise Refused(text)
        return origin

    def challenge(self) -> str:
        """What a browser that is shown the consent now must work on; nothing where the study asks for no work."""
        bits = self.study.proof_of_work_bits
        return challenge(self._study["secret"], bits, self._clock()) if bits else ""

    def invites(self) -> list[Invite]:
        """The study's invites, the newest first."""
        return read_invites(self.database.connection, self.study_id)

    def make_invite(self, label: str = "", uses: int | None = 1) -> str:
        """A new invite code for so many testers (None: any number), told this once.  Raises Refused."""
        with self._write() as connection:
            return make_invite(connection, self.study_id, label, uses, self._now())

    def revoke_invite(self, invite_id: int) -> None:
        """Nobody can enrol with this invite any more.  Raises Refused for one that the study does not have."""
        with self._write() as connection:
            revoke_invite(connection, self.study_id, invite_id, self._now())

    def tester(self, tester_id: str) -> Tester | None:
        """The tester who holds this token, or None for one that is unknown, withdrawn or of another study."""
        with suppress(DatabaseError):  # a full disk keeps nobody from reading; every write closes them first as well
            self.close_expired()
        row = self._find(self.database.connection, tester_id)
        return read_tester(row, tester_id) if row else None

    def has_withdrawn(self, tester_id: str) -> bool:
        """Whether what the holder of this token contributed was deleted at their wish."""
        found = "SELECT 1 FROM testers WHERE code IN (?, ?) AND study_id = ? AND closed_why = 'withdrawn'"
        given = [*self._codes(tester_id), self.study_id]
        return self.database.connection.execute(found, given).fetchone() is not None

    def progress(self, tester_id: str) -> tuple[int, int]:
        """Votes given and votes asked for."""
        connection = self.database.connection
        return self._voted(connection, self._row(connection, tester_id)["id"]), self.study.rounds

    def was_done(self, tester_id: str, request: str) -> bool:
        """Whether a tester's request was done under this key of the browser's."""
        connection = self.database.connection
        row = self._find(connection, tester_id)
        found = "SELECT 1 FROM requests WHERE tester_id = ? AND key = ?"
        return row is not None and connection.execute(found, [row["id"], request]).fetchone() is not None

    def guess(self, tester_id: str, answer: str, request: str | None = None) -> None:
        """Which model was trained from scratch: the last voted round's left one, right one, unknown. Raises Refused."""
        if answer not in GUESSES:
            raise RefusedCall(f"{shown(answer)} is no answer; choose one of {', '.join(GUESSES)}.")
        with self._write() as connection:
            row = self._row(connection, tester_id)
            self._once(connection, row["id"], request)
            if row["revealed_at"]:
                raise Refused("The models have been shown already, so it is too late to guess.")
            if row["guessed"]:
                raise Refused("Your guess is saved already.")
            last = connection.execute(
                "SELECT MAX(id) FROM battles WHERE tester_id = ? AND status = 'voted'", [row["id"]]
            ).fetchone()[0]
            if last is None:
                raise Refused("There is nothing to guess yet; vote on a round first.")
            insert(connection, "guesses", tester_id=row["id"], battle_id=last, answer=answer, guessed_at=self._now())

    def close(self, tester_id: str, why: str) -> None:
        """End a session: ``quota`` (all voted), ``quit`` (early), ``timeout``; twice does nothing. Raises Refused."""
        if why not in CLOSING:
            raise RefusedCall(f"{shown(why)} is no reason to close; use one of {', '.join(CLOSING)}.")
        with self._write() as connection:
            row = self._row(connection, tester_id)
            if row["closed_at"]:
                return
            voted = self._voted(connection, row["id"])
            if why == "quota" and voted < self.study.rounds:
                raise RefusedCall(f"{voted} of {self.study.rounds} rounds are voted; finish them or leave early.")
            connection.execute(
                "UPDATE battles SET status = 'abandoned', reason = 'session closed', closed_at = ?"
                " WHERE tester_id = ? AND status = 'open'",
                [self._now(), row["id"]],
            )
            connection.execute(
                "UPDATE testers SET closed_at = ?, closed_why = ? WHERE id = ?",
                [self._now(), "quota" if voted >= self.study.rounds else why, row["id"]],
            )

    def close_expired(self) -> int:
        """Close the sessions that were idle for their study's timeout; returns how many."""
        return close_expired(self.database, self._now())

    def withdraw(self, tester_id: str) -> int:
        """Remove everything that a tester wrote, read or chose; returns the number of votes removed.

        What stays: that someone enrolled and withdrew, how many votes that took away, and which prompts and sides
        were served (so that the assignment can still be checked).
        """
        with self._write() as connection:
            key = self._row(connection, tester_id)["id"]
            voted = self._voted(connection, key)
            connection.execute(
                "UPDATE testers SET closed_at = COALESCE(closed_at, ?), closed_why = 'withdrawn', withdrawn_votes = ?,"
                " background = '{}', invite = NULL, origin = NULL, consent_language = NULL WHERE id = ?",
                [self._now(), voted, key],
            )
            remove_tester(connection, key)
        # Only a truncated log is free of the removed text; while others read, the next checkpoint does it.
        self.database.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return voted

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """A transaction in which a rule of the database that stops us is reported like one of our own."""
        try:
            with self.database.transaction() as connection:
                yield connection
        except sqlite3.IntegrityError as error:
            raise Refused("This is not possible: {error}.", error=error) from error

    def _now(self) -> str:
        return timestamp(self._clock())

    def _find(self, connection: sqlite3.Connection, tester_id: str) -> sqlite3.Row | None:
        return connection.execute(
            "SELECT testers.*, EXISTS (SELECT 1 FROM guesses WHERE tester_id = testers.id) AS guessed FROM testers"
            " WHERE code IN (?, ?) AND study_id = ? AND closed_why IS NOT 'withdrawn'",
            [*self._codes(tester_id), self.study_id],
        ).fetchone()

    def _codes(self, token: str) -> tuple[str, str]:
        """Under which a token may be known, of an earlier release too; nothing for what a code is made of, else every
        tester would have a second name."""
        return ("", "") if "|" in str(token) else (self._code(token), _code(token))

    def _code(self, token: str) -> str:
        """What is kept of a token: other in each study, so that nobody can be followed from one to the next."""
        return _code(f"{self.label}|{token}")

    def _once(self, connection: sqlite3.Connection, key: int, request: str | None) -> None:
        """Write down that a request of a tester is being done.  Raises Repeated when it was done before."""
        if request is None:
            return
        if not _REQUEST.fullmatch(request):
            raise Refused("This page is out of date; please reload it.")
        if connection.execute("SELECT 1 FROM requests WHERE tester_id = ? AND key = ?", [key, request]).fetchone():
            raise Repeated("This was done already.")
        insert(connection, "requests", tester_id=key, key=request, done_at=self._now())

    def _row(self, connection: sqlite3.Connection, tester_id: str) -> sqlite3.Row:
        row = self._find(connection, tester_id)
        if row is None:
            raise Refused("This session is not known here; reload the page to begin again.")
        return row

    def _active(self, connection: sqlite3.Connection, tester_id: str) -> sqlite3.Row:
        row = self._row(connection, tester_id)
        if row["closed_at"]:
            raise _ended(row["closed_why"], self.study.session_timeout_minutes)
        return row

    def _must_have_room(self, connection: sqlite3.Connection, row: sqlite3.Row) -> None:
        """Refuse to write more for who, or whose address, has written enough: no session grows without end.

        Counted is what the database holds, in the transaction that adds to it, so that neither a restart nor many
        requests at once make room.
        """
        most = room(self.study.rounds, self.study.max_turns)
        if connection.execute(_WRITTEN.format("id = ?"), [row["id"]]).fetchone()[0] > most:
            raise Refused("You have written as much as there is room for in one session; please finish it.")
        if row["origin"] is not None:
            # Of a day: without an end one hand would shut everybody behind its address out of the study for good.
            ours = [self.study_id, row["origin"], self._now()]
            of_today = "study_id = ? AND origin = ? AND enrolled_at > strftime('%Y-%m-%dT%H:%M:%fZ', ?, '-1 day')"
            written = connection.execute(_WRITTEN.format(of_today), ours).fetchone()[0]
            if written > TESTERS_AT_ONCE * most:
                raise Refused("As much has come from your network as there is room for in a day; come back tomorrow.")

    def _seen(self, connection: sqlite3.Connection, key: int) -> None:
        connection.execute("UPDATE testers SET last_seen_at = ? WHERE id = ?", [self._now(), key])

    def _voted(self, connection: sqlite3.Connection, key: int) -> int:
        return connection.execute(
            "SELECT COUNT(*) FROM votes WHERE study_id = ? AND tester_id = ? AND superseded = 0", [self.study_id, key]
        ).fetchone()[0]


def _ended(why: str, minutes: float) -> Refused:
    """That a session is over, and why."""
    if why == "quota":
        return Refused("This session ended because all rounds are voted; your votes so far are saved.")
    if why == "quit":
        return Refused("This session ended when you left; your votes so far are saved.")
    text = many(
        "This session ended after {n:g} minute without activity; your votes so far are saved.",
        "This session ended after {n:g} minutes without activity; your votes so far are saved.",
        n=minutes,
    )
    return Refused(text)


def _code(token: str) -> str:
    """Of a tester's token, enough to recognise it, nothing to act with."""
    return hashlib.sha256(str(token).encode("utf-8", "replace")).hexdigest()[:16]
