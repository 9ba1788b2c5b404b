"""MCP servers as processes, over real pipes, in a state directory of a test's own."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import psutil
from mcp import types
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from epw.mcp.tools import TOOLS
from tests import forked
from tests.command_line import ROOT, Cli

LEGACY, MODERN = "legacy", "auto"
"""Modes of the SDK's client: the handshake of protocols up to 2025-11-25, and the newest."""


@dataclass
class Agent:
    """A coding agent's side of MCP: its client, and its user's answers."""

    client: Client
    asked: list[str] = field(default_factory=list)
    """Questions to the user."""
    progress: list[tuple[float, float | None, str | None]] = field(default_factory=list)

    async def result(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The answer of a call that must succeed."""
        found = await self._call(tool, arguments)
        assert not found.is_error, _text(found)
        document: dict[str, Any] = json.loads(_text(found))
        if (schema := TOOLS[tool].output_schema) is not None:
            jsonschema.validate(document, schema)
            assert found.structured_content == document
        return document

    async def error(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The error of a call that must fail."""
        found = await self._call(tool, arguments)
        document = json.loads(_text(found))
        assert found.is_error, document
        assert document["success"] is False
        error: dict[str, Any] = document["error"]
        return error

    async def text(self, tool: str, **arguments: Any) -> str:
        return _text(await self._call(tool, arguments))

    async def _call(self, tool: str, arguments: dict[str, Any]) -> types.CallToolResult:
        async def note(progress: float, total: float | None, message: str | None) -> None:
            self.progress.append((progress, total, message))

        found = await self.client.call_tool(tool, arguments, progress_callback=note)
        assert isinstance(found, types.CallToolResult)
        return found


def _text(result: types.CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, types.TextContent)
    return content.text


@dataclass
class McpSite:
    """A state directory whose MCP servers are started in `folder`."""

    cli: Cli
    folder: Path
    is_forked: bool = False
    """Whether a server is forked from a process that has imported the libraries."""

    def argv(self, *options: str) -> list[str]:
        start = forked.program() if self.is_forked else [sys.executable, str(ROOT / "starter.py")]
        return [*start, "mcp", *options]

    @asynccontextmanager
    async def agent(
        self, *options: str, mode: str = MODERN, answer: Callable[[str], bool] | None = None
    ) -> AsyncIterator[Agent]:
        """A client of a server of its own. `answer`: what its user says; None: it cannot ask."""
        asked: list[str] = []

        async def elicit(context: Any, params: Any) -> types.ElicitResult:
            assert answer is not None
            asked.append(params.message)
            if answer(params.message):
                return types.ElicitResult(action="accept", content={"allow": True})
            return types.ElicitResult(action="decline")

        (executable, *arguments) = self.argv(*options)
        parameters = StdioServerParameters(command=executable, args=arguments, env=self.cli.env, cwd=self.folder)
        callback = elicit if answer is not None else None
        async with Client(stdio_client(parameters), mode=mode, elicitation_callback=callback) as client:
            yield Agent(client, asked)

    def processes(self, module: str) -> list[psutil.Process]:
        """Processes of this state directory's background, and their children, that run a module."""
        found = []
        for process in psutil.process_iter():
            line = _command_line(process)
            if "epw.service.background" in line and str(self.cli.home) in line:
                found += [process, *process.children(recursive=True)]
        return [each for each in found if any(module in part for part in _command_line(each))]

    def end(self) -> None:
        """End what works in the background."""
        for process in self.processes("epw.service.background"):
            process.terminate()
            process.wait(30)


def _command_line(process: psutil.Process) -> list[str]:
    """Command line of a process; empty for one that is gone, or waits to be reaped."""
    try:
        return process.cmdline()
    except psutil.Error:
        return []
