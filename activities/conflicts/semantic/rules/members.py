"""Uses that the other side adds of the fields and variants that a type had before."""

from __future__ import annotations

from collections.abc import Iterator

from activities.conflicts.semantic.receivers import OWN, is_of_type, plain_name, resembles
from activities.conflicts.semantic.references import knows, last_part
from activities.conflicts.semantic.rules.changed_type import ChangedType
from activities.conflicts.semantic.shapes import Member
from activities.conflicts.semantic.sides import Finding
from activities.conflicts.semantic.symbols import Symbols, Use


def lost_members(changed: ChangedType) -> Iterator[Finding]:
    lost, name = changed.lost("field", "attribute", "variant"), changed.old.name
    if changed.new.kind == "object" and changed.new.is_embedding:
        return
    hidden = changed.hidden()
    for path, found in changed.other.deltas.items() if lost or hidden else ():
        for use in found.uses:
            member = hidden.get(use.name) if path != changed.target else None
            if member is not None and use.receiver is not None and _is_meant(use, path, member, changed):
                message = f"{name}.{use.name} is used in {path}:{use.line} and is private now in {changed.target}"
                yield changed.finding(path, use.line, member, message)
            if "guarded" in use.how:
                continue
            if use.name in lost and use.receiver is not None and _is_meant(use, path, lost[use.name], changed):
                where = f"{path}:{use.line} and was removed or renamed in {changed.target}"
                yield changed.finding(
                    path, use.line, lost[use.name], f"{name}.{use.name} is used in {where}", "removed"
                )


def _is_meant(use: Use, path: str, member: Member, changed: ChangedType) -> bool:
    name, receiver = changed.old.name, last_part(use.receiver or "") or ""
    symbols = changed.other.after[path]
    is_known = knows(name, path, symbols, changed.target)
    if member.kind == "variant" or changed.old.kind == "object" or receiver == name:
        return receiver == name and is_known
    certain = is_of_type(use.receiver or "", name, path, symbols, changed.target, changed.result.bases)
    if certain is False:
        return False
    if certain or (is_known and plain_name(receiver) == name.lower()):
        return not _is_left(path, use.name, changed, receiver)
    return _may_be(receiver, path, symbols, changed, is_known) and not _is_elsewhere(path, use.name, changed)


def _may_be(receiver: str, path: str, symbols: Symbols, changed: ChangedType, is_known: bool) -> bool:
    """Whether a receiver may be of the type: by its name, or since the file speaks of the type."""
    if receiver in OWN:
        return path == changed.target
    if any(receiver == each.alias.split(".")[0] for each in symbols.modules):
        return False
    return is_known or resembles(receiver, changed.old.name)


def _is_elsewhere(use_path: str, name: str, changed: ChangedType) -> bool:
    """Whether something else has the name: another type's member, a definition, or a use that the remover has left."""
    for path, symbols in changed.result.near(use_path, changed.target):
        if symbols.named(name):
            return True
        for each in symbols.shapes.types:
            if each.member(name) is not None and (path, each.name) != (changed.target, changed.old.name):
                return True
    return _is_left(use_path, name, changed)


def _is_left(use_path: str, name: str, changed: ChangedType, receiver: str = "") -> bool:
    """Whether the side that removed a member has left a use of its name, of a certain receiver or of any."""
    near = changed.result.near(use_path, changed.target)
    found = {path: changed.one.after.get(path, symbols) for path, symbols in near}
    return any(
        use.name == name and use.receiver is not None and use.receiver.endswith(receiver)
        for path, symbols in found.items()
        for use in (symbols.uses if path in changed.one.after or path not in changed.other.after else ())
    )
