"""Plan of tasks that are given in words, one argument a task."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from epw.client.project import repository_of
from epw.core.errors import InvalidRequest

_MAX_ID_WORDS = 4
_AFTER = re.compile(r"(\d+):(\d+(?:,\d+)*)")


def words_plan(words: Sequence[str], after: Sequence[str], folder: Path) -> dict[str, Any]:
    """The document of a plan in the repository that holds a folder; raises `InvalidRequest`.

    `after`: for each dependency `TASK:OTHERS`, numbers from 1: `2:1`, `3:1,2`.
    """
    workspace = repository_of(folder)
    if workspace is None:
        raise InvalidRequest(
            f"{folder} is in no git repository, which tasks in words work on: `git init` makes it one, and a plan of"
            " `run` commands needs none"
        )
    rows = task_rows(words)
    for number, others in map(_numbers, after):
        for other in others:
            if not 1 <= other <= len(rows) or other == number:
                raise InvalidRequest(f"--after {other} names no other task: there are {len(rows)}, counted from 1")
            known: list[str] = rows[number - 1].setdefault("dependsOn", [])
            if rows[other - 1]["id"] not in known:
                known.append(rows[other - 1]["id"])
    return {"name": rows[0]["id"], "workspace": str(workspace), "tasks": rows}


def task_rows(words: Sequence[str]) -> list[dict[str, Any]]:
    """Tasks of a plan, with ids made of their words."""
    rows: list[dict[str, Any]] = []
    for text in words:
        rows.append({"id": identifier_of(text, {row["id"] for row in rows}), "description": text.strip()})
    return rows


def _numbers(text: str) -> tuple[int, list[int]]:
    found = _AFTER.fullmatch(text)
    if found is None or found[1] == "0":
        raise InvalidRequest("--after N stands behind a task in words, and N is the number of an earlier one, from 1")
    return int(found[1]), [int(each) for each in found[2].split(",")]


def identifier_of(text: str, taken: set[str]) -> str:
    """An id for a task, made of its first words."""
    words = re.findall(r"[a-z0-9]+", text.lower())[:_MAX_ID_WORDS]
    name = "-".join(words)[:40] or "task"
    return name if name not in taken else f"{name}-{len(taken) + 1}"
