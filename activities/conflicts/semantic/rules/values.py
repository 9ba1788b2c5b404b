"""Values and choices that the other side writes for the fields and variants that a type had before."""

from __future__ import annotations

from collections.abc import Iterator

from activities.conflicts.semantic.references import knows
from activities.conflicts.semantic.rules.changed_type import ChangedType
from activities.conflicts.semantic.shapes import Literal
from activities.conflicts.semantic.sides import Finding


def misfitting_choices(changed: ChangedType) -> Iterator[Finding]:
    """Choices that name every variant but the new ones."""
    old, name = changed.labels(changed.old.names("variant")), changed.old.name
    gained = changed.labels({each.name for each in changed.new_variants()})
    for path, symbols in changed.other.after.items() if old and gained else ():
        for match in changed.new_matches(path):
            owned = (each.rpartition(".") for each in match.labels)
            labels = {label for owner, _, label in owned if owner in ("", name, "Self")}
            # Labels that stand alone mean a type by being all of its variants.
            if name in match.owners:
                is_meant = knows(name, path, symbols, changed.target)
            else:
                is_meant = len(old) > 1 and not _has_nearer(path, labels, changed)
            if is_meant and old <= labels and not gained & labels:
                message = _but_for(f"{path}:{match.line} decides over every variant of {name}", changed)
                yield changed.finding(path, match.line, changed.new_variants()[0], message)


def _has_nearer(path: str, labels: set[str], changed: ChangedType) -> bool:
    """Whether a type nearer to a file than the changed one has all these variants."""
    return any(
        labels <= each.names("variant")
        for other, symbols in changed.result.near(path, changed.target)
        if other != changed.target
        for each in symbols.shapes.types
    )


def misfitting_tables(changed: ChangedType) -> Iterator[Finding]:
    """Tables with an entry for every variant but the new ones."""
    old, gained = changed.old.names("variant"), changed.new_variants()
    for path, _ in changed.known() if old and gained else ():
        for table in changed.new_literals(path):
            keys = {each.strip("[]").rpartition(".")[2] for each in table.keys}
            is_meant = table.is_table and table.type == changed.old.name and not table.spreads
            if is_meant and old <= keys and gained[0].name not in keys:
                message = _but_for(f"{path}:{table.line} has an entry for every variant of {table.type}", changed)
                yield changed.finding(path, table.line, gained[0], message)


def _but_for(text: str, changed: ChangedType) -> str:
    return f"{text} but {changed.new_variants()[0].name}, which is new in {changed.target}"


def misfitting_values(changed: ChangedType) -> Iterator[Finding]:
    """Values that are written field by field, for the fields of before."""
    if changed.old.kind not in ("struct", "interface"):
        return
    for path, _ in changed.known():
        for value in changed.new_literals(path):
            if value.type == changed.old.name and not value.is_table:
                yield from _misfit(changed, path, value)


def _misfit(changed: ChangedType, path: str, value: Literal) -> Iterator[Finding]:
    old, new = changed.old.names("field"), changed.new.names("field")
    what = f"{path}:{value.line} makes a {value.type}"
    gone = [each for each in value.keys if each in old and each not in new]
    missing = [each for each in changed.gained("field") if each.name not in value.keys]
    if value.positional and value.positional == len(old) != len(new):
        message = f"{what} of {len(old)} fields; in {changed.target} it has {len(new)}"
        yield changed.finding(path, value.line, None, message)
    elif gone:
        message = f"{what} with {gone[0]}, which was removed or renamed in {changed.target}"
        yield changed.finding(path, value.line, changed.old.member(gone[0]), message, "removed")
    elif missing and value.keys and not value.spreads and not changed.target.endswith(".go"):
        message = f"{what} without {missing[0].name}, which {changed.target} asks for now"
        yield changed.finding(path, value.line, missing[0], message)
