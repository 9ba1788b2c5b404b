"""Parts that tests share: real repositories, executions on a real server, the invariants of every execution."""

from __future__ import annotations

import asyncio
import atexit
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from activities.agents.base import Agent
from activities.processes.host_monitor import HostMonitor
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from epw.cli.invariants import of_document, of_history, of_hub, of_machine
from epw.client.documents import full_document
from epw.core.conflict_steps import CONFLICT_STEPS, ConflictStep, Situation, choices
from epw.core.messages import WORKFLOW_TYPE
from epw.core.plan.model import Plan
from epw.core.plan.validate import read_plan
from epw.core.report.model import ExecutionResult
from epw.service.polling import polling
from epw.service.replay import replay
from epw.service.worker import workers
from epw.service.worker_options import WorkerOptions
from epw.settings import Settings

LEFT_SECONDS = 5.0
"""So long after its end something of an execution may still be there (invariant 12)."""


_RESULT = TypeAdapter(ExecutionResult)


def sh(directory: Path, *argv: str, **more: Any) -> str:
    """Standard output of a command that must succeed."""
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(argv, cwd=directory, env=env, capture_output=True, text=True, check=False, **more)
    assert done.returncode == 0, f"{argv}: {done.stderr}"
    return str(done.stdout)


def some_slow(values: Iterable[str], *often: str) -> list[Any]:
    """Parameters for a test, of which all but `often` are slow: another one shows the way that they take."""
    return [each if each in often else pytest.param(each, marks=pytest.mark.slow) for each in values]


