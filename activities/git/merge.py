"""Three-way merge of one change into a head, in the hub and without a work tree, and its conflicts."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple

from activities.git.command import GITLINK, LINK, REGULAR, git, records, run_git, text
from activities.git.hub import Hub
from activities.git.merge_attributes import merge_settings

_KINDS = {
    "contents": "lines",
    "add/add": "add-add",
    "file/directory": "add-add",
    "modify/delete": "modify-delete",
    "distinct modes": "mode",
    "binary": "binary",
    "submodule": "submodule",
}
"""Kind of a conflict by the start of git's type of its message (in some, the space before the bracket is missing)."""
MOVED_ALONG = "directory rename suggested"
"""One side renamed a directory into which the other put a file: git moved that file along with the directory."""
LEFT_IN_PLACE = ("directory rename unclear split", "directory rename collision", "file in way of directory rename")
"""As `MOVED_ALONG`, but the directory's files went to several places, or another file is or comes where the new one
would go: git left it where it was put, and records no stage of it."""
LFS = b"version https://git-lfs.github.com/spec/"
_MAX_POINTER_BYTES = 1024
_CONFIG = ["merge.conflictStyle=diff3", "merge.renames=true", "diff.renames=true"]


class Stage(NamedTuple):
    """One side of a conflicting file; `number`: 1 is the base, 2 ours, 3 theirs."""

    mode: str
    blob: str
    number: str


@dataclass
class Merge:
    """Result of merging two commits: a tree, with conflict markers if it is not clean, and git's messages."""

    tree: str
    clean: bool
    commits: tuple[str, str]
    """Ours and theirs."""
    kind: str = "lines"
    paths: list[str] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    """Files in which both sides changed different lines."""
    stages: dict[str, list[Stage]] = field(default_factory=dict)
    """The sides of each conflicting path."""
    aside: list[str] = field(default_factory=list)
    """Paths in `tree` of files that git could not put in their own place."""
    what: str = ""
    """Content of the sides of a conflict that is not text: submodules, Git LFS pointers."""
    binary: list[str] = field(default_factory=list)
    """Paths whose lines git does not merge."""
    refused: dict[str, str] = field(default_factory=dict)
    """Merge drivers of the user's own, by path, that would have merged it; then it counts as one without lines."""
    moved: list[tuple[str, list[str]]] = field(default_factory=list)
    """Conflicts of names: git's type, and the paths in git's order (the new ones of a file, then the old one)."""

    @property
    def named(self) -> str:
        """The kind in words: with what git calls a conflict of names, content that is no text, drivers."""
        drivers = [f"merge driver {name!r}, which is not run" for name in dict.fromkeys(self.refused.values())]
        names = list(dict.fromkeys(kind for kind, _ in self.moved)) if self.kind == "rename" else []
        more = ", ".join(filter(None, [*names, self.what, *drivers]))
        return f"{self.kind}: {more}" if more else self.kind

    def settle(self, paths: Collection[str]) -> None:
        """Note that these paths have merged, and `tree` has the result."""
        self.stages = {path: stages for path, stages in self.stages.items() if path not in paths}
        self.paths = [path for path in self.paths if path not in paths]
        self.joined += paths
        self.clean = not self.paths


def merge_base(hub: Hub, ours: str, theirs: str) -> str | None:
    """The commit at which two commits parted; None where they have none in common."""
    return text(git("merge-base", ours, theirs, git_dir=hub.path, codes=(0, 1))) or None


def merge(hub: Hub, ours: str, theirs: str, base: str | None = None) -> Merge:
    """Three-way merge of two commits of the hub by git itself (`merge-tree --write-tree`).

    As the user's git would do it: with the merge attributes of `ours`; merge drivers of the user's own are not run, and
    what one would merge is a conflict. `base`: where both began, if git is not to find that.
    """
    settings = merge_settings(hub, ours)
    sides = hub.siblings(base, ours, theirs) if base else (ours, theirs)
    argv = ("merge-tree", "--write-tree", "-z", "--messages", *sides)
    done = run_git(*argv, git_dir=hub.path, config=[*_CONFIG, *settings.config], codes=(0, 1))
    fields = done.stdout.decode("utf-8", "surrogateescape").split("\0")
    result = Merge(fields.pop(0), done.returncode == 0, (ours, theirs))
    names = _SetAside(ours, theirs)
    if not result.clean:
        _read_stages(result, fields, names)
    _read_messages(result, fields, names)
    result.joined = [path for path in result.joined if path not in result.stages]
    result.refused = settings.refused(hub, result.stages)
    result.binary += [path for path in result.refused if path not in result.binary]
    if result.kind in ("lines", "add-add") and _are_lfs_pointers(hub, result):
        result.kind, result.what = "binary", "Git LFS pointers"
    return result


