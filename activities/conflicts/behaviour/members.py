"""Members of classes: abstract ones that a new subclass lacks, properties that new code calls."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from activities.conflicts.behaviour.imports import may_come_from
from activities.conflicts.behaviour.source import Class, is_python, source_of
from activities.conflicts.names.check import Elsewhere, Side, Texts
from activities.conflicts.semantic.sides import Finding

_ABSTRACT = ("abstractmethod", "abstractproperty")
_PROPERTY = ("property", "cached_property")
_MAX_CLASSES = 20
_OPEN = frozenset({"object", "Generic"})
_ABSTRACT_BASES = frozenset({"ABC", "ABCMeta", "Protocol"})
_WORD_IN_NAME = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])")


def not_overridden(one: Side, other: Side, merged: Texts, elsewhere: Elsewhere) -> Iterator[Finding]:
    """Classes, new on the other side, without a member that one side has made abstract in their base."""
    for path, base in _changed_classes(one, "abstract"):
        before = _class_of(base.name, path, one.before)
        new = {name for name in base.members if base.marked(name, *_ABSTRACT)}
        new -= {name for name in before.members if before.marked(name, *_ABSTRACT)} if before is not None else set()
        if before is None or not new:
            continue
        for use, each in _new_subclasses(base.name, other):
            known = _Classes([merged, dict(elsewhere([*each.bases, each.name]))])
            if not may_come_from(base.name, use, path, known.files) or known.is_base_of_others(each.name):
                continue
            now = known.in_file(each.name, use)
            missing = [name for name in sorted(new) if now is not None and known.lacks(now, name, base.name)]
            if missing and now is not None:
                told = ", ".join(missing)
                message = (
                    f"{each.name} in {use}:{now.line} does not define {told}, which {base.name} in {path} asks for"
                )
                yield _finding(missing[0], use, now.line, path, base.members[missing[0]][0], message, other)


def called_properties(one: Side, other: Side, merged: Texts, elsewhere: Elsewhere) -> Iterator[Finding]:
    """Calls, new on the other side, of what one side has made a property."""
    for path, owner in _changed_classes(one, "property"):
        before = _class_of(owner.name, path, one.before)
        new = [name for name in owner.members if owner.marked(name, *_PROPERTY)]
        for name in new:
            if before is None or name not in before.members or before.marked(name, *_PROPERTY):
                continue
            call = re.compile(rf"(?<![\w.])([\w.]{{1,200}})\.{re.escape(name)}\(")
            if any(call.search(text) for text in one.after.values()) or _is_defined_as_another(name, merged, elsewhere):
                continue
            for use, text in other.after.items():
                added = _counts(call, text) - _counts(call, other.before[use])
                for receiver in added if is_python(use) else ():
                    if _is_a(receiver, owner.name, text) and (
                        line := _line_of(f"{receiver}.{name}(", merged.get(use, ""))
                    ):
                        message = f"{use}:{line} calls {owner.name}.{name}, which is a property in {path}"
                        yield _finding(name, use, line, path, owner.members[name][0], message, other)


def _finding(name: str, path: str, line: int, other: str, other_line: int, message: str, side: Side) -> Finding:
    return Finding(name, path, line, other, other_line, message, is_data=True, side=side.name)


def _changed_classes(side: Side, word: str) -> Iterator[tuple[str, Class]]:
    """Classes of the changed files in which a word has become more frequent."""
    for path, text in side.after.items():
        if is_python(path) and text.count(word) > side.before[path].count(word):
            yield from ((path, each) for each in source_of(path, text).classes)


def _class_of(name: str, path: str, texts: Texts) -> Class | None:
    found = [each for each in source_of(path, texts[path]).classes if each.name == name]
    return found[0] if len(found) == 1 else None


def _new_subclasses(base: str, side: Side) -> Iterator[tuple[str, Class]]:
    for path, text in side.after.items():
        if is_python(path) and base in text:
            known = {(each.name, each.bases) for each in source_of(path, side.before[path]).classes}
            for each in source_of(path, text).classes:
                if (each.name, each.bases) not in known and each.bases:
                    yield path, each


class _Classes:
    """Classes of the merge, as far as its files are known."""

    def __init__(self, texts: Iterable[Texts]) -> None:
        self.files = {path: text for part in reversed(list(texts)) for path, text in part.items() if is_python(path)}
        self._by_name: dict[str, list[tuple[str, Class]]] = {}
        for path, text in self.files.items():
            for each in source_of(path, text).classes:
                self._by_name.setdefault(each.name, []).append((path, each))

    def in_file(self, name: str, path: str) -> Class | None:
        return next((each for where, each in self._by_name.get(name, []) if where == path), None)

    def is_base_of_others(self, name: str) -> bool:
        return any(name in each.bases for found in self._by_name.values() for _, each in found)

    def lacks(self, each: Class, member: str, base: str, seen: frozenset[str] = frozenset()) -> bool:
        """Whether a class surely has no member of its own between itself and the base."""
        if member in each.members or not _ABSTRACT_BASES.isdisjoint(each.bases) or "__getattr__" in each.members:
            return False
        if any(each.marked(name, *_ABSTRACT) for name in each.members):
            return False
        reaches = False
        for name in each.bases:
            if name == base:
                reaches = True
                continue
            if name in _OPEN:
                continue
            known = self._by_name.get(name, [])
            if len(known) != 1 or name in seen or len(seen) > _MAX_CLASSES:
                return False
            if not self.lacks(known[0][1], member, base, seen | {each.name, *each.bases}):
                return False
            reaches = True
        return reaches


def _is_defined_as_another(name: str, merged: Texts, elsewhere: Elsewhere) -> bool:
    """Whether something else than properties has the name, as far as the tree shows."""
    if any(hasattr(kind, name) for kind in (str, bytes, list, dict, set, tuple, int, float)):
        return True
    other = re.compile(rf"(?m)^(?!.*\bself\.{name}\(\)).*(\.{name}\s*=[^=]|\bdef {name}\b)")
    for path, text in {**dict(elsewhere([name])), **merged}.items():
        if not is_python(path):
            continue
        properties = {
            each.members[name][0] for each in source_of(path, text).classes if each.marked(name, *_PROPERTY, "setter")
        }
        for number, line in enumerate(text.split("\n"), 1):
            if other.match(line) and number not in properties:
                return True
    return False


def _counts(pattern: re.Pattern[str], text: str) -> Counter[str]:
    return Counter(found[1] for found in pattern.finditer(text))


def _is_a(receiver: str, owner: str, text: str) -> bool:
    """Whether an expression is most likely an object of a class: by its name, or by what the file says of it."""
    last = receiver.split(".")[-1]
    words = [word.lower() for word in _WORD_IN_NAME.findall(owner)]
    if last.strip("_").lower().split("_")[-1:] == words[-1:] and last not in ("self", "cls"):
        return True
    made = rf"\b{re.escape(last)}\s*(=\s*(\w+\.)*{owner}\(|:\s*[\"']?(\w+\.)*{owner}\b)"
    return re.search(made, text) is not None


def _line_of(text: str, content: str) -> int | None:
    return next((number for number, line in enumerate(content.split("\n"), 1) if text in line), None)
