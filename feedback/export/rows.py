"""The votes as rows: one SQL statement that every tabular export and the statistics share."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

from .. import versions


class Column(NamedTuple):
    """A column of ``votes.csv``: its name, type, meaning, the SQL that computes it, and its unit."""

    name: str
    type: str  # integer, number, text, time or flag (1 or 0)
    meaning: str
    sql: str
    unit: str = ""
    one_turn: str = ""  # a simpler SQL for votes after one question, which most are


def _both(name: str, kind: str, meaning: str, many: str, unit: str = "") -> list[Column]:
    """The columns of the left and of the right answer; ``many`` aggregates several turns, which few votes have."""
    columns = []
    for side, alias, is_left in (("left", "la", 1), ("right", "ra", 0)):
        turns = (
            "SELECT a.* FROM turns t JOIN answers a ON a.turn_id = t.id WHERE t.battle_id = votes.battle_id AND"
            " t.status = 'complete' AND t.number <= votes.turns AND (a.model = votes.left_model) ="
            f" {is_left} ORDER BY t.number"
        )
        sql = f"CASE votes.turns WHEN 1 THEN {alias}.{name} ELSE (SELECT {many} FROM ({turns})) END"
        columns.append(Column(f"{side}_{name}", kind, meaning.format(side), sql, unit, f"{alias}.{name}"))
    return columns


_ALL_QUESTIONS = (
    "CASE votes.turns WHEN 1 THEN prompts.text ELSE (SELECT group_concat(prompt, char(10, 10)) FROM (SELECT prompt FROM"
    " turns t WHERE t.battle_id = votes.battle_id AND t.status = 'complete' AND t.number <= votes.turns ORDER BY"
    " t.number)) END"
)
_WINNER = "CASE choice WHEN 'left' THEN votes.left_model WHEN 'right' THEN ra.model ELSE choice END"
_ADDRESS_GROUP = (
    "CASE WHEN testers.origin IS NOT NULL THEN (SELECT MIN(enrolment) FROM testers other WHERE other.study_id ="
    " testers.study_id AND other.origin = testers.origin) END"
)
_PROMPT_ID = "Id of the first question in the study's bank; own-... for a tester's own."
_PROMPT = "The question; follow-up questions are separated by a blank line."
_TEXT = "What the tester was shown of the {} answer; answers of several turns are separated by a blank line."
_RAW = "What the {} model wrote, where the tester was shown something else; else empty."
_VOTE_SECONDS = "From both answers shown to the vote, by the browser's clock; at most server_seconds."
_SEEN = "For how long the {} answer was on the tester's screen before the vote; at most server_seconds."
_FIRST_SEEN = "Which answer was on the screen first: left, right (a narrow screen shows one) or both."
_SERVER_SECONDS = "From both answers stored to the vote, by the server's clock; empty where that was set back."
_FIRST_SIDE = "Which answer a narrow screen was given first, left or right, as it was drawn; empty where none was."
_GROUP = "Enrolment of the first tester who began from the same network address; empty where none is kept."
_VERSION = "The weights that answered as {}, by the first digits of their SHA-256; empty of a server, which tells none."

CODEBOOK = (
    Column("vote_id", "integer", "Number of the vote, in the order in which votes were given.", "votes.id"),
    Column("study", "text", "The study: its name and a hash of its settings and models.", "studies.label"),
    Column("tester_id", "text", "Opaque id of the tester.", "testers.code"),
    Column("enrolment", "integer", "1 for the first tester who consented, 2 for the second, ...", "testers.enrolment"),
    Column("tester_closed", "flag", "1 when the tester's session is over.", "testers.closed_at IS NOT NULL"),
    Column("battle_id", "integer", "Number of the round that was served.", "votes.battle_id"),
    Column("round", "integer", "1 for the tester's first vote, 2 for the second, ...", "battles.round"),
    Column("prompt_id", "text", _PROMPT_ID, "prompts.prompt_id"),
    Column("category", "text", "Category of the first question; own for a tester's own.", "prompts.category"),
    Column("prompt", "text", _PROMPT, _ALL_QUESTIONS, one_turn="prompts.text"),
    Column("turns", "integer", "Questions answered before the vote.", "votes.turns"),
    Column("left_model", "text", "The model on the left: model1 or model2.", "votes.left_model"),
    Column("right_model", "text", "The model on the right.", "ra.model"),
    Column("choice", "text", "What the tester chose: left, right, tie or both_bad.", "votes.choice"),
    Column("winner_model", "text", "The choice by model: model1, model2, tie or both_bad.", _WINNER),
    Column("reasons", "text", "Reasons ticked, as a JSON list; empty when none.", "NULLIF(votes.reasons, '[]')"),
    Column("comment", "text", "The tester's comment.", "votes.comment"),
    *_both("text", "text", _TEXT, "group_concat(text, char(10, 10))"),
    *_both(
        "tokens", "integer", "Length of the {} answer in its own model's tokens, all turns.", "SUM(tokens)", "tokens"
    ),
    Column("left_chars", "integer", "Length of the left answer, all turns.", "votes.left_chars", "characters"),
    Column("right_chars", "integer", "Length of the right answer, all turns.", "votes.right_chars", "characters"),
    *_both("seconds", "number", "Time that the {} model took to write, all turns.", "SUM(seconds)", "seconds"),
    Column("leak_flag", "flag", "1 when an answer said which model wrote it.", "votes.leak_flag"),
    Column("voted_at", "time", "When the server saved the vote, UTC, ISO 8601.", "votes.voted_at"),
    Column("vote_seconds", "number", _VOTE_SECONDS, "votes.vote_seconds", "seconds"),
    Column("superseded", "flag", "1 when the tester took this vote back; it does not count.", "votes.superseded"),
    *_both("raw", "text", _RAW, "CASE WHEN COUNT(raw) THEN group_concat(ifnull(raw, text), char(10, 10)) END"),
    *(
        Column(f"{side}_seen_seconds", "number", _SEEN.format(side), f"votes.{side}_seen", "seconds")
        for side in ("left", "right")
    ),
    Column("first_seen", "text", _FIRST_SEEN, "votes.first_seen"),
    Column("server_seconds", "number", _SERVER_SECONDS, "votes.server_seconds", "seconds"),
    Column("first_side", "text", _FIRST_SIDE, "battles.first_side"),
    Column("address_group", "integer", _GROUP, _ADDRESS_GROUP),
    *(Column(f"{m}_version", "text", _VERSION.format(m), versions.sql(m)) for m in ("model1", "model2")),
)
COLUMNS = tuple(column.name for column in CODEBOOK)

# CROSS JOIN keeps SQLite to this order, so that rows come by the number of the vote without being sorted.
_FROM = """
FROM votes CROSS JOIN battles ON battles.id = votes.battle_id
    CROSS JOIN testers ON testers.id = votes.tester_id
    CROSS JOIN prompts ON prompts.id = votes.prompt_id
    CROSS JOIN studies ON studies.id = votes.study_id
    CROSS JOIN turns t1 ON t1.battle_id = votes.battle_id AND t1.number = 1 AND t1.status = 'complete'
    CROSS JOIN answers la ON la.turn_id = t1.id AND la.model = votes.left_model
    CROSS JOIN answers ra ON ra.turn_id = t1.id
        AND ra.model = CASE votes.left_model WHEN 'model1' THEN 'model2' ELSE 'model1' END
