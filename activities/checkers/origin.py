"""Origin of a new message: the change of the other side that it most likely comes from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from activities.checkers.checker import Message
from activities.conflicts.semantic.sides import Finding
from activities.git.changes import Blobs
from activities.git.hub import Hub

_QUOTED = re.compile(r"[`'\"‘“]([^`'\"’”]{1,200})[`'\"’”]")
_WORD = re.compile(rb"[A-Za-z_]\w+")
_MAX_BYTES = 1_000_000


def finding_of(hub: Hub, message: Message, checker: str, ours: Blobs, theirs: Blobs) -> Finding:
    """A message as a semantic conflict; `ours` and `theirs` are the changed files of each side.

    The place of the other side is the file in which the names of the message became more or fewer; where there is
    none, it is that of the message.
    """
    text = f"{message.path}:{message.line}: {message.text} ({checker})"
    # What is landing is seen as the use, what has landed as the cause, unless only the latter has changed the file.
    first = theirs if message.path in ours and message.path not in theirs else ours
    second = ours if first is theirs else theirs
    for changed in (first, second):
        found = _origin(hub, _names(message), {path: blobs for path, blobs in changed.items() if path != message.path})
        if found is not None:
            return Finding(message.rule, message.path, message.line, *found, text)
    return Finding(message.rule, message.path, message.line, message.path, message.line, text)


def _names(message: Message) -> list[bytes]:
    """Names in a message, those in quotes first."""
    quoted = [word for part in _QUOTED.findall(message.text) for word in _WORD.findall(part.encode())]
    return list(dict.fromkeys([*quoted, *_WORD.findall(message.text.encode())]))


def _origin(
    hub: Hub, names: Sequence[bytes], changed: Mapping[str, tuple[str | None, str | None]]
) -> tuple[str, int] | None:
    contents = {
        path: [hub.blob(blob)[:_MAX_BYTES] if blob else b"" for blob in blobs] for path, blobs in changed.items()
    }
    counts = {path: [Counter(_WORD.findall(each)) for each in pair] for path, pair in contents.items()}
    for name in names:
        for path, (before, after) in counts.items():
            if before[name] != after[name]:
                old, new = contents[path]
                return path, _line_of(name, new, old) or _line_of(name, old, new) or 1
    return None


def _line_of(name: bytes, content: bytes, other: bytes) -> int | None:
    """The first line with a name, among those that the other version does not have."""
    known, word = set(other.split(b"\n")), re.compile(rb"\b" + re.escape(name) + rb"\b")
    lines = enumerate(content.split(b"\n"), 1)
    return next((number for number, line in lines if line not in known and word.search(line)), None)
