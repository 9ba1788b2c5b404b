"""A head is judged beside its base and each single change; the landing that brought what is new is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from activities.checkers.checker import Checker, Job, Message
from activities.checkers.head_checks import HeadChecks
from activities.checkers.merge_checks import MergeChecks
from activities.checkers.own_command import own_command
from activities.checkers.tree_runner import TreeRunner
from activities.git.changes import paths_in
from activities.git.hub import Hub
from activities.git.task_commits import trailers
from epw.core.execution.bisect import first_bad
from epw.core.landing import Change
from epw.core.plan.parts import CheckCommand
from tests.support import make_repository, sh

Says = Callable[[set[str]], list[str]]
"""What a checker says of the files of a tree: `path:line: text` each."""


class Runner:
    """Runs a function in place of a program, and counts the trees that it reads."""

    def __init__(self, hub: Hub, says: Says) -> None:
        self.hub, self.says, self.read = hub, says, 0

    async def messages(self, checker: Checker, job: Job, commit: str) -> list[Message]:
        self.read += 1
        rows = (row.split(":", 2) for row in self.says(set(paths_in(self.hub, commit))))
        return [Message(path, int(line), "rule", text.strip()) for path, line, text in rows]

    def identity(self, checker: Checker, job: Job) -> list[str | int]:
        return []


class Chain:
    """Changes of one file each, landed one after the other."""

    def __init__(self, path: Path, *names: str, alone: Mapping[str, str] | None = None) -> None:
        """`alone`: a second file of a change, by its name, that the merge does not have."""
        self.hub = Hub(make_repository(path / "work", {"base": "0\n"}) / ".git")
        base = sh(path / "work", "git", "rev-parse", "HEAD").strip()
        self.heads, self.changes = [base], list[Change]()
        for name in names:
            own = dict.fromkeys((name, (alone or {}).get(name, name)), ("100644", b"1\n"))
            commit = self._commit(name, self.hub.with_files(base, own), base)
            merged = self.hub.with_files(self.heads[-1], {name: ("100644", b"1\n")})
            self.heads.append(self._commit(name, merged, self.heads[-1], commit))
            self.changes.append(Change(task_id=name, commit=commit))
        self.checker = own_command(CheckCommand(command="true"))
        self.results = path / "results"

    def _commit(self, name: str, tree: str, *parents: str) -> str:
        return self.hub.commit(tree, list(parents), f"{name}\n\n{trailers('e', name, None)}", None, 0)

    async def check(self, says: Says) -> tuple[str | None, list[str], int]:
        """The task to blame, what is new with it, and the number of trees that were read."""
        runner = Runner(self.hub, says)
        checks = MergeChecks(self.hub, {self.checker.name: self.checker}, self.results)
        search = HeadChecks(checks, cast(TreeRunner, runner), self.heads, self.changes)
        _, found = await search.check([self.checker.name])
        said = [each.text for _, each in found.found] if found else []
        return (found.change.task_id if found else None), said, runner.read


async def test_the_later_of_two_that_do_not_fit_is_to_blame(tmp_path: Path) -> None:
    chain = Chain(tmp_path, *"abcdefgh")
    task, said, read = await chain.check(lambda tree: ["base:0: e and c"] if {"e", "c"} <= tree else [])
    assert (task, said) == ("e", ["e and c"])
    # The head, the base, three of a bisection over eight, and the change.
    assert read <= 6


async def test_who_wrote_the_line_is_looked_at_first(tmp_path: Path) -> None:
    chain = Chain(tmp_path, *(f"t{n:02}" for n in range(16)))
    says: Says = lambda tree: ["t12:1: needs t02"] if {"t12", "t02"} <= tree else []  # noqa: E731
    task, _, read = await chain.check(says)
    assert task == "t12"
    # The head, the base, that landing, the one before it, and the change.
    assert read == 5


async def test_what_a_single_change_brought_is_no_break(tmp_path: Path) -> None:
    chain = Chain(tmp_path, *"abcd")
    task, _, read = await chain.check(lambda tree: ["b:1: careless"] if "b" in tree else [])
    assert task is None
    assert read <= 5
    one_of_each: Says = lambda tree: [  # noqa: E731
        *(["b:1: alone"] if "b" in tree else []),
        *(["d:1: d and a"] if {"d", "a"} <= tree else []),
    ]
    chain.results = tmp_path / "again"
    task, said, _ = await chain.check(one_of_each)
    assert (task, said) == ("d", ["d and a"])


async def test_what_the_base_said_already_needs_no_other_tree(tmp_path: Path) -> None:
    task, _, read = await Chain(tmp_path, *"abcd").check(lambda tree: ["base:1: old"])
    assert (task, read) == (None, 2)


async def test_who_lost_what_a_change_relied_on_is_found_by_its_own_tree(tmp_path: Path) -> None:
    chain = Chain(tmp_path, "a", "b", "c", alone={"b": "gone"})
    task, said, _ = await chain.check(lambda tree: ["b:1: needs gone"] if "b" in tree and "gone" not in tree else [])
    assert (task, said) == ("b", ["needs gone"])


@pytest.mark.parametrize("likely", [None, 0, 1, 4, 7, 9])
@pytest.mark.parametrize("bad", range(1, 8))
async def test_a_guess_changes_nothing_about_what_is_found(bad: int, likely: int | None) -> None:
    asked: list[Any] = []

    async def passes(at: int) -> bool:
        asked.append(at)
        return at < bad

    assert await first_bad(8, passes, likely) == bad
    assert len(asked) == len(set(asked)) <= 6
