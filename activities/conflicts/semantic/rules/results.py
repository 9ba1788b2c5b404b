"""What functions give back differently, against calls that the other side adds for what they gave before."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from activities.conflicts.semantic.rules.definitions import means
from activities.conflicts.semantic.shapes import Function, Result
from activities.conflicts.semantic.sides import Finding, SideChange
from activities.conflicts.semantic.sides import Result as Merge
from activities.conflicts.semantic.symbols import NOTHING, Definition, Use

_CONSUMED = {"index", "member", "len", "used"}
_NOTHING_TYPE = re.compile(r"\b(undefined|null|None|Optional)\b")
_HEAD = re.compile(r"^[:\s]*(?:[\w:.]*(?:::|\.))?(Option|Result|Optional)\s*<|^\w*Result\b")
_WRAPPERS = {
    "Option": frozenset(
        [
            "is_some",
            "is_none",
            "unwrap",
            "expect",
            "unwrap_or",
            "unwrap_or_else",
            "unwrap_or_default",
            "map",
            "map_or",
            "map_or_else",
            "ok_or",
            "ok_or_else",
            "and",
            "and_then",
            "or",
            "or_else",
            "filter",
            "take",
            "replace",
            "as_ref",
            "as_mut",
            "as_deref",
            "cloned",
            "copied",
            "iter",
            "zip",
            "is_some_and",
            "is_none_or",
            "get_or_insert_with",
            "insert",
            "flatten",
            "xor",
            "inspect",
        ]
    ),
    "Result": frozenset(
        [
            "is_ok",
            "is_err",
            "ok",
            "err",
            "unwrap",
            "expect",
            "unwrap_or",
            "unwrap_or_else",
            "unwrap_or_default",
            "unwrap_err",
            "map",
            "map_err",
            "map_or",
            "map_or_else",
            "and",
            "and_then",
            "or",
            "or_else",
            "as_ref",
            "as_mut",
            "iter",
            "cloned",
            "copied",
            "is_ok_and",
            "inspect",
            "inspect_err",
        ]
    ),
    "Optional": frozenset(
        [
            "get",
            "isPresent",
            "isEmpty",
            "ifPresent",
            "ifPresentOrElse",
            "filter",
            "map",
            "flatMap",
            "or",
            "orElse",
            "orElseGet",
            "orElseThrow",
            "stream",
            "equals",
            "hashCode",
            "toString",
        ]
    ),
}
"""Methods of types that wrap a value."""
_PATTERNS = {"Option": {"Some", "None"}, "Result": {"Ok", "Err"}}
_CHECKED = frozenset(
    {
        "ClassNotFoundException",
        "CloneNotSupportedException",
        "Exception",
        "ExecutionException",
        "FileNotFoundException",
        "GeneralSecurityException",
        "IOException",
        "InterruptedException",
        "MalformedURLException",
        "NoSuchAlgorithmException",
        "NoSuchFieldException",
        "NoSuchMethodException",
        "ParseException",
        "ReflectiveOperationException",
        "SQLException",
        "Throwable",
        "TimeoutException",
        "URISyntaxException",
    }
)
"""Exceptions of Java's library that a caller has to handle."""


def changed_results(one: SideChange, other: SideChange, merge: Merge) -> Iterator[Finding]:
    used = other.uses_by_name
    for target, old, new in _changed(one, used.keys()):
        definition = Definition(new.name, (new.scope,) if new.scope else (), "function", new.line, new.line)
        for path, use in used[new.name]:
            if new.result.is_property and path.endswith(".py"):
                # What it gives may be there to be called: `behaviour.members` looks.
                continue
            message = _misfit(old.result, new.result, use, _checked_near(path, target, merge))
            symbols = other.after[path]
            certain = means(use, path, symbols, target, definition, merge) if message else False
            if certain or (certain is None and not merge.defines(new.name, path, target, but=definition)):
                name = f"{new.scope}.{new.name}" if new.scope else new.name
                text = f"{path}:{use.line} uses {name} as it was; in {target} it {message}"
                yield Finding(new.name, path, use.line, target, new.line, text, side=other.name)


