"""Detection of what became of a removed definition: renamed in its module, or moved to another file.

A definition was *renamed* where the same side added, in the same module (the file, or the folder where that is the
module), exactly one definition of the same scope and kind, with the same parameters, whose tokens are the same but for
names that this side removed and added; from 30 tokens on, nine of ten in the same order will do. A definition of one
line that is no function or class (a field, a constant, a member) was renamed where one line in its place is the same
but for the name, and where a use has followed: another changed line that is the same but for the name. A function or
class of fewer than 10 tokens says little too: it has to stand where the old one stood, or a use has to have followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from pathlib import PurePosixPath

from activities.conflicts.entry import other_side
from activities.conflicts.semantic.delta import Delta, delta
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.read_symbols import read_symbols
from activities.conflicts.semantic.sides import Finding, overloads
from activities.conflicts.semantic.symbols import Definition
from activities.git.changes import Blobs
from activities.git.hub import Hub

_TOKEN = re.compile(r"\w+|[^\w\s]")
_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_SURE = 10
"""Tokens of a definition that say enough by themselves."""
_LONG = 30
_SIMILAR = 0.9
_SAME_FILE = 0.6
"""Share of equal lines from which on two files are one that moved."""
_MAX_FILES = 100
_MAX_LINES = 5_000


def with_renames(hub: Hub, changed: Sequence[Blobs], findings: Sequence[Finding]) -> list[Finding]:
    """The findings, where something was removed with what became of it; `changed`: the changed files of both sides."""
    sides = dict(zip(("ours", "theirs"), (_Side(hub, blobs) for blobs in changed), strict=True))
    return [
        sides[other_side(each.side)].explained(each) if each.change == "removed" and not each.is_data else each
        for each in findings
    ]


@dataclass
class _Side:
    """The side that removed a definition."""

    hub: Hub
    changed: Blobs
    _read: dict[str, tuple[str, str]] = field(default_factory=dict)
    _deltas: dict[str, Delta] = field(default_factory=dict)

    def explained(self, finding: Finding) -> Finding:
        """The finding with the new name or file of its definition, if it has one."""
        if finding.other not in self.changed or len(self.changed) > _MAX_FILES:
            return finding
        name = re.split(r"[./]", finding.name)[-1]
        if path := self._moved_to(finding.other, name):
            return replace(finding, change="moved", new_path=path)
        if new := self._new_name(finding, name):
            return replace(finding, change="renamed", new_name=new, is_member=self._is_member(finding, name))
        return finding

    def _is_member(self, finding: Finding, name: str) -> bool:
        old = next((each for each in self._delta(finding.other).removed if each.name == name), None)
        if old is not None:
            return bool(old.scope)
        return self._text(finding.other)[0].splitlines()[finding.other_line - 1][:1].isspace()

    def _moved_to(self, path: str, name: str) -> str | None:
        """The file that holds now what a file was, or that defines the name now."""
        before, after = self._text(path)
        others = [each for each in self.changed if each != path and self.changed[each][1] is not None]
        if not after:
            new = [each for each in others if self.changed[each][0] is None]
            alike = [each for each in new if self._share(before, self._text(each)[1]) >= _SAME_FILE]
            if alike:
                return alike[0] if len(alike) == 1 else None
        old = next((each for each in self._delta(path).removed if each.name == name), None)
        if old is None:
            return None
        found = [
            each for each in others if any(new.name == name and new.kind == old.kind for new in self._delta(each).added)
        ]
        return found[0] if len(found) == 1 else None

    def _share(self, before: str, after: str) -> float:
        if before.count("\n") + after.count("\n") > _MAX_LINES:
            return float(before == after)
        return SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False).ratio()

    def _new_name(self, finding: Finding, name: str) -> str | None:
        old = [each for each in self._delta(finding.other).removed if each.name == name]
        if old:
            new = self._renamed_definition(finding.other, old[0])
            is_long = len(self._tokens(finding.other, 0, old[0])) >= _SURE
            sure = is_long or self._renamed_line(finding.other, old[0].line, name) == new
        else:
            new, sure = self._renamed_line(finding.other, finding.other_line, name), False
        return new if new and (sure or self._was_followed(finding, name, new)) else None

    def _renamed_definition(self, path: str, old: Definition) -> str | None:
        """The new name of a function, class or value."""
        module = [(each, new) for each in self._module(path) for new in self._delta(each).added if _alike(old, new)]
        deltas = [self._delta(part) for part in self._module(path)]
        names = {definition.name for each in deltas for definition in (*each.removed, *each.added)}
        mine = _hidden(self._tokens(path, 0, old), names)
        equal, similar = [], []
        for each, new in module:
            theirs = _hidden(self._tokens(each, 1, new), names)
            if theirs == mine:
                equal.append(new.name)
            elif len(mine) >= _LONG and SequenceMatcher(None, mine, theirs, autojunk=False).ratio() >= _SIMILAR:
                similar.append(new.name)
        found = equal or similar
        twins = [
            each
            for part in self._module(path)
            for each in self._delta(part).removed
            if _alike(each, old) and _hidden(self._tokens(part, 0, each), names) == mine
        ]
        return found[0] if len(found) == 1 and len(twins) == 1 else None

    def _renamed_line(self, path: str, line: int, name: str) -> str | None:
        """The new name of what is defined in one line."""
        before, after = self._text(path)
        for old, new in _replaced(before, after):
            if line - 1 in old:
                text = before.splitlines()[line - 1]
                candidates = [_substituted(text, each, name) for each in new]
                found = [each for each in candidates if each and not re.search(rf"\b{re.escape(each)}\b", before)]
                return found[0] if len(found) == 1 else None
        return None

    def _was_followed(self, finding: Finding, name: str, new: str) -> bool:
        """Whether another line of this side is the same but for the name."""
        for path in self.changed:
            before, after = self._text(path)
            lines = before.splitlines()
            for old, now in _replaced(before, after):
                for number, text in zip(old, now, strict=False):
                    is_definition = (path, number + 1) == (finding.other, finding.other_line)
                    if not is_definition and _substituted(lines[number], text, name) == new:
                        return True
        return False

    def _module(self, path: str) -> list[str]:
        """The changed files that share their names with a file."""
        language = language_of(path)
        if language is None or not language.folder_is_module:
            return [path]
        folder = PurePosixPath(path).parent
        return [each for each in self.changed if language_of(each) is language and PurePosixPath(each).parent == folder]

    def _delta(self, path: str) -> Delta:
        if path not in self._deltas:
            before, after = (
                read_symbols(path, text.encode("utf-8", "surrogateescape") if blob else None)
                for text, blob in zip(self._text(path), self.changed[path], strict=True)
            )
            self._deltas[path] = delta(before, after, overloads(path))
        return self._deltas[path]

    def _tokens(self, path: str, version: int, definition: Definition) -> list[str]:
        lines = self._text(path)[version].splitlines()[definition.line - 1 : definition.end]
        return _TOKEN.findall("\n".join(lines))

    def _text(self, path: str) -> tuple[str, str]:
        if path not in self._read:
            before, after = (
                self.hub.blob(blob).decode("utf-8", "surrogateescape") if blob else "" for blob in self.changed[path]
            )
            self._read[path] = before, after
        return self._read[path]


def _alike(old: Definition, new: Definition) -> bool:
    """Whether two definitions are of one scope and kind, and take the same."""
    parameters = [each.signature.text if each.signature else None for each in (old, new)]
    return (old.scope, old.kind) == (new.scope, new.kind) and parameters[0] == parameters[1]


def _hidden(tokens: Sequence[str], names: set[str]) -> list[str]:
    return ["" if each in names else each for each in tokens]


def _replaced(before: str, after: str) -> Iterator[tuple[range, list[str]]]:
    """Numbers of lines, from 0, and what stands in their place."""
    old, new = before.splitlines(), after.splitlines()
    if len(old) + len(new) > _MAX_LINES:
        return
    for kind, i1, i2, j1, j2 in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "replace":
            yield range(i1, i2), new[j1:j2]


def _substituted(before: str, after: str, name: str) -> str | None:
    """The word that stands for a name in an else equal line."""
    old, new = _TOKEN.findall(before), _TOKEN.findall(after)
    if len(old) != len(new) or name not in old:
        return None
    words = {there for here, there in zip(old, new, strict=True) if here == name}
    rest = all(here == there for here, there in zip(old, new, strict=True) if here != name)
    word = words.pop() if len(words) == 1 and rest else name
    return word if word != name and _NAME.fullmatch(word) else None
