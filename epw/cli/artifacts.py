"""`artifacts`: ignored results that an execution's tasks kept."""

from __future__ import annotations

import filecmp
import os
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from activities.git import kept_files
from activities.git.hub import Hub
from activities.state.execution_store import ExecutionStore
from activities.system.file_modes import user_modes
from epw.cli.layout import table
from epw.cli.options import JSON_OPTION
from epw.cli.output import print_json, printable
from epw.cli.session import run_connected
from epw.client.documents import describe, document_of
from epw.core.errors import InvalidRequest
from epw.core.naming import slug
from epw.service.connection import Connection
from epw.settings import Settings


def artifacts(
    execution_id: Annotated[str, typer.Argument(metavar="ID")],
    task: Annotated[str | None, typer.Argument(help="Only what this task has kept.")] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Write them into this directory; without TASK a folder for each task.")
    ] = None,
    as_json: bool = JSON_OPTION,
) -> None:
    """The ignored results that tasks have kept (`keep` of a plan); with --to they are fetched."""

    async def command(settings: Settings, connection: Connection) -> int:
        handle = connection.client.get_workflow_handle(execution_id)
        described = await describe(handle)
        execution, document = (
            ExecutionStore.of(settings.state, described),
            await document_of(settings, handle, described),
        )
        names = [row["taskId"] for row in document["results"]]
        if task is not None and task not in names:
            raise InvalidRequest(f"{execution_id!r} has no task {task!r}; it has {', '.join(map(repr, names[:10]))}")
        hub = execution.hub()
        commits = kept_files.newest(hub, execution.ref("kept")) if hub is not None else {}
        rows: list[dict[str, Any]] = [
            {"taskId": row["taskId"], **file}
            for row in document["results"]
            if task in (None, row["taskId"]) and slug(row["taskId"]) in commits
            for file in row["kept"]
        ]
        if to is not None and hub is not None and rows:
            target = _folder(to)
            wanted = {name: commits[slug(name)] for name in dict.fromkeys(row["taskId"] for row in rows)}
            folders = {name: target if task is not None else target / slug(name) for name in wanted}
            _fetch(hub, {folders[name]: commit for name, commit in wanted.items()}, target)
            rows = [{**row, "file": str(folders[row["taskId"]].absolute() / row["path"])} for row in rows]
        if as_json:
            print_json(rows)
        else:
            cells = [[row["taskId"], row["path"], row["bytes"], row["sha256"][:12]] for row in rows]
            table(f"kept by {printable(execution_id)}", ["task", "path", "bytes", "sha256"], cells)
            if not rows:
                print("nothing is kept: what `keep` names was not made, or it lands, or `epw gc` has removed it")
            elif to is not None:
                print(f"written into {to}")
        return 0

    run_connected(command, as_json=as_json)


def _folder(to: str) -> Path:
    if not to or (os.path.lexists(to) and not os.path.isdir(to)):
        raise InvalidRequest(f"--to names a directory, and {to!r} is none")
    return Path(to)


def _fetch(hub: Hub, commits: dict[Path, str], to: Path) -> None:
    """Write the files of each commit into its folder; raises `InvalidRequest` before it would overwrite a file."""
    with user_modes():
        to.mkdir(parents=True, exist_ok=True)
    with user_modes(), tempfile.TemporaryDirectory(dir=to, prefix=".epw-") as scratch:
        made = [
            (Path(scratch, str(number), path), folder / path)
            for number, (folder, commit) in enumerate(commits.items())
            for path in kept_files.write(hub, commit, Path(scratch, str(number)))
        ]
        taken = [str(place) for file, place in made if os.path.lexists(place) and not _is_same(file, place)]
        if taken:
            raise InvalidRequest(f"nothing is overwritten: {', '.join(taken[:5])} is there, and another file")
        for file, place in made:
            place.parent.mkdir(parents=True, exist_ok=True)
            file.replace(place)


def _is_same(file: Path, place: Path) -> bool:
    return not place.is_symlink() and place.is_file() and filecmp.cmp(file, place, shallow=False)
