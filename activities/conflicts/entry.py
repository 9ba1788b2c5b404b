"""Entries of semantic conflicts: findings with the tasks of both places, as documents and in words."""

from __future__ import annotations

from activities.conflicts.semantic.sides import Finding, SideName
from activities.git.command import display_path
from epw.core.semantic_entry import DefinitionPlace, SemanticEntry, UsePlace

_MAX_PATH = 300
_MAX_NAME = 200
_MAX_MESSAGE = 500


def other_side(side: SideName) -> SideName:
    """The side of a merge that is not this one."""
    return "ours" if side == "theirs" else "theirs"


def entry_of(finding: Finding, definer: str | None = None, user: str | None = None) -> SemanticEntry:
    """The entry of a finding, within the bounds of the history; `definer`, `user`: the tasks of its two places."""
    definition = None
    if finding.has_definition:
        definition = DefinitionPlace(
            file=_path(finding.other),
            line=finding.other_line,
            task=definer,
            side=other_side(finding.side),
            change=finding.change,
            new_name=finding.new_name[:_MAX_NAME] or None,
            new_file=_path(finding.new_path) or None,
        )
    return SemanticEntry(
        symbol=display_path(finding.name)[:_MAX_NAME],
        definition=definition,
        use=UsePlace(file=_path(finding.path), line=finding.line, task=user, side=finding.side),
        checker=finding.checker or None,
        rule=finding.rule or None,
        message=display_path(finding.message)[:_MAX_MESSAGE],
    )


def in_words(entry: SemanticEntry) -> str:
    """What does not fit, who removed or changed what where, and who uses it; a side stands for an unknown task."""
    said = entry.message
    if entry.checker is not None:
        said = f"{entry.use.file}:{entry.use.line}: {entry.message} ({entry.checker})"
    return f"{said} ({_changed(entry.definition)}, used by {_who(entry.use)})" if entry.definition else said


def _changed(place: DefinitionPlace) -> str:
    to = {"renamed": f" to {place.new_name}", "moved": f" to {place.new_file}" if place.new_file else ""}
    return f"{place.change}{to.get(place.change, '')} at {place.file}:{place.line} by {_who(place)}"


def _who(place: UsePlace) -> str:
    return place.task or place.side


def _path(path: str) -> str:
    return display_path(path)[:_MAX_PATH]
