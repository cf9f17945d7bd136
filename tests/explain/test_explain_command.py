"""`hermes-sim explain`: what stands where a quantity belongs is refused, with --list too."""

from __future__ import annotations

import pytest

from tests.cli.conftest import hermes_sim

SMALL = ("--inferences", 1)


@pytest.mark.parametrize("first", ["my_chip.yaml", "latenzy"])
def test_a_list_takes_no_file_for_a_quantity(first):
    done = hermes_sim("explain", "--list", first, *SMALL)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"{first!r} where a quantity stands" in done.stderr
    assert "QUANTITY comes first" in done.stderr


def test_a_list_needs_no_quantity():
    alone, beside = (hermes_sim("explain", "--list", *words, *SMALL) for words in ((), ("latency", "hermes_64")))
    assert alone.stdout == beside.stdout
    assert "energy.alone" in alone.stdout.splitlines()
    missing = hermes_sim("explain", *SMALL)
    assert missing.returncode == 2
    assert "Missing argument 'quantity'" in missing.stderr
