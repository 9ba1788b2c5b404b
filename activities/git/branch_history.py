"""History of a delivered branch: one line of commits, whose trees are those of the head after each landing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from activities.git.command import EMPTY_TREE, display_path, git, text
from activities.git.hub import Hub
from activities.git.merge import merged_tree
from activities.git.own_commits import Ranges
from activities.git.task_commits import is_landing, read_trailers, task_of

_MAX_SUBJECT = 100


@dataclass(frozen=True)
class _Change:
    """A task's change in the head, and the commit with which it landed: the same one, or a merge of it."""

    landed: str
    commit: str
    content: bytes
    """The change's commit, headers and message."""
    committer: bytes

    @property
    def author(self) -> bytes:
        return _header(self.content, b"author")

    @property
    def trailers(self) -> Mapping[str, str]:
        return read_trailers(_message(self.content))


@dataclass(frozen=True)
class _Row:
    """A commit to write."""

    tree: str
    author: bytes
    committer: bytes
    message: bytes
    encoding: bytes = b""


class BranchHistory:
    """History of what has landed between `base` and `head`, both commits of the hub."""

    def __init__(
        self, hub: Hub, base: str, head: str, lowered: Callable[[str], str], message: Callable[[Mapping[str, str]], str]
    ) -> None:
        """`lowered`: returns a commit as the user gets it. `message`: that of a change with these trailers."""
        self._hub = hub
        self._base = lowered(base)
        self._message = message
        self._changes = _changes(hub, base, head)
        trees = hub.trees_of([self._base, *(lowered(each.landed) for each in self._changes)])
        self._first, self._trees = trees[0], trees[1:]

    def squashed(self, ref: str) -> str:
        """Write one commit a change and point `ref` to the last one, which is returned."""
        rows = [self._row(each, tree) for each, tree in zip(self._changes, self._trees, strict=True)]
        return _write(self._hub, ref, self._base, rows)

    def kept(self, ref: str, own: Ranges) -> tuple[str, list[str]]:
        """As `squashed`, with the agents' own commits `own`; also a sentence a change whose commits are cut short.

        What a change's commits lack of it becomes one more; they end before the first one that does not merge with
        the history before it.
        """
        rows, said, now = list[_Row](), list[str](), self._first
        for change, tree in zip(self._changes, self._trees, strict=True):
            start, last = own.get(change.commit, ("", ""))
            listed = ("rev-list", "--reverse", "--topo-order", "--no-merges", "--parents", f"{start}..{last}")
            lines = text(git(*listed, git_dir=self._hub.path)).splitlines() if last else []
            theirs = [line.split(" ") for line in lines]
            contents = self._hub.commits([commit for commit, *_ in theirs])
            for (commit, *parents), content in zip(theirs, contents, strict=True):
                before = parents[0] if parents else EMPTY_TREE
                merged = merged_tree(self._hub, before, now, commit)
                if merged is None:
                    subject = display_path(text(_message(content).partition(b"\n")[0]))[:_MAX_SUBJECT]
                    said.append(f"{task_of(change.trailers)}: its commits land as one from {subject!r} on")
                    break
                if merged != now or self._hub.tree_of(before) == self._hub.tree_of(commit):
                    rows.append(_like(content, merged, change.committer))
                now = merged
            if tree != now or not theirs:
                rows.append(self._row(change, tree))
            now = tree
        return _write(self._hub, ref, self._base, rows), said

    def _row(self, change: _Change, tree: str) -> _Row:
        message = self._message(change.trailers).encode("utf-8", "replace")
        return _Row(tree, change.author, change.committer, message)


def _changes(hub: Hub, base: str, head: str) -> list[_Change]:
    """The changes in the head, in landing order."""
    listed = git("rev-list", "--first-parent", "--parents", "--reverse", f"{base}..{head}", git_dir=hub.path)
    rows = [line.split(" ") for line in text(listed).splitlines()]
    contents = hub.commits([landed for landed, *_ in rows])
    found = []
    for (landed, _, *more), content in zip(rows, contents, strict=True):
        is_merge = bool(more) and is_landing(read_trailers(_message(content)))
        found.append((landed, more[0] if is_merge else landed, _header(content, b"committer")))
    changes = hub.commits([commit for _, commit, _ in found])
    return [_Change(landed, commit, each, who) for (landed, commit, who), each in zip(found, changes, strict=True)]


def _write(hub: Hub, ref: str, base: str, rows: Sequence[_Row]) -> str:
    """Write the commits on top of each other, with one git process; the same arguments give the same commits."""
    stream, parent = list[bytes](), base
    for number, row in enumerate(rows, start=1):
        encoding = [b"encoding %s" % row.encoding] if row.encoding else []
        lines = [b"author %s" % row.author, b"committer %s" % row.committer, *encoding, b"data %d" % len(row.message)]
        stream += [f"commit {ref}\nmark :{number}".encode(), *lines, row.message]
        stream += [f'from {parent}\nM 040000 {row.tree} ""\n'.encode()]
        parent = f":{number}"
    if not rows:
        hub.update_ref(ref, base)
        return base
    stream += [b"done\n"]
    options = ("--quiet", "--force", "--done", "--date-format=raw-permissive")
    git("fast-import", *options, git_dir=hub.path, stdin=b"\n".join(stream))
    return text(git("rev-parse", "--verify", ref, git_dir=hub.path))


def _like(content: bytes, tree: str, committer: bytes) -> _Row:
    """A commit with another one's message and author, byte for byte."""
    encoding = _header(content, b"encoding")
    return _Row(tree, _header(content, b"author"), committer, _message(content), encoding)


def _header(content: bytes, name: bytes) -> bytes:
    """Value of a commit's header; empty where it has none."""
    lines = content.partition(b"\n\n")[0].split(b"\n")
    return next((line[len(name) + 1 :] for line in lines if line.startswith(name + b" ")), b"")


def _message(content: bytes) -> bytes:
    return content.partition(b"\n\n")[2]
