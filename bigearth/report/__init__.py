"""The page of a notebook with its tables, figures and sentences, and drawings that notebooks share."""

from bigearth.report.drawing import choose_colour, draw_gallery, draw_spectra, make_composite
from bigearth.report.page import CheckFailed, Page

__all__ = ["CheckFailed", "Page", "choose_colour", "draw_gallery", "draw_spectra", "make_composite"]