@cache
def _empty_repository() -> Path:
    """The `.git` of a repository without commits, made once: that takes three of the five processes of git."""
    folder = Path(tempfile.mkdtemp(prefix="epw-empty-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sh(folder, "git", "init", "--quiet", "--initial-branch", "main")
    sh(folder, "git", "config", "user.name", "Ada")
    sh(folder, "git", "config", "user.email", "ada@example.org")
    return folder / ".git"


def make_repository(path: Path, files: Mapping[str, str] | None = None) -> Path:
    """A git repository with one commit."""
    path.mkdir(parents=True)
    shutil.copytree(_empty_repository(), path / ".git")
    for name, text in (files or {"README.md": "hello\n"}).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text)
    sh(path, "git", "add", "--all")
    sh(path, "git", "commit", "--quiet", "--message", "first")
    return path


def fingerprint(repository: Path, *, but: tuple[str, ...] = ()) -> dict[str, str]:
    """Content, mode and mtime of every file of a work tree, and content of git's own state but objects."""
    found = {}
    for root, _, files in os.walk(repository):
        for name in files:
            path = Path(root, name)
            relative = str(path.relative_to(repository))
            if relative.startswith((".git/objects/", *but)):
                continue
            content = os.readlink(path).encode() if path.is_symlink() else path.read_bytes()
            stat = path.lstat()
            times = "" if relative.startswith(".git/") else f"{stat.st_mtime_ns}"
            found[relative] = f"{hashlib.sha256(content).hexdigest()} {stat.st_mode:o} {times}"
    return found


def tasks(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Tasks with a description each."""
    return [{"description": f"do {row['id']}", **row} for row in rows]


@dataclass
class Harness:
    """A client, a state directory and a task queue of a test's own."""

    client: Client
    home: Path
    queue: str
    host: HostMonitor = field(default_factory=HostMonitor)

    @property
    def state(self) -> StateDirectory:
        return StateDirectory(self.home)

    @asynccontextmanager
    async def working(self, agents: Mapping[str, Agent] | None = None, **more: Any) -> AsyncIterator[None]:
        """A worker while the block runs; `more`: its options."""
        options, state = WorkerOptions(**{"grace": timedelta(seconds=0), **more}), StateDirectory(self.home)
        made = workers(self.client, state, queue=self.queue, agents=agents, options=options, host=self.host)
        async with polling(made):
            yield

    async def beside(self, home: Path | None = None) -> Harness:
        """Another process on the same queue: a client has one worker a queue. `home`: of another host."""
        client = await Client.connect(
            self.client.service_client.config.target_host,
            namespace=self.client.namespace,
            data_converter=self.client.data_converter,
        )
        return replace(self, client=client, home=home or self.home)

    async def start(self, plan: dict[str, Any], **options: Any) -> WorkflowHandle[Any, Any]:
        identifier = options.pop("id", f"test-{uuid.uuid4().hex[:12]}")
        return await self.client.start_workflow(WORKFLOW_TYPE, plan, id=identifier, task_queue=self.queue, **options)

    async def run(self, plan: dict[str, Any], **options: Any) -> dict[str, Any]:
        """The full document of an execution that ran to its end, its invariants checked."""
        async with self.working():
            handle = await self.start(plan, **options)
            await ended(handle)
            document = await self.document(handle)
            await check_invariants(read_plan(plan), document, handle, self.home)
        return document

    async def document(self, handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
        return {**await full_document(Settings(self.home), handle)}


async def ended(handle: WorkflowHandle[Any, Any], seconds: float = 60) -> BaseException | None:
    """Wait for an execution's end; its failure's cause, if it failed."""
    try:
        await asyncio.wait_for(handle.result(), seconds)
    except WorkflowFailureError as error:
        return error.cause
    return None


async def failure_type(handle: WorkflowHandle[Any, Any]) -> str | None:
    cause = await ended(handle)
    return cause.type if isinstance(cause, ApplicationError) else None


@contextmanager
def suppress_cancelled() -> Iterator[None]:
    """Pass over a query that the server has given up: the worker that had it is gone."""
    try:
        yield
    except RPCError as error:
        if error.status not in (RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED):
            raise


async def until(handle: WorkflowHandle[Any, Any], condition: Any, seconds: float = 30) -> dict[str, Any]:
    """The first answer of the `progress` query for which the condition holds."""
    async with asyncio.timeout(seconds):
        while True:
            with suppress_cancelled():
                progress: dict[str, Any] = await handle.query("progress")
                if condition(progress):
                    return progress
            await asyncio.sleep(0.05)


async def eventually(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true value of a condition that other processes bring about; raises `TimeoutError`."""
    async with asyncio.timeout(seconds):
        while not (found := condition()):  # noqa: ASYNC110 (no event tells of what another process does)
            await asyncio.sleep(0.02)
    return found


def status_of(progress: dict[str, Any]) -> dict[str, str]:
    return {task["taskId"]: task["status"] for task in progress["tasks"]}


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {row["taskId"]: row["status"] for row in document["results"]}


def offered(kind: str, *tasks: str, has_renames: bool = False) -> list[ConflictStep]:
    """The steps that a person can choose at a conflict of tasks without a model, the one that did not merge first."""
    return choices(Situation(kind, tasks, has_model=False, has_renames=has_renames), CONFLICT_STEPS.values())


async def check_invariants(plan: Plan, result: dict[str, Any], handle: WorkflowHandle[Any, Any], home: Path) -> None:
    """Check what `doctor ID` checks of an execution that has ended, and that its result fits the model."""
    document = _RESULT.validate_python(result)
    if added := document.get("added"):
        started = plan.model_dump(by_alias=True, exclude_unset=True)
        plan = read_plan({**started, "tasks": [*started["tasks"], *added]})
    history = await handle.fetch_history()
    execution = ExecutionStore.of(StateDirectory(home), await handle.describe())
    found = [*of_document(plan, document), *of_history(plan, document, history.events)]
    found += of_hub(document, execution.hub())
    deadline = time.monotonic() + LEFT_SECONDS
    while (left := [*of_machine(execution, document)]) and time.monotonic() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    assert not [*found, *left]
    assert await replay(history) is None, "I10"
