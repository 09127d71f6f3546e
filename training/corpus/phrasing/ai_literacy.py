"""The source ``ai-literacy``: concepts of artificial intelligence, and honest answers about what does not exist."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from training.corpus.phrasing import absent, beliefs, grammar
from training.corpus.phrasing.wording import Phrase, all_of, ask, chat, shared_names
from training.corpus.records import Concept, Records


def phrases(records: Records) -> Iterator[Phrase]:
    """Everything that is asked about artificial intelligence."""
    shared = shared_names(records)
    subjects = {concept.name: grammar.subject(concept.name, concept.definition)[0] for concept in records.concepts}
    for concept in records.concepts:
        yield from _concept(concept, " in AI" if concept.name.lower() in shared else "", subjects)
    yield from beliefs.phrases(records.concepts)
    yield from absent.in_ai(records)


def _concept(concept: Concept, suffix: str, subjects: Mapping[str, str]) -> Iterator[Phrase]:
    subject, be = grammar.subject(concept.name, concept.definition)
    be = "are" if be in ("are", "were") else "is"
    fact = f"concept:{concept.name}"
    checked = f" That is as of {concept.as_of}." if concept.as_of else ""
    yield from _definition(concept, subject, be, suffix)
    if concept.analogy:
        yield from ask(
            f"{fact}/analogy",
            (
                f"Explain {subject}{suffix} in simple words.", f"Can you explain {subject}{suffix} simply?",
                *(() if beliefs.is_topic(concept) else (f"What {be} {subject}{suffix} like?",)),
                f"Explain {subject}{suffix} to a child.", f"Give me an analogy for {subject}{suffix}.",
            ),
            named(concept.analogy, subject),
            3,
        )  # fmt: skip
    example = grammar.without_pronoun(concept.example, subject)
    if grammar.is_one_thing(subject, concept.example):
        questions: tuple[str, ...] = (
            f"Tell me more about {subject}{suffix}.", f"Can you tell me more about {subject}{suffix}?",
            f"What else can you say about {subject}{suffix}?",
        )  # fmt: skip
    else:
        questions = (
            f"Give me an example of {subject}{suffix}.", f"What is an example of {subject}{suffix}?",
            f"Can you give an example of {subject}{suffix}?",
        )  # fmt: skip
    yield from ask(f"{fact}/example", questions, f"{example}{checked}", 2)
    if concept.question and concept.answer:
        questions = (concept.question, f"I have a question about {subject}{suffix}. {concept.question}")
        yield from ask(f"{fact}/question", questions, f"{concept.answer}{checked}", 2)
    if concept.related:
        others = grammar.join([subjects[other] for other in concept.related[:3]])
        if len(concept.related) > 1:
            close = f"Ideas close to {subject} are"
            asked = f"Which ideas are close to {subject}{suffix}?", f"Name ideas close to {subject}{suffix}."
        else:
            close = f"An idea close to {subject} is"
            asked = f"Which idea is close to {subject}{suffix}?", f"Name an idea close to {subject}{suffix}."
        yield from ask(f"{fact}/related", (f"What is related to {subject}{suffix}?", *asked), f"{close} {others}.", 1)
    yield from _follow_up(concept, subject, be, suffix)


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
            f"Can you tell me what {subject} {be}{suffix}?",
            f"What do people mean by {subject}{suffix}?", f"Please explain what {subject} {be}{suffix}.",
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
        definition = concept.definition
        if definition.lower().startswith((f"{subject.lower()} ", f"{subject.lower()}, ")):
            definition = grammar.upper_first(said) + definition[len(subject) :].removeprefix(", in AI,")
        yield from ask(fact, (f"What {be} {said}?", f"What does {term}{alias} mean?"), definition, 2)


def _follow_up(concept: Concept, subject: str, be: str, suffix: str) -> Iterator[Phrase]:
    fact = f"concept:{concept.name}"
    first = (f"What {be} {subject}{suffix}?", concept.definition)
    if len(concept.name) % 2 or not concept.analogy:
        more = "Can you tell me more?" if grammar.is_one_thing(subject, concept.example) else "Can you give an example?"
        yield chat(all_of(f"{fact}/definition", f"{fact}/example"), *first, more, concept.example)
    else:
        answer = named(concept.analogy, subject)
        yield chat(all_of(f"{fact}/definition", f"{fact}/analogy"), *first, "Can you say it more simply?", answer)
