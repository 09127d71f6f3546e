"""Invite codes: who may enrol in a study that is not open to everybody.  Only a code's hash is kept."""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass

from .database import insert
from .rules import Refused, RefusedCall, clean
from .study_rules import shown

MAX_USES = 100_000
MAX_LABEL_CHARS = 80


@dataclass(frozen=True)
class Invite:
    """An invite as a researcher sees it."""

    id: int
    label: str  # the researcher's note
    uses: int | None  # how many testers may enrol with it; None for any number
    used: int  # how many did
    made_at: str  # times; None while it is valid
    revoked_at: str | None

    @property
    def valid(self) -> bool:
        """Whether somebody can still enrol with it."""
        return self.revoked_at is None and (self.uses is None or self.used < self.uses)


def make_invite(connection: sqlite3.Connection, study_id: int, label: str, uses: int | None, now: str) -> str:
    """Write down a new invite and return its code, which cannot be had again. Raises Refused."""
    if uses is not None and (type(uses) is not int or not 1 <= uses <= MAX_USES):
        raise RefusedCall(f"{shown(uses)} uses: an invite is for 1 to {MAX_USES:,} testers, or for any number.")
    code = secrets.token_urlsafe(9)
    note = clean(label, MAX_LABEL_CHARS)
    insert(connection, "invites", study_id=study_id, code=_hash(code), label=note, uses=uses, made_at=now)
    return code


def read_invites(connection: sqlite3.Connection, study_id: int) -> list[Invite]:
    """Every invite of a study, the newest first."""
    rows = connection.execute(
        "SELECT id, label, uses, used, made_at, revoked_at FROM invites WHERE study_id = ? ORDER BY id DESC", [study_id]
    )
    return [Invite(*row) for row in rows]


def revoke_invite(connection: sqlite3.Connection, study_id: int, invite_id: int, now: str) -> None:
    """Make an invite invalid for who has not enrolled yet; twice does nothing. Raises Refused for another study's."""
    known = connection.execute("SELECT 1 FROM invites WHERE id = ? AND study_id = ?", [invite_id, study_id])
    if known.fetchone() is None:
        raise RefusedCall(f"Invite {shown(invite_id)} is none of this study's; choose one of the list.")
    connection.execute("UPDATE invites SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", [now, invite_id])


def use_invite(connection: sqlite3.Connection, study_id: int, code: str) -> str:
    """Count one use of a code and return its hash, which is what a tester's row keeps.  Raises Refused."""
    if not code.strip():
        raise Refused("This study needs an invite code; type the one that you were sent.")
    hashed = _hash(code.strip())
    row = connection.execute("SELECT * FROM invites WHERE study_id = ? AND code = ?", [study_id, hashed]).fetchone()
    if row is None or row["revoked_at"] is not None:
        # Nobody guesses 72 bits, so wrong ones are not counted: one hand would lock out all of its address.
        raise Refused("This invite code is not valid; check it for typing errors, or ask for a new one.")
    if row["uses"] is not None and row["used"] >= row["uses"]:
        raise Refused("This invite code has been used already; ask for a new one.")
    connection.execute("UPDATE invites SET used = used + 1 WHERE id = ?", [row["id"]])
    return hashed


def _hash(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()[:16]
