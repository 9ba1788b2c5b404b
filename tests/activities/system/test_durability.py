"""Durability: a file is on the disk before it is renamed into place, so that a power cut leaves it whole or absent."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from activities.apply import atomic_rename, tree_delivery, undo
from activities.apply.atomic_rename import Name
from activities.model_api.budget_ledger import BudgetLedger
from activities.state.execution_store import ExecutionStore
from activities.state.fence import check_fence
from activities.state.state_directory import StateDirectory
from epw.core.messages import DELIVER, Usage
from epw.core.plan.parts import Budget
from tests.activities.apply.test_apply import CHANGE, FILES, Delivery
from tests.support import Harness, make_repository, tasks


class Disk:
    """Record of the files that were synced as they are, and of those renamed without."""

    def __init__(self) -> None:
        self.synced: dict[tuple[int, int], tuple[int, int]] = {}
        """Size and time of each file when it was synced."""
        self.synced_paths: list[str] = []
        self.renamed: list[str] = []
        self.unsynced: list[str] = []

    def sync(self, descriptor: int) -> None:
        found = os.fstat(descriptor)
        self.synced_paths.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        self.synced[found.st_dev, found.st_ino] = (found.st_size, found.st_mtime_ns)

    def rename(self, found: os.stat_result, target: str) -> None:
        if stat.S_ISREG(found.st_mode):
            self.renamed.append(target)
            if self.synced.get((found.st_dev, found.st_ino)) != (found.st_size, found.st_mtime_ns):
                self.unsynced.append(target)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    disk, fsync, replace = Disk(), os.fsync, os.replace

    def synced(descriptor: Any) -> None:
        fsync(descriptor)
        disk.sync(descriptor if isinstance(descriptor, int) else descriptor.fileno())

    def replaced(source: Any, target: Any, **options: Any) -> None:
        if not options:
            disk.rename(os.lstat(source), os.fspath(target))
        replace(source, target, **options)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    return disk


@pytest.mark.skipif(sys.platform != "linux", reason="/proc says which directory is ours")
def test_a_delivery_exchanges_only_what_is_on_the_disk(
    disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def noted(act: Callable[[Name, Name], None]) -> Callable[[Name, Name], None]:
        def noting(first: Name, second: Name) -> None:
            # Of ours: what the user has is the user's.
            if ".epw-" in os.readlink(f"/proc/self/fd/{first.directory}"):
                assert disk.renamed, "the journal comes first"
                disk.rename(os.stat(first.name, dir_fd=first.directory, follow_symlinks=False), second.name)
            act(first, second)

        return noting

    for act in ("exchange", "move"):
        for module in (tree_delivery, undo):
            monkeypatch.setattr(module, act, noted(getattr(atomic_rename, act)))
    delivery = Delivery(tmp_path, make_repository(tmp_path / "work", FILES))
    changed = delivery.apply(delivery.head(CHANGE))
    assert disk.unsynced == []
    into_place = {Path(target).name for target in disk.renamed}
    assert {"journal.json", "applying"} < into_place
    assert len(into_place & {Path(path).name for path in changed}) >= 3


def test_what_an_execution_keeps_is_on_the_disk(disk: Disk, tmp_path: Path) -> None:
    workspace = Delivery(tmp_path, make_repository(tmp_path / "work")).workspace
    execution = ExecutionStore(StateDirectory(tmp_path / "home"), "an-id", "a-run")
    acts: dict[str, Callable[[], object]] = {
        "id": execution.keep_id,
        "base": lambda: execution.keep_workspace(workspace, "a" * 40),
        "blocked": execution.keep_blocked,
        "fence.json": lambda: check_fence(execution, DELIVER, (1, 1)),
        "a-run.json": lambda: execution.keep_results({"a": 1}),
        "delivered": lambda: execution.keep_delivered("epw/x", "a" * 40),
        "commit.json": lambda: execution.keep_conflict("commit", {"hunks": []}),
        "ledger.json": lambda: BudgetLedger(tmp_path / "ledger.json", Budget()).settle("key", "a", Usage(requests=1)),
    }
    for act in acts.values():
        act()
    assert acts.keys() <= {Path(target).name for target in disk.renamed}
    assert disk.unsynced == []


async def test_of_an_execution_only_what_ends_with_its_worker_is_not_synced(
    disk: Disk, harness: Harness, tmp_path: Path
) -> None:
    path = make_repository(tmp_path / "work")
    rows = tasks({"id": "a", "run": "echo 1 > a"}, {"id": "b", "run": "echo 2 > b", "dependsOn": ["a"]})
    document = await harness.run({"workspace": str(path), "deliver": "apply", "tasks": rows})
    assert document["status"] == "succeeded"
    assert sum("/outcomes/" in path for path in disk.synced_paths) == 2
    assert [each for each in disk.unsynced if "/running/" not in each and "/so-far/" not in each] == []
