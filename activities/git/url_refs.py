"""Refs of one execution on a git URL, and in a hub of this host: the URL's are the truth, the hub's a copy.

What activities make in the hub is pushed all or nothing, each ref from where this hub last saw it. Most refs have one
writer, so that hosts never dispute them; the head and the fence have several, and are moved by their owner alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from activities.git.command import git, run_git, text
from activities.git.hub import Hub
from activities.git.url_git import SEEN, Rejected, UrlGit
from activities.git.url_large import push_large
from activities.system import file_lock
from activities.system.failpoints import failpoint
from epw.core.errors import GitError, UrlAway, UrlMoved, UrlRefuses
from epw.core.naming import HIDDEN_REFS

HEADS = "heads/"
FENCE = "files/fence.json"
_LEFT = "left-heads/"
_PROBE = "probes/"
_INCOMPLETE = "unpacker error"
"""A server's word on a push in which objects are missing; it may have other reasons."""
_TRIES = 5
_DELETED_AT_ONCE = 500


@dataclass(frozen=True)
class UrlRefs:
    """Refs of an execution; names are those after its prefix."""

    hub: Hub
    git: UrlGit
    local: str
    """Prefix of its refs in the hub."""
    remote: str
    """Prefix of its refs on the URL."""
    lock: Path
    """File of the lock of this host's traffic for the execution."""

    @property
    def _seen(self) -> str:
        """Prefix of refs in the hub that say what the URL has, as far as this host knows."""
        return f"{SEEN}/{self.local.removeprefix(f'{HIDDEN_REFS}/')}"

    def pull(self, *, owns: bool, unless_here: Collection[str] | None = None) -> dict[str, str]:
        """Take over what the URL has; returns the names whose commits are new here, with them.

        What is here and not pushed yet stays. `owns`: the caller moves the head, so that the URL's counts in any case.
        `unless_here`: commits that are enough for the caller; where the hub has them, the URL is not asked. Where
        another host has moved the head since, the caller's push is refused.
        """
        with file_lock.exclusive(self.lock):
            if unless_here is not None and self.has_all(unless_here) and not (owns and self._was_kept_back()):
                return {}
            before = self._refs(self._seen)
            self.git.fetch(f"+{self.remote}/*:{self._seen}/*", prune=True)
            return self._take_over(before, owns=owns)

    def push(self, *, owns: bool, is_own: Callable[[str], bool] = lambda name: True) -> None:
        """Push what is here and not on the URL; what has one owner only if it is the caller (`owns`).

        `is_own`: of a name, whether the caller has made it; where the URL refuses something, only that is pushed, so
        that nobody fails for another's change. Raises `UrlMoved` where another host has moved one of them: the hub then
        has what the URL has; `UrlRefuses`.
        """
        with file_lock.exclusive(self.lock):
            is_alone, refused = False, None
            for _ in range(_TRIES):
                seen, ours = self._refs(self._seen), self._refs(self.local)
                changed = {name: commit for name, commit in ours.items() if seen.get(name) != commit}
                changed = {name: commit for name, commit in changed.items() if owns or not _is_owned(name)}
                if is_alone:
                    changed = {name: commit for name, commit in changed.items() if is_own(name)}
                if not changed:
                    return
                changed |= self._heads_left(changed, seen)
                failpoint("url.pushing")
                updates = {f"{self.remote}/{name}": (commit, seen.get(name, "")) for name, commit in changed.items()}
                rejected = self._pushed(updates, seen)
                if rejected is None:
                    continue
                if not rejected:
                    failpoint("url.pushed")
                    self._update({f"{self._seen}/{name}": commit for name, commit in changed.items()})
                    return
                try:
                    self._settle(changed, seen, rejected)
                except UrlRefuses:
                    if is_alone or all(map(is_own, changed)):
                        raise
                    is_alone = True
                refused = None if rejected[0].is_stale else self._refusal(rejected)
        raise refused or UrlMoved(f"{self.git.url} was moved by others {_TRIES} times in a row")

    def _pushed(self, updates: Mapping[str, tuple[str, str]], seen: Mapping[str, str]) -> list[Rejected] | None:
        """What the URL did not take; None where broken refs of the hub were in the way, which are mended now."""
        try:
            # A server may refuse refs to pointers whose objects it does not have.
            push_large(self.hub, self.git, [commit for commit, _ in updates.values()], [*seen.values()])
            rejected = self.git.push(updates)
        except (GitError, UrlAway) as error:
            if not self.git.has_mended(error):
                raise
            return None
        is_incomplete = any(_INCOMPLETE in each.why for each in rejected)
        return None if is_incomplete and self.git.mend() else rejected

    def takes_nothing(self, commit: str) -> bool:
        """Whether the URL refuses even a ref to a commit that it has: then no change is to blame.

        Raises `UrlAway`, `UrlDenied`.
        """
        ref = f"{self.remote}/{_PROBE}{os.urandom(4).hex()}"
        if self.git.push({ref: (commit, "")}):
            return True
        self.git.push({ref: ("", commit)})
        return False

    def delete(self) -> None:
        """Delete all of them on the URL, and what the hub knows of that; raises `UrlRefuses`."""
        there = self.git.refs(f"{self.remote}/*")
        names = list(there)
        for start in range(0, len(names), _DELETED_AT_ONCE):
            some = names[start : start + _DELETED_AT_ONCE]
            if rejected := self.git.push({ref: ("", there[ref]) for ref in some}):
                raise UrlRefuses(f"{self.git.url} does not delete {rejected[0].ref}: {rejected[0].why}")
        self.hub.delete_refs(self._seen)

    def has_all(self, commits: Iterable[str]) -> bool:
        """Whether the hub has these commits with all that they reach, as far as refs of this execution tell."""
        wanted = list(commits)
        known = set(self._refs(self.local).values())
        left = [each for each in wanted if each not in known]
        return not left or (bool(known) and self._are_reached(left))

    def _was_kept_back(self) -> bool:
        """Whether the head or the fence is not here as this host last saw it on the URL: a push has failed."""
        seen, ours = self._refs(self._seen), self._refs(self.local)
        return any(_is_owned(name) and seen.get(name) != ours.get(name) for name in {**seen, **ours})

    def _are_reached(self, commits: list[str]) -> bool:
        argv = ("rev-list", "--max-count=1", *commits, "--not", f"--glob={self.local}/*", "--")
        done = run_git(*argv, git_dir=self.hub.path, codes=(0, 128))
        return done.returncode == 0 and not done.stdout.strip()

    def _take_over(self, before: Mapping[str, str], *, owns: bool) -> dict[str, str]:
        seen, ours = self._refs(self._seen), self._refs(self.local)
        new = {
            name: commit
            for name, commit in seen.items()
            if ours.get(name) != commit
            and (name not in ours or ours[name] == before.get(name) or (owns and _is_owned(name)))
        }
        self._update({f"{self.local}/{name}": commit for name, commit in new.items()})
        return new

    def _settle(self, changed: Mapping[str, str], seen: Mapping[str, str], rejected: list[Rejected]) -> None:
        """Find out what a rejected push ran into; raises `UrlMoved` unless trying again may do."""
        self.git.fetch(f"+{self.remote}/*:{self._seen}/*", prune=True)
        now = self._refs(self._seen)
        moved = [name for name in changed if now.get(name) not in (seen.get(name), changed[name])]
        if moved:
            self._update({f"{self.local}/{name}": now[name] for name in moved if name in now})
            raise UrlMoved(f"{self.remote}/{moved[0]} on {self.git.url} was moved by another worker")
        if now == seen and not rejected[0].is_stale:
            raise self._refusal(rejected)

    def _refusal(self, rejected: list[Rejected]) -> UrlRefuses:
        return UrlRefuses(f"{self.git.url} does not take {rejected[0].ref}: {rejected[0].why}")

    def _heads_left(self, changed: Mapping[str, str], seen: Mapping[str, str]) -> dict[str, str]:
        """Refs that keep a head which is built again: attempts on another host may still go on from it."""
        before = (seen[name] for name in changed if name.startswith(HEADS) and name in seen)
        left = [each for each in before if not any(self.hub.is_ancestor(each, head) for head in changed.values())]
        kept = {f"{_LEFT}{each}": each for each in left}
        self._update({f"{self.local}/{name}": commit for name, commit in kept.items()})
        return kept

    def _refs(self, prefix: str) -> dict[str, str]:
        listed = text(git("for-each-ref", "--format=%(objectname) %(refname)", prefix, git_dir=self.hub.path))
        rows = (line.split(" ", 1) for line in listed.splitlines())
        return {name.removeprefix(f"{prefix}/"): commit for commit, name in rows}

    def _update(self, refs: Mapping[str, str]) -> None:
        if refs:
            lines = "".join(f"update {name} {commit}\n" for name, commit in refs.items())
            git("update-ref", "--stdin", git_dir=self.hub.path, stdin=lines.encode())


def _is_owned(name: str) -> bool:
    """Whether a ref has one owner at a time: the activity that checks the fence."""
    return name == FENCE or name.startswith(HEADS)
