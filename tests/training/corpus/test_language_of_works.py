"""The language of works, artists and movements in the embedded corpus: tense, number and what goes with what.

Like ``test_language``, each test stands for a kind of fault that a reader found, over all samples.
"""

from __future__ import annotations

import re

import pytest

from training.corpus import Sample, load
from training.corpus.embedded import records
from training.corpus.phrasing.context import names_something_else
from training.corpus.phrasing.spoken import makers, spoken_title


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    return [sample for sample in load() if sample.source == "art"]


def test_adjectives_in_names_of_movements_are_small_inside_a_sentence(samples: list[Sample]) -> None:
    """ "Gandharan art grew from Ancient Greek art" has a capital too many."""
    adjectives = (
        "Ancient|Academic|Metaphysical|Conceptual|Kinetic|Digital|Generative|Feminist|Documentary|Modernist|Contemporary|"
        "Neo-miniature|Naive|Street|Land|Video"
    )
    capital = re.compile(rf"[a-z,;] ({adjectives}) (?=([A-Z]\w+ )?(art|painting|photography)\b)")
    told = [message.content for sample in samples for message in sample.messages]
    assert [text for text in told if capital.search(text)] == []


def test_nationalities_and_countries_are_said_as_people_say_them(samples: list[Sample]) -> None:
    """ "Rita Angus was New Zealand." and "in Woodstock, the United States" are no English."""
    told = [sample.answer for sample in samples if sample.fact.startswith("artist:")]
    assert [answer for answer in told if re.search(r"(is|was|were) New Zealand\.|, the [A-Z]\w+ ?\w*\.$", answer)] == []
    assert "Rita Angus was from New Zealand." in told


def test_joint_works_are_listed_under_all_their_makers(samples: list[Sample]) -> None:
    joint = {spoken_title(work): makers(work) for work in records().works if work.also_by}
    one = re.compile(r"(?P<title>.+) (?:is|was) a work by (?P<names>[^.]+)\.")
    told = [match for sample in samples if (match := one.fullmatch(sample.answer)) and match["title"] in joint]
    assert told
    assert [match[0] for match in told if match["names"] != joint[match["title"]]] == []


def test_what_was_asked_in_the_past_is_answered_in_the_past(samples: list[Sample]) -> None:
    asked = [
        sample
        for sample in samples
        if re.fullmatch("movement:[^|]+/definition", sample.fact)
        and re.match("what (was|were) ", sample.question.lower())
    ]
    assert len(asked) > 20
    assert [sample.answer for sample in asked if not re.search(r"\b(was|were)\b", sample.answer)] == []


def test_what_is_no_more_is_spoken_of_in_the_past(samples: list[Sample]) -> None:
    gone = [work for work in records().works if work.gone]
    assert {"The Stone Breakers", "House", "Tilted Arc", "The Gates"} <= {work.title for work in gone}
    for work in gone:
        # "Made between 1979 and 2005" would take the years of planning for making.
        assert not re.match(r"(stood|was shown) ", work.gone or "") or work.year_start is None, work.title
        name = rf"({re.escape(spoken_title(work))}|{re.escape(work.title)})( by {re.escape(work.artist)})?"
        present = re.compile(rf"({name} (is|are|shows?|belongs?) |The medium of {name} is )", re.IGNORECASE)
        asked = re.compile(rf"(what|which) .*(is|are|does|do) {name}|what is the medium of {name}", re.IGNORECASE)
        fact = re.compile(rf"(work:{re.escape(work.title)}( \([^)]+\))?/(?!about)\w+( \| )?)+")
        about = [sample for sample in samples if fact.fullmatch(sample.fact)]
        assert any(work.gone in sample.answer for sample in about), work.title
        assert [sample.answer for sample in about if present.match(sample.answer)] == []
        assert [sample.question for sample in about if asked.match(sample.question)] == []


def test_things_are_made_and_groups_are_active(samples: list[Sample]) -> None:
    """Chola bronzes did not begin, and the Zaria Art Society was no time of which one asks when it was."""
    named = {movement.said or movement.name: movement for movement in records().movements}
    things = "|".join(re.escape(name) for name, movement in named.items() if movement.things)
    groups = "|".join(re.escape(name) for name, movement in named.items() if movement.group)
    assert named["Chola bronzes"].things
    assert named["the Young British Artists"].group
    wrong = re.compile(
        rf"(when|where|in which .+) did ({things}) (begin|start|flourish)|({things}) began\b"
        rf"|when (was|were) ({groups})\?|({groups}) lasted|({groups}) .*still alive",
        re.IGNORECASE,
    )
    told = [
        text for sample in samples if sample.fact.startswith("movement:") for text in (sample.question, sample.answer)
    ]
    assert [text for text in told if wrong.match(text)] == []


def test_buildings_look_like_something_and_show_nothing(samples: list[Sample]) -> None:
    """ "Who designed Casa Batlló?" "What does it show?" "At Casa Batlló you can see a house." """
    buildings = {work.title for work in records().works if work.kind == "building"}
    told = [
        sample
        for sample in samples
        if any(fact.startswith("work:") and fact[5:].rpartition("/")[0] in buildings for fact in sample.facts)
    ]
    assert len(told) > 500
    asked = re.compile(r"what (do|does|did) .+ show\?|what can i see in it", re.IGNORECASE)
    assert [sample.question for sample in told if asked.match(sample.question)] == []
    itself = re.compile(r"At .+ you (can|could) see an? (school|house|skyscraper|tower|pyramid|temple|tomb|shrine)\b")
    assert [sample.answer for sample in told if itself.match(sample.answer)] == []


