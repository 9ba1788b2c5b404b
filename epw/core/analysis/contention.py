"""Contention: how many of the tasks that can run at once may write the same file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from epw.core.plan.ancestors import Ancestors
from epw.core.plan.graph import TaskGraph
from epw.core.plan.mentions import write_sets
from epw.core.plan.model import Task
from epw.core.schedule.write_sets import WriteSets


@dataclass(frozen=True)
class Contention:
    """Pairs of tasks that no dependency orders, and those of them whose write sets may overlap."""

    concurrent: int
    overlapping: int
    examples: Sequence[tuple[str, str, str]]
    """(task, other task, a pattern of the first) of the first pairs that both declare their files."""
    rivals: Mapping[str, int]
    """For each task that declares its files, how many concurrent ones declare files that may be the same."""

    @property
    def apart(self) -> float:
        """Share of the concurrent pairs that cannot write the same file; 1 where no tasks are concurrent."""
        return 1 - self.overlapping / self.concurrent if self.concurrent else 1.0


def contention(tasks: Sequence[Task], graph: TaskGraph, examples: int) -> Contention:
    """Contention of the tasks of an acyclic graph, with so many examples at most.

    Sets of tasks are the bits of numbers, so that a task is compared with all others in one operation.
    """
    writes = WriteSets(write_sets(tasks))
    upstream, downstream = Ancestors.upstream(graph), Ancestors.downstream(graph)
    masks = _writers(tasks, writes)
    met: dict[str, int] = {}
    for index, task in enumerate(tasks):
        mask = 0
        for pattern in writes.of(task.id):
            mask |= masks.get(pattern, 0)
        mask &= ~(upstream.of[task.id] | downstream.of[task.id] | 1 << index)
        if mask:
            met[task.id] = mask
    declared = sum(1 << index for index, task in enumerate(tasks) if task.files)
    pairs = len(tasks) * (len(tasks) - 1) // 2
    return Contention(
        concurrent=pairs - sum(found.bit_count() for found in upstream.of.values()),
        overlapping=sum(found.bit_count() for found in met.values()) // 2,
        examples=list(islice(_examples(tasks, met, declared, writes), examples)),
        rivals={task.id: (met[task.id] & declared).bit_count() for task in tasks if task.files and task.id in met},
    )


def _writers(tasks: Sequence[Task], writes: WriteSets) -> dict[str, int]:
    """The tasks that may write what a pattern covers, as bits, for patterns that more than one task may write."""
    own: dict[str, list[int]] = defaultdict(list)
    for index, task in enumerate(tasks):
        for pattern in writes.of(task.id):
            own[pattern].append(index)
    return {
        pattern: sum(1 << index for index in {index for each in rivals for index in own[each]})
        for pattern, rivals in writes.rivals.items()
        if len(rivals) > 1 or len(own[pattern]) > 1
    }


def _examples(
    tasks: Sequence[Task], met: Mapping[str, int], declared: int, writes: WriteSets
) -> Iterator[tuple[str, str, str]]:
    for index, task in enumerate(tasks):
        later = (met.get(task.id, 0) & declared) >> index if task.files else 0
        while later:
            lowest = later & -later
            other = tasks[index + lowest.bit_length() - 1]
            theirs = writes.of(other.id)
            yield task.id, other.id, next(each for each in writes.of(task.id) if writes.rivals[each] & {*theirs})
            later ^= lowest
