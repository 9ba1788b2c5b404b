"""A file with places that do not merge, and the kinds of structure by which they do."""

from __future__ import annotations

import logging
from pathlib import PurePosixPath

from activities.conflicts.structural import config_files, json_documents, lists, source_files
from activities.conflicts.structural.regions import ConflictRegion, assembled, places

_log = logging.getLogger(__name__)
_MAX_BYTES = 500_000


def merged_by_structure(path: str, base: bytes, ours: bytes, theirs: bytes, marked: bytes) -> bytes | None:
    """The file with what both sides did to it; None where that cannot be shown to be so.

    `marked`: the three merged line by line, with conflict markers in the style `diff3`.
    """
    if max(map(len, (base, ours, theirs))) > _MAX_BYTES or b"\0" in base + ours + theirs:
        return None
    try:
        text = _merged(path, *(each.decode() for each in (base, ours, theirs, marked)))
        return text.encode() if text is not None else None
    except Exception as error:
        # What an agent has written is no reason to fail, whatever a reader of its format makes of it.
        _log.info("%s: %s: %s", path, type(error).__name__, error)
        return None


def _merged(path: str, base: str, ours: str, theirs: str, marked: str) -> str | None:
    name = PurePosixPath(path).name
    if json_documents.is_document(name):
        return json_documents.merged(base, ours, theirs)
    parts = places(marked)
    if parts is None or not any(isinstance(part, ConflictRegion) for part in parts):
        return None
    if lists.has_records(name):
        settle = lists.settling(name) if lists.is_list(name) else None
        return _settled(parts, lambda place: lists.line_by_line(name, place) or (settle(place) if settle else None))
    if config_files.is_manifest(name):
        return config_files.merged(name, parts, base, ours, theirs)
    return source_files.merged(path, parts, base, ours, theirs)


def _settled(parts: list[str | ConflictRegion], settle: lists.Settle) -> str | None:
    settled = [part if isinstance(part, str) else settle(part) for part in parts]
    return None if None in settled else assembled(settled)
