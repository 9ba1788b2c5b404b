"""Foreign files on disk: what lies beside them, the workspace that they belong to, the plan that they become."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from epw.client.project import repository_of
from epw.client.source_text import invalid, parse, read_text
from epw.core.errors import InvalidPlan
from epw.importers.formats import BESIDE, import_file, signs
from epw.importers.model import MARKDOWN, Choices, ForeignFile, Format, Imported

_IN_FOLDER = ("tasks.md", "tasks/tasks.json", "tasks.json", ".taskmaster/tasks/tasks.json")
"""What a folder is read as, the first that is there: an OpenSpec change, a spec-kit feature, Task Master."""
_DOCUMENTS = (".json", ".yaml", ".yml")
_MAX_BESIDE = 1_000_000


def read_foreign(path: str) -> ForeignFile:
    """A file, or the one that a folder of a known kind holds, with its neighbours; raises `InvalidPlan`.

    What neither its name nor its beginning says to be JSON or YAML may be no document: then it has no value.
    """
    path = _file_of(path)
    text, name = read_text(path), path.lower()
    is_markdown, is_named = name.endswith(MARKDOWN), name.endswith(_DOCUMENTS)
    is_json = name.endswith(".json") or (not is_markdown and text.lstrip()[:1] in ("{", "["))
    value = None
    if not is_markdown:
        try:
            value = parse(path, text, as_json=is_json)
        except InvalidPlan:
            if is_json or is_named:
                raise
    place = None if path == "-" else Path(path).absolute()
    return ForeignFile(
        path,
        text,
        value,
        is_prose=not is_json and not is_named,
        place="" if place is None else place.as_posix(),
        inside=_inside(place),
        beside={} if place is None else _beside(place.parent),
    )


def unknown(file: ForeignFile) -> InvalidPlan:
    """The exception for a file that is neither a plan nor of any format."""
    return invalid(file.path, f"is neither a plan nor any of these:\n{signs()}")


def import_foreign(file: ForeignFile, form: Format, choices: Choices, workspace: str | None = None) -> Imported:
    """The plan of a foreign file in its workspace; raises `InvalidPlan`, `InvalidRequest`.

    The workspace: the given one, else the project that the file names, else the git repository that holds it, else that
    of the current directory.
    """
    made = import_file(file, form, choices)
    named = made.document.get("workspace")
    if workspace is not None:
        place, why = str(Path(workspace).expanduser().resolve()), ""
    elif named is not None:
        place, why = named, "which the file names"
    else:
        place, why = _repository_for(file)
    document = dict(made.document)
    rows = document.pop("tasks")
    if place:
        document["workspace"] = place
    document["tasks"] = rows
    note = (
        f"workspace: {place}, {why}"
        if place
        else "no workspace: neither the file nor this directory is in a repository"
    )
    return replace(made, document=document, notes=(*made.notes, *([] if workspace is not None else [note])))


def _repository_for(file: ForeignFile) -> tuple[str, str]:
    """A repository and why it is the one; empty where there is none."""
    holds = repository_of(Path(file.place).parent) if file.place else None
    here = repository_of(Path.cwd())
    if holds is not None:
        return str(holds), "the repository of the file"
    return (str(here), "the repository of this directory") if here is not None else ("", "")


def _file_of(path: str) -> str:
    if path == "-" or not os.path.isdir(path):
        return path
    found = next((name for name in _IN_FOLDER if os.path.isfile(os.path.join(path, name))), None)
    if found is None:
        raise invalid(path, f"is a folder with none of: {', '.join(_IN_FOLDER)}")
    return os.path.join(path, found)


def _inside(place: Path | None) -> str:
    """Path of a file within its repository; empty where it is in none."""
    repository = None if place is None else repository_of(place.parent)
    if place is None or repository is None:
        return ""
    return (place.parent.resolve() / place.name).relative_to(repository).as_posix()


def _beside(folder: Path) -> dict[str, str]:
    found = {}
    for name in BESIDE:
        path = folder / name
        try:
            if path.is_file() and path.stat().st_size <= _MAX_BESIDE:
                found[name] = path.read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
    return found
