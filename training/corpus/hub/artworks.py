"""Data about art on the Hub: records of works, captions of paintings, articles of Wikipedia."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import unquote

from training.corpus.hub.rows import Keyed, Row
from training.corpus.prose import paragraphs, pieces
from training.corpus.sample import Message, digest

# An article is about art when its first words say so. "Artist" alone would let in every musician.
_ART = re.compile(
    r"\b(painters?|paintings?|sculptors?|sculptures?|printmak(?:er|ing)s?|engravers?|engravings?|etchings?|woodcuts?"
    r"|lithograph\w*|frescos?|frescoes|watercolou?rs?|art (?:movement|museum|gallery|galleries|historian|history|style"
    r"|critic|form|theory)|works? of art|visual arts?|fine arts?|artworks?|altarpieces?|triptychs?|self-portraits?"
    r"|impressionis[mt]s?|expressionis[mt]s?|cubis[mt]s?|surrealis[mt]s?|fauvis[mt]s?|art nouveau|art deco|ceramicists?"
    r"|muralists?|portraitists?|illuminated manuscripts?)\b",
    re.IGNORECASE,
)
_NOT_ART = re.compile(r"\b(may refer to|can refer to|can mean|martial arts?|recording artist)\b", re.IGNORECASE)
_OPENING = 300
_LAST_SECTIONS = ("references", "external links", "see also", "further reading", "notes", "other websites", "sources")
_WORK_FILE = re.compile(r"^(?P<title>.+?)(?:-(?P<year>1[0-9]{3}))?(?:-\d+)?$")


def wikiart(rows: Iterable[Row]) -> Iterator[Keyed]:
    """A chat about one work: who made it, when, in which style, what kind of picture, made with what.

    The first question names the work, the others follow up. Which comes first differs from work to work.
    """
    for row in rows:
        title, artist = row["title"], row["artistName"]
        if title.lower().startswith("untitled"):
            continue
        asked = list(_facts(title, artist, row))
        start = digest(f"{artist}/{title}") % len(asked)
        asked = asked[start:] + asked[:start]
        turns = [Message("user", asked[0][0].format(title)), Message("assistant", asked[0][2])]
        for _, follow_up, answer in asked[1:]:
            turns += [Message("user", follow_up), Message("assistant", answer)]
        yield f"{artist}/{title}", tuple(turns)


def _facts(title: str, artist: str, row: Row) -> Iterator[tuple[str, str, str]]:
    """A question that names the work, one that follows up, and the answer to both."""
    yield "Who made {}?", "Who made it?", f"{title} is by {artist}."
    if row["completitionYear"]:
        yield "When was {} made?", "When was it made?", f"{title} was finished in {row['completitionYear']}."
    if row["styles"]:
        yield "Which style is {} in?", "Which style is it in?", f"Its style is {_listed(row['styles'])}."
    if row["genres"]:
        yield "Which genre is {}?", "Which genre is it?", f"Its genre is {_listed(row['genres'])}."
    if row["media"]:
        yield "What is {} made of?", "What is it made of?", f"It is made of {_listed(row['media'])}."


def artbench(rows: Iterable[Row]) -> Iterator[Keyed]:
    """What a painting in the public domain shows. The captions were written by a model, Florence-2."""
    for row in rows:
        caption, artist = row["caption"], _name(row["artist"])
        # WikiArt's addresses end with a size: .../zodiac-1896(1).jpg!Large.jpg
        path = re.split("[?#]", row["url"], maxsplit=1)[0]
        file = unquote(path).rpartition("/")[2].partition("!")[0].rpartition(".")[0]
        file = re.sub(r"\(\d+\)$", "", file)
        found = _WORK_FILE.match(file)
        if found is None:
            continue
        title = _name(found["title"])
        work = f"{title} ({found['year']})" if found["year"] else title
        answer = re.sub(r"^(The|This) image (shows|is|depicts)\b", r"It \2", caption)
        question = f"What does {work} by {artist} show?"
        yield f"{artist}/{file}", (Message("user", question), Message("assistant", answer))


def art_articles(rows: Iterable[Row]) -> Iterator[Keyed]:
    """The articles about art: the first paragraph as the answer to "Tell me about ...", the others as prose."""
    for row in rows:
        title, text = row["title"], row["text"]
        opening = text[:_OPENING]
        if not _ART.search(opening) or _NOT_ART.search(opening):
            continue
        first, *rest = [*_before_sources(text)] or [""]
        if not first:
            continue
        subject = re.sub(r"\s*\([^)]*\)$", "", title)
        key = row["id"]
        yield key, (Message("user", f"Tell me about {subject}."), Message("assistant", first))
        for piece in pieces(rest):
            yield key, (Message("text", piece),)


def _before_sources(text: str) -> Iterator[str]:
    """The paragraphs of an article before its lists of sources."""
    for paragraph in paragraphs(text.splitlines(keepends=True)):
        if paragraph.lower() in _LAST_SECTIONS:
            return
        yield paragraph


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _name(slug: str) -> str:
    """``alphonse-mucha`` as a name; a name that is one already stays as it is."""
    return slug if " " in slug or slug != slug.lower() else re.sub(r"[-_]+", " ", slug).title()
