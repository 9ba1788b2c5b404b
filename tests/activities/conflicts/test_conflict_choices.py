"""The options of a conflict are what a person can choose, and nothing else is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from epw.core.conflict_steps import CONFLICT_STEPS, ConflictStep
from tests.support import Harness, ended, make_repository, offered, tasks, until

# kind → what `a` and the others do to the file, the directory and the module number $n.
SIDES = {
    "lines": ("echo a > f$n", "echo b > f$n"),
    "add-add": ("echo a > new$n", "echo b > new$n"),
    "modify-delete": ("rm f$n", "echo b >> f$n"),
    "binary": ("printf '\\0a' > new$n", "printf '\\0b' > new$n"),
    "mode": ("echo a > new$n", "echo a > new$n; chmod +x new$n"),
    "symlink": ("ln -s a new$n", "ln -s b new$n"),
    "rename": ("mv f$n a$n", "mv f$n b$n"),
    "semantic": ("sed -i s/total/summed/ lib$n.py", "printf 'import lib'$n'\\n\\nlib'$n'.total'$n'()\\n' > use$n.py"),
}
BASE = {f"f{n}": "".join(f"{n} {line}\n" for line in range(9)) for n in range(1, 10)}
BASE |= {f"lib{n}.py": f"def total{n}():\n    return {n}\n" for n in range(1, 10)}


def choices(conflict: dict[str, Any]) -> list[str]:
    return [option["choice"] for option in conflict["resolutionOptions"] if "choice" in option]


async def refused(handle: WorkflowHandle[Any, Any], conflict: str, choice: str) -> str:
    with pytest.raises(WorkflowUpdateFailedError) as caught:
        await handle.execute_update("resolve_conflict", {"conflictId": conflict, "choice": choice})
    return str(caught.value.cause)


async def chosen(handle: WorkflowHandle[Any, Any], wanted: Sequence[str]) -> None:
    """Each conflict takes one of its options, and refuses what is none; the one that undoes everything comes last."""
    order = sorted(range(len(wanted)), key=lambda place: wanted[place] == "rollback")
    others = [*(str(ConflictStep(kind, "a")) for kind in CONFLICT_STEPS.values()), "prefer:c", "guess", ""]
    for number, place in enumerate(order, 1):
        conflict = next(
            each
            for each in await handle.query("conflicts")
            if each["tasks"][0] == f"b{number}" and each["resolution"] is None
        )
        options = [each.replace(":b1", f":b{number}") for each in wanted]
        assert choices(conflict) == options
        for other in {*others, f"prefer:b{number}"} - set(options):
            assert f"must be one of: {', '.join(options)}" in await refused(handle, conflict["id"], other)
        await handle.execute_update("resolve_conflict", {"conflictId": conflict["id"], "choice": options[place]})
        if wanted[place] == "skip":
            assert "resolved by: skip" in await refused(handle, conflict["id"], "skip")


@pytest.mark.parametrize("kind", SIDES)
async def test_each_option_is_accepted_and_nothing_else(harness: Harness, tmp_path: Path, kind: str) -> None:
    path = make_repository(tmp_path / "work", BASE)
    wanted = [str(step) for step in offered(kind, "b1", "a", has_renames=kind == "semantic")]
    # Of a merge that git can do there is no side to take.
    assert {"prefer:b1", "prefer:a"} & set(wanted) == ({"prefer:b1", "prefer:a"} if kind != "semantic" else set())
    numbers = range(1, len(wanted) + 1)
    one, other = SIDES[kind]
    late = 'test -n "${EPW_CONFLICT:-}" || sleep 1'
    rows = tasks(
        {"id": "a", "run": f"for n in {' '.join(map(str, numbers))}; do {one}; done", "priority": 1},
        *({"id": f"b{n}", "run": f"{late}; n={n}; {other}"} for n in numbers),
    )
    plan = {"workspace": str(path), "strategy": "aggressive", "onConflict": ["ask"], "maxAgents": 9, "tasks": rows}
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda progress: all(row["waitingFor"] == "question" for row in progress["tasks"][1:]))
        assert {each["kind"] for each in await handle.query("conflicts")} == {kind}
        await chosen(handle, wanted)
        await ended(handle)
        document = await harness.document(handle)
    assert document["status"] == "rolled_back"
    for conflict in document["conflicts"]:
        assert conflict["resolutionOptions"]
        assert choices(conflict) == []
