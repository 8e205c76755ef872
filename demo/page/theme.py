"""How the page looks to Gradio: a calm dark room, or a light one where the system is light, and system fonts only."""

from __future__ import annotations

from typing import Final

from gradio.themes import Base

__all__ = ["DARK", "LIGHT", "reading_room"]

# The same values stand in page.css; text on panel and canvas is 7:1 or better, muted text 4.5:1 or better.
DARK: Final = {
    "canvas": "#12161a",
    "panel": "#1a2026",
    "raised": "#232b33",
    "line": "#38434d",
    "text": "#e8ecef",
    "muted": "#aab6c0",
    "accent": "#7cc4f0",
    "accent_dark": "#1f6f9f",
    "on_accent": "#e8ecef",
}
LIGHT: Final = {
    "canvas": "#f4f6f8",
    "panel": "#ffffff",
    "raised": "#e9edf1",
    "line": "#b4bfc9",
    "text": "#14202a",
    "muted": "#47545f",
    "accent": "#0b5a86",
    "accent_dark": "#0f6396",
    "on_accent": "#ffffff",
}
_FONT = ["system-ui", "Noto Sans CJK SC", "PingFang SC", "Microsoft YaHei", "sans-serif"]
_SET: Final = {
    "body_background_fill": "canvas",
    "body_text_color": "text",
    "body_text_color_subdued": "muted",
    "background_fill_primary": "panel",
    "background_fill_secondary": "raised",
    "border_color_primary": "line",
    "border_color_accent": "accent",
    "block_background_fill": "panel",
    "block_border_color": "line",
    "block_label_background_fill": "panel",
    "block_label_text_color": "muted",
    "block_title_text_color": "muted",
    "block_info_text_color": "muted",
    "panel_background_fill": "panel",
    "input_background_fill": "raised",
    "input_border_color": "line",
    "input_border_color_focus": "accent",
    "input_placeholder_color": "muted",
    "button_primary_background_fill": "accent_dark",
    "button_primary_background_fill_hover": "accent_dark",
    "button_primary_text_color": "on_accent",
    "button_secondary_background_fill": "raised",
    "button_secondary_background_fill_hover": "line",
    "button_secondary_text_color": "text",
    "checkbox_background_color": "raised",
    "checkbox_border_color": "muted",
    "checkbox_label_background_fill": "raised",
    "checkbox_label_background_fill_hover": "line",
    "checkbox_label_background_fill_selected": "accent_dark",
    "checkbox_label_text_color": "text",
    "checkbox_label_text_color_selected": "on_accent",
    "color_accent": "accent",
    "color_accent_soft": "raised",
    "link_text_color": "accent",
    "table_text_color": "text",
    "slider_color": "accent",
    "loader_color": "accent",
}


def reading_room() -> Base:
    """Return the theme; Gradio takes its dark form where the browser prefers it."""
    theme = Base(
        font=_FONT, font_mono=["ui-monospace", "monospace"], text_size="md", radius_size="sm", spacing_size="sm"
    )
    light = {name: LIGHT[colour] for name, colour in _SET.items()}
    dark = {f"{name}_dark": DARK[colour] for name, colour in _SET.items() if hasattr(theme, f"{name}_dark")}
    return theme.set(**light, **dark)
