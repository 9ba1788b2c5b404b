"""Check of what code does beyond its names and types, on both sides of a merge."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from activities.conflicts.behaviour import cycles, defaults, exceptions, keys, members, plugins
from activities.conflicts.names.check import Elsewhere, Side, Texts
from activities.conflicts.semantic.sides import Finding

Rule = Callable[[Side, Side, Texts, Elsewhere], Iterator[Finding]]
"""Findings where the first side has changed a definition, and the second uses it anew."""
RULES: tuple[Rule, ...] = (
    members.not_overridden,
    members.called_properties,
    exceptions.other_kind,
    defaults.other_default,
    plugins.incomplete,
    keys.renamed_keys,
    keys.removed_fixtures,
    cycles.cycles,
)


def check_behaviour(ours: Side, theirs: Side, merged: Texts, elsewhere: Elsewhere) -> list[Finding]:
    """Findings of all rules. `merged`: the files that either side changed, as merged."""
    found: dict[tuple[str, int, str], Finding] = {}
    for one, other in ((ours, theirs), (theirs, ours)):
        for rule in RULES:
            for each in rule(one, other, merged, elsewhere):
                found.setdefault((each.path, each.line, each.name), each)
    return list(found.values())
