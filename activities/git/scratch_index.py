"""Comparison and checkout of single files by an index of our own, which need not exist before."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Unpack

from activities.git.command import GitLocation, git, records


def changed_on_disk(
    files: Mapping[str, tuple[str, str]], settings: Sequence[str], **place: Unpack[GitLocation]
) -> list[str]:
    """Paths whose file in the work tree is not what git would check out for its mode and blob.

    Reads every file: the user's index may claim that a changed one is not.
    """
    entries = "".join(f"{mode} {blob}\t{path}\0" for path, (mode, blob) in files.items())
    git("update-index", "-z", "--index-info", **place, stdin=os.fsencode(entries))
    git("update-index", "-q", "--refresh", **place, config=settings, codes=(0, 1))
    return records(git("diff-files", "--name-only", "-z", **place, config=settings))


def check_out_files(tree: str, paths: Iterable[str], settings: Sequence[str], **place: Unpack[GitLocation]) -> None:
    """Write files of a tree into the work tree, with the attributes that the tree gives them."""
    git("read-tree", tree, **place)
    listed = "".join(f"{path}\0" for path in paths)
    git("checkout-index", "--force", "-z", "--stdin", **place, config=settings, stdin=os.fsencode(listed))
