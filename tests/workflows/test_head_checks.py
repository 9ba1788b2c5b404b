"""A head that was built again is read by checkers before it is delivered; the landing to blame is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from epw.core.messages import CHECK, CHECK_HEAD
from epw.core.plan.validate import read_plan
from tests.support import Harness, check_invariants, ended, make_repository, sh, status_of, statuses, tasks, until

NEEDS_A = "[ ! -e c.x ] || [ -e a.x ] || echo 'c.x:1: needs a.x'"


def plan_of(tmp_path: Path, command: str, **more: Any) -> dict[str, Any]:
    """`a` lands first, and `verify` takes it out again; `c` begins after it and relies on it, without saying so."""
    gate = tmp_path / "landed"
    rows = tasks(
        {"id": "a", "run": "echo a > a.x; touch poison"},
        {"id": "b", "run": "echo b > b.x"},
        {"id": "opens", "run": f"while [ ! -e {gate} ]; do sleep 0.05; done"},
        {"id": "c", "run": "echo c > c.x", "dependsOn": ["opens"]},
    )
    return {
        "workspace": str(make_repository(tmp_path / "work", {"base.x": "0\n"})),
        "strategy": "aggressive",
        "verify": "test ! -e poison",
        "onConflict": ["skip"],
        "checks": {"command": command, "files": ["*.x"]},
        "tasks": rows,
        **more,
    }


async def run(harness: Harness, tmp_path: Path, plan: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The document, and the summaries of the activities that read a merge or a head."""
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda now: status_of(now)["a"] == status_of(now)["b"] == "succeeded")
        (tmp_path / "landed").touch()
        await ended(handle)
        document = await harness.document(handle)
        await check_invariants(read_plan(plan), document, handle, harness.home)
        events = (await handle.fetch_history()).events
    started = [each.activity_task_scheduled_event_attributes.activity_type.name for each in events]
    return document, [name for name in started if name in (CHECK, CHECK_HEAD)]


async def test_what_breaks_once_a_culprit_is_out_is_left_out_too(harness: Harness, tmp_path: Path) -> None:
    document, read = await run(harness, tmp_path, plan_of(tmp_path, NEEDS_A))
    assert document["status"] == "partial"
    assert statuses(document) == {"a": "conflicted", "b": "succeeded", "opens": "succeeded", "c": "conflicted"}
    culprit, conflict = document["conflicts"]
    assert (culprit["kind"], culprit["tasks"]) == ("verify", ["a"])
    assert (conflict["kind"], conflict["tasks"], conflict["resolution"]) == ("semantic", ["c"], "skip")
    assert conflict["description"].startswith("c.x:1: needs a.x (command)")
    files = sh(tmp_path / "work", "git", "ls-tree", "--name-only", document["delivery"]["branch"]).split()
    assert files == ["b.x", "base.x"]
    assert read.count(CHECK_HEAD) == 1


async def test_where_a_failure_undoes_everything_the_parts_that_do_not_fit_do(harness: Harness, tmp_path: Path) -> None:
    document, _ = await run(harness, tmp_path, late(tmp_path, strategy="conservative"))
    assert document["status"] == "rolled_back"
    assert "the parts do not fit, of what a, b" in document["error"]["message"]
    (conflict,) = document["conflicts"]
    assert (conflict["kind"], conflict["tasks"][0], conflict["resolution"]) == (
        "semantic",
        conflict["tasks"][0],
        "skip",
    )


def late(tmp_path: Path, **more: Any) -> dict[str, Any]:
    """`a` and `b` do not fit; their checker works only once both have landed."""
    works = tmp_path / "landed"
    command = f"[ -e {works} ] || exit 3; [ ! -e a.x ] || [ ! -e b.x ] || echo 'b.x:0: not both'"
    plan = plan_of(tmp_path, command, **more)
    del plan["verify"]
    return plan


async def test_what_a_checker_missed_at_a_landing_it_finds_at_the_end(harness: Harness, tmp_path: Path) -> None:
    document, read = await run(harness, tmp_path, late(tmp_path))
    assert document["status"] == "partial"
    assert sorted(statuses(document).values()) == ["conflicted", "succeeded", "succeeded", "succeeded"]
    (conflict,) = document["conflicts"]
    assert conflict["kind"] == "semantic"
    (warning,) = document["delivery"]["warnings"]
    assert warning.startswith("command:")
    assert read[:2] == [CHECK, CHECK_HEAD]


async def test_a_checker_that_fails_at_the_end_holds_nothing_up(harness: Harness, tmp_path: Path) -> None:
    document, read = await run(harness, tmp_path, plan_of(tmp_path, "exit 3"))
    assert statuses(document) == {"a": "conflicted", "b": "succeeded", "opens": "succeeded", "c": "succeeded"}
    assert read.count(CHECK_HEAD) == 1
    assert all(each.startswith("command:") for each in document["delivery"]["warnings"])
    assert document["delivery"]["warnings"]


