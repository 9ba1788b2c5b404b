"""Diffs of tasks, cut to what a report can hold: short ones whole, long ones in equal shares of what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from epw.core.report.report import TaskDiff

MAX_LINES = 40_000
"""Lines of all diffs of a report."""
MAX_LINE_LENGTH = 400
"""Characters; files that programs make have lines of any length."""


def shown_diffs(patches: Mapping[str, bytes], most: int = MAX_LINES) -> list[TaskDiff]:
    """The diffs by task, without those that are empty; bytes that are not UTF-8 become escapes (`\\xe9`)."""
    # Lines end at line feeds alone, as git counts them.
    split = {task_id: patch.split(b"\n") for task_id, patch in patches.items() if patch}
    lines = {task_id: each[:-1] if each[-1] == b"" else each for task_id, each in split.items()}
    shares = fair_shares([len(each) for each in lines.values()], most)
    return [
        {
            "taskId": task_id,
            "text": "\n".join(_line(line) for line in each[:share]),
            "lines": len(each),
            "shown": share,
        }
        for (task_id, each), share in zip(lines.items(), shares, strict=True)
    ]


def fair_shares(sizes: Sequence[int], total: int) -> list[int]:
    """Shares of a total: max-min fair, so that nothing is cut which is no longer than what is not."""
    shares, left = [0] * len(sizes), total
    for place, index in enumerate(order := sorted(range(len(sizes)), key=sizes.__getitem__)):
        shares[index] = min(sizes[index], left // (len(order) - place))
        left -= shares[index]
    return shares


def _line(line: bytes) -> str:
    text = line[: 4 * MAX_LINE_LENGTH + 4].decode("utf-8", "backslashreplace")
    return text if len(text) <= MAX_LINE_LENGTH else f"{text[:MAX_LINE_LENGTH]}…"
