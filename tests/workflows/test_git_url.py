"""A git URL as workspace: hosts that share nothing but the URL and the server do one execution together."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.worker import Worker

from activities.agents.base import AgentOutcome, Completed
from activities.agents.claude.prompt import first_message
from activities.agents.context import AgentContext
from activities.agents.reporter import Reporter
from activities.model_api.budget_ledger import BudgetLedger
from activities.processes.launcher import ProcessLauncher
from activities.state.host import host_name
from epw.core import failures
from epw.core.backends import Backend, register
from epw.core.errors import TaskFailed
from epw.core.messages import Question, Usage
from epw.core.plan.model import Task
from epw.core.plan.validate import read_plan
from epw.service.registration import WORKFLOW_RUNNER, WORKFLOWS
from tests.git_servers import HttpServer
from tests.repositories import bare_repository
from tests.support import Harness, check_invariants, ended, sh, status_of, tasks, until


def refs(repository: Path, prefix: str = "refs/epw") -> list[str]:
    return sh(repository, "git", "for-each-ref", "--format=%(refname)", prefix).split()


def show(repository: Path, path: str) -> str:
    return sh(repository, "git", "show", path)


async def test_a_worker_clones_merges_and_pushes_a_branch(harness: Harness, tmp_path: Path) -> None:
    origin = bare_repository(tmp_path, {"shared.txt": "one\n2\n3\n4\nfive\n"})
    plan = {
        "workspace": f"file://{origin}",
        "tasks": tasks(
            {"id": "top", "run": "sed -i s/one/ONE/ shared.txt"},
            {"id": "bottom", "run": "sed -i s/five/FIVE/ shared.txt"},
            {"id": "join", "run": "grep ONE shared.txt && grep FIVE shared.txt > seen", "dependsOn": ["top", "bottom"]},
        ),
    }
    document = await harness.run(plan)
    assert document["status"] == "succeeded", document
    branch = document["delivery"]["branch"]
    assert (document["delivery"]["mode"], branch) == ("push", f"epw/{document['executionId']}")
    assert show(origin, f"{branch}:shared.txt") == "ONE\n2\n3\n4\nFIVE\n"
    assert sh(origin, "git", "rev-parse", branch).strip() == document["delivery"]["head"]
    assert any(each.startswith(f"refs/epw/{document['executionId']}/") for each in refs(origin))


GONE = ("mv {origin} {away}", "mv {away} {origin}")
CLOSED = (
    "printf '#!/bin/sh\\necho quota >&2; exit 1\\n' > {origin}/hooks/pre-receive; chmod +x {origin}/hooks/pre-receive",
    "rm {origin}/hooks/pre-receive",
)


@pytest.mark.parametrize("trouble", [GONE, CLOSED], ids=["gone", "takes nothing"])
async def test_a_url_in_trouble_for_a_moment_costs_no_agent_its_work(
    harness: Harness, tmp_path: Path, trouble: tuple[str, str]
) -> None:
    origin, starts = bare_repository(tmp_path, {"a": "1\n"}), tmp_path / "starts"
    begin, end = (each.format(origin=origin, away=tmp_path / "away") for each in trouble)
    rows = tasks(
        {"id": "a", "run": f"echo start >> {starts}; echo 2 > a; sleep 1; {begin}"},
        {"id": "b", "run": f"echo start >> {starts}; echo 2 > b; sleep 1"},
    )
    there = await harness.beside(tmp_path / "there")
    async with harness.working(), there.working():
        handle = await harness.start({"workspace": f"file://{origin}", "tasks": rows})
        async with asyncio.timeout(60):
            while "waiting: " not in str((await handle.describe()).raw_description.pending_activities):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        sh(tmp_path, "sh", "-c", end)
        await ended(handle)
        document = await harness.document(handle)
    assert document["status"] == "succeeded", document
    assert document["metrics"]["urlAwayMs"] > 0
    assert starts.read_text().split() == ["start", "start"]


async def tries_of(handle: WorkflowHandle[Any, Any]) -> int:
    """Which of Temporal's runs its activity is in."""
    return max((each.attempt for each in (await handle.describe()).raw_description.pending_activities), default=0)


