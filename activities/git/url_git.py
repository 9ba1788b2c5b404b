"""Git in a hub that speaks with a URL: with the user's own configuration, keys and credentials, and without questions.

Credentials come by git's own means alone (credential helper, ssh agent, `GIT_ASKPASS`), so that none is an argument or
in a file of ours.
"""

from __future__ import annotations

import os
import shlex
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from activities.git import broken_refs
from activities.git.broken_refs import MENDING
from activities.git.command import OWN_CONFIG
from activities.git.object_lifetime import in_use
from activities.git.user_git import UserGit, captured
from epw.core.errors import GitError, UrlAway, UrlDenied
from epw.core.naming import HIDDEN_REFS
from epw.core.plan.git_url import SCHEMES, without_credentials

_QUIET_SECONDS = 60
"""So long a connection may say nothing."""
_SSH_OPTIONS = (
    f"-o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15 -o ServerAliveCountMax={_QUIET_SECONDS // 15}"
)
_DENIED = (
    *("Authentication failed", "could not read Username", "could not read Password", "Permission denied"),
    *("terminal prompts disabled", "Host key verification failed", "The requested URL returned error: 40"),
    *("does not appear to be a git repository", "repository not found", "Repository not found", "not authorized"),
    *("Could not find repository", "' not found", "not allowed"),
)
_NO_OBJECT = "does not exist on the server"
_PUSHED_AT_ONCE = 500
_FETCHING = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-auto-maintenance", "--refmap=")
SEEN = "refs/on-url"
"""Where refs in a hub say what a URL has, as far as this host knows."""
_MAX_WORDS = 400


@dataclass(frozen=True)
class Rejected:
    """A ref that the URL did not take, and its word on that; `is_stale`: it was not where it was expected."""

    ref: str
    why: str
    is_stale: bool


