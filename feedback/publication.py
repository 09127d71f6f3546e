"""The votes of one study as a data set to publish: what its consent covers, and no more.

``consent.publication`` of the study file says what testers agreed to: ``votes`` (choices, and the texts of rounds in
which they typed nothing) or ``everything`` (their own questions and comments too). A study that says neither is not
published.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .database import Database
from .export.companions import stream_companion
from .export.formats import stream_csv
from .export.manifest import codebook, count, describe
from .export.rows import COLUMNS
from .export.write import ExportError, check_place, replace_file
from .statistics.load import choose_study
from .study import BROWSER

TYPED = ("prompt", "left_text", "right_text", "left_raw", "right_raw", "comment")
"""Columns that may hold what a tester typed, or an answer that repeats it."""
NEVER = ("address_group",)
"""Columns that nobody needs to read a vote, and that tell who sat at one network."""
WITH_VOTES = ("guesses", "good_enough")
"""What lies beside the votes and holds nothing that a tester typed."""
FILES = (
    *("README.md", "CODEBOOK.md", "study.json", "votes.csv", "votes.csv.manifest.json"),
    *(f"{name}.csv" for name in WITH_VOTES),
)


def write_dataset(database: Database, label: str | None, out: Path, licence: str) -> dict[str, Any]:
    """Write the data set of a study that is over into a folder; returns what its card tells. Raises ExportError."""
    with database.snapshot() as connection:
        study = choose_study(connection, label)
        if study is None:
            raise ExportError("there is no study with votes; a data set needs some")
        definition = json.loads(study["definition"])
        refuse(connection, study, definition)
        scope = definition["consent_publication"]
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ExportError(f"{out}: {error.strerror}; name another folder with --out") from None
        for name in FILES:
            check_place(out / name)  # before anything is written
        digest = hashlib.sha256()
        size = replace_file(out / "votes.csv", published(stream_csv(connection, study["id"]), scope), digest.update)
        names = ["votes"]
        for name in WITH_VOTES:
            if count(connection, name, study["id"]):
                replace_file(out / f"{name}.csv", stream_companion(connection, name, study["id"]))
                names.append(name)
        manifest = asdict(describe(connection, "csv", study["id"], digest.hexdigest(), size))
        testers = connection.execute(
            "SELECT COUNT(DISTINCT tester_id) FROM votes WHERE study_id = ?", [study["id"]]
        ).fetchone()[0]
    manifest["filters"]["publication"] = scope
    kept = ("label", "study_hash", "models_hash", "opened_at", "closed_at")
    facts = {name: study[name] for name in kept} | {
        "name": definition["name"],
        "scope": scope,
        "licence": licence,
        "votes": manifest["rows"],
        "testers": testers,
        "tables": names,
    }
    described = {"study": definition, "models": json.loads(study["models"])}
    for name, content in (("votes.csv.manifest.json", manifest), ("study.json", described)):
        replace_file(out / name, [json.dumps(content, indent=1, ensure_ascii=False).encode()])
    replace_file(out / "CODEBOOK.md", [_codebooks(names).encode()])
    replace_file(out / "README.md", [card(facts, definition).encode()])
    return facts


def check_alone(folder: Path, tables: list[str]) -> None:
    """Raises ExportError where a folder that is pushed whole holds more than the data set just written into it."""
    ours = set(FILES) - {f"{name}.csv" for name in WITH_VOTES if name not in tables}
    others = sorted({path.name for path in folder.iterdir() if path.name[0] != "."} - ours)
    if others:
        raise ExportError(
            f"{folder} holds {', '.join(others[:3])} too, and all of it would be pushed; name an empty --out"
        )


def refuse(connection: Any, study: Any, definition: dict[str, Any]) -> None:
    """Raises ExportError where a study may not be published, with all reasons."""
    problems = []
    if study["closed_at"] is None:
        problems.append("it is still open; end it in the tab Study of /admin")
    running = connection.execute(
        "SELECT COUNT(*) FROM testers WHERE study_id = ? AND closed_at IS NULL", [study["id"]]
    ).fetchone()[0]
    if running:
        problems.append(f"{running} of its testers are in a session; wait until they are done")
    if definition.get("consent_publication", "none") == "none":
        problems.append(
            f"its consent (version {definition['consent_version']}) does not say that votes are published; a study"
            ' whose text says so has consent.publication = "votes" or "everything" from its first vote on'
        )
    if problems:
        raise ExportError(f"study {study['label']} is not published: {'; '.join(problems)}")


def published(chunks: Iterator[bytes], scope: str) -> Iterator[bytes]:
    """``votes.csv`` with the columns that may be published; what testers typed is blanked where it is not covered."""
    csv.field_size_limit(2**31 - 1)  # a talk of many turns is longer than the module takes by itself
    rows = csv.DictReader(_lines(chunks))
    columns = [name for name in COLUMNS if name not in NEVER]
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        if scope != "everything":
            row["comment"] = ""
            if row["prompt_id"].startswith("own-") or row["turns"] != "1":
                row |= dict.fromkeys(TYPED, "")
            if row["prompt_id"].startswith("own-"):
                row["prompt_id"] = "own"  # the rest of it is a hash of the question, which guesses could be tried on
        writer.writerow(row)
        if buffer.tell() > 1 << 16:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Lines with their ends, as the csv module wants them: a field may hold any of them."""
    left = ""
    for chunk in chunks:
        *lines, left = (left + chunk.decode()).split("\n")
        yield from (line + "\n" for line in lines)
    if left:
        yield left


