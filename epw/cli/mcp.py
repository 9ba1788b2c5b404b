"""`mcp`: the tools for coding agents, over the Model Context Protocol."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from epw.cli.session import run_command
from epw.core.errors import InvalidRequest, Unavailable
from epw.core.extras import missing_extra
from epw.settings import Settings


def mcp(
    folder: Annotated[
        list[Path] | None,
        typer.Option("--folder", help="A folder whose repositories it may work on; default: this one. Repeatable."),
    ] = None,
    allow_commands: Annotated[
        bool,
        typer.Option(
            "--allow-commands",
            help="Let plans of a model run commands and widen what agents may reach without asking (docs/mcp.md).",
        ),
    ] = False,
    http: Annotated[
        bool, typer.Option("--http", help="Serve HTTP on this machine, with a token, not standard input and output.")
    ] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of --http; 0: any free one.")] = 8765,
    max_result_tokens: Annotated[int, typer.Option(min=1_000, help="Tokens that an answer has at most.")] = 8_000,
) -> None:
    """Serve coding agents over MCP: plan, start, watch, answer, merge. A client starts it; see docs/mcp.md."""

    async def command(settings: Settings) -> int:
        folders = folder or [Path.cwd()]
        for each in folders:
            if not os.path.isdir(each):
                raise InvalidRequest(f"--folder {each} is no directory")
        if missing := missing_extra("`epw mcp`", "mcp", "mcp", "uvicorn"):
            raise Unavailable(missing)
        # Here: the MCP SDK takes half a second to import.
        from epw.mcp.serve import serve

        await serve(
            settings, folders, allow_commands=allow_commands, port=port if http else None, max_tokens=max_result_tokens
        )
        return 0

    run_command(command)
