"""Origin of a new message: the change of the other side that it most likely comes from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from activities.checkers.checker import Message
from activities.conflicts.entry import other_side
from activities.conflicts.renames.detect import with_renames
from activities.conflicts.semantic.delta import Delta, delta
from activities.conflicts.semantic.read_symbols import read_symbols
from activities.conflicts.semantic.sides import Change, Finding, SideName, overloads
from activities.git.changes import Blobs
from activities.git.hub import Hub

_QUOTED = re.compile(r"[`'\"‘“]([^`'\"’”]{1,200})[`'\"’”]")
_WORD = re.compile(rb"[A-Za-z_]\w+")
_MAX_BYTES = 1_000_000
_SIDES: tuple[SideName, SideName] = ("ours", "theirs")


class _Origin(NamedTuple):
    name: str
    path: str
    line: int
    change: Change


@dataclass
class _File:
    """Both versions of a file that one side has changed."""

    path: str
    before: bytes
    after: bytes

    @cached_property
    def counts(self) -> tuple[Counter[bytes], Counter[bytes]]:
        return Counter(_WORD.findall(self.before)), Counter(_WORD.findall(self.after))

    @cached_property
    def delta(self) -> Delta:
        before, after = (read_symbols(self.path, content) for content in (self.before, self.after))
        return delta(before, after, overloads(self.path))

    def removed_definition(self, name: bytes) -> tuple[int, Change] | None:
        line = next((each.line for each in self.delta.removed if each.name.encode() == name), None)
        return (line, "removed") if line is not None else None

    def removed_word(self, name: bytes) -> tuple[int, Change] | None:
        before, after = (count[name] for count in self.counts)
        return (_line_of(name, self.before, self.after) or 1, "removed") if before and not after else None

    def changed_signature(self, name: bytes) -> tuple[int, Change] | None:
        found = (new.line for old, new in self.delta.changed_signatures if old.name.encode() == name)
        return next(((line, "changed") for line in found), None)

    def added_definition(self, name: bytes) -> tuple[int, Change] | None:
        return next(((each.line, "added") for each in self.delta.added if each.name.encode() == name), None)

    def other_count(self, name: bytes) -> tuple[int, Change] | None:
        before, after = (count[name] for count in self.counts)
        line = _line_of(name, self.after, self.before) or _line_of(name, self.before, self.after) or 1
        return (line, "changed" if before else "added") if before != after else None


_EVIDENCE = (
    _File.removed_definition,
    _File.removed_word,
    _File.changed_signature,
    _File.added_definition,
    _File.other_count,
)
"""What a file can show about a name, the most telling first."""


@dataclass
class OriginSearch:
    """Search for the origins of messages about one merge; `changed`: the changed files of both sides. Blocking."""

    hub: Hub
    changed: Sequence[Blobs]
    merged: str
    """The merged commit or tree."""
    _known: dict[SideName, list[_File]] = field(default_factory=dict)

    def findings(self, said: Iterable[tuple[str, Message]]) -> list[Finding]:
        """Messages as semantic conflicts, with the new names of what was renamed; each with its checker's name."""
        return with_renames(self.hub, self.changed, [self.finding_of(message, checker) for checker, message in said])

    def finding_of(self, message: Message, checker: str) -> Finding:
        """A message as a semantic conflict.

        The definition is the place of the other side in which a name of the message is gone, has another signature, or
        is met more or less often, in this order; where there is none, the place of the message stands for it.
        """
        names, user = _names(message), self._user(message)
        # A line that is as it was in both: either side may have changed what it means.
        for side in (other_side(user),) if user else _SIDES:
            origin = self._origin(names, side, message.path)
            if origin is not None:
                return Finding(
                    origin.name,
                    message.path,
                    message.line,
                    origin.path,
                    origin.line,
                    message.text,
                    side=other_side(side),
                    change=origin.change,
                    checker=checker,
                    rule=message.rule,
                )
        name = names[0].decode() if names else message.rule
        place = message.path, message.line
        side = user or ("theirs" if message.path in self.changed[1] else "ours")
        return Finding(name, *place, *place, message.text, side=side, checker=checker, rule=message.rule)

    def _user(self, message: Message) -> SideName | None:
        """The side that wrote the line of a message; None: neither did."""
        content = self.hub.file(self.merged, message.path) or b""
        lines = content.split(b"\n")
        if not 0 < message.line <= len(lines):
            return None
        line, found = lines[message.line - 1], None
        for side in _SIDES:
            file = next((each for each in self._files(side) if each.path == message.path), None)
            if file and file.after.split(b"\n").count(line) > file.before.split(b"\n").count(line):
                # What is landing is seen as the use, what has landed as the cause.
                found = side
        return found

    def _origin(self, names: Sequence[bytes], side: SideName, path: str) -> _Origin | None:
        # The file of the message comes last: there the use itself is.
        files = sorted(self._files(side), key=lambda file: file.path == path)
        for evidence in _EVIDENCE:
            for name in names:
                for file in files:
                    if found := evidence(file, name):
                        return _Origin(name.decode(), file.path, *found)
        return None

    def _files(self, side: SideName) -> list[_File]:
        if side not in self._known:
            self._known[side] = list(self._read(self.changed[_SIDES.index(side)]))
        return self._known[side]

    def _read(self, changed: Blobs) -> Iterator[_File]:
        for path, blobs in changed.items():
            yield _File(path, *(self.hub.blob(blob)[:_MAX_BYTES] if blob else b"" for blob in blobs))


def _names(message: Message) -> list[bytes]:
    """Names in a message: the words in quotes, or all where there are none."""
    quoted = [word for part in _QUOTED.findall(message.text) for word in _WORD.findall(part.encode())]
    return list(dict.fromkeys(quoted or _WORD.findall(message.text.encode())))


def _line_of(name: bytes, content: bytes, other: bytes) -> int | None:
    """The first line with a name, among those that the other version does not have."""
    known, word = set(other.split(b"\n")), re.compile(rb"\b" + re.escape(name) + rb"\b")
    lines = enumerate(content.split(b"\n"), 1)
    return next((number for number, line in lines if line not in known and word.search(line)), None)
