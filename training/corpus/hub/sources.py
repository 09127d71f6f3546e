"""The data sets of the Hugging Face Hub that can be trained on: where each is, what is read of it, and its licence.

All are Parquet files, so that no code of theirs is run, and only the columns named here are read: of a data set of
pictures no picture is downloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from training.corpus.hub import artworks, chats, questions
from training.corpus.hub.rows import (
    Keyed,
    Row,
    flag,
    line,
    meant,
    persona_turns,
    rank,
    spans,
    texts,
    utterances,
    words,
    year,
)
from training.corpus.sample import Size
from training.corpus.turns import text_of

ReadValue = Callable[[Any], Any]
"""Gives what a reader can rely on, or raises ``Unreadable``."""


@dataclass(frozen=True)
class HubSource:
    """One data set.

    Attributes:
        repository: Its id on the Hub.
        files: Which files of the repository are read, as a pattern.
        columns: Which columns of them, and how a value of each is read.
        read: Turns rows of such values into samples' messages. Samples with the same key stay on one side of the split.
        rows: How many rows there are, roughly.
        size: How many samples they make and how many bytes of text, roughly; None where nobody has counted.
        megabytes: How much is downloaded, roughly.
        note: What one should know before choosing it.
    """

    repository: str
    files: str
    columns: Mapping[str, ReadValue]
    read: Callable[[Iterable[Row]], Iterator[Keyed]]
    licence: str
    area: str
    rows: int
    megabytes: int
    size: Size | None = None
    note: str = ""


_WIKIPEDIA: Mapping[str, ReadValue] = {"id": words, "title": line, "text": words}

SOURCES: dict[str, HubSource] = {
    "wikiart": HubSource(
        repository="asahi417/wikiart-all",
        files="data/test-*.parquet",
        columns={
            "title": line,
            "artistName": line,
            "completitionYear": year,
            "genres": texts,
            "styles": texts,
            "media": texts,
        },
        read=artworks.wikiart,
        licence="not stated (WikiArt's terms)",
        area="art",
        rows=63_061,
        megabytes=50,
        size=Size(60_000, 20_000_000),
        note="nine movements only: no Renaissance, Cubism or abstract art",
    ),
    "art-wikipedia": HubSource(
        repository="wikimedia/wikipedia",
        files="20231101.en/train-*.parquet",
        columns=_WIKIPEDIA,
        read=artworks.art_articles,
        licence="CC-BY-SA-3.0",
        area="art",
        rows=6_407_814,
        megabytes=11_600,
        note="how many of its articles are about art is not known; the whole is read for them",
    ),
    "art-wikipedia-simple": HubSource(
        repository="wikimedia/wikipedia",
        files="20231101.simple/train-*.parquet",
        columns=_WIKIPEDIA,
        read=artworks.art_articles,
        licence="CC-BY-SA-3.0",
        area="art",
        rows=241_787,
        megabytes=157,
    ),
    "artbench": HubSource(
        repository="alfredplpl/artbench-pd-256x256",
        files="data/train-*.parquet",
        columns={"caption": line, "artist": line, "url": words},
        read=artworks.artbench,
        licence="MIT",
        area="art",
        rows=46_300,
        megabytes=40,
        size=Size(46_000, 15_000_000),
        note="captions written by a model, Florence-2",
    ),
    "eli5": HubSource(
        repository="sentence-transformers/eli5",
        files="pair/train-*.parquet",
        columns={"question": meant, "answer": meant},
        read=questions.eli5,
        licence="not stated (Reddit)",
        area="general",
        rows=325_475,
        megabytes=113,
        size=Size(325_000, 260_000_000),
    ),
    "squad-v2": HubSource(
        repository="rajpurkar/squad_v2",
        files="squad_v2/train-*.parquet",
        columns={"context": meant, "question": meant, "answers": spans},
        read=questions.squad,
        licence="CC-BY-SA-4.0",
        area="general",
        rows=130_319,
        megabytes=17,
        size=Size(19_035, 24_000_000),
        note="a chat for each passage",
    ),
    "openassistant": HubSource(
        repository="OpenAssistant/oasst2",
        files="data/train-*.parquet",
        columns={
            "message_id": words,
            "parent_id": text_of,
            "message_tree_id": words,
            "text": meant,
            "role": chats.speaker,
            "lang": text_of,
            "rank": rank,
            "deleted": flag,
        },
        read=chats.openassistant,
        licence="Apache-2.0",
        area="conversation",
        rows=128_575,
        megabytes=64,
        size=Size(5_000, 9_000_000),
        note="one chat for each English tree of messages",
    ),
    "personachat": HubSource(
        repository="AlekseyKorshuk/persona-chat",
        files="data/train-*.parquet",
        columns={"utterances": persona_turns},
        read=chats.personachat,
        licence="not stated",
        area="conversation",
        rows=17_878,
        megabytes=98,
        size=Size(17_878, 16_000_000),
    ),
    "dailydialog": HubSource(
        repository="OpenRL/daily_dialog",
        files="data/train-*.parquet",
        columns={"dialog": utterances},
        read=chats.dailydialog,
        licence="CC-BY-NC-SA-4.0",
        area="conversation",
        rows=11_118,
        megabytes=4,
        size=Size(11_118, 6_000_000),
        note="the licence is that of the original; the repository states none",
    ),
    "coco-captions": HubSource(
        repository="phiyodr/coco2017",
        files="data/train-*.parquet",
        columns={"image_id": words, "captions": texts},
        read=questions.coco,
        licence="CC-BY-4.0",
        area="general",
        rows=118_287,
        megabytes=29,
        size=Size(118_287, 18_000_000),
        note="the licence is that of COCO's annotations; the repository states none",
    ),
}
