"""Where PyTorch is not installed, what needs it says so."""

from __future__ import annotations

import importlib.util
import sys

import pytest

import hermes_sim as hs
from hermes_sim.errors import HermesSimError


@pytest.fixture
def no_torch(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "torch" else found(name, *rest)
    )
    for name in [name for name in sys.modules if name.startswith("hermes_sim.torch.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)


def test_functions(no_torch):
    for name in hs.torch.__all__:
        with pytest.raises(HermesSimError, match=r"(?s)PyTorch.*pip install 'hermes-sim\[torch\]'"):
            getattr(hs.torch, name)
    with pytest.raises(AttributeError):
        _ = hs.torch.no_such_name


def test_command(no_torch, tmp_path):
    from hermes_sim.cli.train_commands import train  # noqa: PLC0415

    with pytest.raises(HermesSimError, match=r"pip install 'hermes-sim\[torch\]'"):
        train("mlp_digits", tmp_path / "net.npz")
    assert list(tmp_path.iterdir()) == []
