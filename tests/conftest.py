"""Fixtures: one development server a run, a queue and a state directory a test."""

from __future__ import annotations

import gc
import shutil
import signal
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from hypothesis import settings
from temporalio.testing import WorkflowEnvironment

from epw.service.connection import SearchAttributes, connected
from epw.service.converter import data_converter
from epw.service.walled_server import dynamic_flags
from epw.settings import Settings
from tests.command_line import Cli
from tests.messages_api import MessagesApi, by_task
from tests.scripted import Claude
from tests.shared_server import SharedServer, connected_client
from tests.site import Site
from tests.support import Harness

if TYPE_CHECKING:
    from playwright.async_api import Browser

# Importing makes no garbage: the search for it took a fifth of the collection of tests.
gc.disable()
_SHARED = pytest.StashKey[SharedServer]()
_FOLDERS_BY_TIME = ("whole", "cli", "mcp", "service", "workflows", "activities", "tools")
"""Folders of tests by how long their files take; those of pure rules come last."""


def _beside_python(name: str) -> str:
    path = Path(sys.executable).parent / name
    found = str(path) if path.exists() else shutil.which(name)
    assert found, f"{name} is missing: make test installs it"
    return found


# Other examples each time; those of a soak are hypothesis' own hundred.
settings.register_profile("often", max_examples=40)


def pytest_configure(config: pytest.Config) -> None:
    # A shell starts what it runs in the background with interrupts ignored, and programs pass that on.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.option.markexpr == "not slow":
        settings.load_profile("often")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order by folder: with `--dist loadfile` no long file is then left for the end, when others have nothing to do."""
    tests = Path(__file__).parent
    rank = {folder: place for place, folder in enumerate(_FOLDERS_BY_TIME)}
    items.sort(key=lambda item: rank.get(item.path.relative_to(tests).parts[0], len(rank)))


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def temporal_binary() -> str:
    return _beside_python("temporal")


@pytest.fixture(scope="session")
def time_skipping_binary() -> str:
    return _beside_python("temporal-test-server")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a process of pytest-xdist a namespace on one server: an idle server takes 3 % of a core."""
    stash = node.config.stash
    if _SHARED not in stash:
        stash[_SHARED] = SharedServer.started(_beside_python("temporal"))
    node.workerinput["temporal"] = stash[_SHARED].address


def pytest_unconfigure(config: pytest.Config) -> None:
    if _SHARED in config.stash:
        config.stash[_SHARED].end()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(temporal_binary: str, request: pytest.FixtureRequest) -> AsyncIterator[WorkflowEnvironment]:
    shared = getattr(request.config, "workerinput", {})
    if "temporal" in shared:
        client = await connected_client(shared["temporal"], shared["workerid"])
        assert await SearchAttributes(client).known()
        yield WorkflowEnvironment.from_client(client)
        return
    environment = await WorkflowEnvironment.start_local(
        data_converter=data_converter,
        dev_server_existing_path=temporal_binary,
        dev_server_log_level="never",
        dev_server_extra_args=dynamic_flags(),
    )
    async with environment:
        assert await SearchAttributes(environment.client).known()
        yield environment


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A Chromium for all pages of this process; its tests are skipped where there is none."""
    # Imported by those alone who open pages.
    from tests.browser import MISSING, chromium, started

    program = chromium()
    if program is None:
        pytest.skip(MISSING)
    async with started(program) as found:
        yield found


@pytest.fixture
def harness(server: WorkflowEnvironment, tmp_path: Path) -> Harness:
    return Harness(server.client, tmp_path / "home", f"queue-{uuid.uuid4().hex[:8]}")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def site(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> AsyncIterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    cli = Cli(folder / "home", temporal_binary)
    async with connected(Settings(cli.home)) as connection:
        yield Site(cli, folder, connection)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def idle_claude(site: Site) -> AsyncIterator[Claude]:
    """A scripted API and no worker."""
    api = MessagesApi(by_task({}))
    async with api.serving():
        yield Claude(Site(replace(site.cli, environment=api.environment), site.folder, site.connection), api)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def claude(idle_claude: Claude) -> AsyncIterator[Claude]:
    """A scripted API and a worker that uses it."""
    async with idle_claude.worker():
        yield idle_claude
