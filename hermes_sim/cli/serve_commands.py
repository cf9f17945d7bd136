"""`hermes-sim serve mcp`: the simulator as tools of an agent, over standard input and output."""

from __future__ import annotations

import importlib.util

import typer

from hermes_sim._version import __version__

app = typer.Typer(help="Serve the simulator to other programs.", no_args_is_help=True)

_INSTRUCTIONS = (
    "hermes_sim simulates analog in-memory-computing chips: time, energy and accuracy of a workload, with digital "
    "accelerators beside it. Begin with `list_names`; `run` simulates, `explain` says where a number comes from, "
    "`schema` what a file may say, `sweep_status` what a study has found. Failed calls hold a JSON error with a `code`."
)


@app.callback()
def serve() -> None:
    """Serve the simulator to other programs."""


@app.command()
def mcp() -> None:
    """Serve tools by the Model Context Protocol on standard input and output, for agents; needs the extra mcp."""
    from hermes_sim.errors import HermesSimError

    if importlib.util.find_spec("mcp") is None:
        raise HermesSimError(
            "hermes-sim serve mcp", got="the package mcp is not installed", allowed="pip install 'hermes-sim[mcp]'"
        )
    from mcp.server import MCPServer

    from hermes_sim.cli.mcp_tools import TOOLS

    server = MCPServer("hermes-sim", instructions=_INSTRUCTIONS, version=__version__, log_level="WARNING")
    for tool in TOOLS:
        server.add_tool(tool)
    server.run("stdio")
