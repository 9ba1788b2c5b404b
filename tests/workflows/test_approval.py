"""Changes by models that other programs execute land only when a person agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from epw.core.decisions.approval import EXECUTED, reason, reason_in, shadowed
from tests.messages_api import Turn
from tests.scripted import FINISH, Claude
from tests.support import Harness, make_repository, sh, statuses, tasks, until

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


async def test_of_a_command_it_is_only_reported(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    run = "mkdir .claude && echo '{}' > .claude/settings.json"
    document = await harness.run({"workspace": str(path), "tasks": tasks({"id": "a", "run": run})})
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
        ("a/.cargo/config.toml", True),
        ("src/config.toml", False),
        ("package.json", False),
        ("Makefile", False),
    ],
)
def test_which_paths_are_meant(path: str, is_risky: bool) -> None:
    assert (reason(path) is not None) is is_risky


@pytest.mark.parametrize("name", [name for each in EXECUTED for name in each.folders])
def test_each_folder_of_the_list_is_meant_wherever_it_lies(name: str) -> None:
    assert reason(f"{name}/x") == reason(f"a/{name.upper()}/b/x") == next(e.by for e in EXECUTED if name in e.folders)


@pytest.mark.parametrize("name", [name for each in EXECUTED for name in each.files])
def test_each_file_of_the_list_is_meant_wherever_it_lies(name: str) -> None:
    path = name.replace("*", "a")
    assert reason(path) is not None
    assert reason(f"deep/{path.upper()}") is not None
    assert reason(f"{path}x/y") is None


@pytest.mark.parametrize(
    ("path", "before", "after", "found"),
    [
        ("package.json", '{"scripts": {}}', '{"scripts": {"postinstall": "x"}}', True),
        ("a/package.json", None, '{"scripts": {"prepare": "x"}}', True),
        ("package.json", '{"scripts": {"prepare": "x"}}', '{"scripts": {"prepare": "y"}}', True),
        ("package.json", '{"scripts": {"prepare": "x"}}', '{"scripts": {"prepare": "x", "test": "t"}}', False),
        ("package.json", "{}", '{"scripts": {"test": "x"}, "dependencies": {"a": "1"}}', False),
        ("package.json", "{", "[]", False),
        ("pyproject.toml", "", '[build-system]\nrequires = ["evil"]', True),
        ("pyproject.toml", '[build-system]\nrequires = ["x"]', '[build-system]\nrequires = ["x"]\n[project]\n', False),
        ("pyproject.toml", "", "[tool.x]\na = 1", False),
        ("composer.json", "{}", '{"scripts": {"post-install-cmd": "x"}}', True),
        ("other.json", "{}", '{"scripts": {"postinstall": "x"}}', False),
    ],
)
def test_what_of_a_file_is_meant(path: str, before: str | None, after: str, found: bool) -> None:
    old = None if before is None else before.encode()
    assert (reason_in(path, old, after.encode()) is not None) is found


def test_a_file_that_make_takes_in_place_of_another_is_meant() -> None:
    assert shadowed("a/GNUmakefile", ["Makefile"]) == "make runs it in place of Makefile"
    assert shadowed("makefile", ["Makefile"]) is not None
    assert shadowed("Makefile", ["Makefile"]) is None
    assert shadowed("GNUmakefile", []) is None


_PLANT = (
    "mkdir -p vendor/objects vendor/refs; echo ref: refs/heads/main > vendor/HEAD; "
    "touch vendor/objects/x vendor/refs/x; "
    "printf '[core]\\n\\trepositoryformatversion = 0\\n\\tbare = true\\n\\tworktree = .\\n"
    "\\tfsmonitor = touch {marker}\\n' > vendor/config"
)


async def test_a_planted_repository_is_told_of(harness: Harness, tmp_path: Path) -> None:
    """Planted in one task, and in parts that are harmless one by one."""
    path = make_repository(tmp_path / "work")
    whole = _PLANT.format(marker=tmp_path / "ran")
    first, rest = whole.split("; printf", 1)
    rows: list[dict[str, Any]] = [
        {"id": "whole", "run": whole.replace("vendor", "other")},
        {"id": "first", "run": first},
    ]
    rows += [{"id": "second", "run": f"printf{rest}", "dependsOn": ["first"]}, {"id": "none", "run": "echo > config"}]
    document = await harness.run({"workspace": str(path), "tasks": tasks(*rows)})
    warnings = {row["taskId"]: " ".join(row.get("warnings", [])) for row in document["results"]}
    assert "other (a bare repository" in warnings["whole"]
    assert "vendor (a bare repository" in warnings["second"]
    assert warnings["none"] == ""


async def test_a_planted_repository_waits_for_a_person_by_a_model_s_hand(claude: Claude, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    plant = Turn(calls=[("Bash", {"command": _PLANT.format(marker=tmp_path / "ran")})])
    claude.script({"a": [plant, Turn(calls=[FINISH])]})
    document = await claude.run({"workspace": str(path), "onQuestion": {"wait": False}, "tasks": tasks({"id": "a"})})
    assert document["results"][0]["error"]["type"] == "NotApproved"
    assert "vendor (a bare repository" in document["results"][0]["error"]["message"]
