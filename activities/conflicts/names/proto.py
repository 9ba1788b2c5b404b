"""Names of Protocol Buffers: numbers of fields, types, values of enums, in the scopes of the language."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from activities.conflicts.names.rule import Mention, NameRule

_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/|[\w.]+|[^\s\w]', re.DOTALL)
_SCALARS = frozenset(
    {
        *("double", "float", "bool", "string", "bytes", "int32", "int64", "uint32", "uint64", "sint32", "sint64"),
        *("fixed32", "fixed64", "sfixed32", "sfixed64"),
    }
)
_MAX_RANGE = 1000
_LABELS = ("optional", "required", "repeated")


@dataclass
class _Block:
    kind: str
    name: str
    reserved: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class _File:
    """What one file says; `numbers` holds those of fields and those that are reserved."""

    package: str = ""
    numbers: list[Mention] = field(default_factory=list)
    reserved: list[tuple[str, int, int, int]] = field(default_factory=list)
    types: list[Mention] = field(default_factory=list)
    values: list[Mention] = field(default_factory=list)
    uses: list[Mention] = field(default_factory=list)
    nested: set[str] = field(default_factory=set)


def _statements(text: str) -> Iterator[tuple[list[str], str, int]]:
    """Words of each statement, what ends it (`;`, `{`, `}`), and its line."""
    words: list[str] = []
    line = 0
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token.startswith(("//", "/*")):
            continue
        if token in (";", "{", "}"):
            yield words, token, line or text.count("\n", 0, found.start()) + 1
            words, line = [], 0
            continue
        line = line or text.count("\n", 0, found.start()) + 1
        words.append(token)


def _read(path: str, text: str) -> _File:
    found, blocks = _File(), list[_Block]()
    for words, end, line in _statements(text):
        head = words[0] if words else ""
        if end == "}":
            if blocks:
                blocks.pop()
            continue
        if end == "{":
            kind = head if head in ("message", "enum", "service", "oneof", "extend") else "other"
            name = words[1] if len(words) > 1 else ""
            if kind in ("message", "enum", "service"):
                scope = ".".join(each.name for each in blocks)
                found.types.append(Mention(found.package, f"{scope}.{name}".lstrip("."), line))
                if scope:
                    found.nested.add(name)
            blocks.append(_Block(kind, name))
            continue
        if head == "package" and len(words) > 1:
            found.package = words[1]
        elif blocks:
            _member(found, blocks, words, line)
    return found


def _member(found: _File, blocks: list[_Block], words: list[str], line: int) -> None:
    inner = blocks[-1]
    names = [each.name for each in blocks if each.kind in ("message", "enum")]
    scope = f"{found.package}:{'.'.join(names)}"
    if words[:1] == ["reserved"]:
        numbers = re.findall(r"(\d+)(?:\s+to\s+(\d+|max))?", " ".join(words[1:]))
        for first, last in numbers:
            end = int(last) if last.isdigit() else (2**29 if last else int(first))
            found.reserved.append((scope, int(first), end, line))
    elif inner.kind == "enum" and len(words) >= 3 and words[1] == "=":
        above = ".".join(names[:-1])
        found.values.append(Mention(f"{found.package}:{above}", words[0], line))
    elif inner.kind in ("message", "oneof") and "=" in words:
        at = words.index("=")
        if at + 1 < len(words) and words[at + 1].isdigit():
            found.numbers.append(Mention(scope, words[at + 1], line))
        for word in words[: at - 1]:
            name = word.rpartition(".")[2]
            if re.fullmatch(r"[A-Za-z]\w*", name) and name not in (*_SCALARS, *_LABELS, "map"):
                found.uses.append(Mention(found.package, name, line))
    elif inner.kind == "service" and words[:1] == ["rpc"]:
        for name in re.findall(r"\(\s*(?:stream\s+)?([\w.]+)\s*\)", " ".join(words)):
            found.uses.append(Mention(found.package, name.rpartition(".")[2], line))


def _numbers(path: str, text: str) -> Iterator[Mention]:
    """Numbers of fields; one that the file also reserves counts twice."""
    found = _read(path, text)
    yield from found.numbers
    taken = {(each.scope, int(each.key)) for each in found.numbers}
    for scope, first, last, line in found.reserved:
        clashes = (number for owner, number in taken if owner == scope and first <= number <= last)
        yield from (Mention(scope, str(number), line) for number in sorted(clashes))
        if last - first < _MAX_RANGE:
            free = (number for number in range(first, last + 1) if (scope, number) not in taken)
            yield from (Mention(scope, str(number), line) for number in free)


def _types(path: str, text: str) -> Iterator[Mention]:
    for each in _read(path, text).types:
        yield each._replace(key=each.key.rpartition(".")[2])


def _uses(path: str, text: str) -> Iterator[Mention]:
    found = _read(path, text)
    yield from (each for each in found.uses if each.key not in found.nested)


def _values(path: str, text: str) -> Iterator[Mention]:
    yield from _read(path, text).values


RULES = (
    NameRule("field number", ("*.proto",), _numbers, unique=True),
    NameRule("value of an enum", ("*.proto",), _values, unique=True),
    NameRule("message", ("*.proto",), _types, _uses, unique=False),
)
