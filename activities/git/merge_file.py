"""Line-by-line merge of three contents of one file, and the conflict markers that it leaves."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from contextlib import ExitStack
from pathlib import Path

from activities.git.command import run_git
from activities.git.hub import Hub

MARKER = re.compile(r"(<{7,}) ")
"""Start of the line that opens a conflicting region; longer for a file that one side has also renamed."""
_MAX_CONFLICTS = 128
_DESCRIPTORS = f"/proc/{os.getpid()}/fd"


def merge_file(hub: Hub, base: str, ours: str, theirs: str, *options: str) -> bytes | None:
    """Merge of three blobs; None for binary ones, and for conflicts that the options do not settle."""
    done = _merge_file([hub.blob(blob) for blob in (ours, base, theirs)], *options)
    return done.stdout if done.returncode == 0 else None


def merge_texts(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """Merge of three texts, with conflict markers in the style `diff3`; None for binary ones."""
    done = _merge_file([ours, base, theirs], "--diff3")
    return done.stdout if done.returncode < _MAX_CONFLICTS else None


def _merge_file(contents: list[bytes], *options: str) -> subprocess.CompletedProcess[bytes]:
    with tempfile.TemporaryDirectory(prefix="epw-") as scratch, ExitStack() as opened:
        paths = [_readable_path(content, Path(scratch, str(n)), opened) for n, content in enumerate(contents)]
        # The exit code is the number of conflicts, or 255.
        return run_git("merge-file", "-p", "-q", *options, *paths, cwd=Path(scratch), codes=range(256))


def _readable_path(content: bytes, fallback: Path, opened: ExitStack) -> str:
    """A path by which git reads a content: in memory where possible, since it may be decoded and secret."""
    if not (hasattr(os, "memfd_create") and os.path.isdir(_DESCRIPTORS)):
        fallback.write_bytes(content)
        return str(fallback)
    file = opened.enter_context(os.fdopen(os.memfd_create("epw"), "wb"))
    file.write(content)
    file.flush()
    return f"{_DESCRIPTORS}/{file.fileno()}"


def hunks(hub: Hub, tree: str, path: str) -> list[dict[str, object]]:
    """`{line, ours, base, theirs}` of each conflicting region of a file in a merged tree.

    `line`: number of the region's first line in the file with its markers.
    """
    marked = hub.file(tree, path)
    if marked is None or b"\0" in marked:
        return []
    found: list[dict[str, object]] = []
    side, size = None, 0
    for number, line in enumerate(marked.decode(errors="backslashreplace").split("\n"), 1):
        if side is None:
            if opening := MARKER.match(line):
                side, size = "ours", len(opening[1])
                found.append({"line": number, "ours": "", "base": "", "theirs": ""})
        elif side == "ours" and line.startswith("|" * size + " "):
            side = "base"
        elif side in ("ours", "base") and line.rstrip("\r") == "=" * size:
            side = "theirs"
        elif side == "theirs" and line.startswith(">" * size + " "):
            side = None
        else:
            found[-1][side] = f"{found[-1][side]}{line}\n"
    return found
