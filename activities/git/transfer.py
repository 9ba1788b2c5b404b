"""Copies of commits between the user's repository and the hub, in both directions."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Sequence
from pathlib import Path

from activities.git import broken_refs
from activities.git.broken_refs import MENDING
from activities.git.command import ABSENT, git, run_git
from activities.git.hub import Hub
from activities.git.workspace import Workspace
from epw.core.errors import GitError

_MAX_MESSAGE_LENGTH = 600
_MIN_PACKED = 100
"""From so many objects on they stay in their pack, as when git fetches them: a file each takes long to write."""


def fetch(hub: Hub, workspace: Workspace, commit: str, ref: str) -> None:
    """Copy a commit of the user's, with its history, into the hub, and keep it by a ref there."""
    with hub.in_use() as held:
        try:
            _fetch_commit(hub, workspace, commit, ref, held)
        except GitError as error:
            # A broken ref of another execution.
            if not has_mended(hub, workspace, error):
                raise
            _fetch_commit(hub, workspace, commit, ref, held)


def has_mended(hub: Hub, workspace: Workspace, error: Exception) -> bool:
    """Whether an error came from broken refs of the hub, which are no more: trying again may do."""
    return broken_refs.is_sign(error) and mend(hub, workspace)


def mend(hub: Hub, workspace: Workspace) -> bool:
    """Set broken refs of the hub aside, and put back what the workspace has of them; whether there were any."""
    with hub.in_use() as held:
        found = broken_refs.set_aside(hub.path)
        if broken_refs.lost(hub.path, "refs"):
            specs = [f"+HEAD:{MENDING}/head", f"+refs/heads/*:{MENDING}/heads/*"]
            # What cannot be had from there stays set aside.
            with contextlib.suppress(GitError):
                _fetch(hub, workspace, specs, held)
            broken_refs.put_back(hub.path)
    return bool(found)


def _fetch_commit(hub: Hub, workspace: Workspace, commit: str, ref: str, held: int) -> None:
    # What is here of a commit that no ref reaches may be a part of it.
    whole = ("rev-list", "--objects", "--quiet", commit, "--not", "--all")
    if run_git(*whole, git_dir=hub.path, codes=(0, 1, 128)).returncode == 0:
        hub.update_ref(ref, commit)
    else:
        _fetch(hub, workspace, [f"+{commit}:{ref}"], held)


def _fetch(hub: Hub, workspace: Workspace, refspecs: Sequence[str], held: int) -> None:
    argv = ["fetch", "--quiet", "--no-tags", "--update-shallow", "--no-write-fetch-head"]
    # A partial clone does not have all of its history.
    argv += ["--depth=1"] if workspace.promisor else []
    argv += [f"--upload-pack={_trusting_git(workspace)} upload-pack", workspace.path, *refspecs]
    git(*argv, git_dir=hub.path, config=["fetch.fsckObjects=false"], holds=(held,))


def hand_over(hub: Hub, workspace: Workspace, commit: str, ref: str) -> str | None:
    """Copy a commit into the user's repository and name it by a new ref: objects and that ref, nothing else.

    Returns None, or why the user's repository refused. Uses a pack, not a fetch, which would obey the user's remotes
    and `url.*.insteadOf`. No hook runs and no reflog is started.
    """
    head = workspace.head and hub.resolve(workspace.head)
    known = head and _run_in(workspace, "cat-file", "-e", head) is None
    wanted = f"{commit}\n" + (f"^{workspace.head}\n" if known else "")
    pack = git("pack-objects", "--revs", "--stdout", "-q", git_dir=hub.path, stdin=wanted.encode())
    # A pack's header: its name, its version, and the number of its objects.
    is_large = int.from_bytes(pack[8:12], "big") >= _MIN_PACKED
    return (
        _run_in(workspace, *(("index-pack", "--stdin") if is_large else ("unpack-objects", "-q")), stdin=pack)
        or _run_in(workspace, "rev-list", "--objects", "--quiet", commit, "--not", "--all")
        or _run_in(workspace, "update-ref", ref, commit, ABSENT)
    )


def take_back(workspace: Workspace, commit: str, ref: str) -> str | None:
    """Remove a ref from the user's repository if it is still at `commit`; None, or why git refused."""
    return _run_in(workspace, "update-ref", "-d", ref, commit)


def _run_in(workspace: Workspace, *arguments: str, stdin: bytes | None = None) -> str | None:
    """Run git in the user's repository; None, or git's message if it failed."""
    config = ["core.logAllRefUpdates=false", *workspace.trust]
    try:
        git(*arguments, git_dir=Path(workspace.git_dir), config=config, stdin=stdin)
    except GitError as error:
        return error.stderr[-_MAX_MESSAGE_LENGTH:] or str(error)
    return None


def _trusting_git(workspace: Workspace) -> str:
    """Command `git` for the user's side of a fetch, which our own `-c` does not reach."""
    return shlex.join(["git", *(part for setting in workspace.trust for part in ("-c", setting))])
