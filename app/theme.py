"""The look that both pages share: gesso, ink, ultramarine and a little gold; the system's own fonts."""

from __future__ import annotations

from collections.abc import Iterable

from gradio.themes import Base
from gradio.themes.utils import colors, fonts, sizes

ULTRAMARINE = colors.Color(
    "#eef0fb", "#dfe3f7", "#c3caf0", "#a3aee8", "#8291e0", "#5a6bd0",
    "#3547a8", "#2b3a8f", "#222e72", "#1b2559", "#121939", name="ultramarine",
)  # fmt: skip
STONE = colors.Color(
    "#faf9f7", "#f3f2ee", "#e4e2dc", "#d0cdc5", "#a3a29e", "#74757d",
    "#5a5b65", "#33343f", "#1d1e26", "#17181f", "#111218", name="stone",
)  # fmt: skip
SANS: Iterable[fonts.Font | str] = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO: Iterable[fonts.Font | str] = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

BY_DAY_AND_NIGHT = {
    "body_background_fill": ("#f5f4f0", "#121319"),
    "body_text_color": ("#1c1d22", "#ecebe6"),
    "body_text_color_subdued": ("#595b66", "#a6a7b3"),
    "background_fill_primary": ("#ffffff", "#1b1c24"),
    "background_fill_secondary": ("#faf9f7", "#16171e"),
    "border_color_primary": ("#dddad2", "#34353f"),
    "block_background_fill": ("transparent", "transparent"),
    "block_label_text_color": ("#595b66", "#a6a7b3"),
    "input_background_fill": ("#ffffff", "#1b1c24"),
    "input_border_color": ("#c9c6bd", "#4a4b57"),
    "input_placeholder_color": ("#6b6c75", "#9697a3"),
    "button_primary_background_fill": ("#2b3a8f", "#5263c9"),
    "button_primary_background_fill_hover": ("#222e72", "#6070d6"),
    "button_secondary_background_fill": ("#ffffff", "#23242e"),
    "button_secondary_background_fill_hover": ("#eef0fb", "#2d2f3c"),
    "button_secondary_border_color": ("#c9c6bd", "#4a4b57"),
    "checkbox_background_color_selected": ("#2b3a8f", "#5263c9"),
    "checkbox_border_color": ("#85868d", "#85868d"),
}
ALWAYS = {
    "block_border_width": "0px",
    "block_shadow": "none",
    "input_border_width": "1px",
    "button_primary_text_color": "#ffffff",
    "button_border_width": "1px",
}


def diptych_theme() -> Base:
    """The Gradio theme of both pages; `style.css` builds on its variables."""
    theme = Base(
        primary_hue=ULTRAMARINE, secondary_hue=ULTRAMARINE, neutral_hue=STONE, radius_size=sizes.radius_md,
        spacing_size=sizes.spacing_md, text_size=sizes.text_md, font=SANS, font_mono=MONO,
    )  # fmt: skip
    by_day = {name: day for name, (day, _) in BY_DAY_AND_NIGHT.items()}
    by_night = {f"{name}_dark": night for name, (_, night) in BY_DAY_AND_NIGHT.items()}
    return theme.set(**ALWAYS, **by_day, **by_night)
