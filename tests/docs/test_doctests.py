"""Examples in docstrings of the package print what they say."""

from __future__ import annotations

import doctest

import hermes_sim


def test_the_first_example_prints_what_it_says():
    found = doctest.testmod(hermes_sim, optionflags=doctest.ELLIPSIS)
    assert found.attempted >= 4
    assert found.failed == 0
