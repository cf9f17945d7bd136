"""`hermes-sim serve mcp`, over standard input and output, by the public Python client."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

pytest.importorskip("mcp")

import anyio
from mcp import Client, StdioServerParameters, stdio_client

from hermes_sim.cli.schema_commands import schema_of

ROOT = Path(__file__).parents[2]
START = "from hermes_sim.cli import main; main()"
SMALL = {"arch": "hermes_64", "workload": "kernel_ridge_digits", "inferences": 2}
CALLS = {
    "names": ("list_names", {}),
    "schema": ("schema", {"what": "data"}),
    "no schema": ("schema", {"what": "dta"}),
    "run": ("run", {**SMALL, "set_fields": ["core.ldpu.lanes=16"]}),
    "parts": ("run", {**SMALL, "baselines": [], "parts": ["latency_ns"]}),
    "no part": ("run", {**SMALL, "baselines": [], "parts": ["latncy_ns"]}),
    "no chip": ("run", {**SMALL, "arch": "hermes_46"}),
    "explain": ("explain", {"quantity": "latency", "inferences": 1, "depth": 2}),
    "store": ("sweep_status", {"store": "gone"}),
}


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    """Tools, and the answer of every call, from one server."""
    folder = tmp_path_factory.mktemp("mcp")
    path = os.pathsep.join(part for part in (str(ROOT), os.environ.get("PYTHONPATH", "")) if part)
    server = StdioServerParameters(
        command=sys.executable,
        args=["-c", START, "serve", "mcp"],
        env={**os.environ, "PYTHONPATH": path},
        cwd=folder,
    )

    async def asked():
        async with Client(stdio_client(server)) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            return tools, {name: await client.call_tool(*call) for name, call in CALLS.items()}

    found = anyio.run(asked)
    assert list(folder.iterdir()) == []
    return found


def answer(session, name):
    result = session[1][name]
    assert not result.is_error, result.content
    return result.structured_content


def error(session, name):
    result = session[1][name]
    assert result.is_error
    (content,) = result.content
    return json.loads(content.text[content.text.index("{") :])["error"]


def test_every_tool_says_what_it_does_and_takes(session):
    tools, _ = session
    assert set(tools) == {"list_names", "schema", "run", "explain", "sweep_status"}
    assert all(len(tool.description) > 50 for tool in tools.values())
    assert set(tools["run"].input_schema["required"]) == {"arch", "workload"}
    page = (ROOT / "docs/machines.md").read_text(encoding="utf-8")
    for name, tool in tools.items():
        row = next(line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
        assert [argument for argument in tool.input_schema["properties"] if f"`{argument}`" not in row] == []


def test_names_and_schemas(session):
    names = answer(session, "names")
    assert "hermes_64" in names["chips"]
    assert names["data"]["letter"] is True
    assert answer(session, "schema") == json.loads(json.dumps(schema_of("data")))
    assert error(session, "no schema")["hint"] == "did you mean 'data'?"


def test_a_run_is_that_of_the_command(session, command):
    done = command(
        "run", "hermes_64", "kernel_ridge_digits", "--inferences", 2, "--no-accuracy", "--set", "core.ldpu.lanes=16",
        "--json",
    )  # fmt: skip
    document, found = json.loads(done.stdout), answer(session, "run")
    for name in ("latency_ns", "makespan_ns", "bottleneck"):
        assert found[name] == document[name]
    assert found["energy_pj"]["per_inference"] == document["energy_pj"]["per_inference"]
    rows = [row for row in document["baselines"] if "realistic" in row["latency_ratio"]]
    assert [row["energy_ratio"] for row in found["baselines"]] == [row["energy_ratio"]["realistic"] for row in rows]
    assert rows
    assert list(answer(session, "parts")) == ["latency_ns"]


def test_a_tree_has_as_many_levels_as_were_asked_for(session):
    tree = answer(session, "explain")
    assert tree["quantity"] == "latency"
    assert tree["parts"]
    assert all(not part.get("parts") for part in tree["parts"])
    assert any(part.get("parts_left_out") for part in tree["parts"])


def test_bad_input_is_an_error_with_its_code(session):
    assert error(session, "no chip")["code"] == "bad_chip"
    assert "hermes_64" in error(session, "no chip")["hint"]
    assert error(session, "no part")["hint"] == "did you mean 'latency_ns'?"
    assert error(session, "store")["code"] == "bad_store"
