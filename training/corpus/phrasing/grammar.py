"""English grammar for sentences made from records: articles, years, lists, and names inside a sentence."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Said with "the": "the Baroque", "the Bauhaus".
_MOVEMENTS_WITH_THE = frozenset((
    "Arts and Crafts movement", "Ashcan School", "Barbizon School", "Baroque", "Bauhaus", "Bengal School",
    "Early Renaissance", "Flemish Baroque", "Harlem Renaissance", "High Renaissance", "Hudson River School",
    "Northern Renaissance", "Pre-Raphaelite Brotherhood", "Rinpa school", "School of London", "School of Paris",
    "Venetian school", "Vienna Secession", "Young British Artists",
))  # fmt: skip
# Names made of common words, which take a small letter inside a sentence.
_COMMON_MOVEMENTS = frozenset((
    "Academic art", "Conceptual art", "Contemporary art", "Digital art", "Documentary photography", "Feminist art",
    "Generative art", "Installation art", "Kinetic art", "Land art", "Metaphysical painting", "Modern sculpture",
    "Modernist photography", "Naive art", "Performance art", "Street art", "Video art",
))  # fmt: skip
_PLURAL_MOVEMENTS = frozenset(("Les Nabis", "Young British Artists"))

_PARTICLES = frozenset(
    ("van", "von", "der", "den", "de", "da", "di", "del", "della", "du", "el", "la", "le", "ter", "af")
)
# Known otherwise than by the rule of ``surname``.
_SURNAMES = {
    "Andrea del Verrocchio": "Verrocchio", "Bartolomé Esteban Murillo": "Murillo", "Francisco de Zurbarán": "Zurbarán",
    "Georges de La Tour": "La Tour", "Henri de Toulouse-Lautrec": "Toulouse-Lautrec", "Jusepe de Ribera": "Ribera",
    "Alexej von Jawlensky": "Jawlensky", "Marianne von Werefkin": "Werefkin", "Maurice de Vlaminck": "Vlaminck",
    "Pierre Puvis de Chavannes": "Puvis de Chavannes", "Niki de Saint Phalle": "Niki de Saint Phalle",
    "Tamara de Lempicka": "Lempicka", "Élisabeth Vigée Le Brun": "Vigée Le Brun", "Tarsila do Amaral": "Tarsila",
}  # fmt: skip
# Names without a short form: single ones of two words, surnames that come first or are common words.
_UNDIVIDED = frozenset((
    "Bada Shanren", "El Greco", "Fra Angelico", "Joseph Wright of Derby", "Lee Ufan", "Man Ray",
    "Piero della Francesca", "Sesshu Toyo", "Zao Wou-Ki", "Grant Wood", "Richard Long", "Clyfford Still",
    "Grandma Moses", "Kuroda Seiki", "Osman Hamdi Bey", "Robert Henri", "Frederic Edwin Church",
    "Daniel Chester French", "Ford Madox Brown", "Chuck Close", "Morris Louis", "Robert Indiana", "Rover Thomas",
))  # fmt: skip
_EPITHETS = re.compile(r" (the (Elder|Younger)|I{1,3}|Jr\.)$")

# A place with one of these words in its name is said with "the" ...
_PLACES_WITH_THE = re.compile(
    r"Museo|Musée|Musei|Galleri[ae]|Gemäldegalerie|Galerie|Louvre|Rijksmuseum|Prado|Hermitage|Institut|Collection|Chapel|"
    r"Academy|Accademia|Pinakothek|Pinacoteca|Uffizi|Mauritshuis|Belvedere|Kunst|Staatsgalerie|[Nn]ationalgalerie|"
    r"Library|Palace|Palazzo|Palacio|Basilica|Foundation|Cent(re|er)\b|Villa|University|Museet|Nasjonalmuseet|"
    r"Lenbachhaus|Bargello|Acropolis|Museum|National(museum| Mall| Gallery)|Gallery|Archive|Hospicio|Loggia|Residence|"
    r"Mausoleum|Sanctuary|Desert|Comédie|Château|Atheneum|Casino|complex|Mount\b|Albertina|Secession|Baptistery|Society|"
    r"Headquarters|Sculpture Garden|^(Art|Royal|Barnes|Cave|Cathedral|Church|Abbey|Monastery|Convent)\b"
)
# ... unless it starts like this, or a town's name comes first.
_PLACES_WITHOUT_THE = re.compile(
    r"(Tate|Fondation|St\.?|Saint|San(?! Francisco)|Santa|Sant'|Santo|Trinity College|Kenwood|"
    r"Kunsthaus Zürich|United Nations)\b|[\w. ]+'s |Florence Cathedral|.*\bCourt Palace"
)
# One is "in" a collection or a park, "on" an island, and "at" a museum or a church.
_INSIDE = re.compile(r"(Collection|County|Desert|Park|Common)$")
_UPON = re.compile(r"(Island|Plain|Mount|Acropolis|Mall|Beach|Avenue|Gràcia)$")


def article(noun: str) -> str:
    """``a`` or ``an``, by sound as far as spelling shows it."""
    if re.match(r"(hour|honest|heir)", noun, re.IGNORECASE):
        return "an"
    if re.match(r"(eu|one\b|once|uni[^mn]|us[ae]|ut[eio]|ukiyo|u-)", noun, re.IGNORECASE):
        return "a"
    if re.match(r"[A-Z]{2,}s?\b", noun):  # spelled out: an LLM, a GPU
        return "an" if noun[0] in "AEFHILMNORSX" else "a"
    return "an" if noun[0].lower() in "aeiou" else "a"


def join(items: Sequence[str], word: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {word} {items[-1]}"


def upper_first(text: str) -> str:
    return text[:1].upper() + text[1:]


def lower_first(text: str) -> str:
    """The text with a small first letter, unless its first word is an abbreviation."""
    return text if re.match(r"[A-Z][A-Z0-9]|[A-Z]-", text) else text[:1].lower() + text[1:]


def year(value: int, circa: bool = False) -> str:
    """``1937``, ``about 1503``, ``about 100 BCE``, ``79 CE``."""
    era = " BCE" if value < 0 else " CE" if value < 500 else ""
    return f"{'about ' if circa else ''}{abs(value)}{era}"


def years(start: int, end: int, circa: bool = False) -> str:
    """``between 1508 and 1512``, ``between 447 and 432 BCE``, ``between about 1795 and 1805``."""
    first = str(abs(start)) if start < 0 and end < 0 else year(start)
    return f"between {'about ' if circa else ''}{first} and {year(end)}"


def movement(name: str) -> str:
    """The name of a movement as it stands inside a sentence."""
    if name in _MOVEMENTS_WITH_THE:
        return f"the {name}"
    return lower_first(name) if name in _COMMON_MOVEMENTS else name


def movement_verb(name: str, past: bool = False) -> str:
    """``is`` or ``was``, or ``are`` or ``were`` for a group whose name is plural."""
    return ("were" if past else "are") if name in _PLURAL_MOVEMENTS else ("was" if past else "is")


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


def surname(name: str) -> str:
    """The part of a name by which an artist is known: ``van Gogh``, ``Bruegel``; a single name as it is."""
    if name in _SURNAMES:
        return _SURNAMES[name]
    if name in _UNDIVIDED:
        return name
    words = _EPITHETS.sub("", name).split()
    particles = [index for index, word in enumerate(words) if index and word.lower() in _PARTICLES]
    return " ".join(words[particles[0] :] if particles else words[-1:])


def subject(name: str, definition: str) -> tuple[str, str]:
    """The subject of a definition as it stands inside a sentence, and its verb.

    ``("a neural network", "is")`` for "A neural network is a program ...". A definition that does not open
    with the name (and perhaps an article) gives the bare name and ``is``.
    """
    match = re.match(rf"((?:an?|the) )?{re.escape(name)},? (?:[^.]*?, )?(is|are|was|were)\b", definition, re.IGNORECASE)
    if match is None:
        return name, "is"
    return f"{(match[1] or '').lower()}{name}", match[2]