@dataclass(frozen=True)
class _SetAside:
    """Names of files that git sets aside as `name~commit`, because another file or directory has their place."""

    ours: str
    theirs: str

    def original(self, path: str) -> str | None:
        """The proper path of a file set aside; None for one that is in its place."""
        ends = (f"~{self.ours}", f"~{self.theirs}")
        return next((path.removesuffix(end) for end in ends if path.endswith(end)), None)


def _read_stages(result: Merge, fields: list[str], names: _SetAside) -> None:
    while fields and fields[0]:
        entry, path = fields.pop(0).split("\t", 1)
        original = names.original(path)
        if original is not None:
            result.aside.append(path)
        result.stages.setdefault(original or path, []).append(Stage(*entry.split(" ")))
    result.paths = list(result.stages)


def _read_messages(result: Merge, fields: list[str], names: _SetAside) -> None:
    types: list[str] = []
    while fields and not fields[0]:
        fields.pop(0)
    while len(fields) > 2 and fields[0].isdigit():
        paths = [fields.pop(0) for _ in range(int(fields.pop(0)))]
        kind, message = fields.pop(0), fields.pop(0)
        if kind == "Auto-merging":
            result.joined += paths
        elif kind.startswith("CONFLICT"):
            conflict = kind.partition("(")[2].rstrip(")")
            if conflict == "file/directory" and not any(
                (names.original(path) or path) in result.stages for path in paths
            ):
                # git reports a file that only the other side has touched, too: that one has merged.
                continue
            types.append(conflict)
            _add_conflict(result, types, paths, message, names)
    if any(stage.mode == GITLINK for stages in result.stages.values() for stage in stages):
        result.what = "submodules"


def _add_conflict(result: Merge, types: list[str], paths: list[str], message: str, names: _SetAside) -> None:
    """Add a conflict to the result; the last one of `types` is its type."""
    conflict = types[-1]
    result.binary += paths if conflict == "binary" else []
    result.moved += [(conflict, paths)] if "rename" in conflict else []
    result.messages.append(message.strip())
    result.paths += [path for path in paths if path not in result.paths and names.original(path) is None]
    if len(types) == 1 or types[0] == "file/directory":
        # After a file in a directory's way, the next message says what became of it, if there is one.
        result.kind = _kind(conflict, result.stages.get(names.original(paths[0]) or paths[0], []))


def _are_lfs_pointers(hub: Hub, result: Merge) -> bool:
    """Whether the sides of a conflict are Git LFS pointers, whose lines make no sense merged."""
    sides = [stage for stages in result.stages.values() for stage in stages if stage.mode in REGULAR]
    contents = [hub.blob(stage.blob) for stage in sides[:6] if stage.number != "1"]
    return bool(contents) and all(len(each) < _MAX_POINTER_BYTES and each.startswith(LFS) for each in contents)


def _kind(conflict: str, stages: list[Stage]) -> str:
    known = next((kind for start, kind in _KINDS.items() if conflict.startswith(start)), "lines")
    kind = "rename" if "rename" in conflict else known
    sides = [stage for stage in stages if stage.number != "1"]
    if kind in ("modify-delete", "rename"):
        return kind
    if any(stage.mode == LINK for stage in stages):
        return "symlink"
    if any(stage.mode == GITLINK for stage in stages):
        return "submodule"
    if len(sides) == 2 and sides[0].blob == sides[1].blob:
        return "mode"
    return "add-add" if kind == "lines" and len(sides) == len(stages) == 2 else kind


def merged_tree(hub: Hub, base: str, ours: str, theirs: str) -> str | None:
    """The tree of a three-way merge of trees or commits; None if it has conflicts."""
    arguments = ("merge-tree", "--write-tree", "-z", "--no-messages", *hub.siblings(base, ours, theirs))
    answer = records(git(*arguments, git_dir=hub.path, codes=(0, 1)))
    return answer[0] if len(answer) == 1 else None


def carry_over(hub: Hub, start_tree: str, end_tree: str, base: str) -> str:
    """The tree of `base` with what changed from start to end: without what `setup` and `include` brought.

    Where both changed the same lines, the end tree as it is.
    """
    return merged_tree(hub, start_tree, base, end_tree) or end_tree