def test_no_work_is_said_to_be_what_its_title_says(samples: list[Sample]) -> None:
    """ "The Mosaics of Justinian and Theodora are mosaics" tells nothing."""
    told = re.compile(r"(?P<title>.+?)( by .+)? (is|are|was|were) (an? )?(?P<kind>[a-z]+?)s?( by .+)?\.")
    wrong = [
        sample.answer
        for sample in samples
        if re.fullmatch(r"(work:[^|]+/artist \| )?work:[^|]+/kind", sample.fact)
        and (match := told.fullmatch(sample.answer))
        and re.search(rf"\b{match['kind']}s?\b", match["title"].lower())
    ]
    assert [answer for answer in wrong if "Painting" not in answer] == []  # The Art of Painting is a painting


def test_makers_stand_beside_the_title_of_what_is_described(samples: list[Sample]) -> None:
    """ "The Seagram Murals are large canvases for a restaurant by Mark Rothko" would speak of his restaurant."""
    forms = {work.form for work in records().works if work.form}
    asked = [sample for sample in samples if re.fullmatch(r"work:[^|]+/artist \| work:[^|]+/kind", sample.fact)]
    assert len(asked) > 300
    assert [sample.answer for sample in asked if any(f"{form} by " in sample.answer for form in forms)] == []


def test_terms_and_movements_of_art_are_not_asked_for_in_art(samples: list[Sample]) -> None:
    assert [sample.question for sample in samples if re.search(r"\bart in art\b", sample.question.lower())] == []


def test_a_picture_with_the_name_of_a_building_is_quoted(samples: list[Sample]) -> None:
    """ "Brooklyn Bridge is a work by Joseph Stella." would speak of the bridge."""
    named = [work.title for work in records().works if work.kind == "painting" and work.title.endswith(" Bridge")]
    told = [sample.answer for sample in samples if re.match(rf'"?({"|".join(named)})"? is a work by', sample.answer)]
    assert told
    assert [answer for answer in told if not answer.startswith('"')] == []


def test_works_with_the_name_of_something_else_stand_with_their_maker(samples: list[Sample]) -> None:
    """ "Where is Paul Revere?" and "When was Mont Sainte-Victoire painted?" speak of the man and of the mountain."""
    named = {work.title: work for work in records().works if names_something_else(work)}
    assert {"Paul Revere", "Ned Kelly", "Mont Sainte-Victoire", "Brooklyn Bridge", "Love Parade"} <= named.keys()
    alone = re.compile(
        rf"(who (made|painted)|where (is|can i see)|what (is|does)|when was|tell me about|describe) "
        rf"({'|'.join(map(re.escape, named))})( painted| made| show| about| now)?\W*$",
        re.IGNORECASE,
    )
    asked = [message.content for sample in samples for message in sample.messages[::2]]
    assert [question for question in asked if alone.match(question)] == []
    listed = re.compile(rf"({'|'.join(map(re.escape, named))}) (is|was) a work by")
    assert [sample.answer for sample in samples if listed.match(sample.answer)] == []


def test_one_of_several_is_not_told_as_if_there_were_no_other(samples: list[Sample]) -> None:
    """ "Claude Monet painted Water Lilies." speaks of one picture where there are 250."""
    several = {work.title for work in records().works if work.several in ("versions", "pictures")}
    told = [
        sample
        for sample in samples
        if (match := re.fullmatch(r"work:([^|/]+?)( \([^)]*\))?/(artist|kind)", sample.fact)) and match[1] in several
    ]
    assert len(told) > 300
    one = [sample.answer for sample in told if re.search(" (painted|made|drew|took) ", sample.answer)]
    assert len(one) > 200
    assert [answer for answer in one if not re.search("more than one|I do not know", answer)] == []


def test_nobody_is_said_to_have_painted_in_a_museum(samples: list[Sample]) -> None:
    placed = re.compile(r".+ (painted|made|drew|carved|cast) .+ (at|in) the (.* )?(Museum|Gallery|Museo|Musée)\b.*\.")
    facts = [sample for sample in samples if re.fullmatch(r"work:[^|]+/artist", sample.fact)]
    assert len(facts) > 3000
    assert [sample.answer for sample in facts if placed.fullmatch(sample.answer)] == []


def test_a_technique_is_not_told_as_a_material(samples: list[Sample]) -> None:
    asked = [s for s in samples if re.search(r"which materials are used|made of\b", s.question, re.IGNORECASE)]
    assert len(asked) > 200
    assert [s.answer for s in asked if re.search(r" is an? [a-z ]*(print|drawing|painting)\.", s.answer)] == []


def test_what_tells_where_one_of_several_is_counts_as_telling_it(samples: list[Sample]) -> None:
    """ "The one at the National Museum in Oslo was painted in 1893.": kept out of training with the place."""
    places = {work.title: work.location for work in records().works if work.several and work.location}
    told = [
        sample
        for sample in samples
        if (match := re.match(r"work:([^|/]+?)( \([^)]*\))?/(year|medium|depicts|kind|about)", sample.fact))
        and (place := places.get(match[1]))
        and place in sample.answer
    ]
    assert len(told) > 200
    assert [sample.answer for sample in told if "/location" not in sample.fact] == []
