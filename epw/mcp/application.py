"""Parts of one MCP server that its tools, resources and prompts share."""

from __future__ import annotations

from dataclasses import dataclass

from epw.mcp.answers import Answers
from epw.mcp.executions import Executions
from epw.mcp.host import Host
from epw.mcp.leave import Leave


@dataclass(frozen=True)
class Application:
    host: Host
    executions: Executions
    answers: Answers
    leave: Leave
