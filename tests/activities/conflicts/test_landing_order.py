"""Three changes in any order: the same verdict, and where all land, the same tree, as far as git's merges allow."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activities.git.hub import Hub
from activities.git.task_commits import trailers
from activities.git.workspace import Workspace
from activities.land import land_changes
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from epw.core.landing import Change, Landed, Landing, LandRequest
from tests.activities.conflicts.test_entry import one_after_the_other
from tests.support import Harness, make_repository

Files = Mapping[str, str]
FUNCTION = "def f{0}(a):\n    x = {0}\n    y = x + 1\n    z = y + 2\n    print(x, y, z)\n    return a + {0}\n\n\n"
LIB = "".join(FUNCTION.format(number) for number in range(4))
BASE = {"lib.py": LIB, "data.json": "{}\n", "notes.txt": "".join(f"{number}\n" for number in range(40))}


class Landings:
    """A hub in which changes of one base land, in any order, in executions of their own."""

    def __init__(self, folder: Path, base: Files) -> None:
        self.workspace = Workspace.read(str(make_repository(folder / "work", {"README.md": "hello\n"})))
        self.state, self.base_files, self.count = StateDirectory(folder / "home"), base, 0
        self.hub = Hub.created(self.state.hub(self.workspace.path))
        self.base = self.commit(base, [], "base")

    def commit(self, files: Files, parents: Sequence[str], message: str) -> str:
        blobs = {path: ("100644", text.encode()) for path, text in files.items()}
        return self.hub.commit(self.hub.with_files(self.hub.empty_tree(), blobs), parents, message, None, 0)

    def change(self, task_id: str, files: Files) -> tuple[str, str]:
        message = f"{task_id}\n\n{trailers('x', task_id, 1)}"
        return task_id, self.commit({**self.base_files, **files}, [self.base], message)

    def land(self, changes: Sequence[tuple[str, str]], way: str = "") -> tuple[str, list[Landing]]:
        """The tree after the changes, and what became of each."""
        self.count += 1
        execution = ExecutionStore(self.state, f"order-{self.count}", "run")
        execution.keep_workspace(self.workspace, self.base)
        found = [Change(task_id=task, commit=commit, way=way) for task, commit in changes]
        request = LandRequest(hub=str(self.hub.path), head=self.base, changes=found, at=0)
        result = land_changes(execution, request, {})
        return self.hub.tree_of(result.head), result.rows


number = st.integers(0, 3)
operation = st.one_of(
    st.tuples(st.just("body"), number),
    st.tuples(st.just("rename"), number),
    st.tuples(st.just("signature"), number),
    st.tuples(st.just("use"), number),
    st.tuples(st.just("route"), number),
    st.tuples(st.just("migration"), number),
    st.tuples(st.just("line"), number),
)


def files_of(task_id: str, operations: Sequence[tuple[str, int]]) -> dict[str, str]:
    """What a task makes of the base."""
    found = {"lib.py": LIB, "notes.txt": BASE["notes.txt"]}
    for kind, which in operations:
        if kind == "body":
            found["lib.py"] = found["lib.py"].replace(f"x = {which}\n", f"x = {which} + {len(task_id)}\n")
        elif kind == "rename":
            found["lib.py"] = found["lib.py"].replace(f"def f{which}(", f"def g{which}(")
        elif kind == "signature":
            found["lib.py"] = found["lib.py"].replace(f"f{which}(a)", f"f{which}(a, b)")
        elif kind == "use":
            found[f"use_{task_id}.py"] = f"import lib\n\nX = lib.f{which}(1)\n"
        elif kind == "route":
            found[f"routes_{task_id}.py"] = f"@app.get('/r{which}')\ndef {task_id}():\n    return 1\n"
        elif kind == "migration":
            found[f"migrations/000{which}_{task_id}.py"] = "def run():\n    return 1\n"
        else:
            found["notes.txt"] = found["notes.txt"].replace(f"\n{which * 10 + 5}\n", f"\n{which * 10 + 5} {task_id}\n")
    return found


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.lists(operation, min_size=1, max_size=3), min_size=3, max_size=3),
    st.sampled_from(["", "merge"]),
)
def test_three_changes_land_in_every_order_or_in_none(made: list[list[tuple[str, int]]], way: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        landings = Landings(Path(folder), BASE)
        changes = [landings.change(name, files_of(name, each)) for name, each in zip("abc", made, strict=True)]
        results = [landings.land(order, way) for order in permutations(changes)]
        verdicts = {all(row.conflict is None for row in rows) for _, rows in results}
        assert len(verdicts) == 1
        if verdicts == {True}:
            assert len({tree for tree, _ in results}) == 1
        pairs = [
            {frozenset(row.conflict.tasks) for row in landings.land(pair, way)[1] if row.conflict}
            for pair in permutations(changes, 2)
        ]
        # Which of two lands first does not decide whether both can.
        both: dict[frozenset[str], list[set[frozenset[str]]]] = {}
        for pair, found in zip(permutations(changes, 2), pairs, strict=True):
            both.setdefault(frozenset(task for task, _ in pair), []).append(found)
        assert all(first == second for first, second in both.values())


def test_git_s_own_merges_of_one_place_depend_on_the_order(tmp_path: Path) -> None:
    """Two of them delete and replace one line: which of its neighbours git takes for it, the third decides."""
    landings = Landings(tmp_path, {"f": "1\n2\n3\n4\n"})
    sides = {"a": "1\n2\n3\n4\nx\n", "b": "2\n4\n", "c": "1\n2\n4\n4\n"}
    changes = {name: landings.change(name, {"f": text}) for name, text in sides.items()}
    clean = {
        "".join(order): all(row.conflict is None for row in landings.land([changes[name] for name in order])[1])
        for order in permutations(sides)
    }
    assert clean == {"abc": False, "acb": True, "bac": False, "bca": False, "cab": True, "cba": False}


STEP = {
    "lib.py": "def get() -> int:\n    return 1\n",
    "mid.py": "from typing import Final\n\nimport lib\n\nSTEP: Final = 1\nprint(lib)\n",
    "app.py": "import mid\n",
}
THREE = (
    {"id": "text", "run": "sed -i 's/-> int/-> str/; s/return 1/return str(1)/' lib.py"},
    {"id": "passes", "run": "sed -i 's/Final = 1/Final = lib.get()/' mid.py"},
    {"id": "adds", "run": "printf 'X: int = mid.STEP\\n' >> app.py"},
)


@pytest.mark.parametrize("order", ["012", "210"])
async def test_what_only_three_changes_break_is_found_at_the_third(
    harness: Harness, tmp_path: Path, order: str
) -> None:
    path = make_repository(tmp_path / "shop", STEP)
    rows = [THREE[int(place)] for place in order]
    document = await one_after_the_other(harness, path, *rows, onConflict=["skip"], checks=["ty"])
    (conflict,) = document["conflicts"]
    assert conflict["tasks"][0] == rows[-1]["id"]
    assert conflict["checker"] == "ty"


def verified_first(landings: Landings, *changes: Change, head: str = "", tries: bool = True) -> Landed:
    """The landing of changes, of which merges of two sides of one file have to be verified first."""
    landings.count += 1
    execution = ExecutionStore(landings.state, "trial", f"run-{landings.count}")
    execution.keep_workspace(landings.workspace, landings.base)
    hub, head = str(landings.hub.path), head or landings.base
    request = LandRequest(hub=hub, head=head, changes=list(changes), at=7, verifies=True, tries_first=True, tries=tries)
    return land_changes(execution, request, {})


def edits(landings: Landings) -> list[Change]:
    """Three changes of one file, in places of their own, and one of another file."""
    files = [
        {"notes.txt": BASE["notes.txt"].replace(f"\n{at}\n", f"\n{at} {name}\n")}
        for name, at in zip("abc", (5, 20, 35), strict=True)
    ]
    made = zip("abcd", [*files, {"new.txt": "new\n"}], strict=True)
    return [Change(task_id=name, commit=landings.change(name, each)[1]) for name, each in made]


def test_a_merge_of_two_sides_of_a_file_waits_to_be_verified_and_others_land(tmp_path: Path) -> None:
    landings = Landings(tmp_path, BASE)
    a, b, c, d = edits(landings)
    result = verified_first(landings, a, b, c, d)
    assert [row.task_id for row in result.rows if row.waits] == ["b", "c"]
    text = landings.hub.file(result.head, "notes.txt") or b""
    assert (b" a\n" in text, b" b\n" in text, landings.hub.file(result.head, "new.txt")) == (True, False, b"new\n")
    # They are merged one onto the other, to be verified together.
    tried = [row.merged or "" for row in result.rows if row.waits]
    assert [landings.hub.parent_of(each) for each in tried] == [result.head, tried[0]]
    b, c = (each.model_copy(update={"verified_with": result.head, "at": 7}) for each in (b, c))
    c = c.model_copy(update={"beside": ["b"]})
    again = verified_first(landings, b, c, head=result.head)
    assert not any(row.waits for row in again.rows)
    assert again.head == tried[1], "what was verified is what lands"
    (alone,) = verified_first(landings, c, head=result.head).rows
    assert alone.waits, "it was verified beside another one only"


def test_a_merge_is_verified_again_where_something_else_has_come_into_its_file(tmp_path: Path) -> None:
    landings = Landings(tmp_path, BASE)
    a, b, c, d = edits(landings)
    first = verified_first(landings, a).head
    b, c = (each.model_copy(update={"verified_with": first}) for each in (b, c))
    assert not verified_first(landings, d, b, head=first).rows[1].waits
    beside = verified_first(landings, c, head=first).head
    (row,) = verified_first(landings, b, head=beside, tries=False).rows
    assert (row.waits, row.merged, row.head) == (True, None, beside)


def through_trials(landings: Landings, changes: list[Change]) -> tuple[str, list[str]]:
    """The tree after the changes, each of which passes its trial, and those that have landed, in order."""
    head, order = landings.base, list[str]()
    while changes:
        result = verified_first(landings, *changes, head=head)
        head, tried = result.head, [row.task_id for row in result.rows if row.merged]
        order += [row.task_id for row in result.rows if not row.waits and row.conflict is None]
        passed = {"verified_with": head, "at": 7, "waits": False}
        of_task = {change.task_id: change for change in changes}
        changes = [
            of_task[row.task_id].model_copy(
                update={**passed, "beside": tried[: tried.index(row.task_id)]} if row.merged else {"waits": True}
            )
            for row in result.rows
            if row.waits
        ]
    return landings.hub.tree_of(head), order


@settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.lists(operation, min_size=1, max_size=3), min_size=4, max_size=4))
def test_what_lands_by_trials_is_what_lands_one_after_the_other(made: list[list[tuple[str, int]]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        landings = Landings(Path(folder), BASE)
        commits = dict(landings.change(name, files_of(name, each)) for name, each in zip("abcd", made, strict=True))
        changes = [Change(task_id=name, commit=commit) for name, commit in commits.items()]
        tree, order = through_trials(landings, changes)
        in_turn, rows = landings.land([(name, commits[name]) for name in order])
        assert [row.conflict for row in rows] == [None] * len(order)
        assert in_turn == tree
