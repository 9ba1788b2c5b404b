"""Message of the commit that a delivered branch has for a task."""

from __future__ import annotations

from collections.abc import Mapping

_MAX_SUBJECT = 72


def commit_message(task_id: str, description: str, trailers: Mapping[str, str]) -> str:
    """A subject of the task's id and what it was to do, all of that where it is more, and the trailers."""
    lines = [" ".join(_plain(line).split()) for line in description.strip().splitlines()]
    first = f"{task_id}: {lines[0]}" if lines and lines[0] else task_id
    subject = first if len(first) <= _MAX_SUBJECT else f"{first[: _MAX_SUBJECT - 1].rstrip()}…"
    parts = [subject]
    if len(lines) > 1 or subject != first:
        parts.append("\n".join(_quoted(_plain(line).rstrip()) for line in description.strip().splitlines()))
    parts.append("\n".join(f"{name}: {value}" for name, value in trailers.items()))
    return "\n\n".join(parts) + "\n"


def _plain(text: str) -> str:
    """The text without control characters."""
    return "".join(each for each in text.expandtabs(4) if each.isprintable())


def _quoted(line: str) -> str:
    """The line, such that git does not take it for the end of the message."""
    return f" {line}" if line.startswith("---") else line
