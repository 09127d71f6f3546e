"""The records against museums' tables as they are published, and what is said when there are none."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from training.corpus import CorpusError
from training.corpus.__main__ import main
from training.corpus.check import check
from training.corpus.embedded import records

TABLES = {
    "constituents.csv": (
        "constituentid,forwarddisplayname,beginyear,endyear,visualbrowsernationality",
        "1,Claude Monet,1840,1926,French",
        "2,Johannes Vermeer,1634,1675,Dutch",
        "3,Francis Bacon,1561,1626,British",  # a namesake
        "4,Hieronymus Bosch,1450,1516,Netherlandish",
    ),
    "artist_data.csv": ("\ufeffid,name,gender,yearOfBirth,yearOfDeath", '5,"Blake, William",Male,1757,1827'),
    "artwork_data.csv": (
        "id,artist,title,year",
        '6,"Rossetti, Dante Gabriel",Proserpine,1874',
        '7,"Waterhouse, John William",The Lady of Shalott,1808',
    ),
    "Artists.csv": ("ConstituentID,DisplayName,Nationality,BeginDate,EndDate", "8,Pablo Picasso,French,1881,1973"),
    "Artworks.csv": ("Title,Artist,Date", "The Starry Night,Vincent van Gogh,1889"),
    "cmoa.csv": (
        "title,creation_date_earliest,creation_date_latest,full_name,nationality,birth_date,death_date",
        "The Old King,1916-01-01,1936-12-31,Georges Rouault,French,1871-05-27,1958-02-13",
    ),
}


def write(folder: Path) -> Path:
    for name, lines in TABLES.items():
        path = folder / name.partition(".")[0] / name
        path.parent.mkdir(parents=True)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def test_disagreements_are_found_by_kind_and_museum(tmp_path: Path) -> None:
    found = check(records(), write(tmp_path))
    assert {(one.kind, one.museum, one.record.partition(" (")[0]) for one in found.differ} == {
        ("born", "National Gallery of Art", "Johannes Vermeer"),
        ("nationality", "Museum of Modern Art", "Pablo Picasso"),
        ("year", "Tate", "The Lady of Shalott"),
    }
    assert found.compared["born", "National Gallery of Art"] == 3  # without the namesake
    assert found.compared["year", "Museum of Modern Art"] == found.compared["year", "Carnegie Museum of Art"] == 1
    assert "| born | National Gallery of Art | Johannes Vermeer | 1632 | 1634 |" in found.markdown()
    assert "| year | Tate | The Lady of Shalott (John William Waterhouse) | 1888 | 1808 |" in found.markdown()


def test_the_command_writes_the_report_or_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.md"
    assert main(["check", "--museums", str(write(tmp_path / "tables")), "--out", str(report)]) == 0
    assert "## Disagreements" in report.read_text(encoding="utf-8")
    assert main(["check", "--museums", str(tmp_path / "empty")]) == 2
    assert "holds none of the museums' tables" in capsys.readouterr().err
    with pytest.raises(CorpusError, match=r"constituents\.csv"):
        check(records(), tmp_path / "empty")


def test_a_blind_sheet_mixes_versions_and_is_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old, sheet = tmp_path / "old.jsonl", tmp_path / "sheet.csv"
    assert main(["build", "--data", "conversation", "--out", str(old)]) == 0
    options = ["reading", "--data", "art", "--other", str(old), "--count", "20", "--out", str(sheet)]
    assert main(options) == 0
    with sheet.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 40
    assert rows[0].keys() == {"number", "text", "wrong_fact", "misfit", "note"}
    with sheet.with_suffix(".key.csv").open(newline="") as file:
        versions = [row["version"] for row in csv.DictReader(file)]
    assert versions.count("this") == versions.count("other") == 20
    assert sorted(versions) != versions != sorted(versions, reverse=True)
    rows[versions.index("this")]["misfit"] = "1"
    with sheet.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    capsys.readouterr()
    assert main(["reading", "--score", str(sheet)]) == 0
    told = capsys.readouterr().out
    assert "| this | misfit | 1 of 20 | 5.00% |" in told
    assert "| other | wrong_fact | 0 of 20 | 0.00% |" in told
    assert main(["reading", "--out", str(tmp_path / "sheet.txt")]) == 2
    assert "ends in .csv" in capsys.readouterr().err


def test_a_sheet_that_lacks_a_column_is_told_and_a_long_salt_counts_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = []
    for salt in ("the first reading of 2026", "the first reading of 2027", "é" * 16):
        out = tmp_path / f"{len(drawn)}.csv"
        options = ["reading", "--data", "conversation", "--count", "20", "--salt", salt, "--out", str(out)]
        assert main(options) == 0
        drawn.append(out.read_text(encoding="utf-8"))
    assert len(set(drawn)) == 3
    for faulty, said in (
        (drawn[0].replace("misfit", "fit", 1).encode(), "has no column misfit"),
        (drawn[0].replace(",", ";").encode(), "has no column number"),
        (drawn[0].replace("note", "n\xf6te", 1).encode("cp1252"), "is not UTF-8"),
    ):
        (tmp_path / "0.csv").write_bytes(faulty)
        assert main(["reading", "--score", str(tmp_path / "0.csv")]) == 2
        assert said in capsys.readouterr().err


def test_a_table_of_another_form_is_named_and_bytes_that_are_no_text_end_nothing(tmp_path: Path) -> None:
    (write(tmp_path) / "Artists" / "Artists.csv").write_bytes(b"Nom,Nationality\nGoya,Spanish\n")
    with pytest.raises(CorpusError, match=r"Artists\.csv: has no column 'DisplayName'; it is not the museum's table"):
        check(records(), tmp_path)
    table = (
        b"ConstituentID,DisplayName,Nationality,BeginDate,EndDate\n1,Fran\xe7ois\n8,Pablo Picasso,French,1881,1973\n"
    )
    (tmp_path / "Artists" / "Artists.csv").write_bytes(table)
    assert ("nationality", "Museum of Modern Art") in check(records(), tmp_path).compared