async def test_what_a_start_has_waited_for_its_url_is_no_overhead(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin, settings = bare_repository(tmp_path, {"a": "1\n"}), tmp_path / "gitconfig"
    sh(origin, "git", "config", "http.receivepack", "true")
    settings.write_text('[credential]\n\thelper = "!f() { echo username=ada; echo password=word; }; f"\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    server = HttpServer(tmp_path, "ada", "word")
    server.is_away = True
    async with server.serving() as address, harness.working():
        handle = await harness.start({"workspace": f"{address}/origin.git", "tasks": tasks({"id": "a", "run": "true"})})
        async with asyncio.timeout(60):
            while await tries_of(handle) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        server.is_away = False
        assert await ended(handle) is None
        metrics = (await harness.document(handle))["metrics"]
    assert metrics["urlAwayMs"] >= 600, "the pauses before the second and the third try"


def pairs(count: int) -> list[dict[str, Any]]:
    """Twice as many tasks: the two of each pair append to one file, and say where they ran."""
    rows = [
        {
            "id": f"{name}{pair}",
            "run": f"echo {name} >> shared{pair}.txt; mkdir -p who; pwd > who/{name}{pair}; sleep 0.3",
            "files": [f"shared{pair}.txt", f"who/{name}{pair}"] if pair % 2 else [],
        }
        for pair in range(count)
        for name in ("ours", "theirs")
    ]
    return tasks(*rows)


async def test_two_hosts_that_share_the_url_alone_do_one_execution(harness: Harness, tmp_path: Path) -> None:
    other = await harness.beside(tmp_path / "other-home")
    origin = bare_repository(tmp_path, {f"shared{pair}.txt": "begin\n" for pair in range(4)})
    plan = {"workspace": f"file://{origin}", "maxAgents": 4, "tasks": pairs(4)}
    async with harness.working(slots=2):
        handle = await harness.start(plan)
        async with other.working(slots=2):
            await until(handle, lambda progress: progress["counts"].get("succeeded", 0) >= 2)
    # The other host is gone, with what it had under way.
    async with harness.working():
        await ended(handle)
        document = await harness.document(handle)
        await check_invariants(read_plan(plan), document, handle, harness.home)
    assert document["status"] == "succeeded", document
    branch = document["delivery"]["branch"]
    for pair in range(4):
        assert sorted(show(origin, f"{branch}:shared{pair}.txt").split()) == ["begin", "ours", "theirs"]
    where = {show(origin, f"{branch}:who/{row['taskId']}") for row in document["results"]}
    homes = {str(each.home) for each in (harness, other) if any(str(each.home) in path for path in where)}
    assert homes == {str(harness.home), str(other.home)}, where
    assert document["conflicts"]


def with_large_file(folder: Path) -> Path:
    """A bare repository with a file of Git LFS, for the user of `GIT_CONFIG_GLOBAL`, who has set that up."""
    origin, work = bare_repository(folder, {"x": "1\n"}), folder / "first"
    (work / ".gitattributes").write_text("*.bin filter=lfs diff=lfs merge=lfs -text\n")
    (work / "a.bin").write_text("begin\n")
    push = ("push", "--quiet", f"file://{origin}", "main")
    for argv in (("lfs", "install"), ("add", "--all"), ("commit", "--quiet", "--message", "large"), push):
        subprocess.run(["git", *argv], cwd=work, check=True, capture_output=True)
    return origin


@pytest.mark.skipif(shutil.which("git-lfs") is None, reason="git-lfs (Debian: git-lfs) is missing")
async def test_files_of_git_lfs_are_their_content_on_every_host_and_the_url_gets_their_objects(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gitconfig").write_text("[user]\n\tname = Ada\n\temail = ada@example.org\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    origin = with_large_file(tmp_path)
    assert len([*(origin / "lfs/objects").rglob("?" * 64)]) == 1
    other = await harness.beside(tmp_path / "other-home")
    rows = tasks(
        {"id": "a", "run": "grep begin a.bin; echo more >> a.bin"},
        {"id": "b", "run": "cat a.bin > seen; echo end >> a.bin", "dependsOn": ["a"]},
    )
    plan = {"workspace": f"file://{origin}", "tasks": rows}
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda progress: status_of(progress)["a"] == "succeeded")
    async with other.working():
        await ended(handle)
        document = await other.document(handle)
    assert document["status"] == "succeeded", document
    branch = document["delivery"]["branch"]
    assert show(origin, f"{branch}:seen") == "begin\nmore\n"
    pointer = show(origin, f"{branch}:a.bin")
    assert pointer.startswith("version https://git-lfs")
    (name,) = re.findall("sha256:([0-9a-f]{64})", pointer)
    (stored,) = (origin / "lfs/objects").rglob(name)
    assert stored.read_text() == "begin\nmore\nend\n"


class Forgetful:
    """Fails once, with a note on its host for the next attempt, which needs it."""

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, context: AgentContext, launcher: ProcessLauncher, reporter: Reporter) -> AgentOutcome:
        note = context.state / "note"
        if context.attempt == 1:
            context.state.mkdir(parents=True)
            note.write_text(str(context.state))
            # The other host takes the next one meanwhile.
            await asyncio.sleep(0.3)
            raise TaskFailed(failures.AGENT_ERROR, "not yet")
        (context.tree / context.task.id).write_text(note.read_text())
        return Completed(summary="done")


class Spending:
    """Fails once; each attempt spends 100 tokens. The second one gets no further on the first host."""

    def __init__(self, *, is_first: bool) -> None:
        self._is_first = is_first

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, context: AgentContext, launcher: ProcessLauncher, reporter: Reporter) -> AgentOutcome:
        if self._is_first and context.attempt == 2:
            await asyncio.Event().wait()
        used = Usage(requests=1, input_tokens=100, cost_usd=0.5)
        reporter.used(BudgetLedger(context.ledger, context.budget).add(context.task.id, used, is_priced=True))
        if context.attempt == 1:
            raise TaskFailed(failures.AGENT_ERROR, "not yet")
        return Completed(summary="done")


