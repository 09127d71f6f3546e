"""What all records together say about how to speak of one: shared titles, short names, movements, museums."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from training.corpus.phrasing import grammar
from training.corpus.records import Artist, Movement, Museum, Records, Work

# Surnames that mean other people, things, or another artist of the family: these artists keep their full name.
_AMBIGUOUS = frozenset((
    "Abbott", "Adams", "Ando", "Bacon", "Bardi", "Becher", "Bell", "Bellini", "Bellows", "Blake", "Bosch", "Boyce",
    "Bruegel", "Calder", "Chicago", "Church", "Claudel", "Close", "Cole", "Constable", "Corbusier", "Cornell",
    "David", "Delaunay", "Dumas", "Ernst", "Evans", "Freud", "Friedrich", "Gentileschi", "Girls", "Goldin", "Gray",
    "Hals", "Hamilton", "Hesse", "Hirst", "Holbein", "Homer", "Hopper", "Hunt", "Husain", "John", "Johns", "Jonas",
    "Kapoor", "Kelly", "Kirchner", "Klein", "Lange", "Lawrence", "Leigh", "Lewis", "Long", "Maar", "Maier", "Marc",
    "Martin", "Martinez", "McQueen", "de Meuron", "Miller", "Millet", "Mitchell", "Moore", "Moreau", "Moriyama",
    "Morris", "Newman", "Nouvel", "Ono", "Parker", "Parks", "Pei", "Piano", "Portinari", "Ray", "Richter", "Riley",
    "Rist", "Rivera", "van der Rohe", "Rossetti", "Rousseau", "Roy", "Salgado", "Sargent", "Sherman", "Smith",
    "Spencer", "Stella", "Still", "Strand", "Stuart", "Sugimoto", "Turner", "Vicuña", "Walker", "West", "Weston",
    "Wood", "Wright",
))  # fmt: skip
# Whoever is less known than this is not asked for by surname.
_KNOWN_BY_SURNAME = 2

# Titles that many works have; such a work is always named with its maker, unless it is the one that everybody means.
_GENERIC = re.compile(
    r"(The |A )?(Self-Portrait.*|Portrait of a .*|Untitled.*|Landscape|Still Life|Composition|Madonna( and Child.*)?|"
    r"Annunciation|Adoration.*|Crucifixion|Baptism of Christ|Last Supper|Birth of Venus|Adam and Eve|David|Trinity|"
    r"Holy Trinity|Resurrection|Entombment.*|Lamentation|Deposition.*|Descent from the Cross|Judith|Moses|Saint \w+|"
    r"Pietà|Kiss|Dance|Bath|Ball|Bedroom|Circus|Cathedral|Night|Dream|Swing|Sower|Prophet|Sin|Horse|Dog|Cat|Irises|"
    r"Sunflowers|Water Lilies|Birthday|Object|Gift|Work|House|Bed|Flag|Books|City|Night|War|Departure|Flamingo|"
    r"Pumpkin|Newton|Studio|Seasons|Friendship|Snail|Aurora|Wrestling|Squirrel|Trinity|Fountain|Mother and Child|"
    r"Reclining \w+|Recumbent Figure|Single Form|Street|Bathers|Card Players|Tempest|Ray|Annunciation|Snake Charmer|"
    r"Boating Party|Winter Landscape|Pine Trees|Cypress Trees|Early Spring|Two Lovers|Portrait|Nude|Interior|Mask|"
    r"Puppy|Zebra|Hot Spot|Bubbles|Monogram|Excavation|Shibboleth|Unsupervised|Ennui|Jungle|Railway|Terminal|Greeting|"
    r"Proposition|West Wind|Block|Talisman|Apparition)"
)
# Titles that several famous works have, so that none of them is the one that everybody means.
_OF_SEVERAL = re.compile(
    r"(The |An? )?(Return of the Prodigal Son|Lamentation over the Dead Christ|Assumption of the Virgin|Pietà|"
    r"Annunciation|Bacchus and Ariadne|Last Judge?ment|Judith (Beheading|Slaying) Holofernes|Calling of Saint Matthew|"
    r"Supper at Emmaus|Apollo and Daphne|Leda and the Swan|Sleeping Venus|Death and the Maiden|Adam and Eve|"
    r"(Elevation|Raising) of the Cross|Death of Cleopatra|Large Bathers|Three Musicians|Napoleon Crossing the Alps|"
    r"Ophelia|Madonna|Tower of Babel|Adoration of the (Magi|Shepherds|Kings)|Susanna and the Elders|Venus and Adonis|"
    r"Danaë|Salome|Saint Sebastian|Crucifixion|Coronation of the Virgin|Presentation .*Temple|Flight into Egypt|"
    r"Noli me tangere|Ecce Homo|Transfiguration|Samson and Delilah|David and Goliath|Judge?ment of Paris|"
    r"(Rape|Abduction) of Europa|Three Graces|Diana and Actaeon|Sacrifice of Isaac|Massacre of the Innocents|"
    r"Penitent Magdalene?|Conversion of Saint Paul|Raising of Lazarus|Holy Family|Self-Portrait|Untitled|Agnus Dei|"
    r"Maestà|Flagellation of Christ|Oedipus and the Sphinx|Triumph of Venus|Pierrot|Waltz|"
    r"Joy of Life|Knife Grinder|Perseus with the Head of Medusa|Resurrection|Swing|Bedroom|Blue Room|Red Room|"
    r"Tribute Money|Wedding (Feast )?at Cana|Fallen Angel|Sick Child|Card Players|Family Reunion|Three Girls|"
    r"Lady of Shalott|Luncheon on the Grass|Red Roofs|Saying Grace|Freedom Monument|Poppy Field|Fruit and Insects|"
    r"Summer's Day|City Landscape|Et in Arcadia Ego|Lakeside|Portrait of Pablo Picasso|Old King|Chess Game|Open Door|"
    r"Apotheosis of Homer|Flatiron|Statue of Abraham Lincoln|Sugaring Off|Pictorial Quilt|Rosary Chapel|"
    r"Wind God and Thunder God|Fish and Rocks|Caress|Cradle|Umbrellas|Woman with a Hat|Bull's Head|File Room|"
    r"Saturn Devouring His Son|Death of Marat|Banjo Lesson|How Not to Be Seen|Reclining Nude|"
    r"Lamentation|Baptism of Christ|Saint George|(Holy )?Trinity)"
)
# Titles that are the name of a person, a place, a song or a day, of which people think first: "Where is Ned Kelly?".
_OF_SOMETHING_ELSE = re.compile(
    r"Ned Kelly|Paul Revere|President Barack Obama|Michelle LaVaughn Robinson Obama|Madame de Pompadour|Betty|Tutu|"
    r"Doge Leonardo Loredan|Christina of Denmark|Bharat Mata|Proserpine|Vertumnus|Gismonda|Stańczyk|Margarethe|"
    r"Niagara|Studland Beach|Mont Sainte-Victoire|Place de la Concorde|The Mediterranean|The Gulf Stream|"
    r"The Montserrat|Mahoning|Line of Control|The Blue Rider|Love Parade|No Woman, No Cry|October 18, 1977|F-111|727|"
    r"Tropicália|LOVE|.* (Bridge|Cathedral)|Relativity|Comedian|Flag|Fountain|Olympia|The Tempest|The Clock|"
    r"The Visitors|Double Negative|The Human Condition|The Cyclops|The Goldfinch|Boulevard du Temple|"
    r"Rue Transnonain|Street Light|Sarah Bernhardt|Sir John Herschel|Brick House|Equivalents|Truisms|"
    r"Bicycle Wheel|The Battle of .*|The Surrender of Breda|The Massacre at Chios"
    r"|The Snail|The Twelve Prophets|Senecio|The Gates|The Valley of the Shadow of Death|The Nightmare|The Scapegoat|"
    r"The Light of the World|The Magpie|Isle of the Dead|The Yellow House|House|Gift|The Gift|Pumpkin|"
    r"Puppy|Maman|Departure|Terminal|Cathedral|Gassed|Past Times|Hot Spot"
)
_THE_ONE_MEANT = 2
"""The fame from which a work with such a title is the one that is meant."""

# The verb of a kind of work; whatever is not here was "made", which is true of all.
_VERB_OF_KIND = {
    "painting": "painted", "mural": "painted", "fresco": "painted", "drawing": "drew", "photograph": "took",
    "building": "designed", "bridge": "designed", "garden": "designed", "square": "designed",
    "performance": "performed",
}  # fmt: skip


@dataclass(frozen=True)
class Context:
    """What the other records say about how to speak of one.

    Attributes:
        shared: Titles that several works have, or would have in any museum; these are named with their maker.
        generic: Those of them that only one work here has.
        alone: Titles with the kind of work, where only one work has them.
        depicted: Subjects that only one work shows, so that the work can be asked for by them.
        makers: Who painted, who carved and so on, by the verb, to ask after the wrong one.
        short: The name by which each artist can be asked for: the short one only if it can mean nobody else.
        artists, movements, museums: The records by name.
    """

    shared: frozenset[str]
    generic: frozenset[str]
    alone: frozenset[tuple[str, str]]
    depicted: frozenset[str]
    makers: Mapping[str, tuple[str, ...]]
    short: Mapping[str, str]
    artists: Mapping[str, Artist]
    movements: Mapping[str, Movement]
    museums: Mapping[str, Museum]

    def movement(self, name: str) -> str:
        """The name of a movement as it stands inside a sentence: ``the Baroque``, ``conceptual art``."""
        record = self.movements.get(name)
        return record.said if record is not None and record.said else name

    def is_group(self, name: str) -> bool:
        """Whether a movement is people who joined, so that a work is by a member of it, not an example of it."""
        record = self.movements.get(name)
        return record is not None and record.group


def context_of(records: Records) -> Context:
    """The context of all records."""
    works = records.works
    titles = Counter(work.title for work in works)
    kinds = Counter((work.title, work.kind) for work in works)
    depicted = Counter(work.depicts for work in works if work.depicts)
    makers: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for work in works:
        if work.artist:
            makers[verb_of(work)][work.artist] = None
    several = frozenset(title for title, count in titles.items() if count > 1)
    generic = frozenset(work.title for work in works if is_generic(work)) - several
    return Context(
        shared=several | generic,
        generic=generic,
        alone=frozenset(title for title, count in kinds.items() if count == 1),
        depicted=frozenset(subject for subject, count in depicted.items() if count == 1),
        makers={verb: tuple(names) for verb, names in makers.items()},
        short=_short_names(records),
        artists={artist.name: artist for artist in records.artists},
        movements={movement.name: movement for movement in records.movements},
        museums={museum.name: museum for museum in records.museums},
    )


def verb_of(work: Work) -> str:
    """The verb for what the makers did: the record's own, or that of the kind of work."""
    return work.verb or _VERB_OF_KIND.get(work.kind, "made")


