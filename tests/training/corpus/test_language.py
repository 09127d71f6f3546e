"""The language of the embedded corpus, kind by kind, counted over all of its samples.

Each test stands for a kind of fault that was found in it once, not for the samples in which it was found.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest

from training.corpus import Sample
from training.corpus.embedded import records
from training.corpus.phrasing import absent, grammar
from training.corpus.phrasing.artists import was
from training.corpus.phrasing.context import Context, is_common_word, names_something_else
from training.corpus.phrasing.spoken import makers, spoken_title
from training.corpus.records import Movement

# Surnames by which people mean somebody else, or several artists.
AMBIGUOUS = (
    "Freud", "Bacon", "Adams", "Lawrence", "Moore", "Marc", "Morris", "Klein", "Walker", "Hunt", "Bellini", "Bruegel",
    "Delaunay", "Gentileschi", "Holbein", "Johns", "Kelly", "Martin", "Miller", "Mitchell", "Rossetti", "Rousseau",
    "Smith", "Spencer", "Stella", "Weston", "Wright",
)  # fmt: skip


# -- articles and names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("noun", "expected"),
    [("n-gram", "an"), ("F1 score", "an"), ("MoE", "an"), ("RLHF", "an"), ("RAG", "a"), ("GAN", "a"), ("FLOP", "a"),
     ("LLM", "an"), ("U-Net", "a"), ("X-ray", "an"), ("one-shot prompt", "a"), ("8-bit number", "an"), ("kNN", "a"),
     ("LoRA", "a"), ("hourglass", "an"), ("Ukrainian", "a"), ("Ethiopian", "an"), ("Ugandan", "a"), ("GPUs", "a")],
)  # fmt: skip
def test_articles_go_by_sound(noun: str, expected: str) -> None:
    assert grammar.article(noun) == expected


def test_no_article_is_wrong(samples: list[Sample]) -> None:
    letters = r"[BCDGJKPQTUVWYZ](?=[A-Z0-9-])"
    wrong = re.compile(
        rf"\b[Aa]n ({letters}|[bcdfgjklmpqrstvwyz][a-z]|one\b|uni[^mn])|\b[Aa] (n-|[FHLMNRSX][A-Z]{{2}})"
    )
    asked = [message.content for sample in samples for message in sample.messages if sample.source != "conversation"]
    fine = re.compile(r"\b[Aa] (FLOP|RAG|RAM|LIME|SHAP|SIFT|SOTA|NASA|LAION|MIDI|RAID|SCRAM|NATO|FAIR)")
    assert [text for text in asked if wrong.search(text) and not fine.search(text)] == []


def test_surnames_that_can_mean_somebody_else_stand_with_the_full_name(samples: list[Sample], context: Context) -> None:
    surnames: Counter[str] = Counter(grammar.surname(artist.name) for artist in records().artists)
    for name, short in context.short.items():
        if short != name:
            assert surnames[short] == 1, (name, short)
            assert short not in AMBIGUOUS
    names = re.compile("|".join(re.escape(artist.name) for artist in records().artists))
    titles = re.compile("|".join(re.escape(work.title) for work in records().works))
    bare = re.compile(rf"\b({'|'.join(AMBIGUOUS)})\b")
    for sample in samples:
        if sample.fact.startswith("artist:") and bare.search(titles.sub("", names.sub("", sample.question))):
            assert "known for" in sample.question or "known for" in sample.answer, sample.question


def test_names_that_somebody_else_bears_stand_with_the_occupation(samples: list[Sample]) -> None:
    """ "When was Steve McQueen born?" means the actor to most, and Francis Bacon was a philosopher too."""
    shared = "Steve McQueen|Francis Bacon|George Segal|Thomas Hart Benton|Richard Long|David Smith|John Martin"
    asked = [sample.messages[0].content for sample in samples if re.match(rf"artist:({shared})/", sample.fact)]
    assert len(asked) > 40
    named = re.compile(
        rf"the (artist|painter|sculptor|land artist and sculptor|video artist and film director) ({shared})"
    )
    assert [text for text in asked if re.search(shared, text, re.I) and not re.search(named.pattern, text, re.I)] == []
    assert [text for text in asked if re.search(r"(?<!steve )\bmcqueen", text, re.I)] == []


def test_leonardo_is_not_called_da_vinci(samples: list[Sample]) -> None:
    assert [
        sample.question for sample in samples if re.search(r"(?<!onardo )\bda vinci\b", sample.question.lower())
    ] == []


def test_titles_that_many_works_have_stand_with_their_maker(samples: list[Sample], context: Context) -> None:
    generic = context.generic
    assert {"Self-Portrait with Two Circles", "Reclining Nude"} <= generic
    bare = re.compile(rf"Who (made|painted|carved|drew) (the )?({'|'.join(map(re.escape, generic))})\?")
    assert [sample.question for sample in samples if bare.match(sample.question)] == []


def test_plural_names_take_plural_verbs(samples: list[Sample]) -> None:
    """ "What does Rapa Nui stone statues mean?" has the wrong number."""
    plural = [
        record.name
        for record in (*records().concepts, *records().terms)
        if grammar.subject(record.name, record.definition)[1] in ("are", "were")
    ]
    plural += [movement.said or movement.name for movement in records().movements if movement.plural]
    assert len(plural) > 25
    names = "|".join(map(re.escape, plural))
    wrong = re.compile(rf"(what|where|how|when) (does|is|was) ({names})\b(?! movement)", re.IGNORECASE)
    assert [sample.question for sample in samples if wrong.match(sample.question)] == []
    groups = [movement.said or movement.name for movement in records().movements if movement.group]
    people = re.compile(rf"who (is|are|was|were) ({names})[?]?$", re.IGNORECASE)
    asked = [match[2].lower() for sample in samples if (match := people.match(sample.question))]
    assert set(asked) <= {group.lower() for group in groups}


def test_titles_that_several_famous_works_have_stand_with_maker_or_place(samples: list[Sample]) -> None:
    """Rembrandt and Murillo both painted The Return of the Prodigal Son: no question and no answer leaves it open."""
    shared = {
        "The Return of the Prodigal Son", "Lamentation over the Dead Christ", "Assumption of the Virgin", "Pietà",
        "Bacchus and Ariadne", "The Last Judgment", "Judith Beheading Holofernes", "The Calling of Saint Matthew",
        "The Supper at Emmaus", "Apollo and Daphne", "Leda and the Swan", "Sleeping Venus", "Death and the Maiden",
        "The Elevation of the Cross", "The Death of Cleopatra", "The Large Bathers", "Three Musicians", "Ophelia",
        "Napoleon Crossing the Alps", "Madonna", "The Tower of Babel", "Agnus Dei", "Maestà", "Pierrot", "The Waltz",
        "The Triumph of Venus", "Oedipus and the Sphinx", "The Flagellation of Christ",
    }  # fmt: skip
    works = {work.title: work for work in records().works if work.title in shared}
    assert works.keys() == shared
    for title, work in works.items():
        about = [sample for sample in samples if sample.fact.startswith(f"work:{title} (")]
        assert about, title
        for sample in about:
            said = " ".join(message.content for message in sample.messages[:-1]).lower()
            known = (work.artist, work.location or work.city or "")
            assert any(name and name.lower() in said for name in known) or work.artist in sample.answer, said
        assert not any(sample.fact.startswith(f"work:{title}/") for sample in samples), title
        if work.location:
            assert any(sample.fact.endswith(")/artist") and work.location in sample.question for sample in about), title
    assert [sample.question for sample in samples if re.search(r"fresco The Annunciation\?", sample.question)] == []


# -- verbs, kinds, occupations --------------------------------------------------------------------------------------


def test_only_what_the_maker_carved_or_cast_is_said_to_be(samples: list[Sample]) -> None:
    said = {work.title for work in records().works if work.verb in ("carved", "cast")}
    answers = [sample for sample in samples if re.search(r" (carved|cast) (the )?[A-Z][^.]*\.$", sample.answer)]
    by_fact = [sample for sample in answers if re.fullmatch(r"work:[^|]+/artist", sample.fact)]
    assert by_fact
    for sample in by_fact:
        assert any(title in sample.answer for title in said) or "each made" in sample.answer, sample.answer


def test_photographs_are_taken_and_nothing_else(samples: list[Sample]) -> None:
    kinds = {work.title: work for work in records().works}
    for sample in samples:
        match = re.search(r" took (?:the photograph )?(.+)\.$", sample.answer)
        if match and re.fullmatch(r"work:[^|]+/artist", sample.fact) and match[1] in kinds:
            assert kinds[match[1]].kind == "photograph", sample.answer


def test_occupations_come_from_the_records() -> None:
    assert [artist.name for artist in records().artists if not artist.occupation] == []
    occupations = {artist.name: artist.occupation for artist in records().artists}
    assert occupations["Aubrey Beardsley"] == "illustrator"


def test_series_are_not_told_as_one_object(samples: list[Sample]) -> None:
    several = {spoken_title(work): work.form for work in records().works if work.form}
    assert several["Campbell's Soup Cans"] == "a set of thirty-two paintings"
    one = re.compile(r"^(.+) is (a|an) (painting|print|photograph|drawing|mural|book)( by .+)?\.$")
    wrong = [
        match[1]
        for sample in samples
        if "/kind" in sample.fact and (match := one.match(sample.answer)) and match[1] in several
    ]
    assert wrong == []


def test_series_are_not_called_one_object(samples: list[Sample]) -> None:
    """ "Who took the photograph Equivalents?" asks for one picture of a series, and Water Lilies is no one painting."""
    series = [work for work in records().works if re.match(r"an? (series|cycle|set|group|pair)\b", work.form or "")]
    assert {"Equivalents", "Water Lilies", "Irises"} <= {work.title for work in series}
    one = re.compile("|".join(rf"\bthe {work.kind} {re.escape(work.title)}(?! by [A-Z])" for work in series), re.I)
    told = [message.content for sample in samples if sample.source == "art" for message in sample.messages]
    assert [text for text in told if one.search(text)] == []
    taken = re.compile(rf"({'|'.join(re.escape(work.title) for work in series)})( by .+)? (was|were) taken", re.I)
    assert [text for text in told if taken.search(text)] == []


# -- question and answer --------------------------------------------------------------------------------------------

# What is asked -> what the answer has to hold; whatever begins with "I do not know" is no answer to check.
FITS = (
    (r"(Who else should I look at if I like|I like .+\. Who else)", r"^If you like "),
    (r"(When was|When did|In which year|What year|What is the birth year|Until when)", r"\d"),
    (r"In which country was .+ born", r"(,| in the) \S"),
    (r"What nationality", r" (is|was|are|were) ([A-Z]|from New Zealand)"),
    (r"(What are the most famous works|Name famous works) ", r" (are|were) works by "),
    (
        r"(Name a work by|What is a work by|Tell me a work) (?!a member|an artist)",
        r" ((is|was) a work|(are|were) works) by ",
    ),
    (r"(Is|Are) .+ (still alive|alive)", r"^(Yes|No)\. "),
    (r"In which city (is|are)", r" (in|at|on|belongs?) "),
)  # fmt: skip


@pytest.mark.parametrize(("asked", "held"), FITS)
def test_answers_fit_their_questions(samples: list[Sample], asked: str, held: str) -> None:
    found = [
        sample
        for sample in samples
        if sample.source == "art" and re.match(asked, sample.question) and not sample.answer.startswith("I do not know")
    ]
    assert len(found) > 15
    assert [(sample.question, sample.answer) for sample in found if not re.search(held, sample.answer)] == []


def test_no_age_and_no_country_is_asked_that_the_answer_does_not_give(samples: list[Sample]) -> None:
    asked = [sample.question.lower() for sample in samples if sample.source == "art"]
    assert [question for question in asked if re.match(r"how old (is|are|was)|which country (is|was)", question)] == []


def test_nobody_asks_how_a_technique_works_where_its_history_is_told(samples: list[Sample]) -> None:
    """What a record tells of a technique may be who used it first."""
    assert [sample.question for sample in samples if re.match(r"how does .+ work in art", sample.question, re.I)] == []


# -- fame, examples, tense, lists -----------------------------------------------------------------------------------


def test_the_most_famous_works_are_those_of_most_fame(samples: list[Sample]) -> None:
    asked = re.compile(r"(What are the most famous works by|Name famous works by) ")
    found = [sample for sample in samples if asked.match(sample.question)]
    assert len(found) > 20
    for sample in found:
        name = re.search(r" (?:are|were) works by (.+)\.$", sample.answer)
        assert name is not None
        own = [
            work
            for work in records().works
            if not work.attribution and name[1] in (work.artist, *work.also_by, makers(work))
        ]
        named = [work for work in own if work.title in sample.answer]
        most = sorted((work.fame for work in own), reverse=True)[: len(named)]
        assert sorted((work.fame for work in named), reverse=True)[: len(most)] == most, sample.answer
    monet = next(sample.answer for sample in found if "Claude Monet" in sample.answer)
    assert "Impression, Sunrise" in monet


def test_examples_of_movements_are_the_typical_ones(samples: list[Sample]) -> None:
    typical = {movement.name: movement for movement in records().movements}
    for movement in typical.values():
        if movement.works:
            answers = {
                sample.answer for sample in samples if sample.fact.startswith("work:") and _example(sample, movement)
            }
            first = movement.works[0].casefold()
            assert all(first in answer.casefold() for answer in answers), (movement.name, answers)


def _example(sample: Sample, movement: Movement) -> bool:
    said = movement.said or movement.name
    return sample.answer.startswith((f"An example of {said} is ", f"A work by a member of {said} is "))


def test_works_of_groups_are_by_their_members(samples: list[Sample]) -> None:
    groups = [movement.said or movement.name for movement in records().movements if movement.group]
    assert len(groups) > 8
    wrong = re.compile(rf"(An example of|work of|Artists of) ({'|'.join(map(re.escape, groups))})\b")
    assert [sample.answer for sample in samples if wrong.search(sample.answer)] == []


def test_living_movements_are_spoken_of_in_the_present(samples: list[Sample]) -> None:
    living = [movement.said or movement.name for movement in records().movements if movement.end is None]
    assert "street art" in living
    past = re.compile(rf"(What|When|Who) (was|were) ({'|'.join(map(re.escape, living))})\?", re.IGNORECASE)
    assert [sample.question for sample in samples if past.match(sample.question)] == []


def test_the_living_are_spoken_of_in_the_present() -> None:
    wrong = [artist.name for artist in records().artists if artist.as_of and was(artist) not in ("is", "are")]
    assert wrong == []
    assert [artist.name for artist in records().artists if artist.died and was(artist) not in ("was", "were")] == []


def test_lists_have_one_and(samples: list[Sample]) -> None:
    listed = re.compile(
        r"(?:Typical of|Artists of|Members of|Ideas close to) .+? (?:are|include) (.+)|(.+) (?:are|were) works by .+"
    )
    crowded = []
    for sample in samples:
        match = listed.fullmatch(sample.answer)
        items = re.sub(r'"[^"]+"', "title", (match[1] or match[2]) if match else "")
        if ";" not in items and items.count(" and ") > 1:
            crowded.append(sample.answer)
    assert crowded == []


def test_titles_with_a_comma_or_an_and_are_quoted_in_lists(samples: list[Sample]) -> None:
    """ "The Detroit Industry Murals; and Man, Controller of the Universe are works by ..." cannot be read aloud."""
    listed = [sample.answer for sample in samples if re.search(r" (are|were) works by [^.]+\.$", sample.answer)]
    assert len(listed) > 300
    assert [answer for answer in listed if ";" in re.sub(r'"[^"]+"', "", answer)] == []
    works = {
        work.title
        for work in records().works
        if re.search("[,;] | and ", work.title) or names_something_else(work) or is_common_word(work)
    }
    quoted = {answer: re.findall(r'"([^"]+)"', answer) for answer in listed if '"' in answer}
    assert len(quoted) > 20
    assert [answer for answer, titles in quoted.items() if not works & set(titles)] == []
    # All titles of a list are quoted, or none: "I and the Village" and White Crucifixion are works by Marc Chagall.
    rest = [re.sub(r'"[^"]+"', "", answer.partition(" works by ")[0]) for answer in quoted]
    assert {re.sub("[ ,]+", " ", words).strip() for words in rest} <= {"are", "were", "and are", "and were"}


def test_who_asks_for_several_is_answered_with_several(samples: list[Sample]) -> None:
    """ "Who are the artists of Inuit art?" is not answered by one."""
    asked = re.compile(
        r"(who (are|were) (the|famous)|name( some)?|which artists) .*\b(artists|members)? ?(of|to) ", re.I
    )
    found = [
        sample
        for sample in samples
        if re.fullmatch(r"(artist:[^|]+/movement\|?)+", sample.fact.replace(" | ", "|"))
        and asked.match(sample.question)
    ]
    plural = [sample for sample in found if re.search(r"\b(artists|members)\b", sample.question.lower())]
    assert len(plural) > 100
    assert [sample.answer for sample in plural if " include " not in sample.answer] == []
    one = [sample for sample in samples if re.match(r"name an? (artist|member) of ", sample.question.lower())]
    assert one
    assert [
        sample.answer for sample in one if not re.search(r" (is|was|are|were) an? (artist|member) of ", sample.answer)
    ] == []


def test_countable_features_have_an_article_or_a_plural() -> None:
    """ "Typical of academic art are smooth, polished surface" has neither."""
    counted = (
        "surface|finish|composition|message|style|ground|mood|technique|range|purpose|pattern|design|outline|shape|"
        "form|line|subject|scene|figure|portrait|landscape|print|image|story|pose|background|contrast|union"
    )
    head = re.compile(rf"(?P<before>.*?)\b(?<!-)({counted})( (of|with|from|in|on|to|that|and) .*)?")
    fine = re.compile(r"(an?|the|no|one|every|each|any)\b|.*\b(of|in|on|with|as|between|inside|like|from|at|to|over) ")
    wrong = [
        feature
        for movement in records().movements
        for feature in movement.features
        if (match := head.fullmatch(feature)) and not fine.match(match["before"])
    ]
    assert wrong == []


def test_photographs_are_not_said_to_be_photographs(samples: list[Sample]) -> None:
    tautology = re.compile(r"The (photograph|painting|sculpture|print|drawing) .+ is an? \1\b")
    assert [sample.answer for sample in samples if tautology.match(sample.answer)] == []


def test_truths_say_what_is_so_without_an_only_that_can_be_read_two_ways() -> None:
    truths = [concept.truth for concept in records().concepts if concept.truth]
    wrong = re.compile(r"\b(alone can|nothing but|is only|are not only|only because)\b")
    assert [truth for truth in truths if wrong.search(truth)] == []


def test_a_title_of_one_word_keeps_its_article(samples: list[Sample]) -> None:
    """ "Who made Clock?" """
    titles = {work.title.lower() for work in records().works}
    bare = {title[4:] for title in titles if re.fullmatch(r"the \S+", title)} - titles
    asked = re.compile(rf"who \w+ ({'|'.join(map(re.escape, bare))})\??")
    assert "clock" in bare
    assert [sample.question for sample in samples if asked.fullmatch(sample.question.lower())] == []


def test_nobody_is_of_a_part_of_a_style_and_then_of_the_style(samples: list[Sample]) -> None:
    """ "... was associated with the Flemish Baroque and the Baroque." """
    told = [sample.answer for sample in samples if "associated with" in sample.answer]
    assert [answer for answer in told if re.search(r"\w (\w+)(?:,| and) (?:the )?\1\b", answer)] == []


def test_lists_are_joined_as_people_read_them() -> None:
    assert grammar.join(["a", "b", "c"]) == "a, b and c"
    assert grammar.join(["chance and play", "raw materials"]) == "chance and play as well as raw materials"
    assert grammar.join(["a, b", "c", "d"]) == "a, b; c; and d"


# -- what is not known ----------------------------------------------------------------------------------------------


def test_real_absentees_are_asked_about_as_well_as_invented_ones(samples: list[Sample]) -> None:
    real = {*absent.ARTISTS, *absent.WORKS, *absent.TERMS}
    unknown = [sample for sample in samples if sample.fact.startswith("unknown:")]
    of_real = [sample for sample in unknown if any(name in sample.question for name in real)]
    assert 0.3 <= len(of_real) / len(unknown) <= 0.7
    assert {sample.answer.split(" ", 4)[:4] == ["I", "do", "not", "know"] for sample in unknown} == {True}


def test_whatever_is_answered_with_not_knowing_has_no_record(samples: list[Sample]) -> None:
    known = {artist.name for artist in records().artists} | {work.title for work in records().works}
    asked = [sample.question for sample in samples if sample.fact.startswith("unknown:")]
    pattern = re.compile(rf"(Who was|Tell me about|Who painted) ({'|'.join(map(re.escape, known))})[?.]")
    assert [question for question in asked if pattern.fullmatch(question)] == []


def test_nothing_that_the_records_tell_of_is_answered_with_not_knowing() -> None:
    """Wols was not known, and stood among the painters of Art Informel; seven terms had a record by now."""
    fields = {"known_for", "prose", "depicts", "definition", "example", "analogy", "truth", "truth_reason", "opposite"}
    fields |= {"correction", "misconception", "question", "answer", "reply", "name", "title", "aliases"}
    found = records()
    everything = (*found.artists, *found.works, *found.movements, *found.museums, *found.terms, *found.concepts)
    told = [
        str(getattr(record, field))
        for record in (*everything, *found.exchanges)
        for field in fields & set(record.__slots__)
    ]
    text = "\n".join(told)
    names = (*absent.ARTISTS, *absent.WORKS)
    assert [name for name in names if re.search(rf"\b{re.escape(name)}\b", text)] == []
    assert [term for term in absent.TERMS if re.search(rf"\b{re.escape(term)}s?\b", text, re.IGNORECASE)] == []


def test_what_changes_is_told_with_the_year_of_its_checking(samples: list[Sample]) -> None:
    checked = {work.title for work in records().works if work.as_of and work.location}
    assert any("As of " in sample.answer for sample in samples if "Centre Pompidou" in sample.answer)
    for sample in samples:
        if re.fullmatch(r"work:[^|]+/location", sample.fact) and sample.fact[5:].rpartition("/")[0] in checked:
            assert "As of " in sample.answer, sample.answer


def test_who_begins_is_not_told_how_long_it_lasted(samples: list[Sample]) -> None:
    asked = [sample for sample in samples if re.match(r"when did .+ (begin|start)\b", sample.question, re.IGNORECASE)]
    assert len(asked) > 150
    in_words_of_their_own = {movement.when for movement in records().movements}
    asked = [sample for sample in asked if sample.answer not in in_words_of_their_own]
    assert [sample.answer for sample in asked if re.search(r"\b(lasted|active|made) from\b", sample.answer)] == []


def test_whoever_asks_to_be_told_of_a_subject_first_hears_what_it_is(samples: list[Sample]) -> None:
    """ "It often has a hole for the thumb" tells of a palette only after what a palette is."""
    definitions = {f"movement:{movement.name}/about": movement.definition for movement in records().movements}
    definitions |= {f"term:{term.name}/about": term.definition for term in records().terms}
    told = [sample for sample in samples if sample.fact.split(" | ")[-1] in definitions and len(sample.messages) == 2]
    more = r"(can you )?(tell me more|explain .* (simply|in simple words|to a child))\b"
    told += [sample for sample in samples if sample.area == "ai-literacy" and re.match(more, sample.question, re.I)]
    assert len(told) > 500
    every = {*definitions.values(), *(concept.definition for concept in records().concepts)}
    assert [sample.question for sample in told if not sample.answer.startswith(tuple(every))] == []


def test_a_people_is_no_nationality(samples: list[Sample]) -> None:
    asked = [sample for sample in samples if "nationality" in sample.question.lower()]
    assert len(asked) > 1000
    peoples = r"is (a )?(Native American|Inuit|Cree|Haida|Ojibwe|Maori|Aboriginal Australian)\."
    assert [sample.answer for sample in asked if re.search(peoples, sample.answer)] == []


def test_nobody_is_asked_who_is_linked_with_whom(samples: list[Sample]) -> None:
    """The records name who else is worth a look, not what two artists had to do with each other."""
    linked = re.compile(r"(which artist is linked with|name an artist connected with)", re.IGNORECASE)
    assert [sample.question for sample in samples if sample.source == "art" and linked.match(sample.question)] == []
