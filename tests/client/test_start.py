"""What a workspace has not for a plan is told before anything starts, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from epw.client.start import check_runnable
from epw.core.errors import InvalidPlan
from epw.core.plan.validate import read_plan
from tests.support import make_repository, tasks


def test_a_wrong_base_and_missing_files_are_told_together(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", {"a": "1\n"})
    plan = {"workspace": str(path), "base": "mian", "include": [".enw"], "tasks": tasks({"id": "a", "run": "true"})}
    with pytest.raises(InvalidPlan) as told:
        check_runnable(read_plan(plan))
    assert [problem.path for problem in told.value.problems] == ["include[0]", "base"]
