"""Who may begin in a study with an open link: a code for all, and work that a browser has done."""

from __future__ import annotations

import itertools
import secrets
from pathlib import Path

import pytest

from feedback.blind_test import BlindTest, Refused
from feedback.entry import CHALLENGE_MINUTES, WrongCode, zero_bits
from feedback.study import Study, StudyError
from tests.feedback.protocol import Clock, document, open_test

BITS = 8


def solve(challenge: str, token: str) -> str:
    return next(str(n) for n in itertools.count() if zero_bits(f"{challenge}:{token}:{n}") >= BITS)


@pytest.fixture
def laborious(tmp_path: Path, clock: Clock) -> BlindTest:
    return open_test(tmp_path / "work.db", clock, proof_of_work_bits=BITS)


def test_a_study_that_asks_for_neither_stays_the_study_that_it_was() -> None:
    plain = Study.from_document(document())
    said = Study.from_document(document(entry_code="", proof_of_work_bits=0))
    assert plain.hash == said.hash
    assert "entry_code" not in plain.canonical
    assert "proof_of_work" not in plain.canonical
    assert Study.from_document(document(proof_of_work_bits=12)).hash != plain.hash


def test_another_code_is_the_same_study_and_stands_in_no_export() -> None:
    first, second = (Study.from_document(document(entry_code=code)) for code in ("monet-1872", "manet-1863"))
    assert first.hash == second.hash != Study.from_document(document()).hash
    assert "monet" not in first.canonical
    assert Study.from_toml(first.toml) == first


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"entry_code": "abc"}, "4 to 40 characters"),
        ({"entry_code": 1234}, "4 to 40 characters"),
        ({"proof_of_work_bits": 25}, "from 0 to 24"),
        ({"proof_of_work_bits": True}, "from 0 to 24"),
        ({"entry_code": "monet", "access": "invite"}, "leave one of them out"),
    ],
)
def test_a_setting_that_cannot_be_is_told(settings: dict[str, object], told: str) -> None:
    with pytest.raises(StudyError, match=told):
        Study.from_document(document(**settings))


def test_nobody_begins_with_another_code_and_the_right_one_may_be_typed_anyhow(tmp_path: Path) -> None:
    test = open_test(tmp_path / "code.db", entry_code="Monet-1872")
    for wrong in ("monet-187", "monet-18722", "manet-1872", "\ud800"):
        with pytest.raises(WrongCode, match=r"^This code is not the study's; check it"):
            test.enrol("1", invite=wrong)
    with pytest.raises(Refused, match="needs a code"):
        test.enrol("1", invite=" ")
    token = secrets.token_urlsafe(24)
    assert test.enrol("1", invite=" monet-1872 ", token=token) == test.enrol("1", invite="lost", token=token)
    assert test.database.connection.execute("SELECT COUNT(*), MAX(invite) FROM testers").fetchone()[:] == (1, None)


def test_work_is_done_for_one_tester_for_a_while(laborious: BlindTest, clock: Clock) -> None:
    token = secrets.token_urlsafe(24)
    challenge = laborious.challenge()
    solution = solve(challenge, token)
    tokens = iter(lambda: secrets.token_urlsafe(24), "")
    other = next(text for text in tokens if zero_bits(f"{challenge}:{text}:{solution}") < BITS)  # for one in 256 it is
    useless = next(str(n) for n in itertools.count() if zero_bits(f"{challenge}:{token}:{n}") < BITS)
    easier = challenge.replace(f"{BITS}.", "0.", 1)
    later = f"{BITS}.99999999999.{challenge.rpartition('.')[2]}"
    for who, work in (
        (token, ("", "")),
        (token, (challenge, useless)),
        (other, (challenge, solution)),  # stolen
        (token, (easier, "0")),
        (token, (later, solve(later, token))),
        (token, (challenge, "9" * 21)),
        (token, ("\ud800.1.2", "0")),
        (None, (challenge, solution)),
    ):
        with pytest.raises(Refused, match="has not done the work"):
            laborious.enrol("1", token=who, work=work)
    tester = laborious.enrol("1", token=token, work=(challenge, solution))
    assert laborious.enrol("1", token=token) == tester, "the same Start, sent again"
    spare = solve(challenge, other)
    clock.forward(CHALLENGE_MINUTES + 1)
    with pytest.raises(Refused, match="press Start again"):
        laborious.enrol("1", token=other, work=(challenge, spare))
    again = laborious.challenge()
    laborious.enrol("1", token=other, work=(again, solve(again, other)))


def test_each_guess_of_a_code_takes_work_of_its_own(tmp_path: Path) -> None:
    """One piece of work did for ten thousand guesses: a challenge is for a token, and a token begins once."""
    test = open_test(tmp_path / "both.db", entry_code="Müller-7", proof_of_work_bits=BITS)
    token, challenge = secrets.token_urlsafe(24), test.challenge()
    solution = solve(challenge, f"{token}:0001")
    with pytest.raises(WrongCode):
        test.enrol("1", invite="0001", token=token, work=(challenge, solution))
    for guess in ("0002", "", "Müller-7"):
        if zero_bits(":".join(filter(None, (challenge, token, guess, solution)))) < BITS:  # for one in 256 it does
            with pytest.raises(Refused, match="has not done the work"):
                test.enrol("1", invite=guess, token=token, work=(challenge, solution))
    test.enrol("1", invite="müller-7", token=token, work=(challenge, solve(challenge, f"{token}:müller-7")))


def test_work_that_was_done_once_begins_nothing_after_a_withdrawal(laborious: BlindTest) -> None:
    token, challenge = secrets.token_urlsafe(24), laborious.challenge()
    work = (challenge, solve(challenge, token))
    laborious.withdraw(laborious.enrol("1", token=token, work=work).id)
    with pytest.raises(Refused, match="was deleted"):
        laborious.enrol("1", token=token, work=work)


def test_a_challenge_outlives_a_restart(laborious: BlindTest, tmp_path: Path, clock: Clock) -> None:
    token, challenge = secrets.token_urlsafe(24), laborious.challenge()
    laborious.database.close()
    again = open_test(tmp_path / "work.db", clock, proof_of_work_bits=BITS)
    again.enrol("1", token=token, work=(challenge, solve(challenge, token)))
