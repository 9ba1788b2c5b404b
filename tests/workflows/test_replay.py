"""Recorded histories replay, in the sandbox; a changed workflow fails them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

# Loaded before the first workflow task, whose deadlock detection could break its import off half-way.
import networkx  # noqa: F401
import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer, WorkflowReplayResult
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from epw.service.converter import data_converter

with workflow.unsafe.imports_passed_through():
    from epw.core.messages import WORKFLOW_TYPE
    from tests.record_histories import LIMITER, plans
    from workflows.execute_parallel import ExecuteParallelWorkflow
    from workflows.rate_limit import RateLimitWorkflow

HISTORIES = sorted((Path(__file__).parents[1] / "histories").glob("*.json"))


@workflow.defn(name=WORKFLOW_TYPE)
class Changed(ExecuteParallelWorkflow):
    """The same workflow with one more timer, as a careless change would bring."""

    @workflow.init
    def __init__(self, request: Any = None, *more: Any) -> None:
        super().__init__(request, *more)

    @workflow.run
    async def run(self, request: Any = None, *more: Any) -> dict[str, Any]:
        await asyncio.sleep(1)
        return await super().run(request, *more)


async def replayed(path: Path, kind: type) -> WorkflowReplayResult:
    history = WorkflowHistory.from_json(f"recorded-{path.stem}", path.read_text())
    replayer = Replayer(workflows=[kind], data_converter=data_converter, workflow_runner=SandboxedWorkflowRunner())
    return await replayer.replay_workflow(history, raise_on_replay_failure=False)


def test_every_history_that_is_recorded_is_here() -> None:
    assert {path.stem for path in HISTORIES} == set(plans("/scratch/repo"))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_recorded_history_replays(path: Path) -> None:
    assert (await replayed(path, ExecuteParallelWorkflow)).replay_failure is None


async def test_the_limiters_history_replays() -> None:
    assert (await replayed(LIMITER, RateLimitWorkflow)).replay_failure is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it is torn down in the middle
@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_a_changed_workflow_fails_the_replay(path: Path) -> None:
    failure = (await replayed(path, Changed)).replay_failure
    assert failure is not None
    assert "determinism" in str(failure)
