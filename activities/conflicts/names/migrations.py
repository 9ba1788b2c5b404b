"""Migrations: numbers, revisions and classes, of which a tool refuses two in one folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from activities.conflicts.names.rule import Mention, NameRule, by_patterns

_NUMBER = re.compile(r"V(?P<flyway>\d+(?:[._]\d+)*)__|(?P<plain>\d{1,14})[_.-]")
_DEPENDENCY = re.compile(r"\(\s*['\"]([\w.]+)['\"]\s*,\s*['\"]([\w.]+)['\"]\s*\)")
_DEPENDENCIES = re.compile(r"dependencies\s*=\s*\[(.*?)\]", re.DOTALL)


def _numbers(path: str, text: str) -> Iterator[Mention]:
    found = _NUMBER.match(os.path.basename(path))
    if found is not None:
        parts = re.split(r"[._]", found["flyway"] or found["plain"])
        # A way up and the way down belong together.
        way = next((each for each in ("up", "down") if f".{each}." in os.path.basename(path)), "")
        yield Mention(f"{os.path.dirname(path)}:{way}", ".".join(part.lstrip("0") or "0" for part in parts), 1)


def _django_parents(path: str, text: str) -> Iterator[Mention]:
    listed = _DEPENDENCIES.search(text)
    if listed is None:
        return
    app = os.path.basename(os.path.dirname(os.path.dirname(path)))
    own = [found[2] for found in _DEPENDENCY.finditer(listed[1]) if found[1].rpartition(".")[2] == app]
    if len(own) == 1:
        yield Mention(os.path.dirname(path), own[0], text.count("\n", 0, listed.start()) + 1)


def _joins_leaves(text: str) -> bool:
    listed = _DEPENDENCIES.search(text)
    apps = [found[1] for found in _DEPENDENCY.finditer(listed[1])] if listed else []
    return len(apps) > len(set(apps))


RULES = (
    NameRule(
        "migration number",
        ("*/migrations/*.py", "migrations/*", "*/migrations/*.sql", "*/migrate/*", "db/*.sql", "*/db/*.sql"),
        _numbers,
        unique=True,
    ),
    NameRule(
        "migration class",
        ("*migrate/*.rb",),
        by_patterns("folder", r"^\s*class\s+(\w+)\s*<\s*ActiveRecord::Migration"),
        unique=True,
    ),
    NameRule(
        "parent of a revision",
        ("*/versions/*.py",),
        by_patterns("folder", r"^down_revision(?:\s*:[^=]*)?\s*=\s*['\"]([\w-]+)['\"]"),
        unique=True,
        joins=lambda text: re.search(r"^down_revision(?:\s*:[^=]*)?\s*=\s*[(\[]", text, re.MULTILINE) is not None,
    ),
    NameRule("parent of a migration", ("*/migrations/*.py",), _django_parents, unique=True, joins=_joins_leaves),
)
