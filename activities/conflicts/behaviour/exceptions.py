"""Exceptions: a function raises another kind, its handlers were adapted, and new code handles the former kind."""

from __future__ import annotations

import builtins
import re
from collections import Counter
from collections.abc import Iterator, Mapping

from activities.conflicts.behaviour.imports import may_come_from
from activities.conflicts.behaviour.source import Function, Handler, is_python, source_of
from activities.conflicts.names.check import Elsewhere, Side, Texts
from activities.conflicts.semantic.sides import Finding

_RAISES = re.compile(r"\braise\s+[\w.]+")
_HANDLES = re.compile(r"\bexcept\b[^\n]*|[rR]aises(?:Regex)?\([^\n]*")
_MAX_KINDS = 100
_ALL = frozenset({"Exception", "BaseException"})


def other_kind(one: Side, other: Side, merged: Texts, elsewhere: Elsewhere) -> Iterator[Finding]:
    """Handlers, new on the other side, of a kind that one side has replaced in the function and in its handlers."""
    if not any(_more(_HANDLES, path, other) for path in other.after):
        return
    raising = [path for path in one.after if one.before[path] and _more(_RAISES, path, one)]
    for path in raising:
        for function, kinds in _new_kinds(path, one):
            before, after = (_handled(function.name, path, texts, one) for texts in (one.before, one.after))
            gained = {kind for kind in kinds if after[kind] > before[kind]}
            former = {kind for kind in before if after[kind] < before[kind] and kind not in function.raises}
            for use, each in _new_handlers(function.name, path, other, one):
                caught = each.kinds & former
                if not caught or not gained or any(_catches(each, kind, one.after) for kind in gained):
                    continue
                if not any(known.kinds == each.kinds for known in source_of(use, merged.get(use, "")).handlers):
                    continue
                kind = min(gained)
                message = f"{use}:{each.line} handles {min(caught)} of {function.name}(), which raises {kind} in {path}"
                yield Finding(
                    function.name, use, each.line, path, function.line, message, is_data=True, side=other.name
                )


def _more(pattern: re.Pattern[str], path: str, side: Side) -> bool:
    """Whether a file of Python has more of something than before."""
    counts = (Counter(pattern.findall(texts[path])) for texts in (side.after, side.before))
    return is_python(path) and bool(next(counts) - next(counts))


def _new_kinds(path: str, side: Side) -> Iterator[tuple[Function, set[str]]]:
    """Functions of a file that raise, themselves or by those that they call there, what they have not raised."""
    before, after = source_of(path, side.before[path]), source_of(path, side.after[path])
    for each in after.functions:
        old = before.function(each.name)
        if old is not None and after.function(each.name) is not None:
            new = _raised(each, {one.name: one for one in after.functions})
            new -= _raised(old, {one.name: one for one in before.functions})
            if new:
                yield each, new


def _raised(function: Function, functions: Mapping[str, Function]) -> set[str]:
    called = [functions[name] for name in function.calls if name in functions]
    return {*function.raises, *(kind for each in called for kind in each.raises)}


def _handlers(name: str, path: str, texts: Texts, owner: Side) -> Iterator[tuple[str, Handler]]:
    """Handlers of what a function of a file raises."""
    for use, text in texts.items():
        if is_python(use) and name in text and may_come_from(name, use, path, {path: owner.after[path], **texts}):
            yield from ((use, each) for each in source_of(use, text).handlers if name in each.calls)


def _handled(name: str, path: str, texts: Texts, owner: Side) -> Counter[str]:
    return Counter(kind for _, each in _handlers(name, path, texts, owner) for kind in each.kinds)


def _new_handlers(name: str, path: str, side: Side, owner: Side) -> Iterator[tuple[str, Handler]]:
    known = Counter((use, each.kinds) for use, each in _handlers(name, path, side.before, owner))
    for use, each in _handlers(name, path, side.after, owner):
        known[use, each.kinds] -= 1
        if known[use, each.kinds] < 0:
            yield use, each


def _catches(handler: Handler, kind: str, texts: Texts) -> bool:
    return not handler.kinds or not handler.kinds.isdisjoint(_ALL | _ancestors(kind, texts))


def _ancestors(kind: str, texts: Texts) -> set[str]:
    """A kind of exception and those that it is one of."""
    found, waiting = {kind}, [kind]
    while waiting and len(found) < _MAX_KINDS:
        each = waiting.pop()
        built_in = getattr(builtins, each, None)
        if isinstance(built_in, type):
            new = {one.__name__ for one in built_in.__mro__}
        else:
            new = {
                base
                for path, text in texts.items()
                if is_python(path) and each in text
                for one in source_of(path, text).classes
                if one.name == each
                for base in one.bases
            }
        waiting += sorted(new - found)
        found |= new
    return found
