"""Definitions that one side has made invisible from outside, against uses from there that the other side adds."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import dirname

from activities.conflicts.semantic.module_files import is_outside_crate
from activities.conflicts.semantic.receivers import is_of_type, resembles
from activities.conflicts.semantic.references import imported_from
from activities.conflicts.semantic.sides import Finding, Result, SideChange

_SUFFIXES = (".rs", ".java")


def hidden_definitions(one: SideChange, other: SideChange, result: Result) -> Iterator[Finding]:
    for target, before in one.before.items():
        if not target.endswith(_SUFFIXES) or target not in result.merged:
            continue
        merged = result.merged[target]
        after = one.after[target].shapes
        hidden = {
            name
            for name in (before.shapes.exports.keys() - after.exports.keys()) | (before.shapes.public - after.public)
            if merged.named(name) and len(before.named(name)) == 1
        }
        for path, use in other.new_uses() if hidden else ():
            if use.name not in hidden or not _is_outside(path, target):
                continue
            if target.endswith(".rs") and use.name in merged.shapes.exports and not is_outside_crate(path, target):
                continue
            definition = merged.named(use.name)[0]
            symbols = other.after[path]
            owner = definition.scope[-1] if definition.scope else None
            if owner is None:
                is_meant = imported_from(use.receiver or use.name, path, symbols, target) is True
            else:
                is_meant = use.receiver is not None and (
                    is_of_type(use.receiver, owner, path, symbols, target, result.bases) is True
                    or resembles(use.receiver, owner)
                )
            if is_meant:
                message = f"{use.name} is used in {path}:{use.line} and is not visible there any more: {target}"
                yield Finding(use.name, path, use.line, target, definition.line, message, side=other.name)


def _is_outside(path: str, target: str) -> bool:
    """Whether a file does not see what is private in another: in Java of another package, in Rust no child of it."""
    if target.endswith(".java"):
        return dirname(path) != dirname(target)
    module = target.removesuffix(".rs").removesuffix("/mod")
    return path != target and not path.startswith(f"{module}/")
