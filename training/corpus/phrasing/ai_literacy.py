"""The source ``ai-literacy``: concepts of artificial intelligence, and honest answers about what does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from training.corpus.phrasing import absent, beliefs, grammar
from training.corpus.phrasing.wording import FIELD_OF, Phrase, all_of, ask, chat, one_of, shared_names
from training.corpus.records import Concept, Records


def phrases(records: Records) -> Iterator[Phrase]:
    """Everything that is asked about artificial intelligence."""
    shared = shared_names(records)
    concepts = {concept.name: concept for concept in records.concepts}
    for concept in records.concepts:
        suffix = field_of(concept) or (" in AI" if concept.name.lower() in shared else "")
        yield from _concept(concept, suffix, [concepts[name] for name in concept.related[:3]])
    yield from beliefs.phrases(records.concepts)
    yield from absent.in_ai(records)


def field_of(concept: Concept) -> str:
    """With what a word of several meanings is asked for: `` in a computer``; empty for one that can only mean this."""
    named = re.match(rf"(?:An? |The )?{re.escape(concept.name)}, ((?:in|at|as|for) [^,]+),", concept.definition, re.I)
    return f" {named[1]}" if named else FIELD_OF.get(concept.name, "")


def topic(concept: Concept) -> str:
    """The subject as what is spoken of in general: ``language models``, ``overfitting``, ``the Turing test``."""
    subject = grammar.subject(concept.name, concept.definition)[0]
    return grammar.several(concept.name) if subject.startswith(("a ", "an ")) else subject


def _concept(concept: Concept, suffix: str, related: Sequence[Concept]) -> Iterator[Phrase]:
    subject, be = grammar.subject(concept.name, concept.definition)
    be = "are" if be in ("are", "were") else "is"
    fact, about = f"concept:{concept.name}", f"{topic(concept)}{suffix}"
    yield from _definition(concept, subject, be, suffix)
    if concept.analogy:
        simply = (
            f"Explain {subject}{suffix} in simple words.", f"Can you explain {subject}{suffix} simply?",
            f"Explain {subject}{suffix} to a child.",
        )  # fmt: skip
        # A likeness alone does not say what is like it.
        text = grammar.followed(concept.definition, subject, concept.analogy, be == "are")
        yield from ask(all_of(f"{fact}/definition", f"{fact}/analogy"), simply, text, 2)
        likened = [f"Give me an analogy for {subject}{suffix}."]
        if not beliefs.is_topic(concept):
            likened.append(f"What {be} {subject}{suffix} like?")
        yield from ask(f"{fact}/analogy", (one_of(likened, fact),), named(concept.analogy, subject), 1)
    example = grammar.without_pronoun(concept.example, subject)
    if grammar.is_one_thing(subject, concept.example):  # which would not say what is spoken of
        more = f"Tell me more about {about}.", f"Can you tell me more about {about}?"
        text = _dated(grammar.followed(concept.definition, subject, concept.example, be == "are"), concept)
        yield from ask(all_of(f"{fact}/definition", f"{fact}/example"), more, text, 2)
    else:
        questions = (
            f"Give me an example of {subject}{suffix}.", f"What is an example of {subject}{suffix}?",
            f"Can you give an example of {subject}{suffix}?",
        )  # fmt: skip
        yield from ask(f"{fact}/example", questions, _dated(example, concept), 2)
    if concept.question and concept.answer:
        # A question that does not name what it is about could not be understood, and one that does need not twice.
        named_in_it = re.search(rf"\b{re.escape(concept.name)}", concept.question, re.IGNORECASE)
        asked = concept.question if named_in_it else f"I have a question about {about}. {concept.question}"
        yield from ask(f"{fact}/question", (asked,), _dated(concept.answer, concept), 1)
    if related:
        yield from _related(f"{fact}/related", about, related)
    yield from _follow_up(concept, subject, be, suffix)


def _dated(text: str, concept: Concept) -> str:
    """With the year of its checking, unless it names that year: "in June 2026. That is as of 2026." says it twice."""
    if concept.as_of is None or str(concept.as_of) in text:
        return text
    return f"{text} That is as of {concept.as_of}."


def _related(fact: str, about: str, others: Sequence[Concept]) -> Iterator[Phrase]:
    listed = [other for other in others if " and " not in other.name]  # which would be read as that of the list
    if len(listed) > 1:
        close = f"Ideas close to {about} are {grammar.join([topic(other) for other in listed])}."
        asked = f"Which ideas are close to {about}?", f"Name ideas close to {about}."
    else:
        one = next(iter(listed), others[0])
        close = f"An idea close to {about} is {grammar.subject(one.name, one.definition)[0]}."
        asked = f"Which idea is close to {about}?", f"Name an idea close to {about}."
    yield from ask(fact, (f"What is related to {about}?", *asked), close, 1)


def named(text: str, subject: str) -> str:
    """A text that says what it is about: "It is like a map" becomes "A neural network is like a map"."""
    return re.sub(r"^(It|They|This)(?= (is|are|works) )", lambda _: grammar.upper_first(subject), text)


def _definition(concept: Concept, subject: str, be: str, suffix: str) -> Iterator[Phrase]:
    fact = f"concept:{concept.name}/definition"
    term = "the term " if be == "are" else ""  # "What does personal data mean?" has the wrong number
    yield from ask(
        fact,
        (
            f"What {be} {subject}{suffix}?", f"What does {term}{concept.name} mean{suffix}?",
            f"Define the term {concept.name}{suffix}.", f"Explain {subject}{suffix}.",
            f"Can you tell me what {subject}{suffix} {be}?",
            f"What do people mean by {subject}{suffix}?", f"Please explain what {subject}{suffix} {be}.",
            f"What exactly {be} {subject}{suffix}?",
            f"I keep hearing about {subject}{suffix}. What {'is it' if be == 'is' else 'are they'}?",
        ),
        concept.definition,
        6,
    )  # fmt: skip
    for alias in concept.aliases[:1]:
        # "Loss of skills is the loss of skills that happens when ..." explains nothing.
        explained_by_itself = re.search(rf"\b(is|are) .*\b{re.escape(alias)}\b", concept.definition, re.IGNORECASE)
        if alias.lower() == concept.name.lower() or explained_by_itself:
            continue
        # An alias is a synonym, so it is counted where the name is: "a neural net", "an LLM", but "RLHF".
        counted = subject.startswith(("a ", "an ")) and not alias.startswith("the ")
        said = (
            f"{grammar.article(alias)} {alias}" if counted else f"the {alias}" if subject.startswith("the ") else alias
        )
        field = FIELD_OF.get(alias, "")
        definition = concept.definition
        if definition.lower().startswith((f"{subject.lower()} ", f"{subject.lower()}, ")):
            definition = grammar.upper_first(said) + definition[len(subject) :].removeprefix(", in AI,")
        if alias == "".join(word[0].upper() for word in re.split("[ -]", concept.name)):
            definition = f"{alias} is short for {concept.name}. {concept.definition}"
        yield from ask(fact, (f"What {be} {said}{field}?", f"What does {term}{alias} mean{field}?"), definition, 2)


def _follow_up(concept: Concept, subject: str, be: str, suffix: str) -> Iterator[Phrase]:
    fact = f"concept:{concept.name}"
    first = (f"What {be} {subject}{suffix}?", concept.definition)
    if len(concept.name) % 2 or not concept.analogy:
        more = "Can you tell me more?" if grammar.is_one_thing(subject, concept.example) else "Can you give an example?"
        yield chat(all_of(f"{fact}/definition", f"{fact}/example"), *first, more, concept.example)
    else:
        answer = named(concept.analogy, subject)
        yield chat(all_of(f"{fact}/definition", f"{fact}/analogy"), *first, "Can you say it more simply?", answer)
