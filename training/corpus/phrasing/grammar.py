"""English grammar for sentences made from records: articles, years, lists, and names inside a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

from training.corpus.phrasing.names import NAMES

_PARTICLES = frozenset(
    ("van", "von", "der", "den", "de", "da", "di", "del", "della", "du", "el", "la", "le", "ter", "af")
)
_EPITHETS = re.compile(r" (the (Elder|Younger)|I{1,3}|Jr\.)$")

_COUNTRIES_AS_ADJECTIVES = frozenset(("New Zealand",))

# Names with which a sentence about artificial intelligence may begin.
_PROPER_NAMES = frozenset(("Elo", "Turing", "English", "Google", "Europe", "European", "Python", "Wikipedia", "I"))

_PLACES_WITH_THE = re.compile("|".join(NAMES["places_with_the"]))
# What a place starts like that has one of those words and no "the", or a town's name comes first.
_PLACES_WITHOUT_THE = re.compile(
    r"(Tate|National Galleries of Scotland|Fondation|St\.?|Saint(?! Louis)|San(?! Francisco)|Santa|Sant'|Santo|"
    r"Trinity College|Kenwood|Kunsthaus Zürich|United Nations)\b|[\w. ]+'s |Florence Cathedral|.*\bCourt Palace"
)
# One is "in" a collection, a park or a lake, "on" an island or a common, and "at" a museum or a church.
_INSIDE = re.compile(r"(Collection|County|Desert|Park|Lake|Forest|Garden|Cave|cemetery)$")
_UPON = re.compile(r"(Island|Plain|Mount|Acropolis|Mall|Beach|Avenue|Gràcia|Common)$")

# Who had an idea, named it or counted it is no example of it.
_TOLD_OF = re.compile(
    r"\bcoined the term|\b(presented|described|proposed|introduced|invented) (it|the)\b|"
    r"\b(essay on|mention) it\b|\bput it at\b"
)

# Several of what has another plural, or is spoken of as one.
_SEVERAL = {
    "epoch": "epochs", "confusion matrix": "confusion matrices", "intelligence explosion": "an intelligence explosion",
    "provider of an AI system": "providers of AI systems",
}  # fmt: skip

# Abbreviations that are read as words, and mixed ones that are spelled out.
_READ_AS_WORDS = frozenset(("FLOP", "GAN", "LAION", "LIME", "NASA", "RAG", "RAM", "SHAP", "SIFT", "SOTA"))
_SPELLED_OUT = re.compile(r"[A-Z]{2,}s?\b|[A-Z]\d|[A-Za-z]-|MoE\b|kNN\b|VAE\b")


def article(noun: str) -> str:
    """``a`` or ``an``, by sound as far as spelling shows it."""
    word = re.match(r"[A-Za-z]+?(?=s?\b)", noun)
    if word is not None and word[0] in _READ_AS_WORDS:
        return "an" if noun[0] in "AEIO" else "a"
    if _SPELLED_OUT.match(noun):  # by the names of letters: an LLM, a GPU, an n-gram, an F1 score
        return "an" if noun[0].upper() in "AEFHILMNORSX" else "a"
    if re.match(r"(hour|honest|heir|8|11\b|18\b)", noun, re.IGNORECASE):
        return "an"
    if re.match(r"(eu|one\b|once|uni[^mn]|us[ae]|ut[eio]|ukiyo|ukr|uru|ugan|u-)", noun, re.IGNORECASE):
        return "a"
    return "an" if noun[0].lower() in "aeiouéœ" else "a"


def join(items: Sequence[str], word: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``; where an item holds a comma or an ``and`` of its own, with semicolons, or of
    two items one, ``a and b as well as c``."""
    if len(items) == 1:
        return items[0]
    crowded = sum("," in item or f" {word} " in item for item in items)
    if crowded == 1 and len(items) == 2:
        return f"{items[0]} as well as {items[1]}"
    if crowded:
        return f"{'; '.join(items[:-1])}; {word} {items[-1]}"
    return f"{', '.join(items[:-1])} {word} {items[-1]}"


def plural(noun: str) -> str:
    """Several of a kind of work: ``frescoes``, ``tapestries``."""
    if noun in ("stained glass", "metalwork", "jewellery", "furniture"):
        return f"works of {noun}"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("fresco", "s", "x", "ch", "sh")) else f"{noun}s"


