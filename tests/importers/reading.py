"""Foreign files of tests: made from texts and values, recognised and imported without a disk."""

from __future__ import annotations

import json
from typing import Any

import pytest

from epw.core.errors import EpwError
from epw.importers.formats import FORMATS, import_file, recognise
from epw.importers.model import Choices, ForeignFile, Imported

NO_CHOICES = Choices()
WHOLE = (
    "Its parts are tasks of their own, done before this one."
    " Check that the whole is complete, and finish what is missing."
)
"""What a task with parts is told."""


def prose(text: str, path: str = "tasks.md", **beside: str) -> ForeignFile:
    """A file of lines; `beside`: its neighbours, `_` for a dot."""
    near = {name.replace("_", "."): each for name, each in beside.items()}
    return ForeignFile(path, text, place=f"/work/{path}", inside=path, beside=near)


def document(value: Any, path: str = "tasks.json", **beside: str) -> ForeignFile:
    """A file of JSON."""
    return ForeignFile(path, json.dumps(value, indent=2), value, is_prose=False, inside=path, beside=beside)


def taken(file: ForeignFile, expected: str, choices: Choices = NO_CHOICES) -> Imported:
    """The import of a file that must be of the expected format."""
    form = recognise(file)
    assert form is FORMATS[expected], form and form.name
    return import_file(file, form, choices)


def edges(made: Imported) -> dict[str, list[str]]:
    """Dependencies of each task of a plan, by id."""
    return {row["id"]: row.get("dependsOn", []) for row in made.document["tasks"]}


def refusal(file: ForeignFile, form: str, choices: Choices = NO_CHOICES) -> str:
    """Why a file of this format is refused."""
    with pytest.raises(EpwError) as raised:
        import_file(file, FORMATS[form], choices)
    return str(raised.value)
