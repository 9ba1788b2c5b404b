"""Search attributes of an execution: what they count is what its result counts."""

from __future__ import annotations

from pathlib import Path

from tests.support import Harness, ended, make_repository, statuses, tasks
from workflows.visibility import FAILED_TASKS


async def test_a_conflicted_task_counts_as_failed(harness: Harness, tmp_path: Path) -> None:
    rows = tasks({"id": "a", "run": "echo a > f"}, {"id": "b", "run": "echo b > f"}, {"id": "c", "run": "false"})
    path = make_repository(tmp_path / "repo", {"f": "1\n"})
    async with harness.working():
        handle = await harness.start(
            {"workspace": str(path), "strategy": "aggressive", "onConflict": ["skip"], "tasks": rows}
        )
        await ended(handle)
        document = await harness.document(handle)
        attributes = (await handle.describe()).typed_search_attributes
    assert sorted(statuses(document).values()) == ["conflicted", "failed", "succeeded"]
    assert attributes.get(FAILED_TASKS) == 2
