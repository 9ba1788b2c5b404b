"""Names of task queues.

Attempts of tasks come by the shared queue, or by the queue of a host; those that need labels of a worker by one queue
for each set of labels beside it. All other steps of an execution have a queue of their own: a worker whose slots are
all taken still lands, checks and delivers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

_STEPS = "/steps"
LABEL = r"[a-z0-9]([a-z0-9._-]{0,38}[a-z0-9])?"
"""Pattern of a label, which is part of a queue's name."""
MAX_LABELS = 5
"""Of a worker, and of what a task needs: a worker polls a queue for each set of its labels."""


def host_queue(queue: str, host: str) -> str:
    """Queue for activities that need the state directory of one host."""
    return f"{queue}@{host}"


def steps_queue(queue: str) -> str:
    """Queue for the activities that are no attempts of tasks."""
    return f"{queue}{_STEPS}"


def is_for_steps(queue: str) -> bool:
    """Whether a queue is one of `steps_queue`."""
    return queue.endswith(_STEPS)


def attempts_queue(queue: str, needs: Iterable[str] = ()) -> str:
    """Queue for attempts of tasks that need these labels of a worker: `epw+docker+gpu`."""
    return "+".join([queue, *sorted(dict.fromkeys(needs))])


def attempts_queues(queue: str, labels: Sequence[str]) -> Iterator[str]:
    """Queues of all attempts that a worker with these labels can run."""
    for count in range(len(labels) + 1):
        for needs in combinations(sorted(labels), count):
            yield attempts_queue(queue, needs)


def host_of(queue: str) -> str | None:
    """The host to which a queue belongs; None: it is shared."""
    _, at, rest = queue.partition("@")
    return rest.partition("/")[0].partition("+")[0] if at else None


def shared_queue(queue: str) -> str:
    """The shared queue to which one of a host, of steps or of labels belongs."""
    return queue.partition("@")[0].partition("/")[0].partition("+")[0]


def needs_of(queue: str) -> list[str]:
    """The labels that attempts of a queue need."""
    return queue.partition("/")[0].split("+")[1:]
