"""Projects of TypeScript that refer to each other: read from their sources, as nothing of them is built."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_STRING_OR_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'("(?:\\.|[^"\\])*")|,(?=\s*[}\]])')
_MAX_PROJECTS = 50
_MAX_BYTES = 1_000_000
_SOURCES = ("src/index.ts", "src/index.tsx", "index.ts", "src", ".")
_OWN_OUTPUT = {"composite": False, "incremental": True, "declaration": False, "declarationMap": False, "noEmit": True}


def own_configs(config: Path, tree: Path, folder: Path) -> list[Path]:
    """Configurations in `folder` that stand for one that refers to others; none where it refers to none.

    They extend the projects' own. As references are not inherited, imports lead to sources, and not to what a build of
    the other project would have made.
    """
    read = _read(config)
    if not read.get("references"):
        return []
    projects = list(_projects(config, tree))
    packages = dict(_packages(each.parent for each in projects))
    is_empty = read.get("files") == [] and "include" not in read
    made = []
    for number, project in enumerate(projects[1:] if is_empty else projects[:1]):
        path = folder / f"{config.stem}-{number}.json"
        document = _standing_for(project, tree, packages)
        document["compilerOptions"]["tsBuildInfoFile"] = str(path.with_suffix(".tsbuildinfo"))
        path.write_text(json.dumps(document))
        made.append(path)
    return made


def _standing_for(project: Path, tree: Path, packages: dict[str, list[str]]) -> dict[str, Any]:
    """A configuration elsewhere that reads what a project reads."""
    chain = list(_chain(project))
    own = [each.get("compilerOptions") for each in chain]
    named = {name for each in own if isinstance(each, dict) for name in each}
    options: dict[str, Any] = {**_OWN_OUTPUT, "rootDir": str(tree)}
    if packages and "paths" not in named:
        options["paths"] = packages
    if "typeRoots" not in named:
        above = [each for each in (project.parent, *project.parent.parents) if each.is_relative_to(tree)]
        options["typeRoots"] = [str(each / "node_modules/@types") for each in above]
    found: dict[str, Any] = {"extends": str(project), "compilerOptions": options}
    if not any("include" in each or "files" in each for each in chain):
        found["include"] = [str(project.parent / "**/*")]
        found["exclude"] = [str(project.parent / "**/node_modules")]
    return found


def _projects(config: Path, tree: Path) -> Iterator[Path]:
    """A project and those that it refers to, over any number of steps, within the tree."""
    waiting, seen = [config], {config}
    while waiting and len(seen) <= _MAX_PROJECTS:
        path = waiting.pop(0)
        yield path
        for each in _read(path).get("references") or []:
            named = path.parent / str(each.get("path", "")) if isinstance(each, dict) else path
            named = Path(os.path.normpath(named / "tsconfig.json" if named.is_dir() else named))
            if named not in seen and named.is_relative_to(tree) and named.is_file():
                seen.add(named)
                waiting.append(named)


def _packages(folders: Iterator[Path]) -> Iterator[tuple[str, list[str]]]:
    """Names of packages in the folders, as `paths` has them: their sources, in place of what a build would make."""
    for folder in folders:
        name = _read(folder / "package.json").get("name")
        if isinstance(name, str):
            places = [str(folder / each) for each in _SOURCES if (folder / each).exists()]
            yield name, places
            yield f"{name}/*", [f"{place}/*" for place in places if os.path.isdir(place)]


def _chain(config: Path) -> Iterator[dict[str, Any]]:
    """A configuration and those that it extends, as far as they are files of the project."""
    for _ in range(_MAX_PROJECTS):
        read = _read(config)
        yield read
        base = read.get("extends")
        if not isinstance(base, str) or not base.startswith("."):
            return
        config = config.parent / (base if base.endswith(".json") else f"{base}.json")


def _read(path: Path) -> dict[str, Any]:
    """A JSON file with comments; empty where it is none."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            return {}
        text = _STRING_OR_COMMENT.sub(lambda found: found[1] or " ", path.read_text(errors="replace"))
        found = json.loads(_TRAILING_COMMA.sub(lambda found: found[1] or "", text))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