async def test_a_head_that_was_read_is_not_read_again(harness: Harness, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "true")
    plan["tasks"] = tasks(
        {"id": "a", "run": "echo a > a.x"},
        {"id": "b", "run": "echo b > b.x"},
        {"id": "red", "run": "touch poison", "dependsOn": ["a", "b"]},
    )
    document, read = await run(harness, tmp_path, plan)
    assert statuses(document) == {"a": "succeeded", "b": "succeeded", "red": "conflicted"}
    assert read == [CHECK]


async def test_where_no_change_is_of_a_checked_language_nothing_is_read(harness: Harness, tmp_path: Path) -> None:
    plan = plan_of(tmp_path, "echo 'a.x:1: never'")
    plan["checks"]["files"] = ["*.y"]
    document, read = await run(harness, tmp_path, plan)
    assert statuses(document)["c"] == "succeeded"
    assert read == []


def into_the_tree(tmp_path: Path, command: str) -> dict[str, Any]:
    """The user makes `mine.x` while the only task works."""
    gate = tmp_path / "landed"
    row = {"id": "a", "run": f"while [ ! -e {gate} ]; do sleep 0.05; done; echo a > a.x"}
    plan = plan_of(tmp_path, command, deliver="apply", tasks=tasks(row))
    del plan["verify"]
    return plan


async def moved_on(harness: Harness, tmp_path: Path, plan: dict[str, Any], name: str) -> tuple[dict[str, Any], bool]:
    """The document, and whether checkers have read the merge with what the user has made."""
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda now: status_of(now)["a"] == "running")
        (tmp_path / "work" / name).write_text("mine\n")
        (tmp_path / "landed").touch()
        await ended(handle)
        document = await harness.document(handle)
        await check_invariants(read_plan(plan), document, handle, harness.home)
        history = (await handle.fetch_history()).to_json()
    return document, f'"name": "{CHECK}"' in history


async def test_what_does_not_fit_what_the_user_did_meanwhile_is_refused(harness: Harness, tmp_path: Path) -> None:
    command = "[ ! -e a.x ] || [ ! -e mine.x ] || echo 'a.x:1: not beside mine.x'"
    document, was_read = await moved_on(harness, tmp_path, into_the_tree(tmp_path, command), "mine.x")
    assert document["status"] == "undelivered"
    refused = document["delivery"]["refusedBecause"]
    assert refused.startswith("the workspace has changed since the start, and the parts do not fit: a.x:1: not beside")
    assert document["delivery"]["finishWith"]
    assert was_read
    assert not (tmp_path / "work/a.x").exists()


async def test_what_fits_it_or_cannot_be_read_is_delivered(harness: Harness, tmp_path: Path) -> None:
    command = "[ ! -e a.x ] || [ ! -e mine.x ] || exit 3"
    document, was_read = await moved_on(harness, tmp_path, into_the_tree(tmp_path, command), "mine.x")
    assert document["status"] == "succeeded"
    (warning,) = document["delivery"]["warnings"]
    assert warning.startswith("command: ")
    assert was_read
    assert (tmp_path / "work/a.x").read_text() == "a\n"


async def test_what_the_user_did_elsewhere_is_not_read(harness: Harness, tmp_path: Path) -> None:
    document, was_read = await moved_on(harness, tmp_path, into_the_tree(tmp_path, "exit 3"), "mine.txt")
    assert (document["status"], document["delivery"]["warnings"]) == ("succeeded", [])
    assert not was_read


@pytest.mark.parametrize(
    ("repairs", "status", "resolution"), [(True, "succeeded", "retry"), (False, "conflicted", "skip")]
)
async def test_who_is_to_blame_runs_again_where_the_plan_says_so(
    harness: Harness, tmp_path: Path, repairs: bool, status: str, resolution: str
) -> None:
    plan = plan_of(tmp_path, NEEDS_A, onConflict=["retry", "skip"])
    # The first one does the same again, and stays out.
    plan["tasks"][0]["run"] = "echo a > a.x; touch poison"
    plan["tasks"][3]["run"] += '; test -z "${EPW_CONFLICT-}" || echo c > a.x' if repairs else ""
    document, _ = await run(harness, tmp_path, plan)
    assert (statuses(document)["a"], statuses(document)["c"]) == ("conflicted", status)
    (conflict,) = [each for each in document["conflicts"] if each["kind"] == "semantic"]
    assert (conflict["tasks"], conflict["resolution"]) == (["c"], resolution)
