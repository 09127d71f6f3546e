"""The embedded corpus as a whole: how much there is, that it is the same everywhere, and that it is English."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import defaultdict
from statistics import mean

import pytest

from training.corpus import Sample
from training.corpus.core import samples as core_samples
from training.corpus.embedded import SOURCES, records
from training.corpus.phrasing import absent, grammar
from training.corpus.phrasing.context import context_of

# What a template that went wrong leaves behind.
BROKEN = re.compile(
    r"\bNone\b|(?<![\w-])(a|an|the|by|in|of|is|was) \1\b|\b(a|an) the\b"
    r"|\b[Aa] (?!one|eu|uni|us|ut|uri|Eu|Uni|Us|Ut|Ukiyo|Ukr|Uru|U-)[aeiouAEIOU]"
    r"|  |[?!.,][?.,]|\?(?!'(?:\W|$))\S|[{}]|\(\)| [.,?]"
)
# Titles and texts in which such letters are meant.
MEANT = ("A Bar at", "...", "L.H.O.O.Q", "Vitamin A", "J. M. W.", "M. C. Escher", "L. S. Lowry", "answer A and")


def words(text: str) -> int:
    return len(text.split())


def test_there_are_enough_distinct_pairs(samples: list[Sample]) -> None:
    assert len({(sample.question, sample.answer) for sample in samples}) >= 20_000
    assert {sample.source for sample in samples} == set(SOURCES)
    assert len({sample.id for sample in samples}) == len(samples)


def test_samples_are_short_enough_to_be_learned(samples: list[Sample]) -> None:
    assert mean(words(sample.answer) for sample in samples) <= 20
    assert mean(sum(words(message.content) for message in sample.messages) for sample in samples) <= 35
    assert max(words(sample.answer) for sample in samples) <= 90


def test_prominent_facts_are_asked_in_several_wordings(samples: list[Sample]) -> None:
    questions: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        questions[sample.fact].add(sample.question)
    for fact in (
        "work:Guernica/artist",
        "movement:Cubism/definition",
        "concept:token/definition",
        "work:Mona Lisa/year",
    ):
        assert 4 <= len(questions[fact]) <= 12, fact


def test_the_samples_are_the_same_in_another_process(samples: list[Sample]) -> None:
    script = "from training.corpus import load; print(*(sample.id for sample in load()))"
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert result.stdout.split() == [sample.id for sample in samples]


def test_turns_alternate_and_end_with_a_whole_sentence(samples: list[Sample]) -> None:
    for sample in samples:
        assert [message.role for message in sample.messages] == ["user", "assistant"] * (len(sample.messages) // 2)
        assert all(message.content == message.content.strip() != "" for message in sample.messages)
        assert re.search(r"[.!?]$", sample.answer), sample
        assert sample.answer[0].isupper() or not sample.answer[0].isalpha(), sample


def test_no_question_has_two_answers(samples: list[Sample]) -> None:
    answers: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for sample in samples:
        asked = tuple(re.sub(r"\W+", " ", message.content.lower()).strip() for message in sample.messages[:-1])
        answers[asked].add(sample.answer)
    assert [(asked, found) for asked, found in answers.items() if len(found) > 1] == []


def test_templates_leave_no_broken_english(samples: list[Sample]) -> None:
    broken = [
        message.content
        for sample in samples
        if sample.source != "conversation"
        for message in sample.messages
        if BROKEN.search(message.content) and not any(part in message.content for part in MEANT)
    ]
    assert broken == []


def test_examples_fit_their_question_and_stand_alone(samples: list[Sample]) -> None:
    """A law or a program has no examples, and an answer does not begin with a word for what was not named in it."""
    told = [sample for sample in samples if sample.fact.endswith("/example") and len(sample.messages) == 2]
    assert [sample.answer for sample in told if re.match(r"(Yes\. )?(It|Its|They) ", sample.answer)] == []
    asked = [sample.question for sample in told if "example" in sample.question]
    assert asked
    assert [
        question for question in asked if re.search(r"of (the )?(EU AI Act|ChatGPT|Mata|SWE-bench)", question)
    ] == []


def test_who_had_an_idea_is_no_example_of_it(samples: list[Sample]) -> None:
    """ "Give an example of the technological singularity." was answered by who wrote an essay on it."""
    told = re.compile(r"coined the term|(presented|described|proposed) (it|the)\b|(essay on|mention) it\b")
    asked = [
        sample for sample in samples if sample.fact.startswith(("concept:", "term:")) and "example" in sample.question
    ]
    assert len(asked) > 1_000
    assert [sample.answer for sample in asked if told.search(sample.answer)] == []
    assert "Tell me more about transformers in AI." in {sample.question for sample in samples}


def test_definitions_are_swapped_whole(samples: list[Sample]) -> None:
    """ "Calibration means that ... how often it is a measure of ..." was cut at a verb of a clause."""
    swapped = [sample.question for sample in samples if sample.fact.endswith("/other")]
    assert len(swapped) > 100
    assert [question for question in swapped if re.search(r"\bmeans that\b|\bis, ", question)] == []


def test_earlier_turns_of_exchanges_agree_with_the_facts(samples: list[Sample]) -> None:
    answers: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        if len(sample.messages) == 2:
            answers[sample.question].add(sample.answer)
    turns = [turn for exchange in records().exchanges for turn in exchange.context]
    assert [turn for turn in turns if turn.user in answers and turn.reply not in answers[turn.user]] == []


def test_what_is_not_known_does_not_exist() -> None:
    names = {artist.name for artist in records().artists} | {work.title for work in records().works}
    invented = {f"{first} {last}" for first in absent.FIRST_NAMES for last in absent.LAST_NAMES}
    invented |= {f"The {adjective} {noun}" for adjective in absent.ADJECTIVES for noun in absent.NOUNS}
    assert len(invented) > 100
    assert invented.isdisjoint(names)


def test_the_core_is_a_small_part_of_the_whole(samples: list[Sample]) -> None:
    core = core_samples()
    assert {sample.id for sample in core} <= {sample.id for sample in samples}
    assert len(core) < 0.5 * len(samples)
    assert "Who painted Guernica?" in {sample.question for sample in core}


@pytest.mark.parametrize(
    ("noun", "expected"),
    [("Italian", "an"), ("French", "a"), ("LLM", "an"), ("GPU", "a"), ("European", "a"), ("uniform", "a"),
     ("unfinished work", "an"), ("hourglass", "an"), ("Ukiyo-e print", "a"), ("Ottoman", "an"), ("one-off", "a")],
)  # fmt: skip
def test_articles(noun: str, expected: str) -> None:
    assert grammar.article(noun) == expected


def test_years() -> None:
    assert grammar.year(1937) == "1937"
    assert grammar.year(1503, circa=True) == "about 1503"
    assert grammar.year(-100, circa=True) == "about 100 BCE"
    assert grammar.year(79) == "79 CE"
    assert grammar.years(1508, 1512) == "between 1508 and 1512"
    assert grammar.years(-447, -432) == "between 447 and 432 BCE"
    assert grammar.years(-20, 20) == "between 20 BCE and 20 CE"


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Louvre", "at the Louvre"), ("Tate Modern", "at Tate Modern"), ("Royal Collection", "in the Royal Collection"),
     ("Santa Maria Novella", "at Santa Maria Novella"), ("The Broad", "at the Broad"),
     ("Sir John Soane's Museum", "at Sir John Soane's Museum"), ("Salisbury Plain", "on Salisbury Plain")],
)  # fmt: skip
def test_places(name: str, expected: str) -> None:
    assert grammar.at_place(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [("Vincent van Gogh", "van Gogh"), ("Pieter Bruegel the Elder", "Bruegel"), ("Frida Kahlo", "Kahlo"),
     ("Raphael", "Raphael"), ("Man Ray", "Man Ray"), ("Francisco de Zurbarán", "Zurbarán")],
)  # fmt: skip
def test_surnames(name: str, expected: str) -> None:
    assert grammar.surname(name) == expected


def test_subjects_of_definitions() -> None:
    assert grammar.subject("neural network", "A neural network is a program.") == ("a neural network", "is")
    assert grammar.subject("training data", "Training data are examples.") == ("training data", "are")
    assert grammar.subject("salon", "The salon was an exhibition.") == ("the salon", "was")
    assert grammar.subject("fairness", "Fairness, in AI, means that all count.") == ("fairness", "is")


def test_movements_inside_a_sentence() -> None:
    context = context_of(records())
    assert context.movement("Baroque") == "the Baroque"
    assert context.movement("Conceptual art") == "conceptual art"
    assert context.movement("Cubism") == "Cubism"
