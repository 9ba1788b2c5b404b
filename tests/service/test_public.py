"""The package's public face: names that import, and a plugin that serves plans in a worker of somebody else's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

import epw
from epw import EpwPlugin, Settings
from epw.core.messages import WORKFLOW_TYPE
from tests.support import ended, make_repository, sh, statuses, tasks


@activity.defn
async def of_the_user() -> None:
    """An activity that the worker has besides."""


@pytest.mark.parametrize("name", epw.__all__)
def test_every_name_in_all_imports(name: str) -> None:
    assert getattr(epw, name) is not None


def test_every_public_name_is_in_all() -> None:
    defined = {name for name in vars(epw) if not name.startswith("_")}
    parts = {path.stem for path in Path(epw.__file__).parent.iterdir()}
    assert defined - parts - {"annotations", "import_module", "TYPE_CHECKING", "Any"} <= set(epw.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        epw.no_such_name  # noqa: B018


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys; import epw; print([n for n in sys.modules if n.startswith(('temporalio', 'pydantic', 'epw.'))])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("is_inherited", [True, False], ids=["from the client", "by the worker"])
async def test_a_plain_worker_with_the_plugin_runs_a_plan(
    server: WorkflowEnvironment, tmp_path: Path, is_inherited: bool
) -> None:
    repository = make_repository(tmp_path / "repo")
    plugin = EpwPlugin(Settings(tmp_path / "home"))
    target = server.client.service_client.config.target_host
    client = await Client.connect(target, namespace=server.client.namespace, plugins=[plugin] if is_inherited else [])
    plugins = [] if is_inherited else [plugin]
    if not is_inherited:
        client = server.client
    queue = f"plugin-{tmp_path.name}"
    plan = {
        "workspace": str(repository),
        "agent": "simulated",
        "tasks": tasks(
            {"id": "a", "simulate": {"seconds": 0, "writes": {"a": "1"}}},
            {"id": "b", "simulate": {"seconds": 0, "writes": {"b": "2"}}, "dependsOn": ["a"]},
        ),
    }
    async with Worker(client, task_queue=queue, activities=[of_the_user], plugins=plugins):
        handle = await client.start_workflow(WORKFLOW_TYPE, plan, id=queue, task_queue=queue)
        assert await ended(handle) is None
        result = await handle.result()
    assert statuses(result) == {"a": "succeeded", "b": "succeeded"}
    assert sh(repository, "git", "show", f"epw/{queue}:b") == "2"
    assert not list((tmp_path / "home/running").glob("*.worker"))


async def test_the_plugin_keeps_a_limit_of_activities_that_a_worker_has(
    server: WorkflowEnvironment, tmp_path: Path
) -> None:
    plugin = EpwPlugin(Settings(tmp_path / "home"))
    worker = Worker(server.client, task_queue="limit", max_concurrent_activities=7, plugins=[plugin])
    assert worker.config(active_config=True)["max_concurrent_activities"] == 7
