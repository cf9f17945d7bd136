"""Colours of all pictures: Okabe and Ito's palette, distinguishable with every common kind of colour blindness."""

from __future__ import annotations

BLUE, ORANGE, GREEN, VERMILLION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
SKY, PURPLE, YELLOW, GREY, INK = "#56B4E9", "#CC79A7", "#F0E442", "#999999", "#1b1f24"
LIGHT_BLUE, LIGHT_VERMILLION = "#9CCBE8", "#F3BE93"
GRID, FAINT = "#dddddd", "#f4f4f4"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILLION, "#332288")  # areas beside each other
PALETTE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, "#000000", "#8c564b")  # lines and marks on white
