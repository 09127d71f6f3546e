"""The buttons below plots and tables of both reports and of the researchers' page: each is saved in the browser."""

from html import escape
from pathlib import Path

PLOT, TABLE = ("SVG", "PNG"), ("LaTeX", "Markdown")
"""What a plot and a table can be saved as."""
SCRIPT = (Path(__file__).parent / "save_buttons.js").read_text(encoding="utf-8")
STYLE = """
.take { display: flex; gap: .75rem; margin: .1rem 0 .6rem; }
.take button { min-height: 1.75rem; padding: 0 .15rem; border: 0; background: none; cursor: pointer; font: inherit;
  font-size: .8125rem; color: var(--plot-quiet, var(--soft, #595b66)); text-decoration: underline; }
@media print { .take { display: none; } }
"""
HEAD = f"<style>{STYLE}</style>\n<script>{SCRIPT}</script>"
"""What a page that shows the buttons has in its head."""


def buttons(name: str, forms: tuple[str, ...]) -> str:
    """Of the only plot or table within the same element; ``name`` becomes that of the file."""
    each = "".join(
        f'<button type="button" aria-label="Save as {form}: {escape(name)}">{form}</button>' for form in forms
    )
    return f'<div class="take" data-name="{escape(name)}">{each}</div>'
