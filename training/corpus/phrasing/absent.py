"""Questions about what no record tells, answered with "I do not know": what is real but not here, and the invented.

A model that hears "I do not know" only after invented names learns to tell names that sound invented. So real artists,
works and terms are asked about too; a test checks that they have no record and that no record names them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from training.corpus.phrasing.wording import Phrase, chat, choose
from training.corpus.records import Records

# Invented, and checked by a test not to be the names of records.
FIRST_NAMES = ("Alvero", "Brunhild", "Casimira", "Dorvin", "Elspetha", "Fenwick", "Gismondo", "Hortenze", "Jorunda")
LAST_NAMES = ("Quandrel", "Brastow", "Velimarsh", "Ostrigan", "Pellowick", "Trovandi", "Grimsholt", "Zandervale")
ADJECTIVES = ("Whispering", "Purple", "Forgotten", "Upside-Down", "Seventh", "Paper", "Sleeping", "Invisible")
NOUNS = ("Teapot", "Lighthouse", "Bicycle", "Giraffe", "Staircase", "Umbrella", "Accordion", "Parliament")
INVENTED_TERMS = ("glimmer", "quorple", "tandrel", "moxie", "fernwick", "zobular", "plinth-wise", "crumbling")
THINGS = ("network", "learning", "layer", "token", "gradient", "model")

# Real: all died before 1970, so that "was" is right.
ARTISTS = (
    "Maerten van Heemskerck", "Adriaen Brouwer", "Gerrit Dou", "Willem Kalf", "Aelbert Cuyp", "Meindert Hobbema",
    "Gerard ter Borch", "Pieter Claesz", "Guercino", "Pietro da Cortona", "Carlo Crivelli", "Cosimo Tura",
    "Benozzo Gozzoli", "Luca Signorelli", "Filippino Lippi", "Andrea del Sarto", "Lorenzo Lotto", "Dosso Dossi",
    "Jacopo Bassano", "Hubert Robert", "Pompeo Batoni", "Francesco Guardi", "Pietro Longhi", "Thomas Lawrence",
    "George Romney", "Jean-Étienne Liotard", "Anton Raphael Mengs", "Carl Spitzweg", "Anselm Feuerbach",
    "Hans von Marées", "Wilhelm Leibl", "Isaac Levitan", "Ivan Shishkin", "Vasily Surikov", "Jozef Israëls",
    "Anton Mauve", "Johan Jongkind", "Jules Bastien-Lepage", "Constantin Guys", "Charles Burchfield", "Milton Avery",
    "Reginald Marsh", "Ad Reinhardt", "Nicolas de Staël", "Henri Laurens", "Frits Thaulow", "Spencer Gore",
    "Mark Gertler", "Duncan Grant", "Albert Gleizes", "Jean Metzinger", "Auguste Herbin", "Christian Schad",
    "Karl Hofer", "Maurice Utrillo", "Jules Pascin", "Christopher Wood", "Henri Le Sidaner", "Theodor Kittelsen",
    "Christen Købke",
)  # fmt: skip
WORKS = (
    "The Lacemaker", "The Astronomer", "The Geographer", "Officer and Laughing Girl", "Venus and Mars",
    "The Syndics of the Drapers' Guild", "Madonna of the Goldfinch", "Ginevra de' Benci", "Doni Tondo",
    "The Conversion of Saint Paul", "Diana and Actaeon", "Pastoral Concert", "The Triumph of Death",
    "The Land of Cockaigne", "The Ship of Fools", "The Garden of Love", "The Straw Hat", "The Forge of Vulcan",
    "The Spinners", "The Water Seller", "The Avenue at Middelharnis", "The Laundress", "The Bolt", "Ville-d'Avray",
    "The Man with the Hoe", "The Orchestra at the Opera", "The Plum", "The Blue Dancers", "The House of the Hanged Man",
    "The Postman Joseph Roulin", "The White Horse", "The Black Clock", "The Poppies at Argenteuil", "The Tiger Hunt",
    "The Beach at Trouville", "The Yellow Cow", "The Angel Standing in the Sun", "Norham Castle, Sunrise",
    "The Leaping Horse", "The Cornfield", "The Bathers at La Grenouillère",
)  # fmt: skip
TERMS = (
    "Boltzmann machine", "Kalman filter", "Hopfield network", "tabu search", "matrix factorisation",
    "independent component analysis", "ant colony optimisation", "learning vector quantisation", "t-SNE", "AdaBoost",
    "capsule network", "neural Turing machine", "echo state network", "spiking neural network", "Gaussian process",
    "simulated annealing", "particle filter", "conditional random field", "self-organising map",
    "radial basis function", "hierarchical clustering", "isolation forest", "expectation maximisation",
    "inverse reinforcement learning", "linear discriminant analysis", "contrastive divergence", "neuroevolution",
    "swarm intelligence", "fuzzy logic",
)  # fmt: skip


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
    for word, thing in product(INVENTED_TERMS, THINGS):
        term = f"{word} {thing}"
        said = term if thing == "learning" else f"a {term}"
        questions = (f"What is {said}?", f"How does {said} work?", f"Explain {said}.")
        for question in choose(questions, 2, term):
            yield chat("unknown:concept", question, f"I do not know the term {term}.")
