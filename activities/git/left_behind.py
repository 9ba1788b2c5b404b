"""What an agent did with its own git besides changing files: commits elsewhere, stashes, tags, an unfinished rebase.

Its repository is looked at through a view of ours, with our configuration: nothing in it is obeyed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from activities.git.changes import changed_paths
from activities.git.command import GITLINK, git, records, run_git, text
from activities.git.hub import Hub
from activities.system.directories import is_without_links
from epw.core.errors import GitError

_HALF_DONE = {
    "MERGE_HEAD": "merge",
    "CHERRY_PICK_HEAD": "cherry-pick",
    "rebase-merge/orig-head": "rebase",
    "rebase-apply/orig-head": "rebase",
}
_LOOSE = ("HEAD", "packed-refs", "index", "shallow", *_HALF_DONE)
_KINDS = {"refs/heads/": "branch", "refs/tags/": "tag", "refs/stash": "stash"}
_MAX_BYTES = 64 * 1024 * 1024
_MAX_REFS = 20_000
_MAX_ENTRIES = 10
_MAX_PATH_LENGTH = 4096
_CHECKED = (
    "fetch.fsckObjects=true",
    # What old programs wrote, and does no harm.
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
    "fetch.fsck.badTimezone=ignore",
)


@dataclass(frozen=True)
class Left:
    """A commit that is nowhere in what lands; `kind`: branch, tag, stash, HEAD, rebase, merge or cherry-pick."""

    kind: str
    name: str
    subject: str
    commit: str | None
    """Null: it was not to be taken into the hub, as the name says."""
    start: str
    files: list[str]
    """What differs from `start`: where it leaves what lands."""


Refuse = Callable[[Path, str, str], str | None]
"""Given a git directory, where an attempt started and a commit: why that must not be kept; None: it may."""


class AgentRepository:
    """The `.git` of an attempt's directory, or of a submodule in it, as its agent leaves it."""

    def __init__(self, git_dir: Path, hub: Hub, start: str, refs: Path, alternates: str) -> None:
        self._git_dir = git_dir
        self._hub = hub
        self._start = start
        self._refs = refs
        """Those that it began with, packed."""
        self._alternates = alternates
        """Where it borrowed objects from then."""

    def tracked(self) -> set[str]:
        """The paths in its index; none where there is no index that can be read."""
        try:
            with self._view() as view:
                return set(records(git("ls-files", "-z", git_dir=view)))
        except (GitError, OSError):
            return set()

    def untracked_by_commit(self, paths: set[str]) -> list[str]:
        """Of the paths those that its HEAD, which goes on from the start, does not hold any more."""
        try:
            with self._view() as view:
                head = self._commit(view, "HEAD")
                if head is None or head == self._start or not self._goes_on(view, head):
                    return []
                held = set(records(git("ls-tree", "-r", "-z", "--name-only", head, git_dir=view)))
                return sorted(paths - held)
        except (GitError, OSError):
            return []

    def left(self, refuse: Refuse, *, lands: bool = True) -> tuple[str | None, list[Left]]:
        """What is in no file of the directory and on no way to its HEAD, kept in the hub as objects.

        Before it: where HEAD is, if that does not go on from where the attempt started. `refuse`: why a commit of the
        git directory (its first argument) must not be kept, if so. `lands`: what HEAD leads to lands.
        """
        if self._is_untouched():
            return None, []
        with self._view() as view:
            top = self._commit(view, "HEAD")
            head = top if lands and self._goes_on(view, top) else None
            found: dict[str, tuple[str, str]] = {}
            for commit, kind, name in self._named(view):
                if commit not in found and (kind == "tag" or self._is_apart(view, commit, head)):
                    found[commit] = kind, name
            kept = [
                self._kept(view, head, commit, *each, refuse) for commit, each in list(found.items())[:_MAX_ENTRIES]
            ]
            return None if self._goes_on(view, top) else (top or "no commit")[:12], kept

    def own_commits(self, refuse: Refuse) -> str | None:
        """Its HEAD, kept in the hub as objects; None where that is the start, or does not go on from it.

        Raises `ValueError` where they are refused.
        """
        with self._view() as view:
            head = self._commit(view, "HEAD")
            if head is None or head == self._start or not self._goes_on(view, head):
                return None
            if why := refuse(view, self._start, head):
                raise ValueError(why)
            self._take(view, head)
            return head

    def head(self) -> str | None:
        """The commit that its HEAD leads to; None where there is none that can be read."""
        try:
            with self._view() as view:
                return self._commit(view, "HEAD")
        except (GitError, OSError):
            return None

    def pointers(self) -> dict[str, str]:
        """The submodules in its index: path → commit; none where there is no index that can be read."""
        try:
            with self._view() as view:
                listed = records(git("ls-files", "--stage", "-z", git_dir=view))
        except (GitError, OSError):
            return {}
        entries = (entry.split("\t", 1) for entry in listed if entry.startswith(f"{GITLINK} "))
        return {path: entry.split(" ")[1] for entry, path in entries}

    def keep(self, commit: str, ref: str) -> bool:
        """Copy a commit, with its history, into the hub, and keep it by a ref; whether its remotes have it.

        Raises `GitError` or `OSError` where that cannot be read.
        """
        with self._view() as view:
            if self._hub.resolve(commit) is None:
                argv = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--update-shallow")
                git(*argv, str(view), f"+{commit}:{ref}", git_dir=self._hub.path, config=_CHECKED)
            else:
                self._hub.update_ref(ref, commit)
            on_remote = ("for-each-ref", "--count=1", f"--contains={commit}", "refs/remotes")
            return bool(git(*on_remote, git_dir=view))

    def unfinished(self) -> list[str]:
        """Paths that a merge or rebase of the agent's has left unmerged."""
        if not any(os.path.lexists(self._git_dir / name) for name in (*_HALF_DONE, "rebase-merge", "rebase-apply")):
            return []
        try:
            with self._view() as view:
                listed = records(git("ls-files", "--unmerged", "-z", git_dir=view))
                return list(dict.fromkeys(entry.split("\t", 1)[1] for entry in listed))
        except (GitError, OSError):
            return []

    def is_at(self, commit: str) -> bool:
        try:
            with self._view() as view:
                return self._commit(view, "HEAD") == commit
        except (GitError, OSError):
            return False

    def is_changed(self, work_tree: Path) -> bool:
        """Whether its files are not those of its HEAD, or that cannot be known."""
        try:
            with self._view() as view:
                # Of what lies within nothing but where it is: more would be said by its own settings.
                argv = ("status", "--porcelain", "--untracked-files=all", "--ignore-submodules=dirty")
                return bool(git(*argv, git_dir=view, work_tree=work_tree, config=["core.bare=false"]))
        except (GitError, OSError):
            return True

    def _is_untouched(self) -> bool:
        """Whether its names are still those that it began with."""
        loose = {name: content.strip() for name, content in _loose_refs(self._git_dir)}
        head, start = (_read(self._git_dir / "HEAD") or b"").strip(), self._start.encode()
        begun = {} if head == start else {os.fsdecode(head.removeprefix(b"ref: ")): start}
        is_whole = loose == begun and _read(self._git_dir / "packed-refs") == (_read(self._refs) or None)
        return is_whole and not any((self._git_dir / name).exists() for name in _HALF_DONE)

    @contextmanager
    def _view(self) -> Iterator[Path]:
        """A git directory of ours with its refs and its index; raises `OSError` where it is no repository any more."""
        with tempfile.TemporaryDirectory(dir=self._hub.path, prefix="view-") as scratch:
            view = Path(scratch)
            for folder in (self._git_dir, self._git_dir / "objects"):
                if folder.is_symlink() or not folder.is_dir():
                    raise NotADirectoryError(f"{folder} is no repository any more")
            for name in ("objects/info", "refs/heads"):
                (view / name).mkdir(parents=True)
            (view / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = true\n")
            for name in _LOOSE:
                if (content := _read(self._git_dir / name)) is not None:
                    (view / name).parent.mkdir(parents=True, exist_ok=True)
                    (view / name).write_bytes(content)
            for name, content in _loose_refs(self._git_dir):
                (view / name).parent.mkdir(parents=True, exist_ok=True)
                (view / name).write_bytes(content)
            own = _read(self._git_dir / "objects/info/alternates")
            objects, borrowed = self._git_dir / "objects", ""
            if (own or b"") != self._alternates.encode():
                # What it borrows from elsewhere since is not its own work, and may be anybody's.
                objects, borrowed = self._copied_objects(view), self._alternates
            (view / "objects/info/alternates").write_text(f"{objects}\n{borrowed}")
            yield view

    def _copied_objects(self, view: Path) -> Path:
        """Its own objects without what they borrow."""
        copied = view / "theirs"
        shutil.copytree(self._git_dir / "objects", copied, symlinks=True, ignore=shutil.ignore_patterns("info"))
        return copied

    def _named(self, view: Path) -> Iterator[tuple[str, str, str]]:
        """Commits that it has given a name since the start: which, the kind of the name, the name."""
        before = dict(_packed(self._refs))
        form = "%(objectname) %(refname)"
        for line in text(git("for-each-ref", f"--format={form}", git_dir=view)).splitlines():
            name, ref = line.split(" ", 1)
            start = next((each for each in _KINDS if ref.startswith(each)), None)
            commit = self._commit(view, name) if start is not None and before.get(ref) != name else None
            if start is not None and commit is not None and commit != self._start:
                yield commit, _KINDS[start], ref.removeprefix(start) or _KINDS[start]
        head = (_read(view / "HEAD") or b"").strip().decode("ascii", "replace")
        if not head.startswith("ref:") and head not in {self._start, *before.values()}:
            commit = self._commit(view, head)
            if commit is not None:
                yield commit, "HEAD", "HEAD"
        for name, kind in _HALF_DONE.items():
            content = _read(view / name)
            commit = self._commit(view, content.decode("ascii", "replace").strip()) if content is not None else None
            if commit is not None:
                yield commit, kind, kind

    def _goes_on(self, view: Path, head: str | None) -> bool:
        """Whether HEAD goes on from where the attempt started."""
        argv = ("merge-base", "--is-ancestor", self._start, head or "")
        return run_git(*argv, git_dir=view, codes=(0, 1, 128)).returncode == 0

    def _commit(self, view: Path, name: str) -> str | None:
        argv = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        done = run_git(*argv, git_dir=view, codes=(0, 1, 128))
        return text(done.stdout) if done.returncode == 0 else None

    def _is_apart(self, view: Path, commit: str, head: str | None) -> bool:
        """Whether something leads to the commit that neither HEAD nor what was there before leads to."""
        before = {name for _, name in _packed(self._refs)} | {self._start} | ({head} if head else set())
        asked = "".join(f"^{each}\n" for each in sorted(before)) + f"{commit}\n"
        argv = ("rev-list", "--max-count=1", "--ignore-missing", "--stdin")
        done = run_git(*argv, git_dir=view, stdin=asked.encode(), codes=(0, 128))
        return done.returncode == 0 and bool(done.stdout.strip())

    def _kept(self, view: Path, head: str | None, commit: str, kind: str, name: str, refuse: Refuse) -> Left:
        if why := refuse(view, self._start, commit):
            return Left(kind, f"{name} ({why})", "", None, self._start, [])
        self._take(view, commit)
        subject = text(git("show", "--no-patch", "--format=%s", commit, git_dir=self._hub.path))
        # Where its way leaves the one to HEAD: what is before has landed.
        common = run_git("merge-base", head or self._start, commit, git_dir=view, codes=(0, 1, 128)).stdout
        start = text(common).split("\n")[0]
        start = start if start not in ("", commit) and self._hub.resolve(start) else self._start
        return Left(kind, name, subject, commit, start, changed_paths(self._hub, start, commit))

    def _take(self, view: Path, commit: str) -> None:
        """Copy what it has committed since the start into the hub."""
        asked = f"{commit}\n^{self._start}\n".encode()
        pack = git("pack-objects", "--revs", "--stdout", "-q", git_dir=view, stdin=asked)
        git("unpack-objects", "-q", "--strict", git_dir=self._hub.path, stdin=pack)


def git_dir_of(tree: Path, path: str) -> Path:
    """Of a repository in an attempt's directory: where git keeps it, as far as that lies in this directory too."""
    file = tree / path / ".git"
    if file.is_symlink() or not file.is_file() or file.stat().st_size > _MAX_PATH_LENGTH:
        return file
    named = Path(os.path.normpath(file.parent / file.read_text(errors="replace").removeprefix("gitdir:").strip()))
    is_inside = named.is_relative_to(tree) and ".git" in named.relative_to(tree).parts
    return named if is_inside and is_without_links(tree, str(named.relative_to(tree))) else file


def _packed(path: Path) -> Iterator[tuple[str, str]]:
    """Names of refs, and of the objects that they lead to."""
    for line in (_read(path) or b"").decode("utf-8", "surrogateescape").splitlines():
        if line and line[0] not in "#^":
            name, _, ref = line.partition(" ")
            yield ref, name


def _loose_refs(git_dir: Path) -> Iterator[tuple[str, bytes]]:
    """The agent may have put anything there: only small plain files count."""
    found = 0
    for folder, folders, files in os.walk(git_dir / "refs"):
        folders[:] = [each for each in folders if not os.path.islink(os.path.join(folder, each))]
        for name in files:
            path = Path(folder, name)
            content = _read(path)
            if content is not None and len(content) < 1000 and not content.startswith(b"ref:"):
                yield str(path.relative_to(git_dir)), content
                found += 1
            if found > _MAX_REFS:
                return


def _read(path: Path) -> bytes | None:
    """A plain file's content; None for anything else, and for what is too large."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with open(descriptor, "rb") as file:
        status = os.fstat(file.fileno())
        is_file = (status.st_mode & 0o170000) == 0o100000
        return file.read() if is_file and status.st_size <= _MAX_BYTES else None
