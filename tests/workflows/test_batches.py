"""`atomic` in its three forms, with both strategies: what a failure undoes, and what is delivered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import Harness, ended, fingerprint, make_repository, sh, statuses, tasks


def write(name: str, *depends: str, fail: bool = False) -> dict[str, Any]:
    return {"id": name, "run": "false" if fail else f"echo {name} > {name}", "dependsOn": list(depends)}


def two_levels(failing: str) -> list[dict[str, Any]]:
    """a and b, then c (after a) and d (after b), then e (after c)."""
    rows = [write("a"), write("b"), write("c", "a"), write("d", "b"), write("e", "c")]
    return tasks(*(row | ({"run": "false"} if row["id"] == failing else {}) for row in rows))


async def run(harness: Harness, repository: Path, **plan: Any) -> dict[str, Any]:
    async with harness.working():
        handle = await harness.start({"workspace": str(repository), **plan})
        await ended(handle)
        return await harness.document(handle)


def delivered(repository: Path, document: dict[str, Any]) -> set[str]:
    branch = (document["delivery"] or {}).get("branch")
    listed = sh(repository, "git", "ls-tree", "--name-only", branch).split() if branch else []
    return set(listed) - {"README.md"}


@pytest.mark.parametrize("strategy", ["conservative", "aggressive"])
async def test_execution_undoes_all(harness: Harness, tmp_path: Path, strategy: str) -> None:
    repository = make_repository(tmp_path / "repo")
    before = fingerprint(repository)
    document = await run(harness, repository, strategy=strategy, atomic="execution", tasks=two_levels("d"))
    assert document["status"] == "rolled_back"
    assert not any(row["landed"] for row in document["results"])
    assert fingerprint(repository) == before


async def test_task_keeps_what_landed_though_conservative_stops(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    document = await run(
        harness, repository, strategy="conservative", atomic="task", maxAgents=1, tasks=two_levels("d")
    )
    assert document["status"] == "partial"
    landed = {row["taskId"] for row in document["results"] if row["landed"]}
    assert landed == delivered(repository, document)
    assert {"a", "b"} <= landed
    assert "d" not in landed


@pytest.mark.parametrize("strategy", ["conservative", "aggressive"])
async def test_batch_lands_a_level_whole_or_not(harness: Harness, tmp_path: Path, strategy: str) -> None:
    repository = make_repository(tmp_path / "repo")
    document = await run(harness, repository, strategy=strategy, atomic="batch", tasks=two_levels("d"))
    assert document["status"] == "partial"
    assert delivered(repository, document) == {"a", "b"}
    found = statuses(document)
    assert (found["a"], found["b"], found["d"], found["e"]) == ("succeeded", "succeeded", "failed", "skipped")
    rows = {row["taskId"]: row for row in document["results"]}
    assert [rows[task]["landed"] for task in "abcde"] == [True, True, False, False, False]


async def test_batch_is_a_barrier_and_all_green_lands_all(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    rows = tasks(
        {"id": "slow", "run": "sleep 0.7; echo s > slow"},
        {"id": "quick", "run": "echo q > quick"},
        {"id": "after", "run": "test -e slow; echo x > after", "dependsOn": ["quick"]},
        {"id": "nothing", "run": "true"},
    )
    document = await run(harness, repository, atomic="batch", tasks=rows)
    assert document["status"] == "succeeded", document
    assert delivered(repository, document) == {"slow", "quick", "after"}
    rows_by = {row["taskId"]: row for row in document["results"]}
    assert all(row["landed"] for row in document["results"])
    assert rows_by["after"]["startedAt"] >= rows_by["slow"]["finishedAt"]


async def test_a_conflict_takes_its_batch_back(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo", {"README.md": "r\n", "f": "1\n"})
    rows = tasks(
        {"id": "first", "run": "echo first > one"},
        {"id": "x", "run": "echo x > f", "dependsOn": ["first"]},
        {"id": "y", "run": "echo y > f", "dependsOn": ["first"]},
        {"id": "z", "run": "echo z > z", "dependsOn": ["x"]},
    )
    document = await run(harness, repository, strategy="aggressive", atomic="batch", tasks=rows)
    assert document["status"] == "partial"
    assert delivered(repository, document) == {"f", "one"}
    found = statuses(document)
    assert sorted([found["x"], found["y"]]) == ["conflicted", "succeeded"]
    assert found["z"] == "skipped"
    assert sh(repository, "git", "show", f"{document['delivery']['branch']}:f") == "1\n"


async def test_batches_without_a_workspace_are_barriers_only(harness: Harness) -> None:
    rows = tasks(
        {"id": "bad", "run": "false"},
        {"id": "good", "run": "true"},
        {"id": "next", "run": "true", "dependsOn": ["good"]},
    )
    async with harness.working():
        handle = await harness.start({"strategy": "aggressive", "atomic": "batch", "tasks": rows})
        await ended(handle)
        document = await harness.document(handle)
    assert statuses(document) == {"bad": "failed", "good": "succeeded", "next": "succeeded"}
