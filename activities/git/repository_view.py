"""View of an agent's repository: a git directory of ours with its refs, index and objects.

git reads it with our own configuration, so that nothing in the agent's repository is obeyed.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from activities.system.directories import is_without_links

HALF_DONE = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "rebase-merge/orig-head": "rebase",
    "rebase-apply/orig-head": "rebase",
}
"""Files of unfinished operations, which hold a commit, and the operation."""
_LOOSE_FILES = ("HEAD", "packed-refs", "index", "shallow", *HALF_DONE)
_MAX_FILE_BYTES = 64 * 1024 * 1024
_MAX_REF_BYTES = 1000
_MAX_REFS = 20_000
_MAX_PATH_LENGTH = 4096


@contextmanager
def view_of(git_dir: Path, alternates: str, scratch_in: Path) -> Iterator[Path]:
    """A view of a git directory, gone when the block ends; raises `OSError` if that is no longer a repository.

    `alternates`: where it borrowed objects from at the start. Objects that it borrows from elsewhere are left out:
    they are not the agent's work, and may be anybody's.
    """
    with tempfile.TemporaryDirectory(dir=scratch_in, prefix="view-") as scratch:
        view = Path(scratch)
        for folder in (git_dir, git_dir / "objects"):
            if folder.is_symlink() or not folder.is_dir():
                raise NotADirectoryError(f"{folder} is no repository any more")
        for name in ("objects/info", "refs/heads"):
            (view / name).mkdir(parents=True)
        (view / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
        loose = [(name, content) for name in _LOOSE_FILES if (content := read_plain(git_dir / name)) is not None]
        for name, content in [*loose, *loose_refs(git_dir)]:
            (view / name).parent.mkdir(parents=True, exist_ok=True)
            (view / name).write_bytes(content)
        borrowed = read_plain(git_dir / "objects/info/alternates")
        objects, added = git_dir / "objects", ""
        if (borrowed or b"") != alternates.encode():
            objects, added = _copied_objects(git_dir, view), alternates
        (view / "objects/info/alternates").write_text(f"{objects}\n{added}")
        yield view


def _copied_objects(git_dir: Path, view: Path) -> Path:
    """A copy of a repository's own objects, which borrows none."""
    copied = view / "theirs"
    shutil.copytree(git_dir / "objects", copied, symlinks=True, ignore=shutil.ignore_patterns("info"))
    return copied


def git_dir_of(tree: Path, path: str) -> Path:
    """The git directory of a repository at a path of an attempt's directory, as far as it lies in that directory."""
    file = tree / path / ".git"
    if file.is_symlink() or not file.is_file() or file.stat().st_size > _MAX_PATH_LENGTH:
        return file
    target = file.read_text(errors="replace").removeprefix("gitdir:").strip()
    found = Path(os.path.normpath(file.parent / target))
    is_inside = found.is_relative_to(tree) and ".git" in found.relative_to(tree).parts
    return found if is_inside and is_without_links(tree, str(found.relative_to(tree))) else file


def packed_refs(path: Path) -> Iterator[tuple[str, str]]:
    """Names of the refs in a file, and the ids of their objects."""
    for line in (read_plain(path) or b"").decode("utf-8", "surrogateescape").splitlines():
        if line and line[0] not in "#^":
            name, _, ref = line.partition(" ")
            yield ref, name


def loose_refs(git_dir: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of loose refs: small plain files alone, since the agent may put anything there."""
    found = 0
    for folder, folders, files in os.walk(git_dir / "refs"):
        folders[:] = [each for each in folders if not os.path.islink(os.path.join(folder, each))]
        for name in files:
            path = Path(folder, name)
            content = read_plain(path)
            if content is not None and len(content) < _MAX_REF_BYTES and not content.startswith(b"ref:"):
                yield str(path.relative_to(git_dir)), content
                found += 1
            if found > _MAX_REFS:
                return


def read_plain(path: Path) -> bytes | None:
    """Content of a regular file; None for anything else, and for one that is too large."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        return file.read() if stat.S_ISREG(status.st_mode) and status.st_size <= _MAX_FILE_BYTES else None
