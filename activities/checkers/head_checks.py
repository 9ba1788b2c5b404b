"""Check of a head: what checkers say of it and of neither the base nor a single change, and whose landing that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from activities.checkers.checker import Message
from activities.checkers.differential import wording
from activities.checkers.merge_checks import CheckerReport, MergeChecks, MergeSides
from activities.checkers.tree_runner import TreeRunner
from activities.git.task_commits import task_of_line
from activities.system.concurrency import in_thread
from epw.core.execution.bisect import first_bad
from epw.core.landing import Change

Said = tuple[str, Message]
"""Name of a checker, and what it says."""


@dataclass(frozen=True)
class Break:
    """Messages that the landing of `change` brought: of the merge that it made, and of neither of its sides."""

    change: Change
    sides: MergeSides
    found: list[Said]


@dataclass(frozen=True)
class HeadChecks:
    """Search for the first break in a row of heads; each is the one before it and one change, the first is the base."""

    checks: MergeChecks
    runner: TreeRunner
    heads: Sequence[str]
    changes: Sequence[Change]
    """The change of each head but the base."""

    async def check(self, names: Sequence[str]) -> tuple[list[CheckerReport], Break | None]:
        """What the checkers say of the last head beside the base, and the first landing that brought some of it.

        Mostly one tree is read. What a single change brought by itself is no break.
        """
        base, head = self.heads[0], self.heads[-1]
        reports = await self.checks.check(self.runner, MergeSides(base, head, head, head), names)
        left = [(each.checker, message) for each in reports for message in each.findings]
        while left:
            at = await first_bad(
                len(self.heads), partial(self._is_free, left), await in_thread(self._likely, left[0][1])
            )
            if at is None:
                break
            change = self.changes[at - 1]
            began = await in_thread(self.checks.hub.parent_of, change.commit)
            sides = MergeSides(began, self.heads[at - 1], change.commit, self.heads[at])
            merged = await self.checks.check(self.runner, sides, list(dict.fromkeys(name for name, _ in left)))
            found = [(each.checker, message) for each in merged for message in each.findings]
            if found := _among(found, left):
                return reports, Break(change, sides, found)
            own = await self._remaining(left, self.heads[at])
            if not own:
                break
            known = _wordings(own)
            left = [each for each in left if _wording(each) not in known]
        return reports, None

    async def _is_free(self, said: Sequence[Said], at: int) -> bool:
        return not await self._remaining(said, self.heads[at])

    async def _remaining(self, said: Sequence[Said], head: str) -> list[Said]:
        rows = [[name, each.path, each.rule, each.text] for name, each in said]
        return await self.checks.remaining(self.runner, head, rows)

    def _likely(self, message: Message) -> int | None:
        """The head with which the task landed that wrote the line of a message."""
        hub = self.checks.hub
        task_id = task_of_line(hub, self.heads[0], self.heads[-1], message.path, message.line) if message.line else None
        return next((at for at, each in enumerate(self.changes, 1) if each.task_id == task_id), None)


def _among(found: Sequence[Said], said: Sequence[Said]) -> list[Said]:
    known = _wordings(said)
    return [each for each in found if _wording(each) in known]


def _wordings(said: Sequence[Said]) -> set[tuple[str, tuple[str, str]]]:
    return set(map(_wording, said))


def _wording(said: Said) -> tuple[str, tuple[str, str]]:
    return said[0], wording(said[1])
