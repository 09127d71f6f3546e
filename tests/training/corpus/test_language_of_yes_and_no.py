"""Yes and no in the embedded corpus: as often, in agreement with their sentence, and told by no word of a question.

Like ``test_language``, each test stands for a kind of fault that was found in it once, over all samples.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import pytest

from training.corpus import Sample
from training.corpus.embedded import records
from training.corpus.phrasing import beliefs


def polarity(sample: Sample) -> str | None:
    """``Yes`` or ``No`` where the answer begins with it."""
    match = re.match(r"(Yes|No)[.,]", sample.answer)
    return match[1] if match else None


@pytest.mark.parametrize("sources", [("art",), ("ai-literacy",), ("art", "ai-literacy", "conversation")])
def test_yes_is_as_frequent_as_no(samples: list[Sample], sources: tuple[str, ...]) -> None:
    counts = Counter(polarity(sample) for sample in samples if sample.source in sources)
    assert min(counts["Yes"], counts["No"]) > 200
    assert 0.45 <= counts["Yes"] / (counts["Yes"] + counts["No"]) <= 0.55, counts


def test_beliefs_are_answered_with_a_reason(samples: list[Sample]) -> None:
    asked = re.compile(r"(Is it true that|I heard that|Some people say that|.*, right\b)", re.IGNORECASE)
    beliefs = [sample for sample in samples if sample.source == "ai-literacy" and asked.match(sample.question)]
    assert len(beliefs) >= 1_500
    assert [sample.question for sample in beliefs if polarity(sample) is None] == []
    assert [sample.answer for sample in beliefs if len(sample.answer.split()) < 5] == []


def test_every_wording_of_beliefs_has_both_answers(samples: list[Sample]) -> None:
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        opening = re.match(r"(is it true that|i heard that|some people say that)", sample.question.lower())
        answer = polarity(sample)
        if sample.source == "ai-literacy" and opening and answer:
            found[opening[1]][answer] += 1
    assert len(found) == 3
    for opening, counts in found.items():
        assert 0.4 <= counts["Yes"] / counts.total() <= 0.6, (opening, counts)


@pytest.mark.parametrize("word", ["than", "same"])
def test_comparisons_are_as_often_true_as_false(samples: list[Sample], word: str) -> None:
    """Of what compares two things with "than" or "the same" three quarters were so, and "than" told the answer."""
    belief = re.compile(r"concept:[^|]+/(truth|misconception|name|other|example)")
    counts = Counter(
        polarity(sample)
        for sample in samples
        if any(map(belief.fullmatch, sample.facts)) and re.search(rf"\b{word}\b", sample.question)
    )
    assert min(counts["Yes"], counts["No"]) > 50
    assert 0.45 <= counts["Yes"] / (counts["Yes"] + counts["No"]) <= 0.55, counts


def test_no_common_word_of_a_statement_tells_whether_it_is_so() -> None:
    """Of 197 statements with "can" 155 were so, for a truth says what can happen and a definition does not."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for phrase in beliefs.phrases(records().concepts):
        asked, answer = phrase.messages[0].content, phrase.messages[1].content
        if asked.startswith("Is it true that "):  # the first wording of each, as it stands
            for word in set(re.findall(r"[a-z']+", asked.lower())) - {"is", "it", "true", "that"}:
                found[word][answer[:2]] += 1
    common = {word: counts["Ye"] / counts.total() for word, counts in found.items() if counts.total() >= 60}
    assert {"can", "not", "than"} <= common.keys()
    assert all(0.36 <= found[word]["Ye"] / found[word].total() <= 0.64 for word in ("not", "no", "can"))
    assert {word: share for word, share in common.items() if not 0.28 <= share <= 0.72} == {}


def test_topics_are_not_said_to_be_what_they_are_not() -> None:
    """ "Copyright and AI is a law of the European Union" is held by nobody, and no term is another name for a topic."""
    asked = [phrase.messages[0].content for phrase in beliefs.phrases(records().concepts)]
    topics = [concept.name for concept in records().concepts if " is the topic of " in concept.definition]
    assert len(topics) >= 4
    named = re.compile(rf"(true that|term|name for) (the )?({'|'.join(map(re.escape, topics))})\b", re.IGNORECASE)
    assert [question for question in asked if named.search(question)] == []


def test_yes_and_no_answer_questions_that_can_be_answered_so(samples: list[Sample]) -> None:
    open_question = re.compile(r"(what|who|whom|whose|where|when|which|how|why)\b", re.IGNORECASE)
    wrong = [
        (sample.question, sample.answer)
        for sample in samples
        if polarity(sample) and open_question.match(sample.question) and "right" not in sample.question
    ]
    # A question of use may be answered with yes for its reason: "Why ...?" never is.
    assert [pair for pair in wrong if not pair[0].lower().startswith(("who may", "when may"))] == []


def test_yes_and_no_agree_with_their_own_sentence(samples: list[Sample]) -> None:
    """``Did X paint Y?`` is answered with yes exactly if the answer says that X painted it."""
    asked = (
        re.compile(r"(Did|Is|Are) (?P<name>.+?) (make|paint|carve|cast|draw|take|design|build|write|perform) "),
        re.compile(r"(Is|Are|Was|Were) .+ by (?P<name>[^?]+)\?"),
    )
    checked: Counter[int] = Counter()
    for sample in samples:
        answer = polarity(sample)
        if sample.source != "art" or not answer:
            continue
        for form, pattern in enumerate(asked):
            if match := pattern.match(sample.question):
                checked[form] += 1
                assert (match["name"] in sample.answer) == (answer == "Yes"), (sample.question, sample.answer)
                break
    assert min(checked[0], checked[1]) > 150, checked


def test_works_are_not_said_to_be_by_their_maker_and_by_a_member(samples: list[Sample]) -> None:
    """ "No Woman, No Cry by Chris Ofili is by a member of the Young British Artists." says "by" twice."""
    twice = re.compile(r" by [A-Z].* (is|are|was|were) by a ")
    assert [sample.answer for sample in samples if twice.search(sample.answer)] == []
