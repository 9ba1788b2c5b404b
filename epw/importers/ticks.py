"""Ticks: marks in a foreign file that say that tasks are done; nothing else in it changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from epw.core.errors import InvalidRequest
from epw.importers.model import Choices, ForeignFile, Format, State


@dataclass(frozen=True)
class Ticked:
    """Text with ticks; `notes`: which tasks got none, and why."""

    text: str
    ids: tuple[str, ...]
    notes: tuple[str, ...]


def require_ticks(file: ForeignFile, form: Format) -> None:
    """Check that a file of this format can be ticked; raises `InvalidRequest` that says what to do instead."""
    if form.ticks is None:
        raise InvalidRequest(f"{file.path} is {form.title}, in which nothing is ticked: {form.instead_of_ticks}")


def tick(file: ForeignFile, form: Format, choices: Choices, done: Mapping[str, str]) -> Ticked:
    """The file's text with the tasks ticked that are done; `done`: their descriptions in the plan, by id.

    A task that is not in the file any more, or says something else now, is not ticked. Raises `InvalidPlan` for a file
    that cannot be read, `InvalidRequest` for a format without ticks.
    """
    require_ticks(file, form)
    items = {item.id: item for item in form.read(file, choices).items}
    places, ids, notes = [], [], []
    for identifier, description in done.items():
        item = items.get(identifier)
        if item is None:
            notes.append(f"{identifier} is not in {file.path} any more: not ticked")
        elif item.state is not State.OPEN:
            continue
        elif item.text != description:
            notes.append(f"{identifier} says something else in {file.path} now ({item.where}): not ticked")
        elif item.tick is None:
            notes.append(f"{identifier} has nothing to tick in {file.path} ({item.where})")
        else:
            places.append(item.tick)
            ids.append(identifier)
    parts, at = list[str](), 0
    for place in sorted(places, key=lambda each: each.start):
        parts += [file.text[at : place.start], place.text]
        at = place.end
    text = "".join([*parts, file.text[at:]])
    return Ticked(text, tuple(ids), tuple(notes))
