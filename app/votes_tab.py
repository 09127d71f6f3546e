"""The votes tab of /admin: the votes that filters find, each question opening to the whole conversation."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby
from typing import Any

import gradio as gr

from app.components import QUIET, html, table
from app.inputs import as_text
from app.results import WINNERS
from app.runtime import Runtime
from feedback.battles import WINNER
from feedback.statistics.exclusion import wordings
from feedback.statistics.load import excluded_testers
from feedback.statistics.patterns import excluded_by_patterns
from feedback.study import Exclusion

ANY = ""
SHOWN = 200  # the newest; all are in the downloads
CHOICES = {"left": "A", "right": "B", "tie": "Equally good", "both_bad": "Both bad"}
FLAGS = {  # each with the condition that its votes meet
    "current": ("Current votes", "superseded = 0"),
    "superseded": ("Replaced or taken back", "superseded = 1"),
    "leak": ("An answer names itself", "votes.leak_flag = 1"),
    "good": ("Good enough", "good_enough = 1"),
    "not_good": ("Not good enough", "good_enough = 0"),
}
TITLES = ("Time (UTC)", "Tester", "Round", "Category", "Question", "Choice", "Winner", "Why")

_FROM = """
FROM votes JOIN testers ON testers.id = votes.tester_id JOIN battles ON battles.id = votes.battle_id
           JOIN prompts ON prompts.id = votes.prompt_id
WHERE votes.study_id = :study
"""
_HAS_TEXT = """
(comment LIKE :text ESCAPE '!' OR EXISTS (
    SELECT 1 FROM turns t JOIN answers a ON a.turn_id = t.id WHERE t.battle_id = votes.battle_id
        AND t.status = 'complete' AND (t.prompt LIKE :text ESCAPE '!' OR a.text LIKE :text ESCAPE '!')))
"""
_TURNS = """
SELECT t.battle_id, t.number, t.prompt, a.model, a.text, a.tokens, a.seconds, a.leak_flag
FROM turns t JOIN answers a ON a.turn_id = t.id
WHERE t.status = 'complete' AND t.battle_id IN ({}) ORDER BY t.battle_id, t.number, a.model
"""


def lay_out_votes(tab: gr.Tab, runtime: Runtime, looked: Any) -> None:
    """Add the filters and the table to the Blocks at hand; `looked` writes a look at results down."""
    html("<h1>Votes</h1>")
    with gr.Row(elem_id="vote-filters"):
        choice = gr.Dropdown(_options(CHOICES), value=ANY, label="Choice", elem_id="filter-choice")
        winner = gr.Dropdown(_options(WINNERS), value=ANY, label="Winner", elem_id="filter-winner")
        category = gr.Dropdown([("Any", ANY)], value=ANY, label="Category", elem_id="filter-category")
        states = [("All votes", ANY), *((text, key) for key, (text, _) in FLAGS.items())]
        flag = gr.Dropdown(states, value=ANY, label="State", elem_id="filter-flag")
        tester = gr.Textbox(label="Tester", placeholder="Id, or its beginning", elem_id="filter-tester", max_lines=1)
        text = gr.Textbox(
            label="Text", placeholder="In questions, answers, comments", elem_id="filter-text", max_lines=1
        )
    found = html(elem_id="votes-table")
    filters = [choice, winner, category, flag, tester, text]

    def show(*values: Any) -> str:
        blind_test = runtime.blind_test
        if blind_test is None:
            return "<p>The models are being prepared; there are no votes yet.</p>"
        looked("votes")
        connection = runtime.database.connection
        chosen = Filters(*map(as_text, values))
        return vote_table(connection, blind_test.study_id, chosen, runtime.study.exclusion)

    def open_tab(*values: Any) -> tuple[Any, str]:
        blind_test = runtime.blind_test
        known = categories(runtime.database.connection, blind_test.study_id) if blind_test else []
        return gr.update(choices=[("Any", ANY), *((name, name) for name in known)]), show(*values)

    tab.select(open_tab, filters, [category, found], **QUIET)
    for menu in (choice, winner, category, flag):
        menu.input(show, filters, found, **QUIET)
    for box in (tester, text):
        gr.on([box.submit, box.blur], show, filters, found, **QUIET)


def _options(names: dict[str, str]) -> list[tuple[str, str]]:
    return [("Any", ANY), *((text, key) for key, text in names.items())]


@dataclass(frozen=True)
class Filters:
    """Which votes to show; an empty text is no filter."""

    choice: str = ""
    winner: str = ""  # ``model1``, ``model2``, ``tie`` or ``both_bad``
    category: str = ""
    flag: str = ""  # one of ``FLAGS``
    tester: str = ""  # how the tester's id begins
    text: str = ""  # what a question, an answer or the comment has in it, in any case of letters

    def sql(self) -> tuple[str, dict[str, str]]:
        """Conditions to be added to the query, and their parameters."""
        conditions, values = [""], {}
        for name, condition in (
            ("choice", "choice = :choice"),
            ("winner", f"{WINNER} = :winner"),
            ("category", "category = :category"),
        ):
            if value := getattr(self, name):
                conditions.append(condition)
                values[name] = value
        if self.flag in FLAGS:
            conditions.append(FLAGS[self.flag][1])
        if tester := self.tester.strip().lower():
            conditions.append("testers.code LIKE :tester ESCAPE '!'")
            values["tester"] = _literal(tester) + "%"
        if text := self.text.strip():
            conditions.append(_HAS_TEXT)
            values["text"] = f"%{_literal(text)}%"
        return " AND ".join(conditions), values


def _literal(text: str) -> str:
    """A text in which LIKE finds nothing special."""
    return text.replace("!", "!!").replace("%", "!%").replace("_", "!_")


def categories(connection: sqlite3.Connection, study_id: int) -> list[str]:
    """The categories that a study's votes have."""
    sql = f"SELECT DISTINCT category {_FROM} ORDER BY category"
    return [row[0] for row in connection.execute(sql, {"study": study_id})]


