"""Pull request of a delivered branch: pushed by the user's own git, opened by the program of its forge."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from activities.forges.forges import PullRequest, PullRequestTexts, WebRepository, forge_of
from activities.git.user_git import UserGit, captured
from epw.core.errors import InvalidPlan, InvalidRequest, Problem

_ADDRESS = re.compile(r"https?://\S+")
_OPEN = re.compile(r"https?://[^\s\"']+/(?:pull|pulls|merge_requests)/[0-9]+")
_EXISTS = "already exists"
_MAX_WORDS = 600


GivesUp = Callable[[], bool]
"""Says when to end a program that nobody watches."""


@dataclass(frozen=True)
class Target:
    """Where a branch goes: the remote that it is pushed to, and the branch of which remote it is to join."""

    remote: str
    into: str
    base: str


@dataclass(frozen=True)
class Opened:
    """What a forge's program has answered: the address of the pull request, or why there is none."""

    url: str | None
    created: bool
    problem: str | None = None


def target_of(git: UserGit, remote: str | None = None, base: str | None = None) -> Target:
    """Where the user's git would push what is checked out, and what that follows; raises `InvalidRequest`."""
    known, branch = git.remotes, git.branch
    if not known:
        raise InvalidRequest("the repository has no remote: add one by `git remote add origin URL`")
    followed = [git.setting(f"branch.{branch}.remote")] if branch else []
    pushes = [git.setting(f"branch.{branch}.pushRemote")] if branch else []
    wanted = [remote] if remote is not None else [*pushes, git.setting("remote.pushDefault"), *followed, "origin"]
    chosen = next((each for each in wanted if each in known), known[0] if remote is None and len(known) == 1 else None)
    if chosen is None:
        named = f"no remote {remote!r}" if remote is not None else "no remote is the one to push to"
        raise InvalidRequest(f"{named}: give --remote, one of {', '.join(known)}")
    into = next((each for each in followed if each in known), chosen)
    merges = (git.setting(f"branch.{branch}.merge") or "").removeprefix("refs/heads/") if into in followed else ""
    target = base or merges or branch or _default_branch(git, into)
    if target is None:
        raise InvalidRequest("HEAD is on no branch: give --base, the branch that the pull request is to join")
    return Target(chosen, into, target)


def check_target(path: str) -> None:
    """Raise `InvalidPlan` where a pull request of a repository's branches would have nowhere to go."""
    try:
        target_of(UserGit(Path(path)))
    except InvalidRequest as error:
        raise InvalidPlan([Problem("pullRequest", str(error))]) from None


def _default_branch(git: UserGit, remote: str) -> str | None:
    head = git.says("symbolic-ref", "--quiet", "--short", f"refs/remotes/{remote}/HEAD")
    return head.removeprefix(f"{remote}/") if head else None


@dataclass(frozen=True)
class Way:
    """How a pull request is opened: by a program (`argv`), else by a person on a page; `page` None: on no forge."""

    noun: str = "pull request"
    forge: str | None = None
    argv: Sequence[str] = ()
    finds: Sequence[str] = ()
    """How the program prints one that is open already."""
    page: str | None = None


def way_of(git: UserGit, target: Target, folder: Path, texts: PullRequestTexts, gives_up: GivesUp | None = None) -> Way:
    """Find out what the remote is and what can be done there: `gh` and `glab` count where they are logged in."""
    source = WebRepository.of(git.address(target.remote, to_push=True) or "")
    into = WebRepository.of(git.address(target.into) or "") if target.into != target.remote else source
    if source is None or into is None:
        return Way()

    def logged_in(program: str, host: str) -> bool:
        found = shutil.which(program)
        status = ["auth", "status", "--hostname", host]
        return found is not None and captured([found, *status], folder, gives_up)[0] == 0

    forge, request = forge_of(into.host, logged_in), PullRequest(source, into, target.base, texts)
    has_program = forge.program is not None and logged_in(forge.program, into.host)
    program = [forge.program] if forge.program is not None and has_program else []
    argv, finds = ([*program, *made] if program else [] for made in (forge.arguments(request), forge.finds(request)))
    return Way(forge.noun, forge.name, argv, finds, forge.page(request))


def push_arguments(target: Target, branch: str) -> list[str]:
    """Arguments by which git pushes a branch under its own name."""
    return ["push", target.remote, f"refs/heads/{branch}:refs/heads/{branch}"]


def found_open(way: Way, folder: Path, gives_up: GivesUp | None = None) -> str | None:
    """Address of a pull request of the branch that is open already; None without one."""
    code, said, _ = captured(way.finds, folder, gives_up) if way.finds else (1, "", "")
    address = _OPEN.findall(said)
    return address[0] if code == 0 and address else None


def opened(way: Way, folder: Path, gives_up: GivesUp | None = None) -> Opened:
    """Open the pull request by the forge's program; one that is open already is found."""
    code, said, errors = captured(way.argv, folder, gives_up)
    address = _ADDRESS.findall(f"{said}\n{errors}")
    if code == 0:
        return Opened(address[-1] if address else None, created=True)
    if _EXISTS in errors or _EXISTS in said:
        return Opened(address[-1] if address else None, created=False)
    return Opened(None, created=False, problem=" ".join((errors or said).split())[:_MAX_WORDS])