def is_generic(work: Work) -> bool:
    """Whether a title is one of many works, of which this is not the one that everybody means."""
    if not work.artist:
        return False
    vague = work.fame < _THE_ONE_MEANT and _GENERIC.fullmatch(work.title) is not None
    return vague or _OF_SEVERAL.fullmatch(work.title) is not None or names_something_else(work)


def names_something_else(work: Work) -> bool:
    """Whether a title is the name of what people rather think of: a bridge that a painting shows."""
    built = work.kind in ("building", "bridge", "monument", "square", "garden")
    return not built and bool(work.artist) and bool(_OF_SOMETHING_ELSE.fullmatch(work.title))


def is_common_word(work: Work) -> bool:
    """Whether a title of many works is one word, with which a sentence cannot begin: "Books is a poster"."""
    return is_generic(work) and " " not in work.title


def _short_names(records: Records) -> dict[str, str]:
    short = {artist.name: grammar.surname(artist.name) for artist in records.artists}
    counts = Counter(short.values())
    return {
        artist.name: short[artist.name]
        if artist.fame >= _KNOWN_BY_SURNAME
        and counts[short[artist.name]] == 1
        and short[artist.name] not in _AMBIGUOUS
        and artist.nationality not in ("Chinese", "Korean")  # their family name comes first
        else artist.name
        for artist in records.artists
    }
