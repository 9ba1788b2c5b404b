"""A git URL as workspace: hosts that share nothing but the URL and the server do one execution together."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from activities.agents.base import AgentOutcome, Completed
from activities.agents.context import AgentContext
from activities.agents.reporter import Reporter
from activities.processes.launcher import ProcessLauncher
from epw.core import failures
from epw.core.backends import Backend, register
from epw.core.errors import TaskFailed
from epw.core.plan.model import Task
from epw.core.plan.validate import read_plan
from tests.repositories import bare_repository
from tests.support import Harness, check_invariants, ended, sh, tasks, until


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
    assert starts.read_text().split() == ["start", "start"]


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
