"""Assembly of the MCP server and its transport."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from epw.mcp.answers import Answers
from epw.mcp.application import Application
from epw.mcp.executions import Executions
from epw.mcp.host import Host
from epw.mcp.leave import Leave
from epw.mcp.server import McpServer
from epw.mcp.stdio import serve_stdio
from epw.settings import Settings

_MAX_THREADS = 32


async def serve(
    settings: Settings, folders: list[Path], *, allow_commands: bool, port: int | None, max_tokens: int
) -> None:
    """Serve standard input and output, or HTTP where a port is given, until the client or the user ends it."""
    # One thread reads, one writes, calls compute: with asyncio's default pool they would wait for each other.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_MAX_THREADS))
    async with Host.running(settings) as host:
        leave = Leave(folders, allow_commands=allow_commands)
        server = McpServer(Application(host, Executions(host, leave), Answers(settings.home, max_tokens), leave))
        if port is None:
            await serve_stdio(server)
        else:
            # Here: uvicorn, which a client on standard input does not wait for.
            from epw.mcp.http import serve_http

            settings.make_home()
            await serve_http(server, port, settings.state.mcp_token)
