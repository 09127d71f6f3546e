"""What an open link may ask of whoever begins: a short code that a class is told, and a little work of the browser.

Both make many testers from one hand dearer, and neither asks a third party. The work: find a text ``solution`` for
which the SHA-256 of ``challenge:token:solution`` begins with so many zero bits, each bit doubling what it takes
(2**bits hashes on average); ``challenge:token:code:solution`` where a code was typed, so that each guess of one takes
work of its own. A challenge is the server's own word until when it holds, signed with the study's secret,
so that nothing of it is kept and a restart loses none. It is bound to the tester's token: a token enrols once, so a
solution is used once.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime, timedelta

from .rules import Refused

CHALLENGE_MINUTES = 120
MAX_SOLUTION_CHARS = 20


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
    told = f"{bits}.{int((now + timedelta(minutes=CHALLENGE_MINUTES)).timestamp())}"
    return f"{told}.{_signature(secret, told)}"


def check_work(secret: str, bits: int, now: datetime, token: str, code: str, challenge: str, solution: str) -> None:
    """Refuse who has not done the work for this token and this code.  Takes two hashes.  Raises Refused."""
    told, _, signature = challenge.rpartition(".")
    given, _, until = told.partition(".")
    if not hmac.compare_digest(signature.encode("utf-8", "replace"), _signature(secret, told).encode()):
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


def _signature(secret: str, told: str) -> str:
    key = f"{secret}|proof of work".encode()
    return hmac.new(key, told.encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:32]


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.casefold().encode("utf-8", "replace")).digest()
