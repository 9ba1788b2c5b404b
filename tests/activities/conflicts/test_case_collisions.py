"""Names that differ in case, or in how an accent is written: one file on many machines, never two without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support import Harness, make_repository, sh, tasks

COMPOSED, DECOMPOSED = "caf\u00e9.txt", "cafe\u0301.txt"


def _warnings(document: dict[str, Any]) -> list[str]:
    return [each for row in document["results"] for each in row.get("warnings") or []]


def _write(name: str, text: str = "x") -> str:
    return f"mkdir -p $(dirname './{name}'); echo {text} > './{name}'"


@pytest.mark.parametrize(
    ("one", "two", "alike"),
    [
        ("README.md", "Readme.md", True),
        (COMPOSED, DECOMPOSED, True),
        ("src/a", "Src/b", True),
        ("deep/er/a.py", "deep/er/A.py", True),
        ("a", "b", False),
        ("x/a", "y/A", False),
    ],
)
async def test_an_agent_that_makes_both_is_warned_of(
    harness: Harness, tmp_path: Path, one: str, two: str, *, alike: bool
) -> None:
    path = make_repository(tmp_path / "repo", {"z": "z\n"})
    plan = {"workspace": str(path), "tasks": tasks({"id": "a", "run": f"{_write(one)}; {_write(two)}"})}
    document = await harness.run(plan)
    assert document["status"] == "succeeded"
    assert ["are one file on many machines" in each for each in _warnings(document)] == [True] * alike


async def test_a_change_of_case_and_what_was_there_before_are_no_twins(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", {"README.md": "1\n", "old": "1\n", "OLD": "2\n"})
    run = "git mv README.md Readme.md; echo 3 > old; echo 3 > OLD"
    document = await harness.run({"workspace": str(path), "tasks": tasks({"id": "a", "run": run})})
    assert _warnings(document) == []


def _rows() -> list[dict[str, Any]]:
    return tasks({"id": "a", "run": _write("guide/README.md", "a")}, {"id": "b", "run": _write("guide/Readme.md", "b")})


async def test_where_case_counts_two_tasks_land_both_and_that_is_said(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo")
    document = await harness.run({"workspace": str(path), "tasks": _rows()})
    assert document["status"] == "succeeded"
    (advice,) = document["conflicts"]
    assert advice["kind"] == "hazard"
    assert "guide/README.md and guide/Readme.md are one file on many machines" in advice["description"]


ALONE = tasks({"id": "a", "run": f"{_write('x')}; {_write('X')}"})
BESIDE_THE_BASE = tasks({"id": "a", "run": _write("ReadMe.md")}, {"id": "b", "run": _write("other")})


@pytest.mark.parametrize("rows", [_rows(), ALONE, BESIDE_THE_BASE])
async def test_where_case_does_not_count_it_is_a_conflict(
    harness: Harness, tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    path = make_repository(tmp_path / "repo")
    sh(path, "git", "config", "core.ignorecase", "true")
    plan = {"workspace": str(path), "strategy": "aggressive", "onConflict": ["merge", "retry", "skip"], "tasks": rows}
    document = await harness.run(plan)
    (conflict,) = document["conflicts"]
    assert (conflict["kind"], conflict["type"]) == ("case", "file-level")
    assert conflict["resolution"] == "skip"
    assert f"are one file in {path}" in conflict["description"]
    assert len(conflict["paths"]) == 2
    statuses = sorted(row["status"] for row in document["results"])
    assert statuses == (["conflicted", "succeeded"] if len(rows) == 2 else ["conflicted"])
