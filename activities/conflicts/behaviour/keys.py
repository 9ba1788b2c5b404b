"""Names in Python that are no symbols: keys of dictionaries, fixtures of pytest."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator

from activities.conflicts.behaviour.source import is_python
from activities.conflicts.names.check import Elsewhere, Side, Texts
from activities.conflicts.semantic.sides import Finding

_KEY = re.compile(r"[{,\s]['\"](\w{3,60})['\"]\s?:(?!:)|\[['\"](\w{3,60})['\"]\]\s?=[^=]")
_READ = re.compile(r"[\w\])]\[['\"](\w{3,60})['\"]\](?!\s?=[^=])")
_FIXTURE = re.compile(r"^@(?:pytest(?:_asyncio)?\.)?fixture\b[^\n]*\n(?:async )?def (\w+)\(", re.MULTILINE)
_TEST = re.compile(r"^[ \t]*(?:async )?def test\w*\(([^)]{0,2000})\)", re.MULTILINE)
_WORD = re.compile(r"\w+")
_MAX_KEYS = 20


def renamed_keys(one: Side, other: Side, merged: Texts, elsewhere: Elsewhere) -> Iterator[Finding]:
    """Readers, new on the other side, of a key that one side has renamed where it is made and where it is read."""
    using = [path for path, text in other.after.items() if is_python(path) and "[" in text]
    if not using:
        return
    changed = [path for path in one.after if is_python(path) and one.before[path]]
    lost, gained = (
        _keys(_KEY, changed, first) - _keys(_KEY, changed, second)
        & _keys(_READ, changed, first) - _keys(_READ, changed, second)
        for first, second in ((one.before, one.after), (one.after, one.before))
    )
    if not lost or len(lost) != len(gained) or len(lost) > _MAX_KEYS:
        return
    for path in using:
        added = _counted(_READ, other.after[path]) - _counted(_READ, other.before[path])
        for key in sorted(lost & added.keys()):
            rest = [text for each, text in elsewhere([key]) if each not in merged]
            known = _KEY, _READ, re.compile(rf"\b({key})=")
            texts = [*rest, *(text for each, text in merged.items() if each != path)]
            if any(key in _counted(pattern, text) for pattern in known for text in texts):
                continue
            if key in _counted(_KEY, merged.get(path, "")) or not (line := _line(f"[{key}]", merged.get(path, ""))):
                continue
            target = next(each for each in changed if key in _counted(_KEY, one.before[each]))
            message = f"{path}:{line} reads the key {key!r}, which {target} no longer makes"
            yield Finding(
                key,
                path,
                line,
                target,
                _line(f"[{key}]", one.before[target]) or 1,
                message,
                is_data=True,
                side=other.name,
            )


def removed_fixtures(one: Side, other: Side, merged: Texts, elsewhere: Elsewhere) -> Iterator[Finding]:
    """Tests, new on the other side, that ask for a fixture which one side has removed or renamed."""
    gone = {
        found[1]: (path, text.count("\n", 0, found.start()) + 1)
        for path, text in one.before.items()
        if is_python(path) and "fixture" in text
        for found in _FIXTURE.finditer(text)
    }
    gone = {name: place for name, place in gone.items() if not any(_defines(name, text) for text in one.after.values())}
    for use, text in other.after.items() if gone else ():
        asked = _asked(text) - _asked(other.before[use]) if is_python(use) else Counter[str]()
        for name in sorted(gone.keys() & asked.keys()):
            path, line = gone[name]
            scope = os.path.dirname(path) if os.path.basename(path) == "conftest.py" else path
            if scope and use != scope and not use.startswith(f"{scope}/"):
                continue
            # What asks for it still has it from somewhere else.
            rest = {each: text for each, text in elsewhere([name]) if each not in merged}
            texts = [*rest.values(), *one.after.values()]
            if any(_defines(name, each) or name in _asked(each) for each in texts) or _defines(name, text):
                continue
            if re.search(rf"parametrize\([^)]*\b{name}\b", text) or name not in _asked(merged.get(use, "")):
                continue
            place = _line(rf"def test\w*\([^)]*\b{name}\b", merged[use]) or 1
            message = f"{use}:{place} asks for the fixture {name}, which was removed or renamed in {path}"
            yield Finding(name, use, place, path, line, message, is_data=True, side=other.name, change="removed")


def _counted(pattern: re.Pattern[str], text: str) -> Counter[str]:
    return Counter(next(filter(None, found.groups())) for found in pattern.finditer(text))


def _keys(pattern: re.Pattern[str], paths: list[str], texts: Texts) -> set[str]:
    return {key for path in paths for key in _counted(pattern, texts[path])}


def _asked(text: str) -> Counter[str]:
    """Parameters of the tests of a file."""
    return Counter(name for found in _TEST.finditer(text) for name in _WORD.findall(found[1]))


def _defines(name: str, text: str) -> bool:
    return any(found[1] == name for found in _FIXTURE.finditer(text)) or f'fixture(name="{name}"' in text


def _line(pattern: str, text: str) -> int | None:
    """Line of the first match; `[key]` stands for that key in quotes."""
    if pattern.startswith("["):
        pattern = rf"['\"]{pattern[1:-1]}['\"]"
    found = re.search(pattern, text)
    return text.count("\n", 0, found.start()) + 1 if found is not None else None
