"""Plan files: a plan in JSON or YAML, or a foreign file that becomes one."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from epw.client.defaults import Defaults
from epw.client.foreign_file import import_foreign, read_foreign, unknown
from epw.client.project import PLAN_NAMES, workspace_at
from epw.client.source_text import invalid, parse
from epw.core.errors import InvalidPlan
from epw.core.plan.git_url import is_url
from epw.core.plan.model import Plan
from epw.core.plan.validate import read_plan
from epw.core.source_place import line_of
from epw.importers.formats import recognise
from epw.importers.model import Choices, ForeignFile, Imported

_EMPTY = """is empty; a plan has at least tasks, each with an id and a description:
  tasks:
    - id: hello
      description: Say hello
      run: echo hello > hello.txt"""


@dataclass(frozen=True)
class Document:
    """What a file holds, before validation; `notes`: what it was taken for, where it is a foreign one."""

    value: Any
    notes: tuple[str, ...] = ()
    file: ForeignFile | None = None
    imported: Imported | None = None
    text: str | None = None
    """The text of a plan, from which the lines of its problems are told."""


@dataclass(frozen=True)
class PlanFile:
    """Plan and the document that it was read from, which is the workflow's input."""

    plan: Plan
    document: dict[str, Any]
    notes: tuple[str, ...] = ()
    source: PlanSource | None = None
    """The file that it was read from; None: standard input, or no file."""

    @classmethod
    def of(cls, document: Any, *, runnable: bool = True, notes: tuple[str, ...] = ()) -> PlanFile:
        """Validate a document; raises `InvalidPlan`. `runnable`: also for what this version cannot run."""
        return cls(read_plan(document, runnable=runnable), document, notes)

    @property
    def name(self) -> str | None:
        """What executions of it are called: the plan's name, else that of its file, or of the folder of a project's."""
        if self.plan.name is not None or self.source is None:
            return self.plan.name
        path = Path(self.source.path)
        return path.parent.name if path.name in PLAN_NAMES else path.stem


@dataclass(frozen=True)
class PlanSource:
    """A plan's file as it was read."""

    path: str
    digest: str

    @classmethod
    def of(cls, path: str) -> PlanSource | None:
        """The file at a path; None where there is none to read."""
        try:
            return cls(os.path.abspath(path), hashlib.sha256(Path(path).read_bytes()).hexdigest())
        except OSError:
            return None


def read_plan_file(path: str, *, runnable: bool = True, flags: Mapping[str, Any] | None = None) -> PlanFile:
    """Read a plan from a file (`-`: standard input), with an absolute workspace; raises `InvalidPlan`.

    `flags`: values that take the place of the plan's, by name; None is no value.
    """
    source = None if path == "-" else PlanSource.of(path)
    return replace(complete_plan(read_document(path), flags or {}, runnable=runnable), source=source)


def complete_plan(found: Document, flags: Mapping[str, Any], *, runnable: bool = True) -> PlanFile:
    """Validate a document with the flags of a command and, for what it leaves out, the defaults of project and user."""
    value = found.value
    if isinstance(value, dict):
        value = {**value, **{name: given for name, given in flags.items() if given is not None}}
    place = value.get("workspace") if isinstance(value, dict) else None
    folder = Path(place) if isinstance(place, str) and os.path.isdir(place) else Path.cwd()
    value, added = Defaults.of(folder).fill(value)
    try:
        return PlanFile.of(value, runnable=runnable, notes=(*found.notes, *added))
    except InvalidPlan as error:
        if found.text is None:
            raise
        # What a flag gave stands in no line.
        named = [name for name, given in flags.items() if given is not None]
        lines = [None if each.path in named else line_of(found.text, each.path) for each in error.problems]
        raise InvalidPlan(
            [replace(each, line=line) for each, line in zip(error.problems, lines, strict=True)]
        ) from None


def read_document(path: str) -> Document:
    """Read the document in a file, before validation; a foreign file is imported. Raises `InvalidPlan`."""
    file = read_foreign(path)
    form = recognise(file)
    if form is not None:
        made = import_foreign(file, form, Choices())
        return Document(made.document, made.notes, file, made)
    value = file.value
    if value is None:
        try:
            value = parse(file.path, file.text, as_json=False)
        except InvalidPlan:
            if file.is_markdown:
                raise unknown(file) from None
            raise
    if value is None:
        raise invalid(file.path, _EMPTY)
    if not isinstance(value, dict):
        raise unknown(file)
    note = _make_workspace_absolute(value, Path(file.place).parent if file.place else Path.cwd())
    return Document(value, notes=note, text=file.text)


def _make_workspace_absolute(document: dict[str, Any], folder: Path) -> tuple[str, ...]:
    """Make the workspace's path absolute; a folder within a repository stands for the repository, which a note says."""
    workspace = document.get("workspace")
    if isinstance(workspace, str) and workspace and not is_url(workspace):
        # A NUL or an unknown `~user`: validation reports it, with its place in the plan.
        with contextlib.suppress(ValueError, RuntimeError):
            named = (folder / Path(workspace).expanduser()).resolve()
            place = workspace_at(named)
            document["workspace"] = str(place)
            return (f"workspace: {place}, the repository that holds {named}",) if place != named else ()
    return ()
