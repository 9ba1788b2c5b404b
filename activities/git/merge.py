"""The three-way merge of one change into a head, in the hub, without a work tree; and its conflicts."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from activities.git.command import run_git
from activities.git.hub import Hub

# git's own type of a message → the contract's kind. Longest match first where one is part of another.
_KINDS = {
    "CONFLICT (contents)": "lines",
    "CONFLICT (add/add)": "add-add",
    "CONFLICT (file/directory)": "add-add",
    "CONFLICT (modify/delete)": "modify-delete",
    "CONFLICT (rename": "rename",
    "CONFLICT (directory rename": "rename",
    "CONFLICT (implicit dir rename": "rename",
    "CONFLICT (distinct modes)": "mode",
    "CONFLICT (binary)": "binary",
    "CONFLICT (submodule": "binary",
}
LINK = "120000"
_MOST_CONFLICTS = 128


class Stage(NamedTuple):
    """A side of a conflicting file: 1 is the base, 2 ours, 3 theirs."""

    mode: str
    blob: str
    number: str


@dataclass
class Merge:
    """What git made of two commits: `tree` (with conflict markers where not clean) and what it said."""

    tree: str
    clean: bool
    kind: str = "lines"
    paths: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    """Files of which both sides changed different lines."""
    stages: dict[str, list[Stage]] = field(default_factory=dict)
    """The sides of each conflicting path."""


def merge(hub: Hub, ours: str, theirs: str) -> Merge:
    """Three-way merge of two commits of the hub by git itself (`merge-tree --write-tree`)."""
    done = run_git(
        "merge-tree",
        "--write-tree",
        "-z",
        "--messages",
        ours,
        theirs,
        git_dir=hub.path,
        config=["merge.conflictStyle=diff3", "merge.renames=true", "diff.renames=true"],
        codes=(0, 1),
    )
    fields = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    tree, rest = fields[0], fields[1:]
    stages: dict[str, list[Stage]] = {}
    if done.returncode == 1:
        while rest and rest[0]:
            entry, path = rest.pop(0).split("\t", 1)
            mode, blob, stage = entry.split(" ")
            stages.setdefault(path, []).append(Stage(mode, blob, stage))
    while rest and not rest[0]:
        rest.pop(0)
    result = Merge(tree, done.returncode == 0, paths=[path for path in stages if not _is_git_s_own(path, ours, theirs)])
    kinds = []
    while len(rest) > 2 and rest[0].isdigit():
        count = int(rest.pop(0))
        paths = [rest.pop(0) for _ in range(count)]
        kind, message = rest.pop(0), rest.pop(0)
        if kind == "Auto-merging":
            result.joined += paths
        elif kind.startswith("CONFLICT"):
            result.messages.append(message.strip())
            kinds.append(_kind(kind, stages.get(paths[0], [])))
            result.paths += [
                path for path in paths if path not in result.paths and not _is_git_s_own(path, ours, theirs)
            ]
    result.kind = kinds[0] if kinds else "lines"
    result.joined = [path for path in result.joined if path not in stages]
    result.stages = stages
    return result


def merge_file(hub: Hub, base: str, ours: str, theirs: str, *options: str) -> bytes | None:
    """Three blobs merged line by line; null for binary ones, and for conflicts that no option settles."""
    done = _merge_file([hub.blob(blob) for blob in (ours, base, theirs)], *options)
    return done.stdout if done.returncode == 0 else None


def merge_texts(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """Three texts merged line by line, with conflict markers in the style `diff3`; null for binary ones."""
    done = _merge_file([ours, base, theirs], "--diff3")
    return done.stdout if done.returncode < _MOST_CONFLICTS else None


def _merge_file(contents: list[bytes], *options: str) -> subprocess.CompletedProcess[bytes]:
    with tempfile.TemporaryDirectory(prefix="epw-") as scratch:
        paths = [Path(scratch, name) for name in ("ours", "base", "theirs")]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        # The exit code is the number of conflicts, or 255.
        return run_git("merge-file", "-p", "-q", *options, *map(str, paths), cwd=Path(scratch), codes=range(256))


def hunks(hub: Hub, tree: str, path: str) -> list[dict[str, object]]:
    """The conflicting places of a file in a merged tree: `line` in the marked file, and the three sides."""
    marked = hub.file(tree, path)
    if marked is None or b"\0" in marked:
        return []
    found: list[dict[str, object]] = []
    part: str | None = None
    for number, line in enumerate(marked.decode(errors="backslashreplace").split("\n"), 1):
        if line.startswith("<<<<<<< "):
            part = "ours"
            found.append({"line": number, "ours": "", "base": "", "theirs": ""})
        elif part == "ours" and line.startswith("||||||| "):
            part = "base"
        elif part in ("ours", "base") and line == "=======":
            part = "theirs"
        elif part == "theirs" and line.startswith(">>>>>>> "):
            part = None
        elif part is not None:
            found[-1][part] = f"{found[-1][part]}{line}\n"
    return found


def _is_git_s_own(path: str, ours: str, theirs: str) -> bool:
    """Where a file stands in a directory's way, git sets it aside as `name~commit`."""
    return path.endswith((f"~{ours}", f"~{theirs}"))


def _kind(message: str, stages: list[Stage]) -> str:
    kind = next((kind for start, kind in _KINDS.items() if message.startswith(start)), "lines")
    both_added = bool(stages) and all(stage.number != "1" for stage in stages)
    if kind in ("modify-delete", "rename"):
        return kind
    if any(stage.mode == LINK for stage in stages):
        return "symlink"
    if len(stages) > 1 and len({stage.blob for stage in stages if stage.number != "1"}) == 1:
        return "mode"
    return "add-add" if kind == "lines" and both_added else kind
