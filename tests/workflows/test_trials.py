"""Merges of two sides of one file are verified beside the landings of others, and land only once they have passed."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from epw.core.messages import CHECK, CHECK_HEAD, VERIFY
from epw.core.plan.validate import read_plan
from tests.support import Harness, check_invariants, ended, make_repository, sh, status_of, statuses, tasks, until

LINES = "".join(f"{number}\n" for number in range(80))
"""What each changes is far from what the others change."""


class Gated:
    """An execution whose tasks and whose `verify` go on when their gates open."""

    def __init__(self, harness: Harness, tmp_path: Path, *rows: dict[str, Any], verify: str = "true") -> None:
        self.harness, self.folder = harness, tmp_path
        self.path = make_repository(tmp_path / "work", {"shared": LINES})
        self.plan = {
            "workspace": str(self.path),
            "strategy": "aggressive",
            "maxAgents": len(rows),
            "onConflict": ["skip"],
            "verify": f"{self.waits('verify')}; {verify}",
            "tasks": tasks(*rows),
        }

    def waits(self, gate: str) -> str:
        return f"until test -e {self.folder}/{gate}; do sleep 0.05; done"

    def open(self, *gates: str) -> None:
        for gate in gates:
            (self.folder / gate).touch()

    async def reached(self, handle: WorkflowHandle[Any, Any], **wanted: str) -> None:
        await until(handle, lambda now: wanted.items() <= status_of(now).items())

    async def until_reading(self, handle: WorkflowHandle[Any, Any], what: str = "verify") -> None:
        await until(handle, lambda _: any((self.harness.home / "executions").rglob(f"attempts/*/{what}-*/*/ready")))

    async def end(self, handle: WorkflowHandle[Any, Any]) -> tuple[dict[str, Any], Counter[str]]:
        """The document, and how often each activity has been started."""
        await ended(handle)
        document = await self.harness.document(handle)
        await check_invariants(read_plan(self.plan), document, handle, self.harness.home)
        events = (await handle.fetch_history()).events
        return document, Counter(each.activity_task_scheduled_event_attributes.activity_type.name for each in events)


def edit(task_id: str, line: int, waits: str) -> dict[str, Any]:
    return {"id": task_id, "run": f"{waits}; sed -i 's/^{line}$/{line} {task_id}/' shared"}


def gated(harness: Harness, tmp_path: Path, *names: str, verify: str = "true", **more: str) -> Gated:
    """`first` and those named change one file, `apart` another one, and `after` what it depends on has left."""
    wait = f"until test -e {tmp_path}/{{}}; do sleep 0.05; done"
    edits = [edit(name, 10 + 10 * place, wait.format(name)) for place, name in enumerate(("first", *names))]
    apart = {"id": "apart", "run": f"{wait.format('apart')}; touch apart"}
    child = {"id": "child", "run": "test -e apart && touch child", "dependsOn": ["apart"]}
    rows = [row | {"run": f"{row['run']}; {more[row['id']]}"} if row["id"] in more else row for row in edits]
    after = [{"id": f"after_{name}", "run": "true", "dependsOn": [name]} for name in names]
    return Gated(harness, tmp_path, *rows, apart, child, *after, verify=verify)


async def test_what_shares_nothing_lands_while_a_merge_is_verified(harness: Harness, tmp_path: Path) -> None:
    work = gated(harness, tmp_path, "second")
    async with harness.working():
        handle = await harness.start(work.plan)
        work.open("first")
        await work.reached(handle, first="succeeded")
        work.open("second")
        await work.until_reading(handle)
        work.open("apart")
        await work.reached(handle, child="succeeded", second="waiting", after_second="pending")
        work.open("verify")
        document, started = await work.end(handle)
    assert set(statuses(document).values()) == {"succeeded"}
    assert document["landingOrder"].index("second") > document["landingOrder"].index("child")
    assert started[VERIFY] == 2


async def test_a_red_merge_never_lands_and_nothing_starts_after_it(harness: Harness, tmp_path: Path) -> None:
    work = gated(harness, tmp_path, "second", verify="test ! -e poison", second="touch poison")
    async with harness.working():
        handle = await harness.start(work.plan)
        work.open("first")
        await work.reached(handle, first="succeeded")
        work.open("second")
        await work.until_reading(handle)
        work.open("apart")
        await work.reached(handle, child="succeeded")
        work.open("verify")
        document, _ = await work.end(handle)
        started = (await handle.fetch_history()).to_json()
    assert statuses(document) | {"second": "conflicted", "after_second": "skipped"} == statuses(document)
    assert "task-after_second" not in started
    assert [(each["kind"], each["tasks"]) for each in document["conflicts"]] == [("verify", ["second", "first"])]
    files = sh(work.path, "git", "ls-tree", "--name-only", document["delivery"]["branch"]).split()
    assert files == ["apart", "child", "shared"]


@pytest.mark.parametrize("red", [[], ["fourth"]])
async def test_all_that_wait_are_verified_at_once_and_the_red_one_is_found(
    harness: Harness, tmp_path: Path, red: list[str]
) -> None:
    names = ("second", "third", "fourth", "fifth")
    work = gated(harness, tmp_path, *names, verify="test ! -e poison", **dict.fromkeys(red, "touch poison"))
    async with harness.working():
        handle = await harness.start(work.plan)
        work.open("first")
        await work.reached(handle, first="succeeded")
        work.open("second")
        await work.until_reading(handle)
        work.open("third", "fourth", "fifth", "apart")
        await work.reached(handle, **dict.fromkeys(names, "waiting"), child="succeeded")
        work.open("verify")
        document, started = await work.end(handle)
    out = dict.fromkeys(red, "conflicted") | {f"after_{each}": "skipped" for each in red}
    assert {task: status for task, status in statuses(document).items() if status != "succeeded"} == out
    lines = sh(work.path, "git", "show", f"{document['delivery']['branch']}:shared")
    assert [name for name in ("first", *names) if name in lines] == [n for n in ("first", *names) if n not in red]
    # Of the second, and of the three others at once; that is the end too.
    assert red or started[VERIFY] == 2


async def test_merges_are_read_by_checkers_all_at_once_and_who_does_not_fit_stays_out(
    harness: Harness, tmp_path: Path
) -> None:
    names = ("one", "two", "three", "unfit", "four")
    wait = f"until test -e {tmp_path}/{{0}}; do sleep 0.05; done"
    rows = [{"id": name, "run": f"{wait}; echo {{0}} > {{0}}.x".format(name)} for name in ("first", *names)]
    apart = {"id": "apart", "run": f"{wait.format('apart')}; touch apart"}
    work = Gated(harness, tmp_path, *rows, apart, {"id": "child", "run": "touch child", "dependsOn": ["apart"]})
    fits = "[ ! -e first.x ] || [ ! -e unfit.x ] || echo 'unfit.x:1: not beside first.x'"
    work.plan["checks"] = {"command": f"{work.waits('check')}; {fits}", "files": ["*.x"]}
    del work.plan["verify"]
    async with harness.working():
        handle = await harness.start(work.plan)
        work.open("first")
        await work.reached(handle, first="succeeded")
        work.open("one")
        await work.until_reading(handle, "check")
        work.open(*names, "apart")
        await work.reached(handle, **dict.fromkeys(names, "waiting"), child="succeeded")
        work.open("check")
        document, started = await work.end(handle)
    assert statuses(document) | {"unfit": "conflicted"} == statuses(document)
    assert list(statuses(document).values()).count("succeeded") == 7
    (conflict,) = document["conflicts"]
    assert (conflict["kind"], conflict["tasks"][0], conflict["resolution"]) == ("semantic", "unfit", "skip")
    # One; the four others at once; the three of them that are left; the one that does not fit.
    assert (started[CHECK], started[CHECK_HEAD]) == (2, 2)
