"""A task that runs again because of a conflict is checked again, against all that it met before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.messages_api import Turn
from tests.scripted import FINISH, Claude
from tests.support import Harness, make_repository, sh, statuses, tasks

LIB = {"lib.py": "def total(items):\n    return 1\n", "app.py": "import lib\n", "shared": "one\ntwo\n"}
CALL = "printf 'def run():\\n    return lib.{}([])\\n' >> app.py"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "shop", LIB)


def after_landing(path: Path, first: dict[str, Any], second: dict[str, Any]) -> list[dict[str, Any]]:
    """Two tasks that begin together; the second goes on when the first has landed."""
    landed = path.parent / "landed"
    wait = f"until test -e {landed}; do sleep 0.05; done\n"
    told = {"id": "told", "agent": "command", "dependsOn": [first["id"]], "run": f"touch {landed}"}
    return tasks(first, {**second, "run": wait + second["run"]} if "run" in second else second, told)


RENAMES = {"id": "renames", "agent": "command", "run": "sed -i 's/total/grand_total/' lib.py"}


@pytest.mark.parametrize(("again", "status"), [("grand_total", "succeeded"), ("total", "conflicted")])
async def test_what_is_done_again_must_fit(harness: Harness, path: Path, again: str, status: str) -> None:
    run = f'if test -n "${{EPW_CONFLICT:-}}"; then {CALL.format(again)}; else {CALL.format("total")}; fi'
    rows = after_landing(path, RENAMES, {"id": "calls", "run": run})
    plan = {"workspace": str(path), "strategy": "aggressive", "onConflict": ["retry", "retry", "skip"], "tasks": rows}
    document = await harness.run(plan)
    assert statuses(document)["calls"] == status
    (conflict,) = document["conflicts"]
    assert (conflict["kind"], conflict["tasks"]) == ("semantic", ["calls", "renames"])
    tried = [] if status == "succeeded" else ["retry", "retry"]
    assert (conflict.get("tried", []), conflict["resolution"]) == (tried, "skip" if tried else "retry")


async def test_an_agent_makes_fit_what_merged_and_does_not_work(claude: Claude, path: Path) -> None:
    wait = f"until test -e {path.parent}/landed; do sleep 0.05; done"

    def script(task: str, turn: int, request: dict[str, Any]) -> Turn:
        first = str(request["messages"][0])
        if "they do not work together" in first:
            assert "total is used in app.py" in first
            assert "do renames" in first
            return Turn(calls=[("Bash", {"command": "sed -i s/lib.total/lib.grand_total/ app.py"}), FINISH])
        return Turn(calls=[("Bash", {"command": f"{wait}; {CALL.format('total')}"}), FINISH])

    claude.script(script)
    rows = after_landing(path, RENAMES, {"id": "calls"})
    document = await claude.run({"workspace": str(path), "onConflict": ["agent", "skip"], "tasks": rows})
    assert set(statuses(document).values()) == {"succeeded"}
    (conflict,) = document["conflicts"]
    assert (conflict["kind"], conflict["resolution"], conflict["decidedBy"]) == ("semantic", "agent", "agent:calls")
    branch = document["delivery"]["branch"]
    assert "lib.grand_total([])" in sh(path, "git", "show", f"{branch}:app.py")
    commits = sh(path, "git", "log", "--reverse", "--format=%s", f"main..{branch}").splitlines()
    assert [subject.split(":")[0] for subject in commits] == ["renames", "calls"]


@pytest.mark.parametrize(("fixed", "status"), [(True, "succeeded"), (False, "conflicted")])
async def test_an_agent_is_held_to_the_plan_s_check(claude: Claude, path: Path, fixed: bool, status: str) -> None:
    """Each line alone is right; with both, `verify` is red."""
    (path / "shared").write_text("a\n" * 9)
    wait = f"until test -e {path.parent}/landed; do sleep 0.05; done"
    change = "sed -i '$s/a/B/' shared"

    def script(task: str, turn: int, request: dict[str, Any]) -> Turn:
        if "they do not work together" not in str(request["messages"][0]):
            return Turn(calls=[("Bash", {"command": f"{wait}; {change}"}), FINISH])
        assert "verify is red" in str(request["messages"][0])
        return Turn(calls=[("Bash", {"command": "sed -i 1s/A/a/ shared" if fixed else "touch more"}), FINISH])

    claude.script(script)
    first = {"id": "first", "agent": "command", "run": "sed -i 1s/a/A/ shared"}
    plan = {"workspace": str(path), "verify": "! grep -q A shared || ! grep -q B shared"}
    rows = after_landing(path, first, {"id": "second"})
    document = await claude.run({**plan, "onConflict": ["agent", "skip"], "tasks": rows})
    assert statuses(document)["second"] == status
    (conflict,) = document["conflicts"]
    assert conflict["kind"] == "verify"
    assert conflict["tasks"] == ["second", "first"]
    assert conflict["resolution"] == ("agent" if fixed else "skip")
