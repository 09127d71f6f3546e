from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from feedback.blind_test import BlindTest
from feedback.export import write
from feedback.statistics import VotesError, load_study, read_csv, read_study_csv, summary
from feedback.statistics.outcomes import Outcomes
from tests.feedback.protocol import answered, load_votes, vote_for


def test_votes_of_the_database_and_of_the_table_are_the_same_outcomes(blind_test: BlindTest) -> None:
    for number in range(5):
        tester = blind_test.enrol("1").id
        vote_for(blind_test, tester, ["model1", "tie", "model2", "both_bad"][: 1 + number % 4])
    loaded, table = load_study(blind_test.database).outcomes, Outcomes.from_frame(load_votes(blind_test.database))
    assert (loaded.testers.counts == table.testers.counts).all()
    assert loaded.categories == table.categories
    assert summary(loaded) == summary(table)


def test_long_answers_and_doubled_questions_survive_the_packing(blind_test: BlindTest) -> None:
    """Numbers too large to share 62 bits, and two votes of a tester on one question, of which the first counts."""
    lengths = [(150_000, 7), (3, 190_000), (1, 1)]
    tester, other = blind_test.enrol("1").id, blind_test.enrol("1").id
    for chars, choice in zip(lengths, ("both_bad", "left", "tie"), strict=True):
        blind_test.vote(tester, answered(blind_test, tester, "Same?", chars).id, choice)
        blind_test.vote(other, answered(blind_test, other, "Same?", chars).id, "both_bad")
    loaded, votes = load_study(blind_test.database).outcomes, load_votes(blind_test.database)
    assert sorted(zip(loaded.model1_chars, loaded.model2_chars, strict=True)) == sorted(
        2 * [(float(one), float(two)) for one, two in lengths]
    )
    assert summary(loaded) == summary(votes)
    assert summary(loaded)["agreement"]["alpha"] is None  # both said "both bad" first


def test_damage_is_told(blind_test: BlindTest) -> None:
    tester = blind_test.enrol("1").id
    vote_for(blind_test, tester, ["tie"])
    connection = blind_test.database.connection
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("DROP TRIGGER testers_kept")
    connection.execute("DELETE FROM testers")
    with pytest.raises(VotesError, match="check lists the damage"):
        load_study(blind_test.database)


def test_a_byte_order_mark_of_a_spreadsheet_is_understood(blind_test: BlindTest, tmp_path: object) -> None:
    vote_for(blind_test, blind_test.enrol("1").id, ["tie"])
    path = blind_test.database.path.with_name("votes.csv")
    write(blind_test.database, "csv", path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert read_csv(path)["vote_id"].tolist() == ["1"]
    assert summary(read_study_csv(path).outcomes)["n_votes"] == 1


def test_a_frame_read_by_pandas_works_too(blind_test: BlindTest) -> None:
    for _ in range(3):
        vote_for(blind_test, blind_test.enrol("1").id, ["model1", "tie"])
    path = blind_test.database.path.with_name("votes.csv")
    write(blind_test.database, "csv", path)
    assert summary(pd.read_csv(path)) == summary(load_votes(blind_test.database))
    assert np.isfinite(summary(pd.read_csv(path))["preference"]["estimate"])
