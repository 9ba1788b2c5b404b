"""Check whether two sides that merged line by line still fit together, as far as their definitions and uses show.

A finding names what one side changed and what the other adds that relies on it as it was. Where a name could as well
mean something else, there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain

from activities.conflicts.semantic.rules.changed_type import changed_types
from activities.conflicts.semantic.rules.definitions import changed_signatures, removed_symbols
from activities.conflicts.semantic.rules.duplicates import declared_and_imported, duplicate_definitions
from activities.conflicts.semantic.rules.imports import (
    broken_imports,
    dropped_names,
    import_cycles,
    lost_imports,
    modules_with_new_names,
    same_names_passed_on,
    unused_imports,
)
from activities.conflicts.semantic.rules.members import lost_members
from activities.conflicts.semantic.rules.python_modules import moved_modules, removed_module_names
from activities.conflicts.semantic.rules.results import changed_results
from activities.conflicts.semantic.rules.subtypes import (
    changed_override_results,
    misfitting_implementations,
    misfitting_overrides,
    misfitting_subtypes,
    misfitting_super_calls,
    same_implementations,
)
from activities.conflicts.semantic.rules.values import misfitting_choices, misfitting_tables, misfitting_values
from activities.conflicts.semantic.rules.visibility import hidden_definitions
from activities.conflicts.semantic.sides import (
    NAMES_FOUND_EVERYWHERE,
    Elsewhere,
    Files,
    Finding,
    Paths,
    Result,
    SideChange,
)
from activities.conflicts.semantic.symbols import NOTHING

_RULES = (
    removed_symbols,
    changed_signatures,
    misfitting_super_calls,
    lost_imports,
    dropped_names,
    changed_results,
    hidden_definitions,
)
"""What one side changed, against the other's uses."""
_PATH_RULES = (moved_modules, broken_imports)
"""The same, by rules that look at the paths of the tree."""
_TYPE_RULES = (
    misfitting_choices,
    misfitting_tables,
    misfitting_values,
    misfitting_subtypes,
    misfitting_overrides,
    misfitting_implementations,
    lost_members,
    changed_override_results,
)
_RULES_OF_BOTH = (
    duplicate_definitions,
    declared_and_imported,
    same_implementations,
    same_names_passed_on,
    import_cycles,
    unused_imports,
)
"""What both sides add."""


def check(base: Files, ours: Files, theirs: Files, merged: Files, elsewhere: Elsewhere, paths: Paths) -> list[Finding]:
    """Findings for two sides; none where a file of either does not parse.

    `base`, `merged`: the files that either side changed; `ours`, `theirs`: the versions of each side.
    `elsewhere`: gives the other files of the merged tree that mention one of some names; called once at most.
    `paths`: gives the paths of the merged tree.
    """
    mine = SideChange({path: base[path] for path in ours}, ours, "ours")
    yours = SideChange({path: base[path] for path in theirs}, theirs, "theirs")
    if not mine.parses or not yours.parses:
        return []
    pairs = ((mine, yours), (yours, mine))
    names = {name for pair in pairs for name in (*_affected_names(*pair), *removed_module_names(*pair))}
    names |= modules_with_new_names(mine, yours)
    result = Result(merged, list(elsewhere(sorted(names))) if names else [])
    one_sided = (_findings(*pair, result, paths) for pair in pairs)
    found = chain(*one_sided, *(rule(mine, yours, result) for rule in _RULES_OF_BOTH))
    return _one_of_each(found, merged)


def _one_of_each(findings: Iterable[Finding], merged: Files) -> list[Finding]:
    """Without those that say the same; of a file that is gone, the first line that needs it says it."""
    found: dict[tuple[str, ...], Finding] = {}
    for each in findings:
        is_gone = merged.get(each.other, NOTHING) is NOTHING
        key = (each.path, each.other) if is_gone else (each.path, each.other, each.name)
        if key not in found or (is_gone and each.line < found[key].line):
            found[key] = each
    return list(found.values())


def _findings(one: SideChange, other: SideChange, result: Result, paths: Paths) -> Iterator[Finding]:
    """What the other side adds, and does not fit what one has changed."""
    for rule in _RULES:
        yield from rule(one, other, result)
    for path_rule in _PATH_RULES:
        yield from path_rule(one, other, result, paths)
    for changed in changed_types(one, other, result):
        for type_rule in _TYPE_RULES:
            yield from type_rule(changed)


def _affected_names(one: SideChange, other: SideChange) -> set[str]:
    """Names that one side has removed or given another signature, and that the other uses anew."""
    changed = {definition.name for _, definition in one.removed()}
    changed |= {old.name for _, old, _ in one.changed_signatures()}
    changed |= {name for _, names in one.changed_shapes() for name in names}
    return changed & other.uses_by_name.keys() - NAMES_FOUND_EVERYWHERE
