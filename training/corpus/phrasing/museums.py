"""Museums, as questions and answers."""

from __future__ import annotations

from collections.abc import Iterator

from training.corpus.phrasing import grammar
from training.corpus.phrasing.wording import Phrase, ask, facts_in
from training.corpus.records import Museum


def phrases(museum: Museum) -> Iterator[Phrase]:
    """Everything that is asked about one museum."""
    name = grammar.place(museum.name)
    said, fact = grammar.upper_first(name), f"museum:{museum.name}"
    questions = (f"What is {name}?", f"Can you tell me what {name} is?", f"What kind of museum is {name}?")
    yield from ask(f"{fact}/definition", questions, museum.definition, 3)
    where = f"{said} is in {museum.city}, {grammar.country(museum.country)}."
    yield from ask(f"{fact}/where", (f"Where is {name}?", f"In which city is {name}?"), where, 2)
    if museum.founded is not None:
        founded = (f"When was {name} founded?", f"In which year was {name} founded?")
        yield from ask(f"{fact}/founded", founded, f"{said} was founded in {museum.founded}.", 1)
    if museum.known_for:
        seen = () if museum.closed else (f"What can I see at {name}?",)
        questions = (f"What is {name} known for?", *seen, f"Why is {name} famous?")
        yield from ask(f"{fact}/known_for", questions, f"{said} is known for {museum.known_for}.", 2)
    if museum.closed:
        closed = f"As of {museum.as_of} {name} {museum.closed}."
        yield from ask(f"{fact}/closed", (f"Is {name} open?", f"Can I visit {name}?"), f"No. {closed}", 1)
        yield from ask(
            f"{fact}/closed", (f"Is {name} closed?", f"Is it true that {name} is closed?"), f"Yes. {closed}", 1
        )
    for former in museum.former_names:
        old = grammar.place(former)
        answer = f"{grammar.upper_first(old)} is now called {name}."
        yield from ask(f"{fact}/name", (f"What is {old} called now?", f"Where is {old}?"), answer, 1)
    about = facts_in(museum.prose, f"{fact}/about", {f"{fact}/founded": str(museum.founded or "")})
    yield from ask(about, (f"Tell me about {name}.", f"What do you know about {name}?"), museum.prose, 2)
