"""Hunks: the result shows what each side has at each conflict, and an agent that runs again is told the same."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from activities.conflicts.textual.hunks import conflict_hunks
from tests.activities.conflicts.test_textual import BASE, BINARY, EDIT, SUBMODULE, TEXT, Case, both
from tests.support import Harness, make_repository, tasks

POINTS = ("line", "base", "ours", "theirs")


def text(base: str, ours: str, theirs: str, line: int = 1) -> dict[str, Any]:
    return dict(zip(POINTS, (line, base, ours, theirs), strict=True))


def what(kind: str, base: object, ours: object, theirs: object) -> dict[str, Any]:
    return {"what": kind, "base": base, "ours": ours, "theirs": theirs}


RENAMED = "git mv a mine; sed -i 's/line 5/line V/' mine"
LINKED = "rm -rf d; ln -s b d"
HUNKS = [
    (Case("lines", EDIT, "sed -i 's/line 5/line V/' a"), [("a", text("line 5\n", "line five\n", "line V\n", 6))]),
    (Case("add-add", "echo 1 > new", "echo 2 > new"), [("new", text("", "1\n", "2\n"))]),
    (Case("modify-delete", EDIT, "rm a"), [("a", text("line 5\n", "line five\n", "", 6))]),
    (Case("delete-modify", "rm a", EDIT), [("a", text("line 5\n", "", "line five\n", 6))]),
    (
        Case("two names", "git mv a mine", "git mv a yours"),
        [("a", what("name", "a", "mine", "yours")), ("mine", text("", TEXT, "")), ("yours", text("", "", TEXT))],
    ),
    (
        Case("renamed and deleted", RENAMED, "rm a"),
        [("mine", what("name", "a", "mine", None)), ("mine", text("line 5\n", "line V\n", "", 6))],
    ),
    (
        Case("a moved directory", "git mv d e", "echo 3 > d/z"),
        [("e/z", what("name", None, "e/z", "d/z")), ("e/z", text("", "", "3\n"))],
    ),
    (
        Case("modes", "echo 1 > new", "echo 1 > new; chmod +x new"),
        [("new", what("mode", None, "100644", "100755"))],
    ),
    (
        Case("binary", BINARY.format(1), BINARY.format(22)),
        [("picture", what("binary", None, "\0001", "\00022"))],
    ),
    (Case("links", "ln -s a new", "ln -s b new"), [("new", what("symlink", None, "a", "b"))]),
    (Case("a link and a directory", LINKED, "echo 3 > d/z"), [("d", what("symlink", None, "b", None))]),
    (
        Case("submodules", SUBMODULE.format("1" * 40), SUBMODULE.format("2" * 40)),
        [("sub", what("submodule", None, "1" * 40, "2" * 40))],
    ),
    (Case("a file and a directory", "mkdir new; echo 1 > new/x", "echo 2 > new"), [("new", text("", "", "2\n"))]),
]


@pytest.mark.parametrize(("case", "expected"), HUNKS, ids=[case.name for case, _ in HUNKS])
def test_each_kind_shows_what_the_sides_have(tmp_path: Path, case: Case, expected: list[tuple[str, Any]]) -> None:
    repository = make_repository(tmp_path / "work", BASE)
    hub, merged = both(repository, case)
    assert not merged.clean
    for _, hunk in expected:
        if hunk.get("what") == "binary":
            for side in ("ours", "theirs"):
                content = hunk[side].encode()
                hunk[side] = {"size": len(content), "blob": hub.store_blob(content)}
    assert conflict_hunks(hub, merged) == [{"path": path, **hunk} for path, hunk in expected]


def test_a_file_renamed_to_where_the_other_side_puts_one_shows_who_renamed_it(tmp_path: Path) -> None:
    theirs = "git mv a new; sed -i 's/line 5/line V/' new"
    hub, merged = both(make_repository(tmp_path / "work", BASE), Case("taken", f"echo 3 > new; {EDIT}", theirs))
    assert conflict_hunks(hub, merged)[0] == {"path": "new", **what("name", "a", None, "new")}


def test_they_are_bounded(tmp_path: Path) -> None:
    long = "".join(f"{number} äöü\n" for number in range(2_000))
    (tmp_path / "long").write_text(long)
    ours, theirs = (f"for n in $(seq 30); do sed s/$/{side}/ {tmp_path}/long > n$n; done" for side in "ab")
    hub, merged = both(make_repository(tmp_path / "work", BASE), Case("long", ours, theirs))
    found = conflict_hunks(hub, merged)
    assert 0 < len(found) < 30
    assert len(json.dumps(found)) < 60_000


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("sed -i s/two/A/ f", "sed -i s/two/B/ f"),
        ("rm f", "sed -i s/two/B/ f"),
        ("sed -i s/two/A/ f", "rm f"),
        ("printf '\\0a' > p", "printf '\\0b' > p"),
        ("ln -s f p", "ln -s g p"),
        ("mkdir p; echo 1 > p/x", "echo 2 > p"),
        ("git mv f g", "git mv f h"),
        ("echo 1 > p", "echo 1 > p; chmod +x p"),
    ],
    ids=["lines", "deleted there", "deleted here", "binary", "links", "a directory", "names", "modes"],
)
async def test_who_runs_again_is_told_the_hunks_of_the_result(harness: Harness, tmp_path: Path, a: str, b: str) -> None:
    path = make_repository(
        tmp_path / "work", {"f": "one\ntwo\nthree\n", "g": "g\n"} if "g p" in b else {"f": "1\ntwo\n3\n"}
    )
    told = tmp_path / "told"
    rows = tasks(
        {"id": "a", "run": a, "priority": 1},
        {
            "id": "b",
            "run": f'if test -n "${{EPW_CONFLICT:-}}"; then printenv EPW_CONFLICT > {told}; else sleep 1; {b}; fi',
        },
    )
    plan = {"workspace": str(path), "strategy": "aggressive", "sandbox": "process", "tasks": rows}
    document = await harness.run({**plan, "onConflict": ["retry", "skip"]})
    (conflict,) = document["conflicts"]
    assert conflict["hunks"]
    assert json.loads(told.read_text())["hunks"] == conflict["hunks"]
    assert os.stat(told).st_size < 60_000


async def test_what_does_not_fit_shows_both_places(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(
        tmp_path / "work", {"lib.py": "x = 1\n\n\ndef total():\n    return 1\n", "app.py": "import lib\n"}
    )
    rows = tasks(
        {"id": "a", "run": "sed -i s/total/sum_up/ lib.py", "priority": 1},
        {"id": "b", "run": "sleep 1; printf 'lib.total()\\n' >> app.py"},
    )
    document = await harness.run(
        {"workspace": str(path), "onConflict": ["skip"], "strategy": "aggressive", "tasks": rows}
    )
    (hunk,) = document["conflicts"][0]["hunks"]
    assert (hunk["path"], hunk["line"], hunk["other"]) == ("app.py", 2, {"path": "lib.py", "line": 4})
