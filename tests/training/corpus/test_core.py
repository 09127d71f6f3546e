"""The core that the demo models learn: its size, and that it holds what the default study asks for."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from feedback.study import Study
from training.corpus import Sample, load, split_of
from training.corpus.core import samples as core_samples

STUDY = Path(__file__).parents[3] / "app" / "study.toml"

# The demo's budget was measured with 11,578 samples of 1,329,851 characters.
SAMPLES, CHARACTERS = 11_578, 1_329_851

# Questions that are worded otherwise than any sample -> the fact that they ask for.
ASKED_OTHERWISE = {
    "artists-kahlo": "artist:Frida Kahlo/known_for",
    "works-sistine": "work:Sistine Chapel ceiling/artist",
    "movements-baroque": "movement:Baroque/features",
    "movements-bauhaus": "movement:Bauhaus/definition",
    "techniques-fresco": "term:fresco/about",
    "techniques-perspective": "term:linear perspective/about",
    "ai-training-data": "concept:training data/example",
    "society-hallucination-term": "concept:hallucination/definition",
    "society-jobs": "concept:automation/misconception",
    "society-detector": "concept:AI detector/misconception",
}
# Those whose right answer is "no, that is not so" or "nobody knows".
DENIED = {
    "works-not-monet", "movements-not-photography", "ai-think", "ai-always-right", "ai-remembers", "society-jobs",
    "society-detector", "talk-feelings",
}  # fmt: skip
UNKNOWN = {"artists-banksy", "works-stonehenge", "works-pearl-earring", "society-smarter", "talk-unknown"}


def plain(question: str) -> str:
    return re.sub(r"\W+", " ", question.lower()).strip()


@pytest.fixture(scope="module")
def core() -> tuple[Sample, ...]:
    return core_samples()


@pytest.fixture(scope="module")
def prompts() -> dict[str, str]:
    return {prompt.id: prompt.text for prompt in Study.load(STUDY).prompts}


def test_the_core_keeps_the_size_that_the_demo_learns(core: tuple[Sample, ...]) -> None:
    assert abs(len(core) / SAMPLES - 1) < 0.05
    assert abs(sum(len(message.content) for sample in core for message in sample.messages) / CHARACTERS - 1) < 0.05


def test_the_core_holds_every_question_of_the_default_study(core: tuple[Sample, ...], prompts: dict[str, str]) -> None:
    trained = [sample for sample in core if split_of(sample) == "train"]
    asked = {plain(sample.question) for sample in trained if len(sample.messages) == 2}
    facts = {fact for sample in trained for fact in sample.facts}
    missing = {
        name: text
        for name, text in prompts.items()
        if plain(text) not in asked and ASKED_OTHERWISE.get(name, "none") not in facts
    }
    assert missing == {}


def test_the_default_study_asks_for_what_is_not_so_and_for_what_nobody_knows(
    core: tuple[Sample, ...], prompts: dict[str, str]
) -> None:
    """A quarter of what people ask a guide has such an answer, about as many of one kind as of the other."""
    assert prompts.keys() >= DENIED | UNKNOWN
    assert 0.2 <= len(DENIED | UNKNOWN) / len(prompts) <= 0.35
    answers = {plain(sample.question): sample.answer for sample in core if len(sample.messages) == 2}
    facts = {fact: sample.answer for sample in core for fact in sample.facts}
    for name in DENIED:
        answer = answers.get(plain(prompts[name])) or facts[ASKED_OTHERWISE[name]]
        assert re.match(r"No[.,]|.* did not ", answer), (name, answer)
    for name in UNKNOWN:
        assert re.match(r"Nobody|I (do not|cannot)", answers[plain(prompts[name])]), name


def test_the_core_says_yes_as_often_as_no(core: tuple[Sample, ...]) -> None:
    counts = Counter(match[1] for sample in core if (match := re.match(r"(Yes|No)[.,]", sample.answer)))
    assert 0.42 <= counts["Yes"] / counts.total() <= 0.58, counts


def test_the_core_does_not_depend_on_its_order(core: tuple[Sample, ...]) -> None:
    everything = {sample.id for sample in load()}
    assert {sample.id for sample in core} <= everything
    assert len({sample.id for sample in core}) == len(core)
