"""The plans of `examples/plans`: each is taken as it is, and each lands with scripts in place of its agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from epw.client.plan_file import read_plan_file
from epw.core import strict_yaml
from epw.core.plan.validate import read_plan
from tests.examples.recipes import RECIPES, UV_LOCK, Recipe
from tests.support import Harness, check_invariants, ended, fingerprint, make_repository, sh, status_of, statuses, until

PLANS = Path(__file__).parents[2] / "examples/plans"


def test_every_plan_has_a_recipe_that_runs_it() -> None:
    assert {path.stem for path in PLANS.iterdir()} == set(RECIPES)


def scripted(name: str, recipe: Recipe, workspace: Path) -> dict[str, Any]:
    """The plan, with a script for each task that an agent does, and a lock that needs no network."""
    plan: dict[str, Any] = strict_yaml.load((PLANS / f"{name}.yaml").read_text())
    for task in plan["tasks"]:
        if "run" not in task:
            task["run"] = recipe.agents[task["id"]]
        task.pop("agent", None)
    kept = {key: value for key, value in plan.items() if key not in ("agent", "constraints")}
    relock = {"relock": dict.fromkeys(plan["relock"], UV_LOCK)} if "relock" in plan else {}
    return {**kept, **relock, "workspace": str(workspace)}


@pytest.mark.parametrize("name", RECIPES)
async def test_a_plan_lands_what_its_agents_do(harness: Harness, tmp_path: Path, name: str) -> None:
    recipe = RECIPES[name]
    # Without it what a test run leaves would be part of each change.
    path = make_repository(tmp_path / "work", {".gitignore": "__pycache__/\n", **recipe.files})
    before, plan = fingerprint(path, but=(".git/refs/heads/epw", ".git/logs")), scripted(name, recipe, path)
    async with harness.working():
        handle = await harness.start(plan)
        for task, text in recipe.answers.items():
            await until(handle, lambda progress, task=task: status_of(progress)[task] == "waiting")
            (question,) = await handle.query("questions")
            await handle.execute_update("answer", {"questionId": question["id"], "text": text})
        await ended(handle)
        document = await harness.document(handle)
        await check_invariants(read_plan(plan), document, handle, harness.home)
    assert statuses(document) == {task["id"]: recipe.failed.get(task["id"], "succeeded") for task in plan["tasks"]}
    again = [row["taskId"] for row in document["results"] if row["success"] and row["attempts"] != 1]
    assert again == [], "a dependency is missing"
    branch = document["delivery"]["branch"]
    files = {file: sh(path, "git", "show", f"{branch}:{file}") for file in recipe.delivered}
    assert [file for file, words in recipe.delivered.items() if words not in files[file]] == []
    undeclared = [each for each in document["conflicts"] if each["kind"] == "hazard"]
    assert undeclared == []
    assert fingerprint(path, but=(".git/refs/heads/epw", ".git/logs")) == before
    # What was merged is what `verify` has passed; here once more, in a checkout of the user's.
    if not recipe.failed:
        sh(path, "git", "checkout", "--quiet", branch)
        sh(path, "bash", "-c", plan["verify"])


@pytest.mark.parametrize("name", RECIPES)
def test_a_plan_is_valid_as_it_stands(name: str) -> None:
    plan = read_plan_file(str(PLANS / f"{name}.yaml")).plan
    assert plan.verify is not None
    assert any(each.run is None for each in plan.tasks)