WHERE (:study IS NULL OR votes.study_id = :study)
"""

# A spreadsheet takes a cell that begins so for a formula (or drops the character); an apostrophe before it prevents
# that, and one is put before an apostrophe too, so that taking the first away gives the text back.
FORMULA_STARTS = "=+-@'\t\r\n＝＋－＠"

# Where fields are separated by ; or a tab, as in most countries, a spreadsheet cuts a text there and at its line ends.
# A hyphen with a blank after it begins a line of a list, unless what follows could be called.
_END = "\udcff"  # of a text within a line of CSV, which is decoded with its marks of quotes
_INSIDE = rf"""(?=["' \t]*(?:[=+@\uff1d\uff0b\uff20\uff0d]|-(?! (?:(?!\w\()[^|\n])*(?:\n|{_END}|\Z))))"""
_HIDE = re.compile(rf"([;\t\r\n]){_INSIDE}")
_REVEAL = re.compile(rf"([;\t\r\n])'{_INSIDE}")


def hide_formula(text: str) -> str:
    """A text as a spreadsheet may have it: an apostrophe before what would begin a formula, there or inside."""
    text = _HIDE.sub(r"\1'", text)
    return "'" + text if text[:1] and text[0] in FORMULA_STARTS else text


def reveal_formula(text: str) -> str:
    """The text that :func:`hide_formula` got."""
    return _REVEAL.sub(r"\1", text[1:] if text.startswith("'") else text)


_SELECT = f"SELECT {', '.join(f'{column.sql} AS {column.name}' for column in CODEBOOK)} {_FROM} ORDER BY votes.id"

# Texts that anybody may have written; what is in the other columns neither needs quotes nor begins a formula.
_FREE_TEXT = ("study", "category", "prompt", "comment", "left_text", "right_text", "left_raw", "right_raw")
_STARTS = ", ".join(str(ord(character)) for character in FORMULA_STARTS)
_QUOTE = b"\xff"  # stands for the quotes around a text until those inside are doubled: no UTF-8 holds this byte


def _csv_cell(column: Column, sql: str) -> tuple[bytes, str]:
    """How SQLite prints a column as a CSV field, and the value to print."""
    if column.name == "reasons":  # a JSON list or nothing
        return _QUOTE + b"%s" + _QUOTE, f"ifnull({sql}, '')"
    if column.name in _FREE_TEXT:  # the first test, which most texts pass, is there for speed alone
        guarded = f"WHEN unicode({sql}) IN ({_STARTS}) THEN char(39) || {sql}"
        return _QUOTE + b"%s" + _QUOTE, f"CASE WHEN {sql} BETWEEN 'A' AND '{{' THEN {sql} {guarded} ELSE {sql} END"
    if column.type in ("integer", "flag") and column.name != "address_group":  # none of the others is ever NULL
        return b"%d", sql
    if column.type == "number":  # printed with 15 digits, which a number of few decimals needs at most
        few = f"CAST({sql} * 1e6 AS INTEGER) / 1e6"
        return b"%s", f"iif({few} IS {sql}, {sql}, printf('%!.17g', {sql}))"
    return b"%s", sql


def csv_lines(connection: sqlite3.Connection, study_id: int | None, rows: int) -> Iterator[bytes]:
    """The votes as lines of CSV in UTF-8, so many at a time; texts are made safe as by :func:`hide_formula`.

    SQLite joins and prints: to make Python objects of each field would take four times as long.
    """
    formats = [_csv_cell(column, column.sql)[0] for column in CODEBOOK]
    one_turn, any_turns = (
        f"printf(CAST(:line AS TEXT), {', '.join(_csv_cell(column, sql)[1] for column, sql in columns)})"
        for columns in (
            [(column, column.one_turn or column.sql) for column in CODEBOOK],
            [(column, column.sql) for column in CODEBOOK],
        )
    )
    cursor = connection.cursor()
    cursor.row_factory = None
    cursor.execute(
        f"SELECT CAST(CASE votes.turns WHEN 1 THEN {one_turn} ELSE {any_turns} END AS BLOB) {_FROM} ORDER BY votes.id",
        {"study": study_id, "line": b",".join(formats) + b"\n"},
    )
    while chunk := cursor.fetchmany(rows):
        lines = [line for (line,) in chunk]
        text = b"".join(lines)
        if _could_be_cut(text, len(lines)):
            text = b"".join([_hide_inside(line) if _could_be_cut(line, 1) else line for line in lines])
        yield text.replace(b'"', b'""').replace(_QUOTE, b'"')


def _could_be_cut(text: bytes, lines: int) -> bool:
    """Whether texts in so many lines of CSV hold what a spreadsheet may cut them at; most hold none."""
    return b";" in text or b"\t" in text or b"\r" in text or text.count(b"\n") > lines


def _hide_inside(line: bytes) -> bytes:
    """A line of CSV with what would begin a formula inside its texts hidden; ``_QUOTE`` decodes to ``_END``."""
    return _HIDE.sub(r"\1'", line.decode(errors="surrogateescape")).encode(errors="surrogateescape")


def vote_rows(connection: sqlite3.Connection, study_id: int | None) -> sqlite3.Cursor:
    """All votes of a study, or of all, as rows of ``COLUMNS``, oldest first, read as they are asked for."""
    cursor = connection.cursor()
    cursor.row_factory = None
    return cursor.execute(_SELECT, {"study": study_id})
