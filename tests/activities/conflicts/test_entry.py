"""A semantic conflict says what was changed, where and by whom, and who uses it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support import Harness, ended, make_repository, status_of, tasks, until

LIB = {"lib.py": "def total(items):\n    return 1\n\n\nA = 1\nB = 2\nC = 3\n\n\nD = 4\n", "app.py": "import lib\n"}


async def one_after_the_other(harness: Harness, path: Path, *rows: dict[str, str], **more: Any) -> dict[str, Any]:
    """The document of tasks that begin together and land in this order."""
    wait = "until test -e {}; do sleep 0.05; done; {}"
    made = [{**row, "run": wait.format(path.parent / row["id"], row["run"])} for row in rows]
    plan = {"workspace": str(path), "strategy": "aggressive", "maxAgents": len(rows), "tasks": tasks(*made), **more}
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda now: set(status_of(now).values()) == {"running"})
        for row in rows:
            (path.parent / row["id"]).touch()
            await until(handle, lambda now, row=row: status_of(now)[row["id"]] != "running")
            await until(handle, lambda now, row=row: status_of(now)[row["id"]] in ("succeeded", "conflicted"))
        await ended(handle)
        return await harness.document(handle)


RENAMES = {"id": "renames", "run": "sed -i 's/total/grand_total/' lib.py"}
CALLS = {"id": "calls", "run": "printf 'def run():\\n    return lib.total([])\\n' >> app.py"}
BASKET = {"basket.py": "class Basket:\n    total = 2\n"}
"""A second class with the field keeps symbols from knowing which one is meant."""
INNOCENT = {"id": "innocent", "run": "sed -i 's/D = 4/D = 5/' lib.py"}


async def test_it_names_both_places_and_blames_who_made_them(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "shop", LIB)
    document = await one_after_the_other(
        harness, path, {"id": "unrelated", "run": "echo 1 > new.py"}, INNOCENT, RENAMES, CALLS, onConflict=["skip"]
    )
    (conflict,) = document["conflicts"]
    assert conflict["tasks"] == ["calls", "renames"]
    definition = {"file": "lib.py", "line": 1, "task": "renames", "side": "ours"}
    assert conflict["definition"] == {**definition, "change": "renamed", "newName": "grand_total"}
    assert conflict["use"] == {"file": "app.py", "line": 3, "task": "calls", "side": "theirs"}
    assert (conflict["symbol"], conflict.get("checker")) == ("total", None)
    assert "(renamed to grand_total at lib.py:1 by renames, used by calls)" in conflict["description"]
    (hunk,) = conflict["hunks"]
    assert {name: hunk[name] for name in ("symbol", "definition", "use")} == {
        name: conflict[name] for name in ("symbol", "definition", "use")
    }


async def test_the_user_may_have_landed_first(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "shop", LIB)
    document = await one_after_the_other(harness, path, CALLS, RENAMES, onConflict=["skip"])
    (conflict,) = document["conflicts"]
    assert conflict["tasks"] == ["renames", "calls"]
    assert (conflict["definition"]["task"], conflict["definition"]["side"]) == ("renames", "theirs")
    assert (conflict["use"]["task"], conflict["use"]["side"]) == ("calls", "ours")


async def test_what_a_checker_says_is_told_with_its_rule(harness: Harness, tmp_path: Path) -> None:
    field = "class Order:\n    def __init__(self) -> None:\n        self.total = 1\n\n\nX = 1\n\n\nY = 2\n"
    field += "\n\ndef make() -> Order:\n    return Order()\n"
    path = make_repository(tmp_path / "shop", {"lib.py": field, "app.py": "from lib import make\n", **BASKET})
    show = "printf 'def show() -> int:\\n    return make().total\\n' >> app.py"
    document = await one_after_the_other(
        harness,
        path,
        {"id": "innocent", "run": "sed -i 's/Y = 2/Y = 3/' lib.py"},
        {"id": "renames", "run": "sed -i 's/total/amount/' lib.py"},
        {"id": "shows", "run": show},
        onConflict=["skip"],
        checks=["ty"],
    )
    (conflict,) = document["conflicts"]
    assert conflict["tasks"] == ["shows", "renames"]
    assert (conflict["symbol"], conflict["checker"]) == ("total", "ty")
    assert "has no attribute `total`" in conflict["message"]
    assert conflict["rule"]
    assert (conflict["definition"]["line"], conflict["definition"]["change"]) == (3, "removed")
    assert (conflict["use"]["line"], conflict["use"]["task"]) == (3, "shows")


async def test_options_have_the_names_that_a_person_gives(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "shop", LIB)
    document = await one_after_the_other(harness, path, RENAMES, CALLS, onConflict=["skip"])
    (conflict,) = document["conflicts"]
    assert [each["step"] for each in conflict["resolutionOptions"]] == ["apply-rename", "retry", "skip", "rollback"]