async def test_what_a_task_has_used_on_several_hosts_is_added_up_on_each(harness: Harness, tmp_path: Path) -> None:
    other = await harness.beside(tmp_path / "other-home")
    plan = {
        "workspace": f"file://{bare_repository(tmp_path, {'x': '1'})}",
        "tasks": tasks({"id": "a", "agent": "spending"}),
    }
    with register(Backend("spending", does="what this test says")):
        async with harness.working({"spending": Spending(is_first=True)}):
            handle = await harness.start(plan)
            await until(handle, lambda progress: progress["tasks"][0]["attempts"] == 2)
        async with other.working({"spending": Spending(is_first=False)}):
            await ended(handle)
        for each in (harness, other):
            (row,) = (await each.document(handle))["results"]
            assert (row["usage"]["requests"], row["usage"]["inputTokens"], row["usage"]["costUSD"]) == (2, 200, 1.0)


async def test_an_execution_that_any_host_may_do_gets_no_budget_that_no_ledger_adds_up(
    harness: Harness, tmp_path: Path
) -> None:
    plan = {
        "workspace": f"file://{bare_repository(tmp_path, {'x': '1'})}",
        "tasks": tasks({"id": "a", "run": "sleep 1"}),
    }
    async with harness.working():
        handle = await harness.start(plan)
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update("set_budget", {"maxCostUSD": 1})
        await ended(handle)
    assert "it may run on several hosts" in str(refused.value.cause)


