"""Registry of the checkers: one record each."""

from __future__ import annotations

import os
from collections.abc import Sequence

from activities.checkers.c import GCC, GPP
from activities.checkers.checker import Checker
from activities.checkers.each_file import PHP, RUBY, SHELLCHECK
from activities.checkers.go import GO_VET
from activities.checkers.java import JAVAC
from activities.checkers.own_command import own_command
from activities.checkers.proto import PROTOC
from activities.checkers.python import PYREFLY, TY
from activities.checkers.python_own import BASEDPYRIGHT, MYPY, PYRIGHT
from activities.checkers.rust import CARGO
from activities.checkers.sql import SQLITE
from activities.checkers.typescript import TSC, TSC_JAVASCRIPT
from epw.core.errors import InvalidRequest
from epw.core.plan.parts import CheckCommand

CHECKERS: dict[str, Checker] = {
    each.name: each
    for each in (
        *(MYPY, PYRIGHT, BASEDPYRIGHT, TY, PYREFLY),
        *(TSC, TSC_JAVASCRIPT),
        *(GO_VET, CARGO, JAVAC, GCC, GPP),
        *(RUBY, PHP, SHELLCHECK, SQLITE, PROTOC),
    )
}


def missing(checker: Checker, has_setup: bool) -> bool:
    """Whether a checker is surely not there: `has_setup` tells whether a directory may get programs of its own."""
    may_come = has_setup and any("/" in name and not os.path.isabs(name) for name in checker.programs)
    return not may_come and checker.program([]) is None


def checkers_of(checks: str | Sequence[str] | CheckCommand) -> dict[str, Checker]:
    """The checkers of a plan's `checks`, by name."""
    if isinstance(checks, CheckCommand):
        own = own_command(checks)
        return {own.name: own}
    if isinstance(checks, str):
        return {} if checks == "off" else CHECKERS
    return {name: CHECKERS[name] for name in checks}


def chosen(text: str) -> dict[str, Checker]:
    """The checkers that `auto`, `off` or a list of names stands for; raises `InvalidRequest`."""
    if text in ("auto", "off"):
        return checkers_of(text)
    names = [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in CHECKERS]:
        raise InvalidRequest(f"{unknown[0]!r} is no checker; there are auto, off, {', '.join(CHECKERS)}")
    return checkers_of(names)
