"""Libraries of a project of Java that are on this machine: Maven's and Gradle's own copies, and those in the tree."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from activities.system.directories import walk

JAR_FOLDERS = (".m2/repository", ".gradle/caches/modules-2/files-2.1")
"""Folders of the user's home in which Maven and Gradle keep what they have downloaded."""
_BUILD_FILES = ("pom.xml", "build.gradle", "build.gradle.kts", "libs.versions.toml", "gradle.properties")
_NO_LIBRARY = re.compile(r"-(sources|javadoc)\.jar$")
_NUMBERS = re.compile(r"(\d+)")
_MAX_JARS = 300


def jars_of(tree: Path, home: Path | None = None) -> list[str]:
    """Paths of jars: those in the tree, then one version of each library that the build files name, then the rest."""
    own, texts = [], []
    for folder in walk(tree):
        for name in folder.files:
            path = tree / folder.path / name
            if name.endswith(".jar") and not _NO_LIBRARY.search(name):
                own.append(str(path))
            elif name in _BUILD_FILES:
                texts.append(path.read_text(errors="replace"))
    named = set(re.findall(r"[\w.-]+", "\n".join(texts)))
    kept: dict[str, Path] = {}
    for path in _kept(home or Path.home()) if texts else ():
        version, library = _version_and_library(path)
        known = kept.get(library)
        if known is None or _rank(version, named) > _rank(_version_and_library(known)[0], named):
            kept[library] = path
    libraries = sorted(kept.items(), key=lambda each: (os.path.basename(each[0]) not in named, each[0]))
    return [*sorted(own), *(str(path) for _, path in libraries)][:_MAX_JARS]


def source_roots(tree: Path, but: str) -> list[str]:
    """Folders of sources outside of one project of the tree."""
    found = (folder.path for folder in walk(tree))
    roots = (path for path in found if re.search(r"(^|/)src/(main|test)/java$|/generated-sources/\w+$", path))
    return sorted(str(tree / path) for path in roots if but and not path.startswith(f"{but}/"))


def _kept(home: Path) -> Iterator[Path]:
    for folder in JAR_FOLDERS:
        top = home / folder
        for each in walk(top) if top.is_dir() else ():
            yield from (top / each.path / name for name in each.files if _is_library(name))


def _is_library(name: str) -> bool:
    return name.endswith(".jar") and not _NO_LIBRARY.search(name)


def _version_and_library(path: Path) -> tuple[str, str]:
    """Version, and group with name: of `group/name/version/x.jar`, or with the folder of a checksum between."""
    folder = path.parent if re.match(re.escape(path.parent.parent.name), path.name) else path.parent.parent
    return folder.name, str(folder.parent)


def _rank(version: str, named: set[str]) -> tuple[bool, list[tuple[int, str]]]:
    """Order of versions of one library: one that the build files name first, then the newest."""
    parts = [(int(part), "") if part.isdigit() else (-1, part) for part in _NUMBERS.split(version)]
    return version in named, parts
