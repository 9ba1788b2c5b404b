"""Files in which every line stands for itself, and changelogs: what both sides have added stays."""

from __future__ import annotations

from collections.abc import Callable

from activities.conflicts.structural.places import Place

Settle = Callable[[Place], str | None]

_NAMES = frozenset(
    {".gitignore", ".dockerignore", ".npmignore", ".prettierignore", ".eslintignore", "codeowners", "go.sum"}
)
_STARTS = ("changelog", "changes", "history", "news", "authors", "contributors", "requirements", "constraints")
_ENDS = (".md", ".rst", ".txt", ".in", "")


def is_list(name: str) -> bool:
    folded = name.casefold()
    stem, dot, suffix = folded.rpartition(".")
    return folded in _NAMES or (folded.startswith(_STARTS) and (dot + suffix if stem else "") in _ENDS)


def joined(place: Place) -> str | None:
    """Both additions, ours first, and what stood there where both left it; null where a side took something away."""
    lines = {line for line in place.ours if line.strip()}
    if not place.base:
        added = [line for line in place.theirs if not line.strip() or line not in lines]
        return "".join(_ended([*place.ours, *added]))
    mine, yours = _around(place.base, place.ours), _around(place.base, place.theirs)
    if mine is None or yours is None:
        return None
    before = [*mine[0], *(line for line in yours[0] if line not in mine[0])]
    after = [*mine[1], *(line for line in yours[1] if line not in mine[1])]
    return "".join(_ended([*before, *place.base, *after]))


def _around(base: list[str], side: list[str]) -> tuple[list[str], list[str]] | None:
    """What a side has put before and after; null where it did not leave the rest as it was."""
    for start in range(len(side) - len(base) + 1):
        if side[start : start + len(base)] == base:
            return side[:start], side[start + len(base) :]
    return None


def _ended(lines: list[str]) -> list[str]:
    """Every line but the last with its end."""
    return [line if line.endswith("\n") or line is lines[-1] else f"{line}\n" for line in lines]
