"""Ignored result files that a plan's `keep` names: stored in a commit of their own in the hub, which never lands.

The commit's tree holds the files, byte for byte, and a list of them. Content is streamed and never held in memory.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from activities.git.command import display_path, git, piped_git, records
from activities.git.hub import Hub
from activities.system.rooted_dir import RootedDir

_FILES, _LIST = "files", "list.json"
_CHUNK = 1 << 20
_MB = 1_000_000
# Kept files are often compressed already, and read once.
_UNCOMPRESSED = ("core.compression=0", "core.looseCompression=0", "pack.compression=0")

Kept = dict[str, Any]
"""`{path, bytes, sha256}` of a kept file."""


def keep(
    hub: Hub, ref: str, message: str, at: int, tree: Path, paths: Sequence[str], room: tuple[int, int]
) -> list[str]:
    """Store files of a directory under a ref; a message for each that was not stored.

    `room`: bytes left, and the quota in bytes. Raises `GitError`; `OSError` if git ends early (a full disk).
    """
    (left, most), messages, found = room, list[str](), list[Kept]()
    arguments = ("fast-import", "--quiet", "--force", "--depth=0", "--date-format=raw")
    with RootedDir.opened(tree) as beneath, piped_git(*arguments, config=_UNCOMPRESSED, git_dir=hub.path) as (into, _):
        into.write(b"commit %s\ncommitter epw <epw> %d +0000\n" % (os.fsencode(ref), at))
        _write_data(into, message.encode())
        for path in sorted(paths):
            try:
                with beneath.file(path) as file:
                    size = os.fstat(file.fileno()).st_size
                    if size > left:
                        quota = f"the quota of {most / _MB:g} MB (EPW_KEPT_MB)"
                        messages.append(f"keep: {display_path(path)} ({size / _MB:.1f} MB) is over {quota}")
                        continue
                    name, mode = _quoted(f"{_FILES}/{path}"), os.fstat(file.fileno()).st_mode
                    into.write(b"M %s inline %s\n" % (b"100755" if mode & 0o100 else b"100644", name))
                    sha256 = _copied(file, size, into)
                    if sha256 is None:
                        into.write(b"D %s\n" % name)
                        messages.append(f"keep: {display_path(path)} changed while it was read")
                        continue
            except BrokenPipeError:
                raise
            except OSError as error:
                messages.append(f"keep: {display_path(path)}: {error.strerror}")
                continue
            left -= size
            found.append({"path": path, "bytes": size, "sha256": sha256})
        into.write(b"M 100644 inline %s\n" % _LIST.encode())
        _write_data(into, json.dumps(found).encode())
    return messages


def newest(hub: Hub, prefix: str) -> dict[str, str]:
    """The newest commit of kept files, by the part of its ref after a prefix."""
    form = ("--sort=version:refname", "--sort=committerdate", "--format=%(objectname) %(refname)%00")
    listed = records(git("for-each-ref", *form, prefix, git_dir=hub.path))
    entries = (entry.strip().split(" ", 1) for entry in listed if entry.strip())
    return {ref.removeprefix(f"{prefix}/").split("/")[0]: commit for commit, ref in entries}


def listed(hub: Hub, commits: Sequence[str]) -> list[list[Kept]]:
    """The files that each commit holds."""
    contents = hub.files([(commit, _LIST) for commit in commits])
    return [json.loads(content or b"[]") for content in contents]


def write(hub: Hub, commit: str, to: Path, wanted: Collection[str] | None = None) -> list[str]:
    """Write the wanted files (None: all) into a directory, created if missing; returns their paths.

    Raises `OSError` (`PathEscape` if a link would lead out of the directory), `GitError`.
    """
    entries = records(git("ls-tree", "-r", "-z", f"{commit}:{_FILES}", git_dir=hub.path, codes=(0, 128)))
    files = [(*entry.partition("\t")[0].split()[::2], entry.partition("\t")[2]) for entry in entries]
    written = list[str]()
    to.mkdir(exist_ok=True)
    with RootedDir.opened(to) as beneath, piped_git("cat-file", "--batch", git_dir=hub.path) as (asked, answers):
        for mode, name, path in files:
            if wanted is None or path in wanted:
                asked.write(f"{name}\n".encode())
                asked.flush()
                size = int(answers.readline().split()[2])
                try:
                    beneath.write(path, _read(answers, size), mode=0o777 if mode == "100755" else 0o666)
                except OSError as error:
                    raise OSError(error.errno, f"{display_path(path)}: {error.strerror}") from None
                answers.read(1)
                written.append(path)
    return written


def _copied(file: IO[bytes], size: int, into: IO[bytes]) -> str | None:
    """Pass a file's content to git; returns its SHA-256, or None if it became shorter meanwhile."""
    into.write(b"data %d\n" % size)
    digest, left = hashlib.sha256(), size
    while left and (chunk := file.read(min(left, _CHUNK))):
        into.write(chunk)
        digest.update(chunk)
        left -= len(chunk)
    while padding := b"\0" * min(left, _CHUNK):
        into.write(padding)
        left -= len(padding)
        digest = None  # type: ignore[assignment]
    into.write(b"\n")
    return digest.hexdigest() if digest is not None else None


def _read(answers: IO[bytes], size: int) -> Iterator[bytes]:
    while size:
        chunk = answers.read(min(size, _CHUNK))
        if not chunk:
            raise OSError(f"git ended {size} bytes too early")
        size -= len(chunk)
        yield chunk


def _write_data(into: IO[bytes], content: bytes) -> None:
    into.write(b"data %d\n%s\n" % (len(content), content))


def _quoted(path: str) -> bytes:
    """A path in the quoted form of fast-import, which can hold any path."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return b'"%s"' % os.fsencode(escaped)