def several(name: str) -> str:
    """Several of what is counted: ``language models``, ``chains of thought``, ``policies``."""
    head, link, rest = re.split(r"( of | in | at | to | for |$)", name, maxsplit=1)
    return _SEVERAL.get(name, f"{plural(head)}{link}{rest}")


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """The text with a small first letter, unless its first word is an abbreviation or a name."""
    keeps = re.match(r"[A-Z]\w*[A-Z0-9]|[A-Z]-", text) or text.split(" ", 1)[0].split("'")[0] in _PROPER_NAMES
    return text if keeps else text[:1].lower() + text[1:]


def mid_sentence(sentence: str, start: str) -> str:
    """A sentence that begins with ``start``, as it goes on after "Yes," or "No,"."""
    return f"{start}{sentence[len(start) :]}" if sentence.lower().startswith(start.lower()) else sentence


def year(value: int, circa: bool = False) -> str:
    """``1937``, ``about 1503``, ``about 100 BCE``, ``79 CE``."""
    era = " BCE" if value < 0 else " CE" if value < 500 else ""
    return f"{'about ' if circa else ''}{abs(value)}{era}"


def years(start: int, end: int, circa: bool = False) -> str:
    """``between 1508 and 1512``, ``between 447 and 432 BCE``, ``between about 1795 and 1805``."""
    first = str(abs(start)) if start < 0 and end < 0 else year(start)
    return f"between {'about ' if circa else ''}{first} and {year(end)}"


def place(name: str) -> str:
    """A museum, church or site with its article."""
    if name.lower().startswith("the "):
        return lower_first(name)
    return f"the {name}" if _PLACES_WITH_THE.search(name) and not _PLACES_WITHOUT_THE.match(name) else name


def at_place(name: str) -> str:
    """``at the Louvre``, ``in the Royal Collection``, ``on the National Mall``."""
    return f"{'in' if _INSIDE.search(name) else 'on' if _UPON.search(name) else 'at'} {place(name)}"


def country(name: str) -> str:
    """A country with its article: ``the Netherlands``."""
    return f"the {name}" if re.match(r"(Netherlands|United|Czech|Democratic|Philippines|Bahamas)", name) else name


def of_nationality(nationality: str) -> str:
    """A nationality after "is": ``French``, but ``from New Zealand``, which has no adjective."""
    return f"from {nationality}" if nationality in _COUNTRIES_AS_ADJECTIVES else nationality


def surname(name: str) -> str:
    """The part of a name by which an artist is known: ``van Gogh``, ``Bruegel``; a single name as it is."""
    if name in NAMES["surnames"]:
        return NAMES["surnames"][name]
    if name in NAMES["undivided_names"]:
        return name
    words = _EPITHETS.sub("", name).split()
    particles = [index for index, word in enumerate(words) if index and word.lower() in _PARTICLES]
    return " ".join(words[particles[0] :] if particles else words[-1:])


def is_one_thing(subject: str, example: str) -> bool:
    """Whether what is called an example tells more about the subject: of a law or a program there are no examples."""
    named = subject.removeprefix("the ")[:1].isupper() and not subject.removeprefix("the ").startswith("AI ")
    return named or example.startswith(("It ", "Its ", "They ")) or _TOLD_OF.search(example) is not None


def without_pronoun(text: str, subject: str) -> str:
    """A text that can stand alone: "It was passed in 2024." becomes "The EU AI Act was passed in 2024."."""
    text = re.sub(r"^Its ", lambda _: f"{upper_first(subject)}'s ", text)
    return re.sub(r"^(It|They) ", lambda _: f"{upper_first(subject)} ", text)


def followed(definition: str, subject: str, more: str, plural: bool = False) -> str:
    """A definition and what is told next, which calls the subject ``it``: "Op Art is ... It is short for ..."."""
    pronoun = "They" if plural else "It"
    if re.search(r" (is|was) (a|the) (person|woman|man|artist|scholar)\b| who ", definition.partition(".")[0]):
        return f"{definition} {more}"  # of a curator it is not "it"
    if not more.startswith(upper_first(subject)):
        return f"{definition} {more}"
    named = rf"^{re.escape(upper_first(subject))}(?= (?!(in|of|for|on|at|from|with) )[a-z])"
    return f"{definition} {re.sub(named, pronoun, more)}"


@cache  # a pattern for each name is more than `re` keeps
def subject(name: str, definition: str) -> tuple[str, str]:
    """The subject of a definition as it stands inside a sentence, and its verb.

    ``("a neural network", "is")`` for "A neural network is a program ...". A definition that does not open
    with the name (and perhaps an article) gives the bare name and ``is``.
    """
    match = re.match(rf"((?:an?|the) )?{re.escape(name)},? (?:[^.]*?, )?(is|are|was|were)\b", definition, re.IGNORECASE)
    if match is None:
        return name, "is"
    return f"{(match[1] or '').lower()}{name}", match[2]
