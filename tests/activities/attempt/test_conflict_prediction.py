"""A conflict is seen while it comes: from what running agents have changed so far, before either is done."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from activities.conflicts.prediction import ConflictPredictor, WorkInProgress
from activities.conflicts.semantic.sides import Finding
from activities.git.hub import Hub
from activities.processes.host_monitor import HostMonitor
from activities.processes.spare_time import SpareTime
from tests.messages_api import Turn
from tests.scripted import Claude
from tests.support import Harness, make_repository, sh, statuses, tasks

BASE = {"shared": "one\ntwo\nthree\nfour\nfive\nsix\n", "imports.py": "import a\n\nx = 1\n", "other": "x\n"}
WARNED = 'until test -s "$EPW_WARNINGS"; do sleep 0.1; done; cat "$EPW_WARNINGS"'


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "work", BASE)


async def test_two_commands_that_change_one_place_are_both_warned_while_they_run(harness: Harness, path: Path) -> None:
    heard = path.parent
    both = f"{WARNED} > $EPW_TASK_ID.told; touch {heard}/$EPW_TASK_ID; until test -e {heard}/%s; do sleep 0.1; done"
    rows = tasks(
        {"id": "a", "run": f"sed -i 's/two/from a/' shared; {both % 'b'}"},
        {"id": "b", "run": f"sed -i 's/two/from b/' shared; {both % 'a'}; git checkout -q shared"},
    )
    document = await harness.run({"workspace": str(path), "tasks": rows})
    assert statuses(document) == {"a": "succeeded", "b": "succeeded"}
    assert document["conflicts"] == []
    branch = document["delivery"]["branch"]
    for own, other in (("a", "b"), ("b", "a")):
        told = json.loads(sh(path, "git", "show", f"{branch}:{own}.told").splitlines()[0])
        assert told == {"tasks": [other], "paths": ["shared"], "kind": "lines", "hasLanded": False}
    for row, other in zip(document["results"], "ba", strict=True):
        assert any(f"shared: does not merge with {other}, running" in each for each in row["warnings"])


async def test_what_has_landed_meanwhile_is_told_to_who_still_runs(harness: Harness, path: Path) -> None:
    rows = tasks(
        {"id": "a", "run": "sed -i 's/two/from a/' shared", "priority": 1},
        {"id": "b", "run": f"sed -i 's/two/from b/' shared; {WARNED}; git checkout -q shared"},
    )
    document = await harness.run({"workspace": str(path), "tasks": rows})
    (told,) = document["results"][1]["warnings"]
    assert "shared: does not merge with a, landed (lines)" in told


@pytest.mark.parametrize("agent", ["claude", "claude-code"])
async def test_a_model_is_told_at_its_next_turn_with_the_other_s_intent(claude: Claude, path: Path, agent: str) -> None:
    heard = path.parent / "heard"

    def script(task: str, turn: int, request: dict[str, Any]) -> Turn:
        if turn == 0:
            return Turn(calls=[("Bash", {"command": "sed -i 's/two/from m/' shared"})])
        said = json.dumps(request["messages"][2:])
        if heard.exists():
            return Turn("Both is done.")
        if "does not merge with what another agent is changing now" in said:
            assert "write from b" in said
            heard.touch()
            return Turn(calls=[("Bash", {"command": "git checkout -q shared"})])
        return Turn(calls=[("Bash", {"command": f"sleep 0.2 # {turn}"})])

    claude.script(script)
    command = {"id": "b", "agent": "command", "description": "write from b"}
    command["run"] = f"sed -i 's/two/from b/' shared; until test -e {heard}; do sleep 0.1; done"
    rows = [*tasks({"id": "m", "agent": agent, "tools": ["Bash"]}), command]
    document = await claude.run({"workspace": str(path), "tasks": rows})
    assert statuses(document) == {"m": "succeeded", "b": "succeeded"}
    assert document["conflicts"] == []


def saved(hub: Hub, task: str, base: str, path: str, text: str) -> WorkInProgress:
    tree = hub.with_files(base, {path: ("100644", text.encode())})
    return WorkInProgress(task_id=task, commit=hub.commit(tree, [base], task, None, 0), paths=[path])


@pytest.fixture
def hub(path: Path) -> Hub:
    return Hub(path / ".git")


@pytest.fixture
def base(path: Path) -> str:
    return sh(path, "git", "rev-parse", "HEAD").strip()


def test_what_git_or_the_structure_merges_is_no_warning(hub: Hub, base: str) -> None:
    text = BASE["shared"]
    own = saved(hub, "a", base, "shared", text.replace("one", "1"))
    far = saved(hub, "b", base, "shared", text.replace("six", "6"))
    elsewhere = saved(hub, "c", base, "other", "y\n")
    assert ConflictPredictor(hub, base, "merge").predict(own, [far, elsewhere], base) == []
    ours = saved(hub, "a", base, "imports.py", "import a\nimport b\n\nx = 1\n")
    theirs = saved(hub, "b", base, "imports.py", "import a\nimport c\n\nx = 1\n")
    assert ConflictPredictor(hub, base, "merge").predict(ours, [theirs], base) == []
    (coming,) = ConflictPredictor(hub, base, "").predict(ours, [theirs], base)
    assert coming.tasks == ("b",)


def test_a_warning_ends_with_its_cause(hub: Hub, base: str) -> None:
    text, early = BASE["shared"], ConflictPredictor(hub, base, "merge")
    own = saved(hub, "a", base, "shared", text.replace("one", "1"))
    other = saved(hub, "b", base, "shared", text.replace("one", "I"))
    assert len(early.predict(own, [other], base)) == 1
    assert len(early.predict(own, [other], base)) == 1
    assert early.predict(own, [saved(hub, "b", base, "shared", text.replace("six", "6"))], base) == []


CODE = {"lib.py": "def total(items):\n    return 1\n", "app.py": "import lib\n"}
RENAMED, USED = "def grand_total(items):\n    return 1\n", "import lib\n\n\nX = lib.total([])\n"


@pytest.mark.parametrize("swapped", [False, True])
def test_what_merges_and_does_not_fit_is_a_warning(tmp_path: Path, swapped: bool) -> None:
    hub = Hub(make_repository(tmp_path / "code", CODE) / ".git")
    base = sh(tmp_path / "code", "git", "rev-parse", "HEAD").strip()
    renames, uses = saved(hub, "renames", base, "lib.py", RENAMED), saved(hub, "uses", base, "app.py", USED)
    own, other = (renames, uses) if swapped else (uses, renames)
    predictor = ConflictPredictor(hub, base, "merge")
    (coming,) = predictor.predict(own, [other], base)
    assert (coming.kind, coming.tasks, coming.has_landed) == ("semantic", (other.task_id,), False)
    assert set(coming.paths) == {"app.py", "lib.py"}
    assert "total is used in app.py:4" in str(coming)
    (landed,) = ConflictPredictor(hub, base, "merge").predict(own, [], other.commit)
    assert landed.has_landed
    moved = saved(hub, "uses", base, "app.py", f"import os\n{USED}")
    later = (moved, renames) if not swapped else (renames, moved)
    (again,) = predictor.predict(later[0], [later[1]], base)
    assert again == coming
    fits = saved(hub, "uses", base, "app.py", USED.replace("total", "grand_total"))
    assert predictor.predict(*((renames, [fits]) if swapped else (fits, [renames])), base) == []


async def test_what_only_checkers_see_is_a_warning_where_a_core_is_idle(harness: Harness, path: Path) -> None:
    heard = path.parent / "heard"
    command = "[ ! -e a.py ] || [ ! -e b.py ] || echo 'b.py:1: not beside a.py'"
    rows = tasks(
        {"id": "a", "run": f"echo 'A = 1' > a.py; until test -e {heard}; do sleep 0.1; done"},
        {"id": "b", "run": f"echo 'B = 1' > b.py; {WARNED}; touch {heard}; rm b.py"},
    )
    idle = replace(harness, host=HostMonitor(spare_time=SpareTime(lambda: 2.0)))
    checks = {"command": command, "files": ["*.py"]}
    document = await idle.run({"workspace": str(path), "checks": checks, "tasks": rows})
    assert statuses(document) == {"a": "succeeded", "b": "succeeded"}
    (told,) = document["results"][1]["warnings"]
    assert "b.py: b.py:1: not beside a.py (command): does not fit with a, running (semantic)" in told


def test_what_checkers_told_lasts_until_they_have_read_another_merge(tmp_path: Path) -> None:
    hub = Hub(make_repository(tmp_path / "code", CODE) / ".git")
    base = sh(tmp_path / "code", "git", "rev-parse", "HEAD").strip()
    own, other = saved(hub, "a", base, "app.py", f"{CODE['app.py']}A = 1\n"), saved(hub, "b", base, "b.py", "B = 1\n")
    predictor = ConflictPredictor(hub, base, "merge")
    assert predictor.predict(own, [other], base) == []
    (fit,) = predictor.fits.values()
    predictor.was_read(fit, [Finding("A", "app.py", 2, "b.py", 1, "no A", checker="ty")])
    assert predictor.fits == {}
    (told,) = predictor.current
    assert "app.py:2: no A (ty): does not fit with b, running" in str(told)
    more = saved(hub, "a", base, "app.py", f"{CODE['app.py']}A = 1\nA2 = 1\n")
    assert predictor.predict(more, [other], base) == [told]
    (fit,) = predictor.fits.values()
    predictor.was_read(fit, [])
    assert predictor.current == []
    assert predictor.predict(more, [other], base) == []
