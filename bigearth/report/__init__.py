"""What notebooks show and keep: the page with its tables, figures and sentences, and shared drawings."""

from bigearth.report.drawing import (
    FALSE_COLOUR,
    MODEL_COLOURS,
    OTHER_COLOURS,
    SPLIT_COLOURS,
    TRUE_COLOUR,
    choose_colour,
    draw_gallery,
    draw_intervals,
    draw_matrix,
    draw_spectra,
    make_composite,
    set_style,
    shorten,
    wrap_name,
)
from bigearth.report.page import CheckFailed, Page, show_figure, show_table, show_text, write_summary

__all__ = [
    "FALSE_COLOUR",
    "MODEL_COLOURS",
    "OTHER_COLOURS",
    "SPLIT_COLOURS",
    "TRUE_COLOUR",
    "CheckFailed",
    "Page",
    "choose_colour",
    "draw_gallery",
    "draw_intervals",
    "draw_matrix",
    "draw_spectra",
    "make_composite",
    "set_style",
    "shorten",
    "wrap_name",
]

# Names that notebooks used before there was a Page; they go when no notebook uses them.
show, table, summary, style, OTHERS = show_figure, show_table, write_summary, set_style, OTHER_COLOURS
colour, composite, gallery, matrix = choose_colour, make_composite, draw_gallery, draw_matrix
interval, short, wrap = draw_intervals, shorten, wrap_name

say = show_text
