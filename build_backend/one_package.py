"""Build backend of the wheel, which holds one top-level package, `epw` (docs/adr/0009-one-package-in-the-wheel.md).

setuptools builds a copy of the tree in which the packages beside `epw/` have moved into it, and imports name them
there. An editable installation and the source distribution are setuptools' own.
"""

from __future__ import annotations

import ast
import os
import re
import shutil
from contextlib import chdir
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from setuptools import build_meta
from setuptools.build_meta import build_editable, build_sdist, prepare_metadata_for_build_editable

__all__ = ["build_editable", "build_sdist", "build_wheel", "prepare_metadata_for_build_editable"]
PACKAGE = "epw"
MOVED = ("activities", "workflows")
"""Packages of a checkout that become subpackages: a project that uses Temporal often has packages of these names."""
_FILES = ("pyproject.toml", "README.md", "LICENSE")
_RELATIVE_IMAGE = re.compile(r"!\[[^\]]*\]\((?![a-z]+:)[^)]*\)\n+")
_RELATIVE_LINK = re.compile(r"\[([^\]]+)\]\((?![a-z]+:|#)[^)]*\)")


def build_wheel(wheel_directory: str, config_settings: Any = None, metadata_directory: str | None = None) -> str:
    """Build the wheel of the tree in the current directory; returns the name of its file."""
    target = os.path.abspath(wheel_directory)
    with TemporaryDirectory() as folder:
        arrange(Path.cwd(), Path(folder))
        with chdir(folder):
            return build_meta.build_wheel(target, config_settings, metadata_directory)


def arrange(tree: Path, target: Path) -> None:
    """Copy what the wheel is made of, arranged as it will be installed."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(tree / PACKAGE, target / PACKAGE, ignore=ignored)
    for name in MOVED:
        shutil.copytree(tree / name, target / PACKAGE / name, ignore=ignored)
    for name in _FILES:
        shutil.copy(tree / name, target / name)
    for path in (target / PACKAGE).rglob("*.py"):
        path.write_text(with_moved_imports(path.read_text(encoding="utf-8"), str(path)), encoding="utf-8")
    readme = target / "README.md"
    # A page of a package index has no neighbours that such a link could lead to.
    text = _RELATIVE_IMAGE.sub("", readme.read_text(encoding="utf-8"))
    readme.write_text(_RELATIVE_LINK.sub(r"\1", text), encoding="utf-8")


def with_moved_imports(source: str, name: str) -> str:
    """Source whose imports name the moved packages where they are installed; its lines keep their numbers.

    Raises `SyntaxError` for `import activities`: it would bind a name that is no longer there.
    """
    lines = source.split("\n")
    for node in ast.walk(ast.parse(source, name)):
        if isinstance(node, ast.Import) and any(_is_moved(each.name) for each in node.names):
            raise SyntaxError(f"{name}:{node.lineno}: write `from {node.names[0].name} import …`")
        if isinstance(node, ast.ImportFrom) and _is_moved(node.module or ""):
            line = lines[node.lineno - 1]
            lines[node.lineno - 1] = line[: node.col_offset] + line[node.col_offset :].replace(
                f"from {node.module}", f"from {PACKAGE}.{node.module}", 1
            )
    return "\n".join(lines)


def _is_moved(module: str) -> bool:
    return module.split(".")[0] in MOVED