def _codebooks(names: list[str]) -> str:
    votes, *others = [codebook("csv" if name == "votes" else name) for name in names]
    hidden = tuple(f"| {name} |" for name in NEVER)
    shown = "".join(line for line in votes.splitlines(keepends=True) if not line.startswith(hidden))
    return "\n".join([shown, *others])


COVERED = {
    "votes": "Choices, reasons ticked, times, and the texts of rounds in which the tester typed nothing: a question of"
    " the study's bank and both answers. Where testers typed a question of their own or asked further, the texts are"
    " left out, and all comments are.",
    "everything": "Choices, reasons, times, all questions with both answers, also those that testers typed, and their"
    " comments.",
}


def card(facts: dict[str, Any], definition: dict[str, Any]) -> str:
    """The data set's card, in the Hub's form."""
    consent = "\n".join(f"> {line}".rstrip() for line in definition["consent_text"].splitlines())
    configs = "".join(f"- config_name: {name}\n  data_files: {name}.csv\n" for name in facts["tables"])
    more = "".join(f"| `{name}.csv` | see the codebook |\n" for name in facts["tables"][1:])
    title = f"Votes of the study {' '.join(facts['name'].split())}"
    chosen = definition.get("language", "en")
    language = "" if chosen == BROWSER else f"language: {chosen}\n"  # each browser's own: nobody knows which there were
    whose = "the study's and its testers'" if facts["scope"] == "everything" else "the study's"
    return f"""---
license: {facts["licence"]}
{language}pretty_name: {json.dumps(title, ensure_ascii=False)}
tags:
- preference
- human-feedback
- blind-test
- diptych
configs:
{configs}---

# {title}

{facts["votes"]} votes of {facts["testers"]} testers who compared two language models, blind and side by side, in
Diptych. The study `{facts["label"]}` was open from {facts["opened_at"]} to {facts["closed_at"]}.

## What is in it

{COVERED[facts["scope"]]} Testers have random names. Nothing is here of their addresses on the network or their
background. Testers who withdrew are not in it.

| file | holds |
|---|---|
| `votes.csv` | a vote a row; [CODEBOOK.md](CODEBOOK.md) explains each column |
{more}| `votes.csv.manifest.json` | hashes, error rate, rules that leave votes out |
| `study.json` | the study's settings, questions and consent, and what is known of both models |

`python -m feedback stats --csv votes.csv --json -` gives the study's statistics from these files.

## Consent

Version {definition["consent_version"]}. Every tester agreed to this before the first question:

{consent}

## Licence

{facts["licence"]}. Both answers are texts of language models; the questions are {whose}.

Hash of the study file: `{facts["study_hash"]}`; of the models: `{facts["models_hash"]}`.
"""
