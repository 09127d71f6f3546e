"""What the questions of the embedded corpus leave open: names and words that could mean several things.

Like ``test_language``, each test stands for a kind of fault that was found in it once, over all samples.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from training.corpus import Sample
from training.corpus.embedded import records
from training.corpus.phrasing import grammar
from training.corpus.phrasing.ai_literacy import field_of, topic
from training.corpus.phrasing.context import Context, context_of, is_common_word, names_something_else
from training.corpus.phrasing.spoken import called, makers, work_fact
from training.corpus.phrasing.wording import FIELD_OF
from training.corpus.records import Work


def _facts(works: Iterable[Work], *aspects: str) -> set[str]:
    shared = context_of(records()).shared
    return {work_fact(work, aspect, work.title in shared) for work in works for aspect in aspects}


def test_of_several_versions_it_is_said_which_one(samples: list[Sample]) -> None:
    """ "When was The Scream painted?" "The Scream was painted in 1893", as were not the others."""
    several = _facts((work for work in records().works if work.several), "year", "location")
    told = [sample for sample in samples if sample.facts[0] in several]
    assert len(told) > 300
    one_of_them = re.compile(r"more than one (version|cast|copy|picture|work) (of|called) ")
    assert [sample.answer for sample in told if not one_of_them.search(sample.answer)] == []
    assert "The Scream" in {work.title for work in records().works if work.several == "versions"}


def test_pictures_of_one_name_are_told_apart_by_where_they_are(samples: list[Sample]) -> None:
    """ "What does Irises show?" is not the same for each of them."""
    pictures = _facts((work for work in records().works if work.several == "pictures"), "depicts")
    told = [sample.answer for sample in samples if sample.facts[0] in pictures]
    assert len(told) > 40
    assert [answer for answer in told if " The one " not in answer] == []


def test_words_with_a_meaning_elsewhere_are_asked_with_their_field(samples: list[Sample]) -> None:
    """ "What is training?" "What does recall mean?" "Explain temperature." """
    assert field_of(next(one for one in records().concepts if one.name == "memory")) == " in a computer"
    words = {concept.name for concept in records().concepts if field_of(concept)} | set(FIELD_OF)
    assert {"training", "recall", "attention", "memory", "temperature", "prompt", "tie", "augmentation"} <= words
    listed = "|".join(sorted(map(re.escape, words), key=len, reverse=True))
    bare = re.compile(
        r"(what (exactly )?(is|are|does|do people mean by)|explain|define the term|can you tell me what|"
        r"please explain what|i keep hearing about|tell me more about|give me an (example|analogy) (of|for)|"
        r"what is related to) "
        rf"(the term |an? |the )?({listed})( is| are| mean)?([?.]|$| in simple words| like| to a child)",
        re.IGNORECASE,
    )
    asked = [(sample.fact, sample.messages[0].content) for sample in samples if sample.fact.startswith("concept:")]
    assert [question for _, question in asked if bare.match(question)] == []


def test_topics_are_spoken_of_in_the_plural_where_they_are_counted(samples: list[Sample]) -> None:
    """ "Ideas close to model parallelism are parallel computing and a large language model." """
    singular = re.compile(rf"( are|,| and) (an? )?({'|'.join(_counted())})(?=[,;.]| and )")
    told = [sample.answer.partition(" close to ")[2] for sample in samples if sample.fact.endswith("/related")]
    told = [text for text in told if " are " in text]
    assert len(told) > 700
    assert [text for text in told if singular.search(text)] == []
    assert grammar.several("chain of thought") == "chains of thought"
    assert {grammar.several(name) for name in ("policy", "sandbox", "epoch")} == {"policies", "sandboxes", "epochs"}


def _counted() -> list[str]:
    return [re.escape(one.name) for one in records().concepts if topic(one) == grammar.several(one.name)]


def test_a_question_about_a_concept_names_it_once(samples: list[Sample]) -> None:
    """ "I have a question about a filter bubble. How can we step out of a filter bubble?" "Do such models ..." """
    told = [sample for sample in samples if re.fullmatch(r"concept:[^|]+/question", sample.fact)]
    assert len(told) > 300
    found = []
    for sample in told:
        name, question = sample.fact[8:-9], sample.question
        first, _, rest = question.partition(". ")
        if first.startswith("I have a question about ") and re.search(rf"\b{re.escape(name)}", rest, re.IGNORECASE):
            found.append(question)
        if re.search(r"\b(do|should|may|can|into|to|on|when) such\b", question, re.IGNORECASE):
            found.append(question)
    assert found == []


def test_in_art_is_said_of_words_that_mean_something_elsewhere(samples: list[Sample]) -> None:
    """ "Can you explain what a ceiling painting is in art?" """
    odd = re.compile(
        r"\b(painting|engraving|drawing|collage|perspective|portrait|connoisseurship|School) (is )?in art\b"
    )
    assert [sample.question for sample in samples if odd.search(sample.question)] == []


def test_what_is_an_object_shows_nothing(samples: list[Sample]) -> None:
    """ "Bicycle Wheel shows a bicycle wheel fixed upside down on a kitchen stool." """
    objects = [work for work in records().works if work.itself]
    assert len(objects) > 60
    facts = _facts(objects, "depicts")
    described = {sample.answer for sample in samples if sample.fact in facts}
    assert [answer for answer in described if re.search(r"\bshow(s|ed)? ", answer)] == []
    assert "Electric Dress is a garment made of coloured light bulbs." in described
    assert any(answer.startswith("Equivalent VIII consists of 120 bricks") for answer in described)


def test_titles_of_one_common_word_stand_with_the_kind_of_work(samples: list[Sample]) -> None:
    """ "Books by Alexander Rodchenko is a work of Constructivism." """
    works = [work for work in records().works if is_common_word(work)]
    assert len(works) > 40
    titles = "|".join(re.escape(f"{work.title} by {makers(work)}") for work in works)
    said = re.compile(rf"(the ({'|'.join({called(work) for work in works})}) )?\b({titles})", re.IGNORECASE)
    facts = _facts(works, "year", "location", "medium", "movement", "depicts")
    asked = [sample.question for sample in samples if sample.fact in facts]
    assert len(asked) > 400
    assert [text for text in asked if (match := said.search(text)) and not match[1]] == []


def test_the_maker_of_a_work_with_the_name_of_something_else_is_asked_with_its_kind(samples: list[Sample]) -> None:
    """ "Who made Relativity?" "Where is Olympia?" """
    titles = {work.title for work in records().works if names_something_else(work)}
    assert {"Relativity", "Olympia", "The Clock", "Comedian"} <= titles
    listed = "|".join(map(re.escape, titles))
    bare = re.compile(
        rf"(who (made|painted|took)|(where|when) (is|was)) ({listed})( made| now| kept)?\??$", re.IGNORECASE
    )
    assert [sample.question for sample in samples if bare.match(sample.question)] == []


def test_groups_are_not_asked_for_as_kinds_of_art(samples: list[Sample], context: Context) -> None:
    """ "What kind of art is the Zaria Art Society?" "... was a group of Nigerian students." """
    groups = {context.movement(one.name).lower() for one in records().movements if one.group}
    asked = {sample.question.lower().rstrip("?") for sample in samples if sample.fact.startswith("movement:")}
    assert {f"what kind of art is {name}" for name in groups} & asked == set()


def test_no_group_is_asked_for_a_meaning(samples: list[Sample]) -> None:
    """ "What does Der Blaue Reiter mean?" asks for its name in English, and was told what the group was."""
    groups = {movement.name for movement in records().movements if movement.group}
    assert "Der Blaue Reiter" in groups
    meant = re.compile(r"what does (.+) mean", re.IGNORECASE)
    asked = {found[1] for sample in samples for m in sample.messages if (found := meant.match(m.content))}
    assert len(asked) > 100
    assert {name.lower() for name in asked} & {name.lower() for name in groups} == set()
