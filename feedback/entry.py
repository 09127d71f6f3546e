"""Who may begin: who has an invite, or knows a code that a class is told, or whose browser has done a little work.

Only the hash of an invite's code is kept. The code for all and the work, which an open link may ask for, make many
testers from one hand dearer, and neither asks a third party. The work: find a text ``solution`` for
which the SHA-256 of ``challenge:token:solution`` begins with so many zero bits, each bit doubling what it takes
(2**bits hashes on average); ``challenge:token:code:solution`` where a code was typed, so that each guess of one takes
work of its own. A challenge is the server's own word until when it holds, signed with the study's secret,
so that nothing of it is kept and a restart loses none. It is bound to the tester's token: a token enrols once, so a
solution is used once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import datetime, timedelta

from .database import insert
from .rules import Refused, RefusedCall, clean
from .study_rules import shown

CHALLENGE_MINUTES = 120
MAX_SOLUTION_CHARS = 20
MAX_USES = 100_000
MAX_LABEL_CHARS = 80


class WrongCode(Refused):
    """Not the code that a study has for all, short as it is: guesses are counted, and take longer and longer."""


def check_code(given: str, code: str) -> None:
    """Refuse a wrong code, in a time that does not depend on how much of it is right.  Raises WrongCode."""
    if not given.strip():
        raise Refused("This study needs a code; type the one that you were told.")
    if not hmac.compare_digest(_digest(given.strip()), _digest(code)):
        raise WrongCode("This code is not the study's; check it for typing errors.")


def challenge(secret: str, bits: int, now: datetime) -> str:
    """What a page that is shown at this moment must work on: bits, until when, and the signature of both."""
    payload = f"{bits}.{int((now + timedelta(minutes=CHALLENGE_MINUTES)).timestamp())}"
    return f"{payload}.{_signature(secret, payload)}"


def check_work(secret: str, bits: int, now: datetime, token: str, code: str, challenge: str, solution: str) -> None:
    """Refuse who has not done the work for this token and this code.  Takes two hashes.  Raises Refused."""
    payload, _, signature = challenge.rpartition(".")
    given, _, until = payload.partition(".")
    if not hmac.compare_digest(signature.encode("utf-8", "replace"), _signature(secret, payload).encode()):
        raise Refused("Your browser has not done the work that this study asks for; reload the page and press Start.")
    if int(given) != bits or int(until) < now.timestamp():  # ours, so these are numbers
        raise Refused("This page was open for long; please press Start again.")
    if (
        len(solution) > MAX_SOLUTION_CHARS
        or zero_bits(":".join(filter(None, (challenge, token, code, solution)))) < bits
    ):
        raise Refused("Your browser has not done the work that this study asks for; reload the page and press Start.")


def zero_bits(text: str) -> int:
    """With how many zero bits the SHA-256 of a text begins."""
    digest = hashlib.sha256(text.encode("utf-8", "replace")).digest()
    return 256 - int.from_bytes(digest, "big").bit_length()


def _signature(secret: str, payload: str) -> str:
    key = f"{secret}|proof of work".encode()
    return hmac.new(key, payload.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.casefold().encode("utf-8", "replace")).digest()


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
    insert(connection, "invites", study_id=study_id, code=_hashed(code), label=note, uses=uses, made_at=now)
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
    hashed = _hashed(code.strip())
    row = connection.execute("SELECT * FROM invites WHERE study_id = ? AND code = ?", [study_id, hashed]).fetchone()
    if row is None or row["revoked_at"] is not None:
        # Nobody guesses 72 bits, so wrong ones are not counted: one hand would lock out all of its address.
        raise Refused("This invite code is not valid; check it for typing errors, or ask for a new one.")
    if row["uses"] is not None and row["used"] >= row["uses"]:
        raise Refused("This invite code has been used already; ask for a new one.")
    connection.execute("UPDATE invites SET used = used + 1 WHERE id = ?", [row["id"]])
    return hashed


def _hashed(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "replace")).hexdigest()[:16]