def _changed(one: SideChange, used: Collection[str]) -> Iterator[tuple[str, Function, Function]]:
    """Functions that are used anew, and that give another result than before."""
    for target, before in one.before.items():
        after = one.after[target]
        if before is NOTHING or after is NOTHING:
            continue
        for old in before.shapes.functions:
            new = after.shapes.function(old.scope, old.name) if old.name in used else None
            if new is not None and old is before.shapes.function(old.scope, old.name) and old.result != new.result:
                yield target, old, new


def _misfit(old: Result, new: Result, use: Use, checked: Collection[str]) -> str:
    """What the function does now that the use does not take; empty where it fits, or that is not seen."""
    how = use.how
    is_consumed = bool(how & _CONSUMED) and "awaited" not in how
    if new.is_property != old.is_property:
        if new.is_property and use.receiver is not None and use.call is not None:
            return "is a property, which is not called"
        if old.is_property and use.receiver is not None and use.call is None:
            return "is a method, which has to be called"
        return ""
    if _is_async(new) and not _is_async(old):
        return "is asynchronous, and its value is used without waiting for it" if is_consumed else ""
    if new.is_generator and not old.is_generator:
        return "is a generator, without length and index" if how & {"index", "len"} else ""
    gained = [each for each in new.throws if each not in old.throws and each in checked]
    if gained and use.call is not None and "safe" not in how:
        return f"throws {gained[0]}, which is not handled"
    return _other_type(old, new, how)


def _other_type(old: Result, new: Result, how: frozenset[str]) -> str:
    size = _size(new)
    if size is not None and size != _size(old):
        targets = {int(each.partition(":")[2]) for each in how if each.startswith("unpacked:")} | (
            {1} if "single" in how else set()
        )
        is_old = {*old.sizes} <= {0, *targets}
        if targets and size not in targets and is_old:
            return f"gives {size} values"
        if size > 1 and {*old.sizes} <= {0} and "member" in how:
            return f"gives {size} values together"
    heads = [_head(each.text) for each in (old, new)]
    patterns = {each.partition(":")[2] for each in how if each.startswith("matched:")}
    if heads[0] != heads[1] and heads[1] in _PATTERNS and patterns and patterns <= _PATTERNS.get(heads[0], set()):
        return f"gives a {heads[1]}"
    if heads[1] in _WRAPPERS and heads[0] != heads[1] and old.text and _takes_bare(old, how, heads[1]):
        return f"gives {'an' if heads[1] == 'Option' else 'a'} {heads[1]}"
    may_lack = _NOTHING_TYPE.search(new.text) is not None and _NOTHING_TYPE.search(old.text) is None
    if may_lack and old.text and "member" in how and "guarded" not in how:
        return f"may give nothing: {new.text.lstrip(': ')}"
    return ""


def _takes_bare(old: Result, how: frozenset[str], head: str) -> bool:
    """Whether a use takes the value itself out of a function that gives a wrapped one now."""
    if f"typed:{old.text.lstrip(': ')}" in how:
        return True
    names = {each.partition(":")[2] for each in how if each.startswith("member:")}
    return bool(names - _WRAPPERS[head]) or bool(how & {"index", "used"})


def _is_async(result: Result) -> bool:
    return result.is_async or "Promise<" in result.text


def _size(result: Result) -> int | None:
    """How many values it gives, where that is the same at every end and seen."""
    sizes = {*result.sizes}
    return next(iter(sizes)) if len(sizes) == 1 and sizes != {0} else None


def _head(text: str) -> str:
    found = _HEAD.search(text)
    return "" if found is None else found[1] or "Result"


def _checked_near(path: str, target: str, merge: Merge) -> set[str]:
    """Exceptions that a caller has to handle: those of the library, and what extends them."""
    types = (each for _, symbols in merge.near(path, target) for each in symbols.shapes.types)
    return {*_CHECKED, *(each.name for each in types if _CHECKED & {*each.bases})}
