"""Executions whose agents talk to a scripted Messages API."""

from __future__ import annotations

import asyncio
import sys
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from epw.client.documents import full_document
from epw.core.messages import TASK_QUEUE, WORKFLOW_TYPE
from epw.core.plan.validate import read_plan
from epw.settings import Settings
from tests.command_line import ROOT
from tests.messages_api import MessagesApi, Turn, by_task
from tests.site import Site
from tests.support import check_invariants, ended

# Scripts leave marks outside of the attempt's directory; activities/sandbox/test_sandbox.py asks for more.
DEFAULTS = {"agent": "claude", "strategy": "aggressive", "sandbox": "process"}
MODEL_AGENTS = pytest.mark.parametrize("agent", ["claude", pytest.param("claude-code", marks=pytest.mark.slow)])
"""Both agents that call a model; Claude Code, of which each attempt is a program, takes seconds of CPU."""
FINISH = ("finish", {"summary": "all done"})


class Claude:
    """A site whose workers talk to a scripted API."""

    def __init__(self, site: Site, api: MessagesApi) -> None:
        self.site, self.api = site, api
        self.number = 0
        self._working = 0

    def script(self, scripts: dict[str, Sequence[Turn]] | Any) -> None:
        self.api.script = by_task(scripts) if isinstance(scripts, dict) else scripts
        self.api.calls.clear()

    @asynccontextmanager
    async def worker(self, *, beside: bool = False) -> AsyncIterator[asyncio.subprocess.Process]:
        """A worker while the block runs. `beside`: others are wanted too."""
        message = "another worker would take part: tests of the fixture `claude` come last in a file"
        assert beside or not self._working, message
        self._working += 1
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(ROOT / "worker.py"), env=self.site.cli.env, stdout=asyncio.subprocess.DEVNULL
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            self._working -= 1

    async def start(self, plan: dict[str, Any]) -> WorkflowHandle[Any, Any]:
        self.number += 1
        whole = {**DEFAULTS, **plan}
        return await self.site.connection.client.start_workflow(
            WORKFLOW_TYPE, whole, id=f"claude-{self.number}-{uuid.uuid4().hex[:6]}", task_queue=TASK_QUEUE
        )

    async def end(self, handle: WorkflowHandle[Any, Any], plan: dict[str, Any], seconds: float = 120) -> dict[str, Any]:
        """The document of an execution that runs to its end, its invariants checked."""
        try:
            await ended(handle, seconds)
        except TimeoutError:
            last = [(call.task, call.turn, call.status, round(call.at - time.monotonic())) for call in self.api.calls]
            raise AssertionError(f"no end: {await handle.query('progress')} after calls {last[-30:]}") from None
        document = {**await full_document(Settings(self.home), handle)}
        whole = {**DEFAULTS, **plan}
        await check_invariants(read_plan(whole), document, handle, self.home)
        return document

    async def run(self, plan: dict[str, Any]) -> dict[str, Any]:
        return await self.end(await self.start(plan), plan)

    @property
    def home(self) -> Path:
        return self.site.cli.home

    def results_told(self, task: str) -> list[dict[str, Any]]:
        """Results of the model's calls, as the last request of a task holds them."""
        last = [call for call in self.api.calls if call.task == task][-1].request
        blocks = [block for message in last["messages"] for block in message["content"]]
        return [block for block in blocks if block["type"] == "tool_result"]
