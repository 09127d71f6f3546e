"""The report as one HTML file without network, and its parts for a page that has a frame of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from html import escape
from itertools import groupby
from pathlib import Path

from feedback.save_buttons import HEAD, PLOT, TABLE, buttons
from training.comparison import charts
from training.comparison.content import AnswerPair, Block, Cell, Claim, Notes, Paragraph, Plot, Section, Table, Text
from training.comparison.evidence import Missing
from training.comparison.headings import Card
from training.comparison.report import Report, made
from training.comparison.values import Value


@cache
def style() -> str:
    """The CSS of everything here; all of it is below ``.comparison``."""
    return Path(__file__).with_name("style.css").read_text(encoding="utf-8") + charts.STYLE


def page(report: Report) -> str:
    """The whole report as one document."""
    notes = Notes()
    body = [
        f'<header><h1>Two language models compared</h1><p class="quiet">{escape(made(report))}</p></header>',
        cards_html(report.cards),
        _contents(report.sections),
        *(section_html(section, notes) for section in report.sections),
        _missing(report.comparison.missing),
        _sources(notes),
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8"><meta name="viewport" content='
        '"width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">'
        f"<title>Two language models compared</title>\n<style>{_PAGE}{style()}</style>{HEAD}</head>\n"
        '<body class="comparison">\n<main>\n' + "\n".join(body) + "\n</main>\n</body>\n</html>\n"
    )


_PAGE = "html { background: var(--ground, #f5f4f0); }\nbody { margin: 0; }\n"


def cards_html(cards: Sequence[Card]) -> str:
    """Both models at a glance."""
    return f'<div class="cards">{"".join(map(_card, cards))}</div>'


def _card(card: Card) -> str:
    head = f"<h2>{escape(card.title)}</h2><p class='quiet'>{escape(card.kind)}</p>"
    if not card.is_there:
        return f'<article class="card {card.model}">{head}<p class="absent">There is no such model yet.</p></article>'
    rows = "".join(f"<div><dt>{escape(label)}</dt><dd>{_cell(value)}</dd></div>" for label, value in card.rows)
    return f'<article class="card {card.model}">{head}<dl>{rows}</dl></article>'


def _contents(sections: Sequence[Section]) -> str:
    links = "".join(f'<li><a href="#{section.id}">{escape(section.title)}</a></li>' for section in sections)
    return f'<nav aria-label="Contents"><ol>{links}</ol></nav>'


def section_html(section: Section, notes: Notes | None = None) -> str:
    """A section; with ``notes`` its figures get footnotes, without them only titles that tell where they stand."""
    parts = [f'<section id="{section.id}"><h2>{escape(section.title)}</h2><p class="lead">{escape(section.lead)}</p>']
    claims = [block for block in section.blocks if isinstance(block, Claim)]
    if claims:
        said = "".join(f"<li>{_text(claim.text, notes)}</li>" for claim in claims)
        parts.append(f'<ol class="claims">{said}</ol>')
    blocks = [block for block in section.blocks if not isinstance(block, Claim)]
    for are_plots, group in groupby(blocks, lambda block: isinstance(block, Plot)):
        body = [_block(block, notes) for block in group]
        parts += [f'<div class="plots">{"".join(body)}</div>'] if are_plots else body
    if section.missing:
        head = "Not said, and why" if section.id == "two-minutes" else "Not in this section"
        parts.append(f'<div class="missing"><h3>{head}</h3>{_list(section.missing)}</div>')
    return "\n".join([*parts, "</section>"])


def _block(block: Block, notes: Notes | None) -> str:
    if isinstance(block, Table):
        return _table(block, notes) if block.rows else ""
    if isinstance(block, Plot):
        caption = f"{block.title}. {block.caption}".strip()
        saved = buttons(block.title, PLOT)
        return f"<figure>{block.svg}<figcaption>{escape(caption)}</figcaption>{saved}</figure>"
    if isinstance(block, AnswerPair):
        return _pair(block, notes)
    assert isinstance(block, Paragraph)
    return f'<p class="{"caution" if block.is_caution else "plain"}">{_text(block.text, notes)}</p>'


def _table(table: Table, notes: Notes | None) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    groups = "".join(f'<th colspan="{width}" scope="colgroup">{escape(title)}</th>' for title, width in table.groups)
    groups = f'<tr class="groups">{groups}</tr>' if groups else ""
    top = f"<thead>{groups}<tr>{head}</tr></thead>" if any(table.columns) else ""
    rows = "".join(
        f'<tr><th scope="row">{escape(row.label)}{_mark(row.cells, notes)}</th>'
        + "".join(f"<td>{_cell(cell)}</td>" for cell in row.cells)
        + "</tr>"
        for row in table.rows
    )
    note = f'<p class="quiet">{escape(table.note)}</p>' if table.note else ""
    wide = " many" if len(table.columns) > 4 else ""
    return (
        f'<h3>{escape(table.caption)}</h3><div><div class="table{wide}" tabindex="0" role="region"'
        f' aria-label="{escape(table.caption, quote=True)}"><table>{top}'
        f"<tbody>{rows}</tbody></table></div>{buttons(table.caption, TABLE)}</div>{note}"
    )


def _cell(cell: Cell) -> str:
    if cell is None:
        return '<span class="none" title="not measured">–</span>'
    return _value(cell) if isinstance(cell, Value) else escape(cell)


def _value(value: Value) -> str:
    """A value of a table: its interval is quieter, and may stand below it."""
    kind = f' class="{value.status}"' if value.status else ""
    text, opening, interval = escape(value.text), "", ""
    if value.ends is not None and value.text.endswith(")"):
        text, opening, interval = escape(value.text).partition(" (")
    more = f" <small>{opening.strip()}{interval}</small>" if interval else ""
    more += " <small>estimated</small>" if value.status == "estimated" else ""
    return f'<span{kind} title="{escape(value.title, quote=True)}">{text}{more}</span>'


def _text(text: Text, notes: Notes | None) -> str:
    """A sentence; that a figure of it is an estimate, the sentence itself says."""
    parts = []
    for part in text:
        if isinstance(part, str):
            parts.append(escape(part))
        else:  # names and words of a file are no figures
            tag = "span" if isinstance(part.raw, str) else "b"
            parts.append(f'<{tag} title="{escape(part.title, quote=True)}">{escape(part.text)}</{tag}>')
    return "".join(parts) + _mark(text, notes)


def _mark(cells: Iterable[Cell], notes: Notes | None) -> str:
    number = None if notes is None else notes.number(cells)
    return "" if number is None else f'<a class="note" href="#note-{number}">{number}</a>'


def _pair(pair: AnswerPair, notes: Notes | None) -> str:
    answers = "".join(
        f'<div class="model{place}"><h4>Model {place}</h4>'
        + (f"<p>{escape(answer.text)}</p>" if answer is not None else '<p class="absent">No answer was measured.</p>')
        + "</div>"
        for place, answer in enumerate(pair.answers, start=1)
    )
    beside = (("Reference", pair.reference), ("To look it up", pair.look_up))
    reference = "".join(f'<p class="quiet">{name}: {escape(v.text)}</p>' for name, v in beside if v is not None)
    mark = _mark([pair.prompt, *pair.answers, pair.reference, pair.look_up], notes)
    return (
        f'<article class="pair"><h3>{escape(pair.prompt.text)}{mark}</h3>'
        f'<div class="both">{answers}</div>{reference}</article>'
    )


def _list(entries: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(entry)}</li>' for entry in entries)}</ul>"


def _missing(missing: Sequence[Missing]) -> str:
    body = _list(map(str, missing)) if missing else "<p>Nothing.</p>"
    return f'<section id="missing"><h2>What is missing</h2>{body}</section>'


def _sources(notes: Notes) -> str:
    lines = "".join(
        f'<li id="note-{number}" value="{number}"><code>{escape(text)}</code></li>'
        for number, text in notes.texts().items()
    )
    return (
        '<section id="sources"><h2>Where each figure comes from</h2><p class="lead">The files lie in the folder'
        " <code>sources</code> beside this report; what follows a file is the JSON pointer in it."
        f" <code>report.json</code> has the same for every single figure.</p><ol>{lines}</ol></section>"
    )
