"""What other programs obey lands by a model's hand only when a person says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.messages_api import Turn
from tests.scripted import FINISH, Claude
from tests.support import Farm, make_repository, sh, statuses, tasks, until
from workflows.approval import risky

CI = {"file_path": ".github/workflows/ci.yml", "content": "on: push\n"}


@pytest.fixture
def plan(claude: Claude, tmp_path: Path) -> dict[str, Any]:
    path = make_repository(tmp_path / "work")
    claude.script({"a": [Turn(calls=[("Write", CI)]), Turn(calls=[FINISH])], "b": [Turn(calls=[FINISH])]})
    rows = tasks({"id": "a"}, {"id": "b", "dependsOn": ["a"]})
    return {"workspace": str(path), "strategy": "aggressive", "tasks": rows}


async def answered(claude: Claude, plan: dict[str, Any], *answers: str) -> dict[str, Any]:
    """The document after these answers, the last of which counts."""
    handle = await claude.start(plan)
    await until(handle, lambda progress: progress["counts"].get("waiting"))
    (question,) = await handle.query("questions")
    assert ".github/workflows/ci.yml" in question["text"]
    assert question["options"] == ["land", "refuse"]
    for answer in answers[:-1]:
        with pytest.raises(Exception, match="update failed"):
            await handle.execute_update("answer", {"questionId": question["id"], "text": answer})
    await handle.execute_update("answer", {"questionId": question["id"], "text": answers[-1]})
    return await claude.end(handle, plan)


async def test_what_a_person_approves_lands(claude: Claude, plan: dict[str, Any]) -> None:
    document = await answered(claude, plan, "perhaps", "land")
    assert document["status"] == "succeeded"
    assert sh(Path(plan["workspace"]), "git", "show", f"{document['delivery']['branch']}:{CI['file_path']}")
    assert document["results"][0]["attempts"] == 1
    assert document["results"][0]["waitedMs"]["question"] > 0


async def test_what_a_person_refuses_does_not(claude: Claude, plan: dict[str, Any]) -> None:
    document = await answered(claude, plan, "Refuse")
    assert statuses(document) == {"a": "failed", "b": "skipped"}
    error = document["results"][0]["error"]
    assert error["type"] == "NotApproved"
    assert "a person refused" in error["message"]
    assert document["results"][0]["commit"]


@pytest.mark.parametrize(
    ("policy", "status"),
    [
        ({"wait": False}, "failed"),
        ({"wait": False, "default": "yes"}, "failed"),
        ({"wait": False, "default": "land"}, ""),
    ],
)
async def test_without_an_answer_the_plan_decides(
    claude: Claude, plan: dict[str, Any], policy: dict[str, Any], status: str
) -> None:
    document = await claude.run({**plan, "onQuestion": policy})
    assert statuses(document)["a"] == (status or "succeeded")
    assert (document["results"][0]["error"] or {}).get("type") == ("NotApproved" if status else None)


async def test_of_a_command_it_is_only_reported(farm: Farm, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    run = "mkdir .claude && echo '{}' > .claude/settings.json"
    document = await farm.run({"workspace": str(path), "tasks": tasks({"id": "a", "run": run})})
    assert document["status"] == "succeeded"
    assert ".claude/settings.json" in document["results"][0]["warnings"][0]


@pytest.mark.parametrize(
    ("path", "is_risky"),
    [
        (".github/workflows/x.yml", True),
        (".GitHub/workflows/x.yml", True),
        ("packages/a/.mcp.json", True),
        (".claude/settings.json", True),
        (".githooks/pre-commit", True),
        ("hooks/pre-push", True),
        (".pre-commit-config.yaml", True),
        ("src/hooks/useState.ts", False),
        ("src/github/api.py", False),
        ("docs/claude.md", False),
    ],
)
def test_which_paths_are_meant(path: str, is_risky: bool) -> None:
    assert risky([path, "a.py"]) == ([path] if is_risky else [])
