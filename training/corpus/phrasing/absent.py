"""Questions about what no record tells, answered with "I do not know": what is real but not here, and the invented.

A model that hears "I do not know" only after invented names learns to tell names that sound invented. So real artists,
works and terms are asked about too; a test checks that they have no record and that no record names them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from training.corpus.phrasing.names import NAMES
from training.corpus.phrasing.wording import Phrase, chat, choose
from training.corpus.records import Records

_INVENTED = NAMES["invented"]
FIRST_NAMES, LAST_NAMES = _INVENTED["first_names"], _INVENTED["last_names"]
ADJECTIVES, NOUNS = _INVENTED["adjectives"], _INVENTED["nouns"]
ARTISTS, WORKS, TERMS = (NAMES["absent"][kind] for kind in ("artists", "works", "terms"))


def in_art(records: Records) -> Iterator[Phrase]:
    """Artists and works, real and invented, without a record."""
    artists = {artist.name for artist in records.artists}
    titles = {work.title for work in records.works}
    for name in (name for name in ARTISTS if name not in artists):
        asked = (
            f"Who was {name}?", f"When was {name} born?", f"What is {name} known for?", f"Tell me about {name}.",
            f"Which works did {name} make?",
        )  # fmt: skip
        for question in choose(asked, 2, name):
            yield chat("unknown:artist", question, f"I do not know enough about {name} to answer.")
    for title in (title for title in WORKS if title not in titles):
        answers = {
            f"Who painted {title}?": f"I do not know who painted {title}.",
            f"When was {title} painted?": f"I do not know when {title} was painted.",
            f"Where is {title}?": f"I do not know where {title} is.",
            f"Tell me about {title}.": f"I do not know enough about {title} to answer.",
        }
        for question in choose(list(answers), 2, title):
            yield chat("unknown:work", question, answers[question])
    yield from _invented_in_art()


def _invented_in_art() -> Iterator[Phrase]:
    for first, last in product(FIRST_NAMES, LAST_NAMES):
        name = f"{first} {last}"
        about_artist = (
            f"Who was {name}?", f"When was {name} born?", f"What is {name} known for?", f"Which works did {name} make?",
            f"Tell me about {name}.", f"Where was {name} born?",
        )  # fmt: skip
        yield chat("unknown:artist", choose(about_artist, 2, name)[1], f"I do not know an artist named {name}.")
    for adjective, noun in product(ADJECTIVES, NOUNS):
        title = f"The {adjective} {noun}"
        about_work = (
            f"Who painted {title}?", f"When was {title} painted?", f"Where is {title}?", f"What does {title} show?",
            f"Tell me about {title}.",
        )  # fmt: skip
        yield chat("unknown:work", choose(about_work, 2, title)[1], f"I do not know a work called {title}.")


def in_ai(records: Records) -> Iterator[Phrase]:
    """Terms of artificial intelligence, real and invented, without a record."""
    known = {name.lower() for concept in records.concepts for name in (concept.name, *concept.aliases)}
    for term in (term for term in TERMS if term.lower() not in known):
        questions = (f"What does the term {term} mean?", f"Explain the term {term}.", f"What does {term} mean in AI?")
        for question in choose(questions, 2, term):
            yield chat("unknown:concept", question, f"I do not know enough about the term {term} to explain it.")
    for word, thing in product(_INVENTED["terms"], _INVENTED["things"]):
        term = f"{word} {thing}"
        said = term if thing == "learning" else f"a {term}"
        questions = (f"What is {said}?", f"How does {said} work?", f"Explain {said}.")
        for question in choose(questions, 2, term):
            yield chat("unknown:concept", question, f"I do not know the term {term}.")
