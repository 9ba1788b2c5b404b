"""Git LFS objects between a hub and a git URL: neither a fetch nor a push of git itself brings them."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from activities.git.command import git, text
from activities.git.filters.large_files import MAX_POINTER_BYTES, Pointer
from activities.git.hub import Hub
from activities.git.url_git import UrlGit

LARGE_FILES = "lfs"
"""Folder of a hub for what is Git LFS's."""
_STORE = f"{LARGE_FILES}/objects"
_COMPLETE = f"{LARGE_FILES}/epw-complete"
"""Folder that names the commits whose objects are here, as far as the URL has them."""


def fetch_large(hub: Hub, url: UrlGit, commits: Iterable[str]) -> None:
    """Fetch the objects of these commits' files; what the URL does not have stays a pointer.

    Raises `UrlAway`, `UrlDenied`.
    """
    wanted = [each for each in dict.fromkeys(commits) if not _mark(hub, each).exists() and hub.resolve(each)]
    if wanted:
        url.fetch_large(wanted)
        for each in wanted:
            _mark(hub, each).parent.mkdir(parents=True, exist_ok=True)
            _mark(hub, each).touch()


def push_large(hub: Hub, url: UrlGit, commits: Collection[str], known: Collection[str]) -> None:
    """Push the objects that these commits have and the `known` ones, and what they reach, have not.

    Raises `UrlAway`, `UrlDenied`.
    """
    store = hub.path / _STORE
    if not store.is_dir():
        return
    before = [*known, *text(git("for-each-ref", "--format=%(objectname)", "refs/remotes", git_dir=hub.path)).split()]
    asked = "".join(f"{each}\n" for each in (*commits, *(f"^{old}" for old in before))).encode()
    listed = text(git("rev-list", "--objects", "--stdin", git_dir=hub.path, stdin=asked)).splitlines()
    names = "".join(f"{line.partition(' ')[0]}\n" for line in listed).encode()
    sized = (
        line.split() for line in text(git("cat-file", "--batch-check", git_dir=hub.path, stdin=names)).splitlines()
    )
    small = [name for name, kind, size in sized if kind == "blob" and int(size) < MAX_POINTER_BYTES]
    pointers = filter(None, map(Pointer.read, hub.blobs(small)))
    url.push_large(sorted({each.name for each in pointers if each.object_in([str(store)])}))


def _mark(hub: Hub, commit: str) -> Path:
    return hub.path / _COMPLETE / commit