def vote_table(connection: sqlite3.Connection, study_id: int, filters: Filters, rules: Exclusion) -> str:
    """A table of the newest votes that the filters find."""
    conditions, values = filters.sql()
    parameters: dict[str, Any] = {"study": study_id, **values}
    found = connection.execute(f"SELECT COUNT(*) {_FROM}{conditions}", parameters).fetchone()[0]
    if not found:
        return f"<p>{'No vote is like that.' if conditions else 'There are no votes yet.'}</p>"
    rows = connection.execute(
        f"SELECT votes.*, {WINNER} AS winner, testers.code, battles.round, category, prompts.text {_FROM}{conditions}"
        f" ORDER BY votes.id DESC LIMIT {SHOWN}",
        parameters,
    ).fetchall()
    turns = _conversations(connection, [row["battle_id"] for row in rows])
    testers, votes = excluded_testers(connection, study_id, rules), excluded_by_patterns(connection, study_id, rules)
    wording = wordings(rules)

    def excluded(vote: sqlite3.Row) -> list[str]:
        return [*(wording[rule] for rule in votes.get(vote["id"], ())), testers.get(vote["code"], "")]

    body = (_row(vote, turns.get(vote["battle_id"], []), rules, excluded(vote)) for vote in rows)
    rest = f" The newest {SHOWN} are shown; the downloads have all." if found > SHOWN else ""
    note = f"<p class='hint'>{found:,} vote{'s' * (found != 1)}; a question opens to its conversation.{rest}</p>"
    return note + table(TITLES, body, "Votes")


def _conversations(connection: sqlite3.Connection, battles: Sequence[int]) -> dict[int, list[sqlite3.Row]]:
    """The answers of some battles, two for each turn."""
    keys = sorted(set(battles))
    rows = connection.execute(_TURNS.format(", ".join("?" * len(keys))), keys).fetchall()
    return {battle: list(group) for battle, group in groupby(rows, key=lambda row: row["battle_id"])}


def _row(vote: sqlite3.Row, answers: list[sqlite3.Row], rules: Exclusion, excluded: Sequence[str]) -> str:
    seen = [vote[side] for side in ("left_seen", "right_seen") if vote[side] is not None]
    marks = {
        "replaced or taken back": vote["superseded"],
        "names itself": vote["leak_flag"],
        "good enough": vote["good_enough"] == 1,
        "not good enough": vote["good_enough"] == 0,
        "excluded: too fast": vote["vote_seconds"] is not None and vote["vote_seconds"] < rules.min_vote_seconds,
        "excluded: not looked at": min(seen, default=rules.min_seen_seconds) < rules.min_seen_seconds,
        "excluded: flagged": rules.flagged_answers and vote["leak_flag"],
        **{f"excluded: {why}": why for why in excluded},
    }
    why = [*json.loads(vote["reasons"]), vote["comment"], *(name for name, on in marks.items() if on)]
    cells = (
        escape(vote["voted_at"][:19].replace("T", " ")),
        escape(vote["code"][:8]),
        str(vote["round"]),
        escape(vote["category"]),
        _conversation(vote, [answer for answer in answers if answer["number"] <= vote["turns"]]),
        CHOICES[vote["choice"]],
        WINNERS[vote["winner"]],
        escape("; ".join(text for text in why if text)),
    )
    kind = ' class="superseded"' if vote["superseded"] else ""
    return f"<tr{kind}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _conversation(vote: sqlite3.Row, answers: list[sqlite3.Row]) -> str:
    """The question, which opens to every turn with both answers, the left one first."""
    parts = []
    for number, group in groupby(answers, key=lambda row: row["number"]):
        turn = {row["model"]: row for row in group}
        if number > 1:
            parts.append(f"<p class='asked' dir='auto'>{escape(turn['model1']['prompt'])}</p>")
        for letter in "AB":
            model = vote["left_model"] if letter == "A" else {"model1": "model2"}.get(vote["left_model"], "model1")
            answer = turn[model]
            facts = f"{WINNERS[model]}, {answer['tokens']} tokens, {answer['seconds']:.1f} s"
            flag = ", names itself" if answer["leak_flag"] else ""
            parts.append(f"<h3>{letter}: {facts}{flag}</h3><div dir='auto'>{escape(answer['text'])}</div>")
    return f"<details><summary dir='auto'>{escape(vote['text'])}</summary>{''.join(parts)}</details>"
