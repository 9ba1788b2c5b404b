"""Merge of a file with conflict regions by the structure of its type."""

from __future__ import annotations

import logging
from pathlib import PurePosixPath

from activities.conflicts.structural import blocks, config_files, json_documents, lists, source_files
from activities.conflicts.structural.regions import ConflictRegion, parse_regions

_log = logging.getLogger(__name__)
_MAX_BYTES = 500_000


def merged_by_structure(path: str, base: bytes, ours: bytes, theirs: bytes, marked: bytes) -> bytes | None:
    """The file with the changes of both sides; None where that cannot be proved.

    `marked`: the three merged line by line, with conflict markers in the style `diff3`.
    """
    if max(map(len, (base, ours, theirs))) > _MAX_BYTES or b"\0" in base + ours + theirs:
        return None
    try:
        text = _merged(path, *(each.decode() for each in (base, ours, theirs, marked)))
        return text.encode() if text is not None else None
    except Exception as error:
        # Agents write anything; whatever a parser of the format raises, the conflict stays.
        _log.info("%s: %s: %s", path, type(error).__name__, error)
        return None


def _merged(path: str, base: str, ours: str, theirs: str, marked: str) -> str | None:
    name = PurePosixPath(path).name
    if json_documents.is_document(name):
        return json_documents.merged(base, ours, theirs)
    parts = parse_regions(marked)
    if parts is None or not any(isinstance(part, ConflictRegion) for part in parts):
        return None
    resolvers = [lists.resolver(name)] if lists.has_records(name) else []
    resolvers += [found] if (found := blocks.resolver(name)) is not None else []
    if resolvers:
        return _resolved(parts, resolvers)
    if config_files.is_config_file(name):
        return config_files.merged(name, parts, base, ours, theirs)
    return source_files.merged(path, parts, base, ours, theirs)


def _resolved(parts: list[str | ConflictRegion], resolvers: list[lists.Resolve]) -> str | None:
    texts = [part if isinstance(part, str) else _first(part, resolvers) for part in parts]
    known = [text for text in texts if text is not None]
    return "".join(known) if len(known) == len(texts) else None


def _first(region: ConflictRegion, resolvers: list[lists.Resolve]) -> str | None:
    return next((text for resolve in resolvers if (text := resolve(region)) is not None), None)
