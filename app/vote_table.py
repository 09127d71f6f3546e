"""The votes as an HTML table for researchers, each question opening to the whole conversation."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

from app.results import WINNERS

if TYPE_CHECKING:
    from pandas import DataFrame

SHOWN = 200  # the newest; all are in the downloads
CHOICES = {"left": "A", "right": "B", "tie": "Equally good", "both_bad": "Both bad"}
TITLES = ("Time (UTC)", "Tester", "Round", "Category", "Question", "Choice", "Winner", "Why")


def vote_table(votes: DataFrame) -> str:
    """A table of the newest of `votes`, which has the columns of votes.csv and is sorted from old to new."""
    if votes.empty:
        return "<p>There are no votes yet.</p>"
    newest = votes.iloc[::-1].head(SHOWN)
    head = "".join(f"<th scope='col'>{title}</th>" for title in TITLES)
    rows = "".join(_row(vote) for vote in newest.to_dict("records"))
    rest = f" The newest {SHOWN} are shown; the downloads have all." if len(votes) > SHOWN else ""
    note = f"<p class='hint'>{len(votes):,} rows; a question opens to its conversation.{rest}</p>"
    return f"{note}<div class='votes'><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"


def _row(vote: dict[Any, Any]) -> str:
    marks = [
        name for column, name in (("superseded", "taken back"), ("leak_flag", "names itself")) if int(vote[column])
    ]
    why = [*_reasons(vote["reasons"]), str(vote["comment"] or ""), *marks]
    cells = (
        escape(str(vote["voted_at"])[:19].replace("T", " ")),
        escape(str(vote["tester_id"])[:8]),
        str(vote["round"]),
        escape(str(vote["category"])),
        _conversation(vote),
        CHOICES[vote["choice"]],
        WINNERS[vote["winner_model"]],
        escape("; ".join(text for text in why if text)),
    )
    kind = ' class="superseded"' if int(vote["superseded"]) else ""
    return f"<tr{kind}>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>"


def _reasons(value: Any) -> list[str]:
    """The column's JSON list; pandas has NaN where nothing was ticked."""
    return [str(reason) for reason in json.loads(value)] if isinstance(value, str) and value else []


def _conversation(vote: dict[Any, Any]) -> str:
    sides = "".join(
        f"<h3>{letter}: {WINNERS[vote[f'{side}_model']]}</h3><div dir='auto'>{escape(str(vote[f'{side}_text']))}</div>"
        for letter, side in (("A", "left"), ("B", "right"))
    )
    return f"<details><summary dir='auto'>{escape(str(vote['prompt']))}</summary>{sides}</details>"
