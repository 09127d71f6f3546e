from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from feedback.study import Study, StudyError
from tests.feedback.protocol import document
from tests.timing import costs_less_than

DEFAULT = Path(__file__).parents[2] / "app" / "study.toml"


def test_the_default_study_loads() -> None:
    study = Study.load(DEFAULT)
    assert study.reveal == "end"
    assert len(study.prompts) >= 24
    assert len(study.prompts) >= study.rounds
    assert study.consent_version
    assert study.consent_text


def test_equal_settings_give_equal_hashes_however_they_are_written(tmp_path: Path) -> None:
    text = """
top_p = 1
name = "S"
[consent]
version = 2
text = "Yes?"
[[prompts]]
text = "Why?"
id = "why"
category = "art"
"""
    first, second = tmp_path / "a.toml", tmp_path / "b.toml"
    first.write_text(text)
    second.write_text("# a remark\n" + text.replace("top_p = 1\n", "top_p = 1.0\nrounds = 10\n").replace("2", '"2"'))
    assert Study.load(first).hash == Study.load(second).hash
    assert Study.load(first).consent_version == "2"
    second.write_text(text.replace("Why?", "Why not?"))
    assert Study.load(first).hash != Study.load(second).hash
    assert Study.load(first).prompt_bank_hash != Study.load(second).prompt_bank_hash


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rounds": 0}, ["rounds = 0", "1 to 1000"]),
        ({"rounds": True}, ["rounds = true"]),
        ({"rounds": 2.5}, ["rounds = 2.5"]),
        ({"reveal": "sometimes"}, ['"sometimes"', "end, vote, never"]),
        ({"alpha": 0}, ["alpha = 0", "above 0"]),
        ({"alpha": "5%"}, ["alpha"]),
        ({"top_p": 1.5}, ["top_p = 1.5"]),
        ({"temperature": -1}, ["temperature = -1"]),
        ({"max_turns": 0}, ["max_turns"]),
        ({"name": " "}, ["name"]),
        ({"reasons": ["a", "a"]}, ["reasons", "different"]),
        ({"reasons": "Clearer"}, ["reasons"]),
        ({"consent": None}, ["consent is missing"]),
        ({"consent": {"version": "1"}}, ["consent.text"]),
        ({"consent": {"version": "1", "text": "x", "txt": ""}}, ["consent.txt is not a setting"]),
        (
            {"consent": {"version": "1", "text": "x", "training": "yes"}},
            ['consent.training = "yes" must be true or false'],
        ),
        ({"name": "a\0b"}, ['"a\\u0000b" holds a control character']),
        ({"reasons": ["ok", "\x1b[2J"]}, ['"\\u001b[2J" holds a control character']),
        ({"consent": {"version": "1", "text": "x", "\x9b\n": ""}}, ['consent."\\u009b\\n" is not a setting']),
        ({"\u202eseed\n": 3}, ['"\\u202eseed\\n" is not a setting']),
        ({"prompts": []}, ["prompts are missing"]),
        ({"prompts": ["Hello"]}, ["prompt 1", "table"]),
        ({"prompts": [{"id": "a b", "category": "art", "text": "?"}]}, ["prompt 1", '"a b"', "letters"]),
        ({"prompts": [{"id": "own-a", "category": "art", "text": "?"}]}, ["own-"]),
        ({"prompts": [{"id": "a", "category": "own", "text": "?"}]}, ["category", "own"]),
        ({"prompts": [{"id": "a", "category": "art", "text": "x" * 2001}]}, ["text", "2000"]),
        ({"prompts": [{"id": "a", "category": "art", "text": "?"}] * 2}, ["prompt 2", "unique"]),
        ({"access": "friends"}, ['"friends"', "open, invite"]),
        ({"background": [{"id": "a", "text": "?", "options": ["one"]}]}, ["background 1", "options", "2 to 12"]),
        ({"background": [{"id": "a", "text": "?", "options": ["x", "y"]}] * 2}, ["background 2", "unique"]),
        ({"background": [{}, {}, {}]}, ["3 questions", "at most 2"]),
        ({"seed": 3}, ["seed is not a setting"]),
        ({"zzz": 3}, ["zzz is not a setting; remove it or correct its spelling"]),
        ({"round": 3}, ["round is not a setting; did you mean rounds"]),
        ({"promts": []}, ["promts is not a setting; did you mean prompts?"]),
        ({"consents": {}}, ["consents is not a setting; did you mean consent?"]),
        ({"exclusion": {"min_vote": 1}}, ["exclusion: min_vote is not a setting; did you mean min_votes"]),
        # What is appended to a file belongs to its last table; what stands above a table does not belong to it.
        ({"prompts": [{"id": "a", "category": "art", "text": "?", "rounds": 6}]}, ["prompt 1: rounds is", "above the"]),
        ({"consent": {"version": "1", "text": "x", "entry_code": "blue fox"}}, ["consent.entry_code is", "above the"]),
        ({"exclusion": {"address_hash": True}}, ["exclusion: address_hash is not a setting here", "above the first"]),
        ({"min_votes": 3}, ["min_votes is not a setting here; write it below [exclusion]"]),
        ({"publication": "votes"}, ["publication is not a setting here; write it below [consent]"]),
        ({"show_models": 1}, ["show_models = 1", "true or false"]),
        ({"show_models": True, "reveal": "never"}, ["show_models", "needs a reveal"]),
    ],
)
def test_a_broken_setting_is_named_with_its_value_and_rule(change: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(StudyError) as error:
        Study.from_document(document(**change))
    assert "\n" not in str(error.value)
    assert all(word in str(error.value) for word in words), str(error.value)


def test_all_problems_come_at_once() -> None:
    with pytest.raises(StudyError) as error:
        Study.from_document(document(rounds=0, reveal="x", colour="red", prompts=[{"id": "a"}]))
    assert all(word in str(error.value) for word in ("rounds", "reveal", "colour", "prompt 1: category"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "cannot be read"),
        (b"name = ", "not valid TOML"),
        (b"name = 'a'\nrounds = 5\nrounds = 6\n", "rounds is there twice.*line 3"),
        (b"[consent]\n[consent]\n", "consent. is there twice.*line 2"),
        (b"name = " + b"[" * 100_000, "too deeply"),
        (b"name = " + b"{a = " * 100_000, "too deeply"),
        (b"name = '\xff'", "not UTF-8"),
        (b"name = " + b"1" * 5000, "not valid TOML.*digits"),
        (b"\n" + b".".join([b"a"] * 30_000) + b" = 1", "the key in line 2 has too many parts"),
        (b"x = { " + b" . ".join([b'"a b"'] * 30_000) + b" = 1 }", "the key in line 1 has too many parts"),
        (b"[" + b".".join([b"'a'"] * 30_000) + b"]", "the key in line 1 has too many parts"),
        (b"# \xc3\xa4" * 300_000, "larger than"),
    ],
)
def test_an_unreadable_file_is_one_line_with_its_name(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "study.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(StudyError, match=words) as error:
        Study.load(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_dots_in_a_text_are_no_key() -> None:
    said = "a.b.c." * 8 + " e.g., " * 40 + "." * 100 + " 1.2.3 www.a.example.org"
    assert Study.from_document(document(consent={"version": "1", "text": said})).consent_text == said
    study = Study.from_document(document(consent={"version": "1", "text": said}))
    assert Study.from_toml(study.toml) == study


def test_of_many_problems_the_first_are_told_and_how_many_more_there_are() -> None:
    prompts = [{"id": f"p{number}"} for number in range(5000)]
    with pytest.raises(StudyError) as error:
        Study.from_document(document(prompts=prompts))
    assert "prompt 5: text = nothing must be" in str(error.value)
    assert str(error.value).endswith("; and 9,990 more like these")
    assert len(str(error.value)) < 1000


def test_a_study_written_as_toml_reads_back_equal() -> None:
    odd = 'Say "a\\b"\tor\x7f\n\n"""nothing"""'
    background = [{"id": "age", "text": odd, "options": ["<b>", "'"]}]
    study = Study.from_document(document(consent={"version": "1", "text": odd}, background=background))
    assert Study.from_toml(study.toml) == study
    default = Study.load(DEFAULT)
    assert Study.from_toml(default.toml) == default


def test_a_setting_that_came_later_leaves_other_studies_as_they_were() -> None:
    plain = Study.from_document(document())
    assert "access" not in plain.canonical
    assert "background" not in plain.canonical
    assert "show_models" not in Study.from_document(document(show_models=False)).canonical
    assert Study.from_document(document(show_models=True)).hash != plain.hash
    assert Study.from_document(document(access="open", background=[])).hash == plain.hash
    assert Study.from_document(document(access="invite")).hash != plain.hash


def test_many_questions_are_read_in_a_time_that_grows_with_their_number() -> None:
    """As a second study is begun while testers are in the first, reading it must not hold them up."""

    def read(number: int) -> None:
        prompts = [{"id": f"p{place}", "category": "c", "text": "t"} for place in range(number)]
        assert len(Study.from_document(document(prompts=prompts)).prompts) == number

    assert costs_less_than(25, partial(read, 8000), partial(read, 1000)), "each with each takes 64"


def test_a_consent_that_lets_a_model_learn_is_kept_and_another_studys_hash_stays() -> None:
    consent = {"version": "1", "text": "We train on it."}
    agreed = Study.from_document(document(consent=consent | {"training": True}))
    assert agreed.consent_training
    assert Study.from_toml(agreed.toml) == agreed
    plain = Study.from_document(document(consent=consent))
    assert Study.from_document(document(consent=consent | {"training": False})).hash == plain.hash != agreed.hash
    assert "training" not in plain.canonical.replace("We train", "")
