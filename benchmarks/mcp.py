"""Time of `tools/call` on standard input and output: a cached analysis of 50 tasks beside a bare server's echo.

`python -m benchmarks.mcp [--calls N]` prints milliseconds per call, medians of pairs, and the time to come up.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

ROOT = Path(__file__).parent.parent
ECHO = """
import asyncio
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server

async def call(context, params):
    return types.CallToolResult(content=[types.TextContent(type="text", text=params.arguments["text"])])

async def tools(context, params):
    schema = {"type": "object", "properties": {"text": {"type": "string"}}}
    return types.ListToolsResult(tools=[types.Tool(name="echo", input_schema=schema)])

async def main():
    server = Server("echo", on_call_tool=call, on_list_tools=tools)
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())

asyncio.run(main())
"""


async def measure(calls: int) -> None:
    """Print both servers' times, called in turn."""
    tasks = [{"id": f"t{n}", "description": f"part {n} of the work", "estimatedMinutes": 10 + n % 7} for n in range(50)]
    arguments: dict[str, Any] = {"taskDescription": "the work", "subtasks": tasks}
    with tempfile.TemporaryDirectory() as home:
        async with AsyncExitStack() as opened:
            ours, up = await _client(opened, [str(ROOT / "starter.py"), "mcp"], home)
            bare, bare_up = await _client(opened, ["-c", ECHO], home)
            answer = await ours.call_tool("analyze_task_parallelizability", arguments)
            text = getattr(answer.content[0], "text")  # noqa: B009 (of several kinds of content)
            pairs = []
            for _ in range(calls):
                begun = time.perf_counter()
                await ours.call_tool("analyze_task_parallelizability", arguments)
                between = time.perf_counter()
                await bare.call_tool("echo", {"text": text})
                pairs.append((between - begun, time.perf_counter() - between))
    first, second = ([1000 * each[side] for each in pairs] for side in (0, 1))
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"up: {up:.2f} s; bare server {bare_up:.2f} s")
    print(f"cached analysis of 50 tasks ({len(text)} characters): {statistics.median(first):.2f} ms a call")
    print(f"bare server, echo of the same text: {statistics.median(second):.2f} ms; ratio {ratio:.2f}")


async def _client(opened: AsyncExitStack, argv: list[str], home: str) -> tuple[Client, float]:
    """A connected client, and the seconds that this took."""
    begun = time.perf_counter()
    parameters = StdioServerParameters(command=sys.executable, args=argv, env={"EPW_HOME": home}, cwd=home)
    client = await opened.enter_async_context(Client(stdio_client(parameters)))
    return client, time.perf_counter() - begun


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=200)
    asyncio.run(measure(parser.parse_args().calls))
