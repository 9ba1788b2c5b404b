"""Checkers read merges before they land; what they say of a merge and of neither side holds a change up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support import Harness, ended, make_repository, status_of, tasks, until

RENAMES = "sed -i s/value/amount/g lib.py app.py"
USES = "printf '\\n\\ndef use() -> int:\\n    return make(1).value\\n' >> app.py"
FILES = {
    # A second class with the name keeps symbols from knowing which one is meant.
    "other.py": "class Other:\n    value = 1\n",
    "lib.py": "class Amount:\n    def __init__(self, value: int) -> None:\n        self.value = value\n"
    "\n\ndef make(value: int) -> Amount:\n    return Amount(value)\n",
    "app.py": "from lib import Amount, make\n\n\ndef show(a: Amount) -> int:\n    return a.value\n\n\nSTEP = 1\n",
}


def workspace(tmp_path: Path, files: dict[str, str] | None = None) -> str:
    return str(make_repository(tmp_path / "work", files or FILES))


def two(tmp_path: Path, **more: Any) -> dict[str, Any]:
    """`a` lands first; `b` began before."""
    gate = tmp_path / "landed"
    rows = tasks(
        {"id": "a", "run": RENAMES},
        {"id": "b", "run": f"while [ ! -e {gate} ]; do sleep 0.05; done; {USES}"},
    )
    return {"workspace": workspace(tmp_path), "maxAgents": 2, "tasks": rows, **more}


async def landing_in_order(harness: Harness, tmp_path: Path, plan: dict[str, Any]) -> dict[str, Any]:
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda now: status_of(now)["a"] == "succeeded")
        (tmp_path / "landed").touch()
        await ended(handle)
        return await harness.document(handle)


async def test_a_field_renamed_against_a_new_use_is_found_by_a_type_checker(harness: Harness, tmp_path: Path) -> None:
    document = await landing_in_order(harness, tmp_path, two(tmp_path, onConflict=["skip"], strategy="aggressive"))
    (conflict,) = document["conflicts"]
    assert (conflict["kind"], conflict["tasks"], conflict["resolution"]) == ("semantic", ["b", "a"], "skip")
    assert "has no attribute `value`" in conflict["description"]
    hunk = conflict["hunks"][0]
    assert (hunk["path"], hunk["line"], hunk["other"]["path"]) == ("app.py", 12, "lib.py")
    assert [row["status"] for row in document["results"]] == ["succeeded", "conflicted"]


async def test_a_rerun_that_makes_the_same_change_again_does_not_land(harness: Harness, tmp_path: Path) -> None:
    steps = ["retry", "skip"]
    document = await landing_in_order(harness, tmp_path, two(tmp_path, onConflict=steps, strategy="aggressive"))
    (conflict,) = document["conflicts"]
    assert (conflict["resolution"], conflict["tried"]) == ("skip", ["retry"])
    assert [row["status"] for row in document["results"]] == ["succeeded", "conflicted"]


async def test_without_checks_nobody_reads_it(harness: Harness, tmp_path: Path) -> None:
    document = await landing_in_order(harness, tmp_path, two(tmp_path, checks="off"))
    assert (document["status"], document["conflicts"]) == ("succeeded", [])


def own_command(tmp_path: Path, command: str, **more: Any) -> dict[str, Any]:
    """Two sides with a file each, read by a command of the plan."""
    gate = tmp_path / "landed"
    rows = tasks(
        {"id": "a", "run": "echo a > a.x"},
        {"id": "b", "run": f"while [ ! -e {gate} ]; do sleep 0.05; done; echo b > b.x"},
    )
    checks = {"command": command, "files": ["*.x"]}
    return {"workspace": workspace(tmp_path), "maxAgents": 3, "checks": checks, "tasks": rows, **more}


async def test_a_command_of_the_plan_is_asked_about_the_merge_and_both_sides(harness: Harness, tmp_path: Path) -> None:
    command = "[ ! -e a.x ] || echo 'a.x:1: always'; [ ! -e b.x ] || [ ! -e a.x ] || echo 'b.x:1: not both'"
    plan = own_command(tmp_path, command, onConflict=["skip"], strategy="aggressive")
    document = await landing_in_order(harness, tmp_path, plan)
    (conflict,) = document["conflicts"]
    assert conflict["description"] == "b.x:1: not both (command)"


async def test_a_checker_that_fails_is_named_and_holds_nothing_up(harness: Harness, tmp_path: Path) -> None:
    plan = own_command(tmp_path, "echo no document")
    plan["checks"]["parse"] = "sarif"
    document = await landing_in_order(harness, tmp_path, plan)
    assert document["status"] == "succeeded"
    (warning,) = document["delivery"]["warnings"]
    assert "command: `echo no document` ended with 0 and printed no SARIF" in warning


async def test_others_land_while_a_merge_is_checked(harness: Harness, tmp_path: Path) -> None:
    reads, done = tmp_path / "reads", tmp_path / "done"
    plan = own_command(tmp_path, f"touch {reads}; while [ ! -e {done} ]; do sleep 0.05; done")
    plan["tasks"] += tasks({"id": "c", "run": f"while [ ! -e {reads} ]; do sleep 0.05; done; echo c > c.txt"})
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda now: status_of(now)["a"] == "succeeded")
        (tmp_path / "landed").touch()
        now = await until(handle, lambda now: status_of(now)["c"] == "succeeded")
        assert status_of(now)["b"] == "waiting"
        done.touch()
        await ended(handle)
        document = await harness.document(handle)
    assert [row["status"] for row in document["results"]] == ["succeeded"] * 3


async def test_a_cancelled_execution_ends_its_checker(harness: Harness, tmp_path: Path) -> None:
    reads = tmp_path / "reads"
    plan = own_command(tmp_path, f"touch {reads}; sleep 1000")
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda now: status_of(now)["a"] == "succeeded")
        (tmp_path / "landed").touch()
        await until(handle, lambda now: reads.exists())
        await handle.cancel()
        await ended(handle)
        document = await harness.document(handle)
    assert document["status"] == "cancelled"


async def test_a_rerun_that_makes_a_break_again_that_symbols_show_does_not_land(
    harness: Harness, tmp_path: Path
) -> None:
    plan = two(tmp_path, onConflict=["retry", "skip"], strategy="aggressive", checks="off")
    uses = USES.replace("use()", "use(a: Amount)").replace("make(1)", "a")
    plan["tasks"][1]["run"] = plan["tasks"][1]["run"].replace(USES, uses)
    document = await landing_in_order(harness, tmp_path, plan)
    assert [each["resolution"] for each in document["conflicts"]][-1] == "skip"
    assert [row["status"] for row in document["results"]] == ["succeeded", "conflicted"]