class UrlGit:
    """Git between a hub and one URL."""

    def __init__(self, hub: Path, url: str, gives_up: threading.Event | None = None) -> None:
        """`gives_up`: ends what is under way once it is set."""
        self.hub = hub
        self.url = url
        self._gives_up = gives_up or threading.Event()

    def fetch(self, *refspecs: str, prune: bool = False) -> None:
        """Copy refs with all that they reach; raises `UrlAway`, `UrlDenied`. Broken refs of the hub do not stop it."""
        try:
            self._fetch(refspecs, prune)
        except (GitError, UrlAway) as error:
            if not self.has_mended(error):
                raise
            self._fetch(refspecs, prune)

    def has_mended(self, error: Exception) -> bool:
        """Whether an error came from broken refs of the hub, which are no more: trying again may do."""
        return broken_refs.is_sign(error) and self.mend()

    def mend(self) -> bool:
        """Set broken refs of the hub aside, and put back what the URL has of them; whether there were any.

        Raises `UrlAway`, `UrlDenied`.
        """
        with in_use(self.hub):
            found = broken_refs.set_aside(self.hub)
            if aside := broken_refs.lost(self.hub, "refs"):
                ends = {_within_execution(ref) for ref in aside}
                there = [ref for ref in self.refs() if any(ref.endswith(f"/{end}") for end in ends if end)]
                specs = [f"+{ref}:{MENDING}/{number}" for number, ref in enumerate(there)]
                everything = (f"+refs/heads/*:{MENDING}/heads/*", f"+refs/tags/*:{MENDING}/tags/*")
                self._fetch((*everything, *specs), prune=False)
                broken_refs.put_back(self.hub)
        return bool(found)

    def _fetch(self, refspecs: Sequence[str], prune: bool) -> None:
        more = ("--no-recurse-submodules", *["--prune"] * prune, "--", self.url, *refspecs)
        with in_use(self.hub) as held:
            code, _, errors = self._call("fetch", *_FETCHING, *more, holds=(held,))
        if code:
            raise self._error("fetch", code, errors)

    def refs(self, *patterns: str) -> dict[str, str]:
        """Commits by ref on the URL, of those that a pattern matches; raises `UrlAway`, `UrlDenied`."""
        lines = self._run("ls-remote", "--quiet", "--", self.url, *patterns).splitlines()
        return {ref: commit for commit, _, ref in (line.partition("\t") for line in lines) if ref}

    def default_branch(self) -> tuple[str | None, str | None]:
        """The branch of the URL's HEAD, and its commit; None for what it has not."""
        branch = commit = None
        for line in self._run("ls-remote", "--quiet", "--symref", "--", self.url, "HEAD").splitlines():
            value, _, name = line.partition("\t")
            if name == "HEAD" and value.startswith("ref: "):
                branch = value.removeprefix("ref: ").removeprefix("refs/heads/")
            elif name == "HEAD":
                commit = value
        return branch, commit

    def push(self, updates: Mapping[str, tuple[str, str]]) -> list[Rejected]:
        """Move refs, all or none: to each its new commit (empty: delete it) and the one that it has (empty: none).

        Returns the refs that were not taken; raises `UrlAway`, `UrlDenied`. One that is there already is taken.
        """
        leases = [f"--force-with-lease={ref}:{old}" for ref, (_, old) in updates.items()]
        specs = [f"{new}:{ref}" for ref, (new, _) in updates.items()]
        options = (
            "--porcelain",
            "--atomic",
            "--no-verify",
            "--no-follow-tags",
            "--recurse-submodules=no",
            "--signed=no",
        )
        code, said, errors = self._call("push", *options, *leases, "--", self.url, *specs)
        rejected = [_rejected(line, errors) for line in said.splitlines() if line.startswith("!")]
        if code and not rejected:
            raise self._error("push", code, errors)
        # Of an atomic push all refs are named; those that are not to blame come last.
        return sorted(rejected, key=lambda each: "atomic" in each.why)

    def try_push(self, commit: str) -> None:
        """Find out whether this user may push, without doing so; raises `UrlAway`, `UrlDenied`."""
        self._run("push", "--dry-run", "--quiet", "--no-verify", "--", self.url, f"{commit}:refs/epw/tried")

    def fetch_large(self, commits: Sequence[str]) -> None:
        """Fetch the Git LFS objects of commits; one that the URL does not have is left out.

        Raises `UrlAway`, `UrlDenied`.
        """
        code, _, errors = self._call("lfs", "fetch", self.url, *commits)
        if code and _NO_OBJECT not in errors:
            raise self._error("lfs fetch", code, errors)

    def push_large(self, names: Sequence[str]) -> None:
        """Push Git LFS objects by their names; raises `UrlAway`, `UrlDenied`."""
        for start in range(0, len(names), _PUSHED_AT_ONCE):
            code, _, errors = self._call(
                "lfs", "push", "--object-id", self.url, *names[start : start + _PUSHED_AT_ONCE]
            )
            if code:
                raise self._error("lfs push", code, errors)

    def _run(self, *arguments: str) -> str:
        code, said, errors = self._call(*arguments)
        if code:
            raise self._error(arguments[0], code, errors)
        return said

    def _call(self, *arguments: str, holds: Sequence[int] = ()) -> tuple[int, str, str]:
        argv = ["git", f"--git-dir={self.hub}", *(part for each in self._config() for part in ("-c", each))]
        code, said, errors = captured([*argv, *arguments], self.hub, self._gives_up.is_set, self._variables, holds)
        return code, said, without_credentials(errors)

    def _config(self) -> Sequence[str]:
        allowed = (f"protocol.{each}.allow=always" for each in SCHEMES)
        slow = ("http.lowSpeedLimit=1", f"http.lowSpeedTime={_QUIET_SECONDS}")
        return (*OWN_CONFIG, *allowed, *slow, "fetch.fsckObjects=false", "transfer.credentialsInUrl=allow")

    @cached_property
    def _variables(self) -> dict[str, str]:
        """ssh asks nobody, and gives a silent connection up; a program that is no ssh is left as it is."""
        found = {"LC_ALL": "C", "GIT_NO_REPLACE_OBJECTS": "1", "SSH_ASKPASS": ""}
        if self.url.startswith(("file:", "http:", "https:")):
            return found
        command = os.environ.get("GIT_SSH_COMMAND") or UserGit(self.hub).setting("core.sshCommand")
        if command is None and "GIT_SSH" in os.environ:
            return found
        command = command or "ssh"
        try:
            is_ssh = os.path.basename(shlex.split(command)[0]) == "ssh"
        except (ValueError, IndexError):
            is_ssh = False
        return {**found, "GIT_SSH_COMMAND": f"{command} {_SSH_OPTIONS}" if is_ssh else command}

    def _error(self, command: str, code: int, errors: str) -> Exception:
        words, shown = _in_words(errors), without_credentials(self.url)
        if any(each in errors for each in _DENIED):
            help_it = (
                "nobody is asked for a password here: give git its credentials on each host with a worker (a "
                "credential helper, an ssh key without a question, GIT_ASKPASS); "
                f"`git ls-remote {shlex.quote(shown)}` tries them"
            )
            return UrlDenied(f"git {command} is not let into {shown}: {words}; {help_it}")
        if code < 0 or not errors.strip():
            return UrlAway(f"git {command} of {shown} was ended")
        if "does not support --atomic" in errors:
            return UrlDenied(f"{shown} takes no push of several refs at once (--atomic), which epw needs")
        if any(each in errors for each in ("bad object", "corrupt", "not a git repository", "No space left")):
            return GitError([command, shown], code, errors)
        return UrlAway(f"git {command} of {shown} broke off: {words}")


def _within_execution(ref: str) -> str:
    """The end of a hub's ref, from the run on, which its ref on the URL has too; empty for one of no execution."""
    prefix = next((each for each in (HIDDEN_REFS, SEEN) if ref.startswith(f"{each}/")), None)
    return ref.removeprefix(f"{prefix}/").partition("/")[2] if prefix else ""


def _in_words(errors: str) -> str:
    """The end of git's messages in one line, without its progress and advice."""
    lines = [line.strip() for line in errors.replace("\r", "\n").splitlines()]
    kept = [line for line in lines if line and not line.startswith(("hint:", "To ", "warning:"))]
    return " ".join(kept)[-_MAX_WORDS:] or "without a word"


def _rejected(line: str, errors: str) -> Rejected:
    """A line of `git push --porcelain`: `!`, the refs, `[rejected] (why)`."""
    _, refs, why = [*line.split("\t"), "", ""][:3]
    said = " ".join(each.removeprefix("remote: ").strip() for each in errors.splitlines() if each.startswith("remote:"))
    is_stale = "stale info" in why or "already exists" in why or "failed to update ref" in why or "cannot lock" in why
    shown = why.strip() + (f": {said[:_MAX_WORDS]}" if said and "remote rejected" in why else "")
    return Rejected(refs.partition(":")[2], shown, is_stale)
