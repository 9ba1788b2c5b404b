"""A file with places that do not merge, and the kinds of structure by which they do."""

from __future__ import annotations

from pathlib import PurePosixPath

from activities.conflicts.structural import documents, entities, lists
from activities.conflicts.structural.places import Place, assembled, places


def merged_by_structure(path: str, base: bytes, ours: bytes, theirs: bytes, marked: bytes) -> bytes | None:
    """The file with what both sides did to it; null where that cannot be shown to be so.

    `marked`: the three merged line by line, with conflict markers in the style `diff3`.
    """
    if b"\0" in marked:
        return None
    try:
        texts = [each.decode() for each in (base, ours, theirs, marked)]
    except UnicodeDecodeError:
        return None
    name = PurePosixPath(path).name
    if documents.is_document(name):
        return _encoded(documents.merged(*texts[:3]))
    parts = places(texts[3])
    if parts is None:
        return None
    if lists.is_list(name):
        return _encoded(_settled(parts, lists.joined))
    return _encoded(entities.merged(path, parts, *texts[:3]))


def _settled(parts: list[str | Place], settle: lists.Settle) -> str | None:
    settled = [part if isinstance(part, str) else settle(part) for part in parts]
    return None if None in settled else assembled(settled)


def _encoded(text: str | None) -> bytes | None:
    return text.encode() if text is not None else None
