"""What a text names is found with its source; what only looks like a name is not."""

from __future__ import annotations

import pytest

from training.corpus.embedded import records
from training.corpus.lookup import MOST_FOUND, references_in


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("What is impressionism?", ["Impressionism"]),
        ("Who was Marcel Duchamp, and what is “Fountain”?", ["Marcel Duchamp", "Fountain (Marcel Duchamp)"]),
        ("the weeping woman", ["The Weeping Woman (Pablo Picasso)"]),
        ("Why do tokens differ?", ["token"]),
        ("A fountain in a garden.", []),
        ("Books are on the line. Night falls, and the House has a new form.", []),
        ("What is line in art?", ["line"]),
        ("Is House by Rachel Whiteread still there?", ["House (Rachel Whiteread)", "Rachel Whiteread"]),
        ("", []),
        ("<b>\x00&&& 12", []),
    ],
)
def test_names_are_found_as_people_write_them(text: str, names: list[str]) -> None:
    assert [name for name, _ in references_in(text)] == names


def test_every_concept_with_a_source_is_found_by_its_name() -> None:
    concepts = [concept for concept in records().concepts if concept.source]
    assert len(concepts) > 700
    wrong = []
    for concept in concepts:
        found = references_in(f"What is {concept.name}?")
        if [source for _, source in found][:1] != [concept.source]:
            wrong.append((concept.name, found))
    assert len(wrong) < len(concepts) / 50, wrong


def test_a_long_text_names_a_few() -> None:
    assert len(references_in(" and ".join(concept.name for concept in records().concepts) * 50)) == MOST_FOUND
