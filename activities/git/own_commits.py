"""Agents' own commits (`commits: keep`), rebased onto the delivery's base instead of merge commits."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from activities.git.command import EMPTY_TREE, GITLINK, LINK, differences, display_path, git, text
from activities.git.hub import Hub
from activities.git.merge import merged_tree
from activities.system.directories import leads_out

_KEPT_HEADERS = (b"author ", b"encoding ")


Ranges = dict[str, tuple[str, str]]
"""Range of the agent's commits by the task's change: the commit before the first one, and the last one."""


def keep_range(hub: Hub, prefix: str, change: str, start: str, last: str) -> None:
    """Keep the agent's commits of a change by refs."""
    hub.update_ref(f"{prefix}/{change}/start", start)
    hub.update_ref(f"{prefix}/{change}/last", last)


def read_ranges(hub: Hub, prefix: str) -> Ranges:
    """The ranges that are kept beneath a prefix."""
    listed = text(git("for-each-ref", "--format=%(refname) %(objectname)", prefix, git_dir=hub.path))
    found = dict(line.removeprefix(f"{prefix}/").split(" ") for line in listed.splitlines())
    changes = dict.fromkeys(ref.split("/")[0] for ref in found)
    return {change: (found[f"{change}/start"], found[f"{change}/last"]) for change in changes}


def rebased(hub: Hub, base: str, head: str, lowered: Callable[[str], str], own: Ranges) -> tuple[str, list[str]]:
    """A linear history from `base` with the trees of `head`'s first parents, and a message per change cut short.

    The same arguments give the same commits. `lowered`: returns a commit as the user gets it. A change without
    commits of its agent becomes one commit, and so does what they lack of it; they end before the first one that
    does not merge with the history before it.
    """
    new, messages = lowered(base), list[str]()
    for landed in _listed(hub, "--first-parent", f"{base}..{head}"):
        _, _, *merged = _parents(hub, landed)
        change = merged[0] if merged else landed
        committer = _header(hub, landed, b"committer ")
        start, last = own.get(change, ("", ""))
        for commit in _listed(hub, "--topo-order", "--no-merges", f"{start}..{last}") if last else []:
            before = [*_parents(hub, commit)[1:], EMPTY_TREE][0]
            tree = merged_tree(hub, before, new, commit)
            if tree is None:
                messages.append(f"{_subject(hub, change)}: its commits land as one from {_subject(hub, commit)!r} on")
                break
            if tree != hub.tree_of(new) or hub.tree_of(before) == hub.tree_of(commit):
                new = _like(hub, commit, tree, new, committer)
        tree = hub.tree_of(lowered(landed))
        if tree != hub.tree_of(new):
            new = _like(hub, change, tree, new, committer)
    return new, messages


def refusal(view: Path, start: str, last: str, change: str, *, is_encoded: bool) -> str | None:
    """Reason why the commits after `start`, up to `last`, cannot be delivered one by one; None if they can.

    One of them may hold what the change as a whole does not: a link that leads out, a submodule's commit that nobody
    has; and if files are `is_encoded`, content that neither `start` nor the change has.
    """
    listed = (text(git("ls-tree", "-r", "--format=%(objectname)", each, git_dir=view)) for each in (start, change))
    known = {name for names in listed for name in names.splitlines()}
    for mode, name, path in introduced_files(view, start, last):
        if mode == GITLINK and name not in known:
            return f"one of them sets the submodule {display_path(path)}"
        if mode == LINK and leads_out(path, os.fsdecode(git("cat-file", "blob", name, git_dir=view))):
            return f"in one of them {display_path(path)} is a link that leaves the workspace"
        if mode != GITLINK and is_encoded and name not in known:
            return f"files here are stored by a filter, and one of them has another {display_path(path)}"
    return None


def introduced_files(view: Path, start: str, last: str) -> Iterator[tuple[str, str, str]]:
    """Mode, object and path of each file that a commit after `start`, up to `last`, adds or changes."""
    argv = ("log", "--raw", "--no-renames", "--no-abbrev", "-m", "-z", "--format=", f"{start}..{last}")
    for each in differences(git(*argv, git_dir=view)):
        if each.status != "D":
            yield each.mode, each.new, each.path


def _subject(hub: Hub, commit: str) -> str:
    return display_path(text(git("show", "--no-patch", "--format=%s", commit, git_dir=hub.path)))[:100]


def _listed(hub: Hub, *revisions: str) -> list[str]:
    return text(git("rev-list", "--reverse", *revisions, git_dir=hub.path)).split()


def _parents(hub: Hub, commit: str) -> list[str]:
    """A commit and its parents."""
    return text(git("rev-list", "--parents", "--max-count=1", commit, git_dir=hub.path)).split()


def _header(hub: Hub, commit: str, name: bytes) -> bytes:
    lines = git("cat-file", "commit", commit, git_dir=hub.path).partition(b"\n\n")[0].split(b"\n")
    return next(line for line in lines if line.startswith(name))


def _like(hub: Hub, commit: str, tree: str, parent: str, committer: bytes) -> str:
    """A commit with another one's message and author, byte for byte."""
    head, _, message = git("cat-file", "commit", commit, git_dir=hub.path).partition(b"\n\n")
    kept = [line for line in head.split(b"\n") if line.startswith(_KEPT_HEADERS)]
    author, encoding = kept[:1], kept[1:]
    lines = [b"tree %s" % tree.encode(), b"parent %s" % parent.encode(), *author, committer, *encoding]
    content = b"\n".join(lines) + b"\n\n" + message
    return text(git("hash-object", "-t", "commit", "-w", "--stdin", git_dir=hub.path, stdin=content))
