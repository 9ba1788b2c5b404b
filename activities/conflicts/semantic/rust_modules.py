"""Relative names of modules in Rust."""

from __future__ import annotations

from pathlib import PurePosixPath

_CRATE_ROOTS = ("lib", "main")


def aliases(path: str, file: PurePosixPath) -> set[str]:
    """Module that `crate` or `super` stands for, in the file of `path`, relative to the module of `file`."""
    folder = file.parent if file.stem in (*_CRATE_ROOTS, "mod") else file.parent / file.stem
    is_parent = PurePosixPath(path).parent == folder
    return ({"crate"} if file.stem in _CRATE_ROOTS else set()) | ({"super"} if is_parent else set())
