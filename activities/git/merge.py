"""The three-way merge of one change into a head, in the hub, without a work tree; and its conflicts."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import NamedTuple

from activities.git.command import LINK, REGULAR, git, records, run_git
from activities.git.hub import Hub

# git's own type of a message, as it begins → the contract's kind; in some the space before the bracket is missing.
_KINDS = {
    "contents": "lines",
    "add/add": "add-add",
    "file/directory": "add-add",
    "modify/delete": "modify-delete",
    "distinct modes": "mode",
    "binary": "binary",
    "submodule": "binary",
}
MOVED_ALONG = "directory rename suggested"
"""One side has renamed a directory into which the other has put a file: git has put it where the others went."""
LEFT_IN_PLACE = ("directory rename unclear split", "directory rename collision", "file in way of directory rename")
"""As before, but the others went to several places, or another file is or comes where it would go: it is where it was
put, and no side of it is recorded."""
LFS = b"version https://git-lfs.github.com/spec/"
_MAX_POINTER_BYTES = 1024
ATTRIBUTES = ".gitattributes"
MARKER = re.compile(r"(<{7,}) ")
"""What a place begins with in which both sides stand."""
_CONFIG = ["merge.conflictStyle=diff3", "merge.renames=true", "diff.renames=true"]
_MERGE_ATTRIBUTES = ("merge", "-merge", "!merge", "merge=text", "merge=binary", "merge=union", "binary")
_MAX_CONFLICTS = 128
_FILES_OF_OURS = f"/proc/{os.getpid()}/fd"
_MAX_KNOWN = 1000
_UNKNOWN = Path()
_known_attributes: dict[tuple[Path, str], Path | None] = {}
"""By hub and commit, the newest last."""
_attributes_lock = Lock()
_MAX_ATTRIBUTES = 100_000
_PATTERN = re.compile(rb'((?:"(?:[^"\\]|\\.)*"|[^\s#\["]\S*))\s+(.*)')


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
    commits: tuple[str, str]
    """Ours and theirs."""
    kind: str = "lines"
    paths: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    """Files of which both sides changed different lines."""
    stages: dict[str, list[Stage]] = field(default_factory=dict)
    """The sides of each conflicting path."""
    aside: list[str] = field(default_factory=list)
    """Where `tree` has what git could not put in its own place."""
    what: str = ""
    """What they are, where that is no text: submodules, Git LFS pointers."""
    binary: list[str] = field(default_factory=list)
    """Paths of which git merges no lines."""
    moved: list[tuple[str, list[str]]] = field(default_factory=list)
    """Of conflicts of names: git's type, and the paths in its order (of a file the new ones, and then the old one)."""

    def settle(self, paths: Collection[str]) -> None:
        """These have merged, and `tree` has what came of them."""
        self.stages = {path: stages for path, stages in self.stages.items() if path not in paths}
        self.paths = [path for path in self.paths if path not in paths]
        self.joined += paths
        self.clean = not self.paths


def merge(hub: Hub, ours: str, theirs: str) -> Merge:
    """Three-way merge of two commits of the hub by git itself (`merge-tree --write-tree`).

    As the user's git would: by what the `.gitattributes` of `ours`, at its top, says of merging.
    """
    attributes = merge_attributes(hub, ours)
    done = run_git(
        "merge-tree",
        "--write-tree",
        "-z",
        "--messages",
        ours,
        theirs,
        git_dir=hub.path,
        config=[*_CONFIG, *([f"core.attributesFile={attributes}"] if attributes else [])],
        codes=(0, 1),
    )
    fields = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    result = Merge(fields.pop(0), done.returncode == 0, (ours, theirs))
    names = _Names(ours, theirs)
    if not result.clean:
        _read_stages(result, fields, names)
    _read_messages(result, fields, names)
    result.joined = [path for path in result.joined if path not in result.stages]
    if result.kind in ("lines", "add-add") and (what := _no_text(hub, result)):
        result.kind, result.what = "binary", what
    return result


