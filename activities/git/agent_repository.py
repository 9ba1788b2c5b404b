"""The agent's own repository after an attempt: commits elsewhere, stashes, tags, an unfinished merge or rebase."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from activities.git.changes import changed_paths
from activities.git.command import GITLINK, git, records, run_git, text
from activities.git.hub import Hub
from activities.git.repository_view import (
    HALF_DONE,
    loose_refs,
    packed_refs,
    read_plain,
    view_of,
)
from epw.core.errors import GitError

_KINDS = {"refs/heads/": "branch", "refs/tags/": "tag", "refs/stash": "stash"}
_MAX_ENTRIES = 10
_CHECKED_FETCH = (
    "fetch.fsckObjects=true",
    # Old programs wrote these; they do no harm.
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.badTimezone=ignore",
)


@dataclass(frozen=True)
class LeftCommit:
    """A commit that does not land; `kind`: branch, tag, stash, HEAD, rebase, merge or cherry-pick."""

    kind: str
    name: str
    subject: str
    commit: str | None
    """None: it must not be copied into the hub, for the reason in `name`."""
    start: str
    files: list[str]
    """Paths that differ from `start`, the commit where it leaves the history that lands."""


Refuse = Callable[[Path, str, str], str | None]
"""Given a git directory, the start of an attempt and a commit: why that must not be kept, or None if it may."""


class AgentRepository:
    """The `.git` of an attempt's directory, or of a submodule in it, as its agent leaves it."""

    def __init__(self, git_dir: Path, hub: Hub, start: str, refs: Path, alternates: str) -> None:
        """`refs`: a file of the refs that it began with; `alternates`: where it borrowed objects from then."""
        self._git_dir = git_dir
        self._hub = hub
        self._start = start
        self._refs = refs
        self._alternates = alternates

    def tracked(self) -> set[str]:
        """The paths in its index; empty if that cannot be read."""
        try:
            with self._view() as view:
                return set(records(git("ls-files", "-z", git_dir=view)))
        except (GitError, OSError):
            return set()

    def untracked_by_commit(self, paths: set[str]) -> list[str]:
        """The paths that its HEAD no longer holds; empty if HEAD does not descend from the start."""
        try:
            with self._view() as view:
                head = Hub(view).resolve("HEAD")
                if head is None or head == self._start or not self._descends(view, head):
                    return []
                held = set(records(git("ls-tree", "-r", "-z", "--name-only", head, git_dir=view)))
                return sorted(paths - held)
        except (GitError, OSError):
            return []

    def left_commits(self, refuse: Refuse, *, lands: bool = True) -> tuple[str | None, list[LeftCommit]]:
        """Commit of HEAD if it does not descend from the start (else None), and the commits that do not land.

        Their objects are copied into the hub unless `refuse` gives a reason. `lands`: the history of HEAD lands.
        """
        if self._is_untouched():
            return None, []
        with self._view() as view:
            top = Hub(view).resolve("HEAD")
            head = top if lands and self._descends(view, top) else None
            found: dict[str, tuple[str, str]] = {}
            for commit, kind, name in self._named(view):
                if commit not in found and (kind == "tag" or self._is_apart(view, commit, head)):
                    found[commit] = kind, name
            kept = [
                self._kept(view, head, commit, *each, refuse) for commit, each in list(found.items())[:_MAX_ENTRIES]
            ]
            return None if self._descends(view, top) else (top or "no commit")[:12], kept

    def own_commits(self, refuse: Refuse) -> str | None:
        """Its HEAD, copied into the hub; None if that is the start, or does not descend from it.

        Raises `ValueError` with the reason if `refuse` gives one.
        """
        with self._view() as view:
            head = Hub(view).resolve("HEAD")
            if head is None or head == self._start or not self._descends(view, head):
                return None
            if why := refuse(view, self._start, head):
                raise ValueError(why)
            self._take(view, head)
            return head

    def head(self) -> str | None:
        """The commit of its HEAD; None if that cannot be read."""
        try:
            with self._view() as view:
                return Hub(view).resolve("HEAD")
        except (GitError, OSError):
            return None

    def pointers(self) -> dict[str, str]:
        """Commits of the submodules in its index, by path; empty if that cannot be read."""
        try:
            with self._view() as view:
                listed = records(git("ls-files", "--stage", "-z", git_dir=view))
        except (GitError, OSError):
            return {}
        entries = (entry.split("\t", 1) for entry in listed if entry.startswith(f"{GITLINK} "))
        return {path: entry.split(" ")[1] for entry, path in entries}

    def keep(self, commit: str, ref: str) -> bool:
        """Copy a commit, with its history, into the hub, and keep it by a ref; returns whether a remote has it.

        Raises `GitError` or `OSError` if the repository cannot be read.
        """
        with self._view() as view:
            if self._hub.resolve(commit) is None:
                argv = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--update-shallow")
                git(*argv, str(view), f"+{commit}:{ref}", git_dir=self._hub.path, config=_CHECKED_FETCH)
            else:
                self._hub.update_ref(ref, commit)
            on_remote = ("for-each-ref", "--count=1", f"--contains={commit}", "refs/remotes")
            return bool(git(*on_remote, git_dir=view))

    def unfinished(self) -> list[str]:
        """Paths that an unfinished merge or rebase of the agent left unmerged."""
        if not any(os.path.lexists(self._git_dir / name) for name in (*HALF_DONE, "rebase-merge", "rebase-apply")):
            return []
        try:
            with self._view() as view:
                listed = records(git("ls-files", "--unmerged", "-z", git_dir=view))
                return list(dict.fromkeys(entry.split("\t", 1)[1] for entry in listed))
        except (GitError, OSError):
            return []

    def is_changed(self, work_tree: Path) -> bool:
        """Whether its files differ from its HEAD, or that cannot be determined."""
        try:
            with self._view() as view:
                # Of nested repositories only HEAD: to look at more, git would run in them by their own settings.
                argv = ("status", "--porcelain", "--untracked-files=all", "--ignore-submodules=dirty")
                return bool(git(*argv, git_dir=view, work_tree=work_tree, config=["core.bare=false"]))
        except (GitError, OSError):
            return True

    def _is_untouched(self) -> bool:
        """Whether its refs are still those that it began with."""
        loose = {name: content.strip() for name, content in loose_refs(self._git_dir)}
        head, start = (read_plain(self._git_dir / "HEAD") or b"").strip(), self._start.encode()
        expected = {} if head == start else {os.fsdecode(head.removeprefix(b"ref: ")): start}
        is_same = loose == expected and read_plain(self._git_dir / "packed-refs") == (read_plain(self._refs) or None)
        return is_same and not any((self._git_dir / name).exists() for name in HALF_DONE)

    def _view(self) -> AbstractContextManager[Path]:
        return view_of(self._git_dir, self._alternates, self._hub.path)

    def _descends(self, view: Path, head: str | None) -> bool:
        """Whether HEAD descends from the start of the attempt."""
        return Hub(view).is_ancestor(self._start, head or "")

    def _named(self, view: Path) -> Iterator[tuple[str, str, str]]:
        """Commits that got a name since the start: the commit, the kind of the name, the name."""
        before = dict(packed_refs(self._refs))
        form = "%(objectname) %(refname)"
        for line in text(git("for-each-ref", f"--format={form}", git_dir=view)).splitlines():
            name, ref = line.split(" ", 1)
            start = next((each for each in _KINDS if ref.startswith(each)), None)
            commit = Hub(view).resolve(name) if start is not None and before.get(ref) != name else None
            if start is not None and commit is not None and commit != self._start:
                yield commit, _KINDS[start], ref.removeprefix(start) or _KINDS[start]
        head = (read_plain(view / "HEAD") or b"").strip().decode("ascii", "replace")
        if not head.startswith("ref:") and head not in {self._start, *before.values()}:
            commit = Hub(view).resolve(head)
            if commit is not None:
                yield commit, "HEAD", "HEAD"
        for name, kind in HALF_DONE.items():
            content = read_plain(view / name)
            commit = Hub(view).resolve(content.decode("ascii", "replace").strip()) if content is not None else None
            if commit is not None:
                yield commit, kind, kind

    def _is_apart(self, view: Path, commit: str, head: str | None) -> bool:
        """Whether the history of a commit holds more than those of HEAD and of the refs at the start."""
        before = {name for _, name in packed_refs(self._refs)} | {self._start} | ({head} if head else set())
        revisions = "".join(f"^{each}\n" for each in sorted(before)) + f"{commit}\n"
        argv = ("rev-list", "--max-count=1", "--ignore-missing", "--stdin")
        done = run_git(*argv, git_dir=view, stdin=revisions.encode(), codes=(0, 128))
        return done.returncode == 0 and bool(done.stdout.strip())

    def _kept(self, view: Path, head: str | None, commit: str, kind: str, name: str, refuse: Refuse) -> LeftCommit:
        if why := refuse(view, self._start, commit):
            return LeftCommit(kind, f"{name} ({why})", "", None, self._start, [])
        self._take(view, commit)
        subject = text(git("show", "--no-patch", "--format=%s", commit, git_dir=self._hub.path))
        # Where its history leaves that of HEAD: commits before have landed.
        common = run_git("merge-base", head or self._start, commit, git_dir=view, codes=(0, 1, 128)).stdout
        start = text(common).split("\n")[0]
        start = start if start not in ("", commit) and self._hub.resolve(start) else self._start
        return LeftCommit(kind, name, subject, commit, start, changed_paths(self._hub, start, commit))

    def _take(self, view: Path, commit: str) -> None:
        """Copy the commits since the start into the hub."""
        revisions = f"{commit}\n^{self._start}\n".encode()
        pack = git("pack-objects", "--revs", "--stdout", "-q", git_dir=view, stdin=revisions)
        git("unpack-objects", "-q", "--strict", git_dir=self._hub.path, stdin=pack)