class Asking:
    """Asks after its first change, and says on which host its conversation is when it goes on."""

    def needs_directory(self, task: Task) -> bool:
        return True

    async def execute(self, context: AgentContext, launcher: ProcessLauncher, reporter: Reporter) -> AgentOutcome:
        conversation = context.state / "conversation"
        if context.answer is None:
            conversation.parent.mkdir(parents=True, exist_ok=True)
            conversation.write_text(str(context.state))
            (context.tree / "before").write_text("1\n")
            return Question(text="which?")
        said = first_message(context) if not conversation.exists() else f"goes on: {context.answer}"
        (context.tree / "after").write_text(f"{said}\n{(context.tree / 'before').read_text()}")
        return Completed(summary="done")


@pytest.mark.parametrize("comes_back", [False, True])
async def test_an_agent_whose_host_stays_away_goes_on_elsewhere_from_what_it_had_changed(
    harness: Harness, tmp_path: Path, comes_back: bool
) -> None:
    other = await harness.beside(tmp_path / "other-home")
    origin = bare_repository(tmp_path, {"x": "1\n"})
    plan = {"workspace": f"file://{origin}", "tasks": tasks({"id": "a", "agent": "asking"})}
    with register(Backend("asking", does="what this test says", keeps_state=True)):
        agents, patience = {"asking": Asking()}, timedelta(seconds=0.5)
        async with harness.working(agents, host_patience=patience):
            handle = await harness.start(plan)
            await until(handle, lambda progress: progress["tasks"][0]["waitingFor"] == "question")
            host = host_name(harness.state)
        # It takes no activity.
        queue, runner = harness.queue, WORKFLOW_RUNNER
        async with Worker(other.client, task_queue=queue, workflows=WORKFLOWS, workflow_runner=runner):
            (question,) = await handle.query("questions")
            await handle.execute_update("answer", {"questionId": question["id"], "text": "this one"})
            await moved(handle)
        goes_on = harness if comes_back else other
        async with goes_on.working(agents):
            await ended(handle)
        document = await goes_on.document(handle)
        await check_invariants(read_plan(plan), document, handle, goes_on.home)
    assert document["status"] == "succeeded", document
    (row,) = document["results"]
    assert row["attempts"] == 1
    after = show(origin, f"{document['delivery']['branch']}:after")
    assert after.endswith("\n1\n")
    if comes_back:
        assert after == "goes on: this one\n1\n"
        assert not [each for each in row.get("warnings", []) if "conversation" in each]
    else:
        assert "You began this task on another machine" in after
        assert "There you asked a person: which?\nThe answer to your question: this one" in after
        assert f"its conversation is on host {host}, which was away for too long" in " ".join(row["warnings"])


async def moved(handle: WorkflowHandle[Any, Any]) -> None:
    """Wait until an attempt has left the queue of a host that did not take it."""
    timed_out = EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT
    async with asyncio.timeout(30):
        while timed_out not in [each.event_type async for each in handle.fetch_history_events()]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_an_agent_that_has_a_conversation_goes_on_where_it_is(harness: Harness, tmp_path: Path) -> None:
    other = await harness.beside(tmp_path / "other-home")
    origin = bare_repository(tmp_path, {"x": "1\n"})
    rows = tasks(*({"id": f"t{number}", "agent": "forgetful"} for number in range(6)))
    plan = {"workspace": f"file://{origin}", "maxAgents": 4, "tasks": rows}
    with register(Backend("forgetful", does="what this test says", keeps_state=True)):
        agents = {"forgetful": Forgetful()}
        async with harness.working(agents, slots=2), other.working(agents, slots=2):
            handle = await harness.start(plan)
            await ended(handle)
            document = await harness.document(handle)
    assert document["status"] == "succeeded", document
    branch = document["delivery"]["branch"]
    where = [show(origin, f"{branch}:t{number}") for number in range(6)]
    assert all(any(path.startswith(str(each.home)) for path in where) for each in (harness, other))