def merge_attributes(hub: Hub, commit: str) -> Path | None:
    """A file with what a commit's `.gitattributes` says of merging, and nothing else; None: nothing.

    git itself reads no attributes of a commit where there is no work tree; and of drivers and filters that the
    workspace names none is ours to run.
    """
    with _attributes_lock:
        known = _known_attributes.get((hub.path, commit), _UNKNOWN)
    if known is not _UNKNOWN:
        return known
    return _know_attributes(hub, commit, _kept_attributes(hub, hub.file(commit, ATTRIBUTES)))


def same_attributes(hub: Hub, commit: str, later: str) -> None:
    """`later` says of merging what `commit` says: nobody has to look."""
    _know_attributes(hub, later, merge_attributes(hub, commit))


def _know_attributes(hub: Hub, commit: str, path: Path | None) -> Path | None:
    with _attributes_lock:
        _known_attributes[hub.path, commit] = path
        while len(_known_attributes) > _MAX_KNOWN:
            del _known_attributes[next(iter(_known_attributes))]
    return path


def _kept_attributes(hub: Hub, given: bytes | None) -> Path | None:
    lines = [_of_merging(line) for line in (given or b"")[:_MAX_ATTRIBUTES].splitlines()]
    content = b"".join(line for line in lines if line)
    if not content:
        return None
    path = hub.path / "attributes" / hashlib.sha256(content).hexdigest()[:32]
    if not path.is_file():
        path.parent.mkdir(mode=0o700, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(content)
        os.replace(file.name, path)
    return path


def _of_merging(line: bytes) -> bytes | None:
    """A line of attributes, less what is not about merging."""
    found = _PATTERN.match(line.strip())
    told = [word for word in found[2].decode(errors="replace").split() if word in _MERGE_ATTRIBUTES] if found else []
    return found[1] + f" {' '.join(told)}\n".encode() if found and told else None


@dataclass(frozen=True)
class _Names:
    """Where a file stands in another's way, git sets it aside as `name~commit`."""

    ours: str
    theirs: str

    def own(self, path: str) -> str | None:
        """The path that a file set aside would have; None for one that is in its place."""
        ends = (f"~{self.ours}", f"~{self.theirs}")
        return next((path.removesuffix(end) for end in ends if path.endswith(end)), None)


def _read_stages(result: Merge, fields: list[str], names: _Names) -> None:
    while fields and fields[0]:
        entry, path = fields.pop(0).split("\t", 1)
        own = names.own(path)
        if own is not None:
            result.aside.append(path)
        result.stages.setdefault(own or path, []).append(Stage(*entry.split(" ")))
    result.paths = list(result.stages)


def _read_messages(result: Merge, fields: list[str], names: _Names) -> None:
    types = []
    while fields and not fields[0]:
        fields.pop(0)
    while len(fields) > 2 and fields[0].isdigit():
        paths = [fields.pop(0) for _ in range(int(fields.pop(0)))]
        kind, message = fields.pop(0), fields.pop(0)
        if kind == "Auto-merging":
            result.joined += paths
        elif kind.startswith("CONFLICT"):
            told = kind.partition("(")[2].rstrip(")")
            if told == "file/directory" and not any((names.own(path) or path) in result.stages for path in paths):
                # git says so of a file that only the other side has touched, too: that has merged.
                continue
            types.append(told)
            result.binary += paths if types[-1] == "binary" else []
            result.moved += [(types[-1], paths)] if "rename" in types[-1] else []
            result.messages.append(message.strip())
            result.paths += [path for path in paths if path not in result.paths and names.own(path) is None]
            if len(types) == 1 or types[0] == "file/directory":
                # Of a file in a directory's way the next message tells what became of it, if there is one.
                result.kind = _kind(types[-1], result.stages.get(names.own(paths[0]) or paths[0], []))
    if types and types[0].startswith("submodule"):
        result.what = "submodules"


def _no_text(hub: Hub, result: Merge) -> str:
    """What the sides of a conflict are, where merging their lines would make no sense."""
    sides = [stage for stages in result.stages.values() for stage in stages if stage.mode in REGULAR]
    heads = [hub.blob(stage.blob) for stage in sides[:6] if stage.number != "1"]
    lfs = heads and all(len(head) < _MAX_POINTER_BYTES and head.startswith(LFS) for head in heads)
    return "Git LFS pointers" if lfs else ""


def merge_file(hub: Hub, base: str, ours: str, theirs: str, *options: str) -> bytes | None:
    """Three blobs merged line by line; None for binary ones, and for conflicts that no option settles."""
    done = _merge_file([hub.blob(blob) for blob in (ours, base, theirs)], *options)
    return done.stdout if done.returncode == 0 else None


def merge_texts(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """Three texts merged line by line, with conflict markers in the style `diff3`; None for binary ones."""
    done = _merge_file([ours, base, theirs], "--diff3")
    return done.stdout if done.returncode < _MAX_CONFLICTS else None


def _merge_file(contents: list[bytes], *options: str) -> subprocess.CompletedProcess[bytes]:
    with tempfile.TemporaryDirectory(prefix="epw-") as scratch, ExitStack() as opened:
        paths = [_readable(content, Path(scratch, str(n)), opened) for n, content in enumerate(contents)]
        # The exit code is the number of conflicts, or 255.
        return run_git("merge-file", "-p", "-q", *options, *paths, cwd=Path(scratch), codes=range(256))


def _readable(content: bytes, beside: Path, opened: ExitStack) -> str:
    """A name by which git can read a content: in memory, where that can be, since a driver may have decoded it."""
    if not (hasattr(os, "memfd_create") and os.path.isdir(_FILES_OF_OURS)):
        beside.write_bytes(content)
        return str(beside)
    file = opened.enter_context(os.fdopen(os.memfd_create("epw"), "wb"))
    file.write(content)
    file.flush()
    return f"{_FILES_OF_OURS}/{file.fileno()}"


def hunks(hub: Hub, tree: str, path: str) -> list[dict[str, object]]:
    """The conflicting places of a file in a merged tree: `line` in the marked file, and the three sides."""
    marked = hub.file(tree, path)
    if marked is None or b"\0" in marked:
        return []
    found: list[dict[str, object]] = []
    part, size = None, 0
    for number, line in enumerate(marked.decode(errors="backslashreplace").split("\n"), 1):
        if part is None and (begins := MARKER.match(line)):
            # Of a file that a side has renamed too they are longer.
            part, size = "ours", len(begins[1])
            found.append({"line": number, "ours": "", "base": "", "theirs": ""})
        elif part == "ours" and line.startswith("|" * size + " "):
            part = "base"
        elif part in ("ours", "base") and line.rstrip("\r") == "=" * size:
            part = "theirs"
        elif part == "theirs" and line.startswith(">" * size + " "):
            part = None
        elif part is not None:
            found[-1][part] = f"{found[-1][part]}{line}\n"
    return found


def _kind(told: str, stages: list[Stage]) -> str:
    kind = (
        "rename"
        if "rename" in told
        else next((kind for start, kind in _KINDS.items() if told.startswith(start)), "lines")
    )
    sides = [stage for stage in stages if stage.number != "1"]
    if kind in ("modify-delete", "rename"):
        return kind
    if any(stage.mode == LINK for stage in stages):
        return "symlink"
    if len(sides) == 2 and sides[0].blob == sides[1].blob:
        return "mode"
    return "add-add" if kind == "lines" and len(sides) == len(stages) == 2 else kind


def merged_tree(hub: Hub, base: str, ours: str, theirs: str) -> str | None:
    """The tree of a three-way merge of trees or commits; None where it does not merge."""
    arguments = ("merge-tree", "--write-tree", "-z", "--no-messages", *hub.siblings(base, ours, theirs))
    answer = records(git(*arguments, git_dir=hub.path, codes=(0, 1)))
    return answer[0] if len(answer) == 1 else None


def carry_over(hub: Hub, start_tree: str, end_tree: str, base: str) -> str:
    """`base`'s tree with what changed from start to end: leaves out what `setup` and `include` brought.

    Where both touched the same lines the end tree stands as it is.
    """
    return merged_tree(hub, start_tree, base, end_tree) or end_tree
