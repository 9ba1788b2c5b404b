"""Uses follow a rename of the other side, where a step says so or a checker reads the result; else nothing lands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.activities.conflicts.test_entry import BASKET, CALLS, LIB, RENAMES, one_after_the_other
from tests.support import Harness, ended, make_repository, sh, status_of, statuses, tasks, until

USES = "import lib\ndef run():\n    return lib.grand_total([])\n"
RUNS = "python3 -c 'import app; getattr(app, \"run\", int)()'"
APPLIED = [
    {
        "symbol": "total",
        "newName": "grand_total",
        "file": "lib.py",
        "side": "ours",
        "uses": [{"file": "app.py", "lines": [3]}],
    }
]


def delivered(path: Path, document: dict[str, Any], name: str = "app.py") -> str:
    return sh(path, "git", "show", f"{document['delivery']['head']}:{name}")


async def test_as_a_step_it_needs_no_checker(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "shop", LIB)
    steps = ["apply-rename", "skip"]
    document = await one_after_the_other(harness, path, RENAMES, CALLS, onConflict=steps, checks="off", verify=RUNS)
    (conflict,) = document["conflicts"]
    assert (conflict["resolution"], conflict["decidedBy"], conflict["renames"]) == ("apply-rename", "plan", APPLIED)
    assert document["status"] == "succeeded"
    assert delivered(path, document) == USES
    assert set(statuses(document).values()) == {"succeeded"}


async def test_under_merge_a_checker_has_to_agree(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "shop", LIB)
    document = await one_after_the_other(harness, path, RENAMES, CALLS, onConflict=["merge", "skip"], checks=["ty"])
    (conflict,) = document["conflicts"]
    assert (conflict["resolution"], conflict["decidedBy"], conflict["renames"]) == ("apply-rename", "plan", APPLIED)
    assert delivered(path, document) == USES


async def test_without_a_checker_merge_does_not_try_it(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "shop", LIB)
    document = await one_after_the_other(harness, path, RENAMES, CALLS, onConflict=["merge", "skip"], checks="off")
    (conflict,) = document["conflicts"]
    assert (conflict["resolution"], conflict["passedOver"]) == ("skip", ["merge"])
    assert conflict["resolutionOptions"][0]["step"] == "apply-rename"


async def test_what_a_checker_alone_finds_follows_too(harness: Harness, tmp_path: Path) -> None:
    field = "class Order:\n    def __init__(self) -> None:\n        self.total = 1\n        print(self.total)\n"
    field += "\n\ndef make() -> Order:\n    return Order()\n"
    path = make_repository(tmp_path / "shop", {"lib.py": field, "app.py": "from lib import make\n", **BASKET})
    document = await one_after_the_other(
        harness,
        path,
        {"id": "renames", "run": "sed -i 's/total/amount/' lib.py"},
        {"id": "shows", "run": "printf 'def show() -> int:\\n    return make().total\\n' >> app.py"},
        onConflict=["merge", "skip"],
        checks=["ty"],
    )
    (conflict,) = document["conflicts"]
    assert (conflict["resolution"], conflict["checker"], conflict["tasks"]) == (
        "apply-rename",
        "ty",
        ["shows", "renames"],
    )
    assert delivered(path, document).endswith("return make().amount\n")


LONG = (
    "def total(items: list[int]) -> int:\n    found = 0\n    for each in items:\n        found += each\n"
    "    print(found, found, found, found, found)\n    return found\n"
)


async def test_what_a_checker_refuses_goes_on_with_the_next_step(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "shop", {"lib.py": LONG, "app.py": "import lib\n"})
    changes = "s/total/summed/; s/-> int/-> str/; s/return found/return str(found)/"
    document = await one_after_the_other(
        harness,
        path,
        {"id": "renames", "run": f"sed -i '{changes}' lib.py"},
        {"id": "calls", "run": "printf 'X: int = lib.total([])\\n' >> app.py"},
        onConflict=["merge", "skip"],
        checks=["ty"],
    )
    (conflict,) = document["conflicts"]
    assert (conflict["resolution"], conflict["tried"]) == ("skip", ["apply-rename"])
    assert "with its uses renamed: app.py:2" in conflict["description"]
    assert (conflict["symbol"], conflict["definition"]["newName"]) == ("total", "summed")
    assert "renames" not in conflict
    assert delivered(path, document) == "import lib\n"


async def test_a_person_can_choose_it(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "shop", LIB)
    gate = tmp_path / "go"
    rows = tasks(RENAMES, {**CALLS, "run": f"until test -e {gate}; do sleep 0.05; done; {CALLS['run']}"})
    plan = {"workspace": str(path), "strategy": "aggressive", "onConflict": ["ask"], "checks": "off", "tasks": rows}
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda now: status_of(now)["renames"] == "succeeded")
        gate.touch()
        await until(handle, lambda now: any(each["waitingFor"] == "question" for each in now["tasks"]))
        (conflict,) = await handle.query("conflicts")
        assert (conflict["symbol"], conflict["definition"]["task"], conflict["use"]["task"]) == (
            "total",
            "renames",
            "calls",
        )
        choices = [each["choice"] for each in conflict["resolutionOptions"]]
        assert choices == ["apply-rename", "retry", "skip", "rollback"]
        await handle.execute_update("resolve_conflict", {"conflictId": "c1", "choice": "apply-rename"})
        await ended(handle)
        document = await harness.document(handle)
    assert (document["conflicts"][0]["resolution"], document["conflicts"][0]["decidedBy"]) == ("apply-rename", "user")
    assert delivered(path, document) == USES


async def test_a_head_that_is_built_again_follows_again(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "shop", LIB)
    document = await one_after_the_other(
        harness,
        path,
        RENAMES,
        CALLS,
        {"id": "breaks", "run": "echo 1 > broken"},
        onConflict=["apply-rename", "skip"],
        checks="off",
        verify=f"test ! -e broken; {RUNS}",
    )
    assert statuses(document) == {"renames": "succeeded", "calls": "succeeded", "breaks": "conflicted"}
    assert delivered(path, document) == USES


async def test_what_needs_a_landing_that_is_left_out_is_left_out_too(harness: Harness, tmp_path: Path) -> None:
    """The culprit of a red `verify` had added what a later change uses, with no edge between them."""
    path = make_repository(tmp_path / "shop", LIB)
    gate = tmp_path / "go"
    rows = tasks(
        {"id": "adds", "run": "printf '\\n\\ndef mean(a, b):\\n    return a\\n' >> lib.py; echo 1 > broken"},
        {"id": "uses", "dependsOn": ["told"], "run": "printf 'X = lib.mean(1, 2)\\n' >> app.py"},
        {"id": "told", "run": f"until test -e {gate}; do sleep 0.05; done"},
        {"id": "stays", "run": "echo 1 > new"},
    )
    verify = "test ! -e broken"
    steps = {"strategy": "aggressive", "onConflict": ["skip"], "checks": "off", "verify": verify}
    async with harness.working():
        handle = await harness.start({"workspace": str(path), "tasks": rows, **steps})
        await until(handle, lambda now: status_of(now)["adds"] == "succeeded")
        gate.touch()
        await ended(handle)
        document = await harness.document(handle)
    assert statuses(document) == {"adds": "conflicted", "uses": "conflicted", "told": "succeeded", "stays": "succeeded"}
    row = next(each for each in document["results"] if each["taskId"] == "uses")
    assert "mean is used in app.py:2" in row["error"]["message"]
    assert delivered(path, document) == "import lib\n"
