"""Artists, works, movements and terms, as questions and answers."""

from __future__ import annotations

from collections.abc import Iterator

from training.corpus.phrasing.wording import Phrase, ask
from training.corpus.records import Records


def phrases(records: Records) -> Iterator[Phrase]:
    for movement in records.movements:
        name = movement.name
        questions = (f"What is {name}?", f"Define {name}.", f"Can you explain {name}?")
        yield from ask(f"movement:{name}/definition", questions, (movement.definition,), 3)
    for work in records.works:
        if work.artist:
            questions = (f"Who painted {work.title}?", f"Who made {work.title}?", f"Who is the artist of {work.title}?")
            answers = (f"{work.artist} made {work.title}.",)
            yield from ask(f"work:{work.title}/artist", questions, answers, 3)
