"""Fixtures: a repository for an MCP server, with a state directory of its own or of the module's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.command_line import Cli
from tests.mcp.support import McpSite
from tests.support import make_repository


def _repository(folder: Path) -> Path:
    return make_repository(folder / "work", {"shared": "1\n2\n3\n4\n5\n6\n", "README.md": "hello\n"})


@pytest.fixture
def mcp(tmp_path: Path, temporal_binary: str) -> Iterator[McpSite]:
    site = McpSite(Cli(tmp_path / "home", temporal_binary), _repository(tmp_path))
    yield site
    site.end()


@pytest.fixture(scope="module")
def cli_of_module(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Iterator[Cli]:
    folder = tmp_path_factory.mktemp("mcp")
    cli = Cli(folder / "home", temporal_binary)
    yield cli
    McpSite(cli, folder).end()


@pytest.fixture
def mcp_at_work(tmp_path: Path, cli_of_module: Cli) -> McpSite:
    """A site whose server and worker have served the module's earlier tests, whose executions are listed too."""
    return McpSite(cli_of_module, _repository(tmp_path), is_forked=True)
