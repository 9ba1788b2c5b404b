"""Fixture: a repository with an MCP server's state directory beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import Cli
from tests.mcp.support import McpSite
from tests.support import make_repository


@pytest.fixture
def mcp(tmp_path: Path, temporal_binary: str) -> Iterator[McpSite]:
    folder = make_repository(tmp_path / "work", {"shared": "1\n2\n3\n4\n5\n6\n", "README.md": "hello\n"})
    site = McpSite(Cli(tmp_path / "home", temporal_binary), folder)
    yield site
    site.end()
