"""Defaults: one side changes one and has the calls that are there name its former value; a new call leaves it out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from activities.conflicts.behaviour.imports import may_come_from
from activities.conflicts.behaviour.source import Call, Function, source_of
from activities.conflicts.names.check import Elsewhere, Side, Texts
from activities.conflicts.semantic.language import Language
from activities.conflicts.semantic.languages import language_of
from activities.conflicts.semantic.sides import Finding

_VALUE = re.compile(r"\b(\w+)\s?(?::[^=,(){}\n]{0,100})?=\s?([^=\s,(){}][^,(){}\n]*)")
_MAX_LINE = 1_000


def other_default(one: Side, other: Side, merged: Texts, elsewhere: Elsewhere) -> Iterator[Finding]:
    """Calls, new on the other side, that leave out what one side's calls now name since its default has changed."""
    for path, text in one.after.items():
        before = one.before[path]
        language = language_of(path)
        if before == text or not before or language is None or not _may_differ(before, text):
            continue
        for old, new in _changed_defaults(path, before, text):
            calls = [list(_calls(new, path, texts, language, one)) for texts in (one.before, one.after)]
            rest = list(_calls(new, path, _untouched(new, merged, elsewhere), language, one))
            for name, value in old.defaults.items():
                if new.defaults.get(name) in (None, value):
                    continue
                named = [sum(each.argument(new, name) == value for _, each in found) for found in calls]
                if named[1] <= named[0] or any(_leaves_out(each, new, name) for _, each in (*calls[1], *rest)):
                    continue
                for use, each in _new_calls(new, path, other, language, one):
                    if _leaves_out(each, new, name) and new.name in merged.get(use, ""):
                        message = (
                            f"{use}:{each.line} calls {new.name}() without {name}, of which the default is no longer "
                            f"{value} in {path}; calls that were there name it now"
                        )
                        yield Finding(new.name, use, each.line, path, new.line, message, is_data=True, side=other.name)


def _may_differ(before: str, after: str) -> bool:
    """Whether some name has other values than before, as far as a look at the text tells."""
    lines = [{line for line in each.split("\n") if len(line) < _MAX_LINE} for each in (before, after)]
    old, new = (set(_VALUE.findall("\n".join(each))) for each in (lines[0] - lines[1], lines[1] - lines[0]))
    return bool({name for name, _ in old - new} & {name for name, _ in new - old})


def _changed_defaults(path: str, before: str, after: str) -> Iterator[tuple[Function, Function]]:
    known, now = source_of(path, before), source_of(path, after)
    for new in now.functions:
        old = known.function(new.name) if now.function(new.name) is not None else None
        if old is not None and old.parameters and old.defaults != new.defaults:
            yield old, new


def _untouched(function: Function, merged: Texts, elsewhere: Elsewhere) -> Texts:
    return {path: text for path, text in elsewhere([function.name]) if path not in merged}


def _calls(function: Function, path: str, texts: Texts, language: Language, owner: Side) -> Iterator[tuple[str, Call]]:
    """Calls of a function of a file, in files of its language that can have it from there."""
    for use, text in texts.items():
        its = language_of(use)
        if its is None or (its.family or its.name) != (language.family or language.name):
            continue
        if function.name in text and may_come_from(function.name, use, path, {path: owner.after[path], **texts}):
            yield from ((use, each) for each in source_of(use, text).calls if each.name == function.name)


def _new_calls(
    function: Function, path: str, side: Side, language: Language, owner: Side
) -> Iterator[tuple[str, Call]]:
    known = [
        (use, each.receiver, each.positional, each.named)
        for use, each in _calls(function, path, side.before, language, owner)
    ]
    for use, each in _calls(function, path, side.after, language, owner):
        if (row := (use, each.receiver, each.positional, each.named)) in known:
            known.remove(row)
        else:
            yield use, each


def _leaves_out(call: Call, function: Function, name: str) -> bool:
    return not call.is_open and call.argument(function, name) is None
