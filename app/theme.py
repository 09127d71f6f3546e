"""The look that both pages share: gesso, ink, ultramarine and a little gold; the system's own fonts."""

from __future__ import annotations

from collections.abc import Iterable

from gradio.themes import Base
from gradio.themes.utils import colors, fonts, sizes

ULTRAMARINE = colors.Color(
    name="ultramarine",
    c50="#eef0fb",
    c100="#dfe3f7",
    c200="#c3caf0",
    c300="#a3aee8",
    c400="#8291e0",
    c500="#5a6bd0",
    c600="#3547a8",
    c700="#2b3a8f",
    c800="#222e72",
    c900="#1b2559",
    c950="#121939",
)
STONE = colors.Color(
    name="stone",
    c50="#faf9f7",
    c100="#f3f2ee",
    c200="#e4e2dc",
    c300="#d0cdc5",
    c400="#a3a29e",
    c500="#74757d",
    c600="#5a5b65",
    c700="#33343f",
    c800="#1d1e26",
    c900="#17181f",
    c950="#111218",
)
SANS: Iterable[fonts.Font | str] = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif")
MONO: Iterable[fonts.Font | str] = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def diptych_theme() -> Base:
    """The Gradio theme of both pages; `style.css` builds on its variables."""
    theme = Base(
        primary_hue=ULTRAMARINE,
        secondary_hue=ULTRAMARINE,
        neutral_hue=STONE,
        radius_size=sizes.radius_md,
        spacing_size=sizes.spacing_md,
        text_size=sizes.text_md,
        font=SANS,
        font_mono=MONO,
    )
    return theme.set(
        body_background_fill="#f5f4f0",
        body_background_fill_dark="#121319",
        body_text_color="#1c1d22",
        body_text_color_dark="#ecebe6",
        body_text_color_subdued="#595b66",
        body_text_color_subdued_dark="#a6a7b3",
        background_fill_primary="#ffffff",
        background_fill_primary_dark="#1b1c24",
        background_fill_secondary="#faf9f7",
        background_fill_secondary_dark="#16171e",
        border_color_primary="#dddad2",
        border_color_primary_dark="#34353f",
        block_border_width="0px",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_shadow="none",
        block_label_text_color="#595b66",
        block_label_text_color_dark="#a6a7b3",
        input_background_fill="#ffffff",
        input_background_fill_dark="#1b1c24",
        input_border_color="#c9c6bd",
        input_border_color_dark="#4a4b57",
        input_border_width="1px",
        input_placeholder_color="#6b6c75",
        input_placeholder_color_dark="#9697a3",
        button_primary_background_fill="#2b3a8f",
        button_primary_background_fill_hover="#222e72",
        button_primary_background_fill_dark="#5263c9",
        button_primary_background_fill_hover_dark="#6070d6",
        button_primary_text_color="#ffffff",
        button_secondary_background_fill="#ffffff",
        button_secondary_background_fill_hover="#eef0fb",
        button_secondary_background_fill_dark="#23242e",
        button_secondary_background_fill_hover_dark="#2d2f3c",
        button_secondary_border_color="#c9c6bd",
        button_secondary_border_color_dark="#4a4b57",
        button_border_width="1px",
        checkbox_background_color_selected="#2b3a8f",
        checkbox_background_color_selected_dark="#5263c9",
        checkbox_border_color="#85868d",
        checkbox_border_color_dark="#85868d",
    )
