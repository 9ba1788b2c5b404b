"""Subtypes and implementations that the other side writes for what a type asked of them before."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from posixpath import dirname

from activities.conflicts.semantic.module_files import is_same_crate
from activities.conflicts.semantic.references import knows
from activities.conflicts.semantic.rules.changed_type import ChangedType
from activities.conflicts.semantic.shapes import EMPTY_BASES, Member, TypeShape
from activities.conflicts.semantic.sides import Finding, Result, SideChange
from activities.conflicts.semantic.symbols import Symbols


def misfitting_subtypes(changed: ChangedType) -> Iterator[Finding]:
    """Subtypes that lack a member that they must have now, or that may not be any more.

    In Python a subtype may have it from anywhere: `behaviour.members` follows that.
    """
    is_followed = changed.new.kind == "struct" or changed.target.endswith(".py")
    gained = [] if is_followed else changed.gained("method")
    became_final = changed.new.is_final and not changed.old.is_final
    for path, _ in changed.known() if gained or became_final else ():
        for each in changed.new_subtypes(path):
            missing = [member for member in gained if each.member(member.name) is None]
            if became_final:
                message = f"{path}:{each.line} extends {changed.old.name}, which is final now in {changed.target}"
                yield changed.finding(path, each.line, None, message)
            elif missing and not _is_open(each, changed):
                yield _lacks(changed, path, each, missing[0])


def _lacks(changed: ChangedType, path: str, each: TypeShape, member: Member) -> Finding:
    what = f"{each.name} in {path}:{each.line} lacks {member.name}"
    return changed.finding(
        path, each.line, member, f"{what}, which {changed.old.name} in {changed.target} asks for now"
    )


def _is_open(shape: TypeShape, changed: ChangedType) -> bool:
    """Whether a subtype may have members that it does not write, or need not have them all."""
    if shape.kind == "impl":
        return False
    leaves_out = any(each.kind == "method" and not each.optional for each in shape.members)
    others = {*shape.bases} - {changed.old.name} - EMPTY_BASES
    return shape.is_abstract or shape.kind == "interface" or leaves_out or shape.is_embedding or bool(others)


def misfitting_super_calls(one: SideChange, other: SideChange, _: Result) -> Iterator[Finding]:
    """Calls of `super(…)`, new on the other side, for the parameters that the constructor had before."""
    for target, old, new in one.changed_constructors():
        for path, found in other.deltas.items():
            symbols = other.after[path]
            subtypes = [each for each in symbols.shapes.types if old.name in each.bases]
            if not subtypes or not knows(old.name, path, symbols, target):
                continue
            for use in found.uses:
                if (
                    use.name != "super"
                    or use.call is None
                    or not any(each.line <= use.line <= each.end for each in subtypes)
                ):
                    continue
                assert old.signature is not None
                assert new.signature is not None
                if old.signature.takes(use.call) and not new.signature.takes(use.call):
                    where = f"{path}:{use.line} calls the constructor of {old.name} as it was"
                    message = f"{where}; in {target} it takes {new.signature.text}"
                    yield Finding(old.name, path, use.line, target, new.line, message, side=other.name)


def changed_override_results(changed: ChangedType) -> Iterator[Finding]:
    """Methods that override one with the type that it gave before."""
    if changed.target.endswith((".py", ".js")):
        return
    before, after = changed.one.before[changed.target].shapes, changed.one.after[changed.target].shapes
    for old in before.functions:
        new = after.function(old.scope, old.name) if old.scope == changed.old.name else None
        if new is None or old.result.text in ("", new.result.text):
            continue
        for path, symbols in changed.known():
            for each in changed.new_subtypes(path):
                for function in symbols.shapes.functions:
                    mine = (each.name, old.name, old.result.text)
                    if (function.scope, function.name, function.result.text) == mine:
                        what = f"{each.name}.{old.name} in {path}:{function.line} gives {old.result.text.lstrip(': ')}"
                        message = f"{what}; in {changed.target} it is {new.result.text.lstrip(': ')}"
                        yield changed.finding(path, function.line, None, message)


def misfitting_overrides(changed: ChangedType) -> Iterator[Finding]:
    """Methods that say that they override what is no more."""
    lost = changed.lost("method") if not changed.new.bases else {}
    for path, symbols in changed.known() if lost else ():
        for each in symbols.shapes.types:
            before = changed.other.before[path].shapes.type(each.name)
            for member in each.members if changed.old.name in each.bases else ():
                is_new = before is None or before.member(member.name) is None
                if member.overrides and member.name in lost and is_new:
                    what = f"{path}:{member.line} overrides {changed.old.name}.{member.name}"
                    message = f"{what}, which was removed or renamed in {changed.target}"
                    yield changed.finding(path, member.line, lost[member.name], message, "removed")


def misfitting_implementations(changed: ChangedType) -> Iterator[Finding]:
    """Types of Go that have all methods of an interface but the new ones, where the interface is spoken of."""
    old = changed.old.names("method")
    gained = [each for each in changed.gained("method") if each.name not in old]
    if not changed.target.endswith(".go") or changed.new.kind != "interface" or changed.old.bases:
        return
    if not old or not gained:
        return
    methods = _methods(changed.result)
    for path, symbols in changed.known():
        folder = dirname(path)
        speaks = any(
            use.name == changed.old.name
            for other, found in changed.other.after.items()
            for use in (found.uses if dirname(other) == folder else ())
        )
        for each in symbols.shapes.types if speaks else ():
            has = methods[folder, each.name]
            is_new = changed.other.before[path].shapes.type(each.name) is None
            if is_new and not each.is_embedding and old <= has and gained[0].name not in has:
                yield _lacks(changed, path, each, gained[0])


def _methods(result: Result) -> dict[tuple[str, str], set[str]]:
    """Names of methods by folder and type."""
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for path, symbols in result.merged.items():
        for function in symbols.shapes.functions:
            found[dirname(path), function.scope].add(function.name)
    return found


def same_implementations(ours: SideChange, theirs: SideChange, result: Result) -> Iterator[Finding]:
    """Implementations of one trait for one type, each added by one side to a file of its own."""
    mine = list(_added(ours))
    for path, each in _added(theirs):
        for other, first in mine:
            is_same = (each.name, each.text) == (first.name, first.text) and is_same_crate(path, other)
            if not is_same or other == path or not all(_holds(each, result.merged[place]) for place in (path, other)):
                continue
            where = f"{path}:{each.line} and in {other}:{first.line}"
            message = f"{each.text} is implemented for {each.name} in {where}"
            yield Finding(each.name, path, each.line, other, first.line, message, side="theirs", change="added")


def _holds(implementation: TypeShape, symbols: Symbols) -> bool:
    return any((each.name, each.text) == (implementation.name, implementation.text) for each in symbols.shapes.types)


def _added(side: SideChange) -> Iterator[tuple[str, TypeShape]]:
    """Implementations of traits that a side adds."""
    for path, after in side.after.items():
        known = {(each.name, each.text) for each in side.before[path].shapes.types}
        for each in after.shapes.types:
            if each.kind == "impl" and each.text and (each.name, each.text) not in known:
                yield path, each
