"""Check of names that are data: defined by both sides, or used anew where the other side has removed them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from activities.conflicts.names import code, documents, migrations, proto, shell
from activities.conflicts.names.rule import Mention, NameRule, Reader
from activities.conflicts.semantic.sides import Finding, SideName

RULES: tuple[NameRule, ...] = (*migrations.RULES, *code.RULES, *documents.RULES, *proto.RULES, *shell.RULES)

Texts = Mapping[str, str]
"""Texts of files by path; empty for one that does not exist."""
Elsewhere = Callable[[Collection[str]], Iterable[tuple[str, str]]]
"""Gives the unchanged files that mention one of some words: paths and texts."""


@lru_cache(maxsize=10_000)
def is_read(path: str) -> bool:
    """Whether a file may hold a name of some rule; cached: what has landed is asked about at each landing."""
    return any(rule.reads(path) for rule in RULES)


@dataclass(frozen=True)
class Side:
    """The files that one side has changed, before and after."""

    before: Texts
    after: Texts
    name: SideName = "ours"

    def reads(self, rule: NameRule) -> list[str]:
        """The changed files that may hold a rule's names."""
        return [path for path in self.after if rule.reads(path)]


def check_names(ours: Side, theirs: Side, merged: Texts, elsewhere: Elsewhere) -> list[Finding]:
    """Findings of all rules. `merged`: the files that either side changed, as merged."""
    found: list[Finding] = []
    for rule in RULES:
        if rule.unique:
            found += _twice(rule, ours, theirs, merged, elsewhere)
        found += _gone(rule, ours, theirs, merged, elsewhere)
        found += _gone(rule, theirs, ours, merged, elsewhere)
    return found


Places = dict[tuple[str, str], list[tuple[str, int]]]
"""Files and lines by scope and key."""


def _places(reader: Reader, texts: Texts, paths: Iterable[str]) -> Places:
    found: Places = {}
    for path in paths:
        for each in _mentions(reader, path, texts[path]) if texts.get(path) else ():
            found.setdefault((each.scope, each.key), []).append((path, each.line))
    return found


@lru_cache(maxsize=512)
def _mentions(reader: Reader, path: str, text: str) -> tuple[Mention, ...]:
    """Cached: the text of one version is read for each question about it, and again at the next landing."""
    return tuple(reader(path, text))


def _added(reader: Reader, side: Side, paths: Collection[str]) -> Places:
    """Names of which a side has more than before."""
    before, after = (_places(reader, texts, paths) for texts in (side.before, side.after))
    return {name: places for name, places in after.items() if len(places) > len(before.get(name, []))}


def _twice(rule: NameRule, ours: Side, theirs: Side, merged: Texts, elsewhere: Elsewhere) -> Iterator[Finding]:
    mine, yours = ours.reads(rule), theirs.reads(rule)
    if not mine or not yours or any(rule.joins(merged[path]) for path in {*mine, *yours} if path in merged):
        return
    added = _added(rule.definitions, ours, mine), _added(rule.definitions, theirs, yours)
    both = [name for name in added[1] if name in added[0]]
    if not both:
        return
    now = _places(rule.definitions, merged, dict.fromkeys([*mine, *yours]))
    for scope, key in both:
        places = now.get((scope, key), [])
        # Where both added the same lines, the merge holds them once.
        if len(places) < 2 or len(places) <= max(len(side[scope, key]) for side in added):
            continue
        # What a side has several times by itself means several things, as the route of an app that each test makes.
        if any(len(side[scope, key]) > 1 for side in added):
            continue
        (path, line), (other, other_line) = added[1][scope, key][0], added[0][scope, key][0]
        if rule.meets_in_reader and not _are_read_together(path, other, merged, elsewhere):
            continue
        message = f"{rule.kind} {key!r} is defined in {path}:{line} and in {other}:{other_line}"
        yield Finding(key, path, line, other, other_line, message, is_data=True, change="added")


def _are_read_together(path: str, other: str, merged: Texts, elsewhere: Elsewhere) -> bool:
    """Whether some file names both files."""
    names = [os.path.basename(each) for each in (path, other)]
    if path == other or names[1] in merged.get(path, ""):
        return True
    rest = [text for each, text in elsewhere(names) if each not in merged]
    return any(all(name in text for name in names) for text in (*merged.values(), *rest))


def _gone(rule: NameRule, one: Side, other: Side, merged: Texts, elsewhere: Elsewhere) -> Iterator[Finding]:
    """Uses, new on the other side, of what one side has removed everywhere."""
    changed, using = one.reads(rule), other.reads(rule)
    if not changed or not using:
        return
    readers = [rule.definitions, rule.uses] if rule.use_defines else [rule.definitions]
    before = [_places(each, one.before, changed) for each in readers]
    after = [_places(each, one.after, changed) for each in readers]
    removed = {name for places in before for name in places} - {name for places in after for name in places}
    used = {name: places for name, places in _added(rule.uses, other, using).items() if name in removed}
    if not used:
        return
    kept = _places(rule.definitions, merged, [path for path in merged if rule.reads(path)])
    words = sorted({key.split(" ")[-1] for _, key in used})
    rest = {path: text for path, text in elsewhere(words) if rule.reads(path) and path not in merged}
    for reader in readers:
        kept |= _places(reader, rest, rest)
    for name, places in used.items():
        if name in kept or rule.is_there(name[1], [path for path, text in merged.items() if text]):
            continue
        (path, line), (target, target_line) = places[0], _first(before, name)
        if rule.meets_in_reader and not _are_read_together(path, target, merged, elsewhere):
            continue
        key = name[1].split(" ")[-1]
        message = f"{rule.kind} {key!r} is used in {path}:{line} and was removed or renamed in {target}"
        yield Finding(key, path, line, target, target_line, message, is_data=True, side=other.name, change="removed")


def _first(before: Iterable[Places], name: tuple[str, str]) -> tuple[str, int]:
    return next(places[name][0] for places in before if name in places)
