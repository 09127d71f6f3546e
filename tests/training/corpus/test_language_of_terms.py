"""Terms of art and concepts of AI in the embedded corpus: articles, other names, and what they are like.

Like ``test_language``, each test stands for a kind of fault that was found in it once, over all samples.
"""

from __future__ import annotations

import re

from training.corpus import Sample
from training.corpus.embedded import records
from training.corpus.phrasing import grammar
from training.corpus.phrasing.art import EVERYDAY
from training.corpus.phrasing.beliefs import is_topic


def test_names_and_aliases_of_concepts_have_their_article(samples: list[Sample]) -> None:
    """No question leaves out the article that the definition gives a countable name."""
    counted = {
        concept.name
        for concept in records().concepts
        if grammar.subject(concept.name, concept.definition)[0].startswith(("a ", "an "))
    }
    bare = re.compile(rf"(about|by|explain|describe) ({'|'.join(map(re.escape, counted))})[.?]", re.IGNORECASE)
    asked = [sample.question for sample in samples if sample.source == "ai-literacy"]
    assert [question for question in asked if bare.search(question)] == []


def test_related_concepts_have_their_article(samples: list[Sample]) -> None:
    """ "Ideas close to an n-gram model are language model and baseline" left out two articles."""
    subjects = [grammar.subject(concept.name, concept.definition)[0] for concept in records().concepts]
    counted = [subject.partition(" ")[2] for subject in subjects if subject.startswith(("a ", "an "))]
    bare = re.compile(rf"(are|is|,|;|and) ({'|'.join(map(re.escape, counted))})(?=[,;.]| and )")
    told = [sample for sample in samples if sample.fact.endswith("/related")]
    assert len(told) > 700
    assert [sample.answer for sample in told if bare.search(sample.answer.partition(" close to ")[2])] == []
    one = [sample.question for sample in told if sample.answer.startswith("An idea close to ")]
    assert [question for question in one if "ideas" in question.lower()] == []


def test_terms_that_are_counted_are_spoken_of_with_their_article(samples: list[Sample]) -> None:
    """ "Tell me more about muse in art." """
    counted = {
        term.name: term.definition.split()[0].lower()
        for term in records().terms
        if re.match(rf"(A|An|The) {re.escape(term.name)}\b", term.definition)
    }
    asked = re.compile(rf"(?:tell me (?:more )?about|what should i know about) ({'|'.join(map(re.escape, counted))})\b")
    assert len(counted) > 40
    told = [sample.question for sample in samples if sample.fact.startswith("term:")]
    assert [question for question in told if asked.match(question.lower())] == []


def test_words_of_every_day_are_asked_of_as_terms_of_art(samples: list[Sample]) -> None:
    """ "What is space?" """
    asked = re.compile(
        rf"(?:what (?:exactly )?(?:is|are)|tell me about|can you explain what) (?:an? |the )?({'|'.join(EVERYDAY)})"
        r"(?: is| are)?[.?]?"
    )
    told = [sample.question for sample in samples if sample.fact.startswith("term:")]
    assert [question for question in told if asked.fullmatch(question.lower())] == []


def test_no_topic_is_like_anything(samples: list[Sample]) -> None:
    """ "What is copyright and AI like?" "Copyright and AI is like asking whether ..." """
    topics = {concept.name for concept in records().concepts if is_topic(concept)}
    said = re.compile(rf"\b({'|'.join(map(re.escape, topics))}) (is )?like\b", re.IGNORECASE)
    assert "copyright and AI" in topics
    assert [message.content for sample in samples for message in sample.messages if said.search(message.content)] == []


def test_no_concept_is_explained_by_its_own_other_name(samples: list[Sample]) -> None:
    """ "Loss of skills is the loss of skills that happens when ..." """
    circle = re.compile(r"(?:An? |The )?(\w[\w -]{5,}?) (?:is|are) .*\b(\1)\b", re.IGNORECASE)
    explained = [sample for sample in samples if re.fullmatch(r"concept:[^|]+/definition", sample.fact)]
    assert [sample.answer for sample in explained if circle.match(sample.answer)] == []


def test_who_asks_for_an_alias_hears_of_it(samples: list[Sample]) -> None:
    """ "What is RAM?" "Memory, in a computer, is the part that ..." """
    aliases = {concept.aliases[0].lower() for concept in records().concepts if concept.aliases}
    asked = re.compile(r"what (?:is|are|does) (?:an? |the )?(?:term )?(.+?)(?: mean)?\??$")
    told = [sample for sample in samples if re.fullmatch(r"concept:[^|]+/definition", sample.fact)]
    of_aliases = [(match[1], sample.answer) for sample in told if (match := asked.match(sample.question.lower()))]
    of_aliases = [(alias, answer) for alias, answer in of_aliases if alias in aliases]
    assert len(of_aliases) > 200
    assert [(alias, answer) for alias, answer in of_aliases if alias not in answer.lower()] == []
    assert [answer for _, answer in of_aliases if re.search(r"\bAI\b.*, in AI,", answer)] == []
