"""Registry of the checkers: one record each."""

from __future__ import annotations

from activities.checkers.c import GCC, GPP
from activities.checkers.checker import Checker
from activities.checkers.go import GO_VET
from activities.checkers.java import JAVAC
from activities.checkers.python import TY
from activities.checkers.rust import CARGO
from activities.checkers.typescript import TSC, TSC_JAVASCRIPT
from epw.core.errors import InvalidRequest

CHECKERS: dict[str, Checker] = {each.name: each for each in (TY, TSC, TSC_JAVASCRIPT, GO_VET, CARGO, JAVAC, GCC, GPP)}


def chosen(text: str) -> dict[str, Checker]:
    """The checkers that `auto`, `off` or a list of names stands for; raises `InvalidRequest`."""
    if text == "off":
        return {}
    names = list(CHECKERS) if text == "auto" else [name.strip() for name in text.split(",")]
    if unknown := [name for name in names if name not in CHECKERS]:
        raise InvalidRequest(f"{unknown[0]!r} is no checker; there are auto, off, {', '.join(CHECKERS)}")
    return {name: CHECKERS[name] for name in names}
