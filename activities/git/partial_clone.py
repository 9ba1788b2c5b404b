"""Partial clones: objects that a checkout needs and the user's repository lacks are fetched by the user's own git."""

from __future__ import annotations

import logging
import os
import subprocess
from pathlib import Path

from activities.git.command import run_git, text
from activities.git.workspace import Workspace
from activities.system.process_identity import API_KEYS
from epw.core.errors import InvalidPlan, Problem

_MAX_ROUNDS = 100
_TIMEOUT_SECONDS = 600
_OVERRIDES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE")
_log = logging.getLogger(__name__)


def fetch_missing(workspace: Workspace, commit: str) -> None:
    """Fetch missing objects of a commit's tree; raises `InvalidPlan`, with a command, if that is impossible."""
    if workspace.promisor is None:
        return
    fetched = 0
    # A fetched tree may name others that are missing.
    for _ in range(_MAX_ROUNDS):
        lacks = missing(workspace, commit)
        if not lacks:
            break
        if not fetched:
            _log.warning("%s is a partial clone: fetching what it lacks from %s", workspace.path, workspace.promisor)
        _fetch(workspace, lacks)
        fetched += len(lacks)


def missing(workspace: Workspace, commit: str) -> list[str]:
    """Ids of the objects of a commit's tree that the repository lacks."""
    argv = ("rev-list", "--objects", "--no-object-names", "--missing=print", f"{commit}^{{tree}}")
    done = run_git(*argv, cwd=Path(workspace.path), config=workspace.trust, codes=(0, 128))
    if done.returncode:
        raise _impossible(workspace, done.stderr.decode(errors="replace"))
    return [line[1:] for line in text(done.stdout).splitlines() if line.startswith("?")]


def _fetch(workspace: Workspace, objects: list[str]) -> None:
    """Fetch objects as git itself does it, with the user's settings, helpers and keys."""
    argv = ["git", "-c", "fetch.negotiationAlgorithm=noop", "fetch", workspace.promisor or "", "--no-tags"]
    argv += ["--no-write-fetch-head", "--recurse-submodules=no", "--filter=blob:none", "--quiet", "--stdin"]
    environment = {name: value for name, value in os.environ.items() if name not in (*_OVERRIDES, *API_KEYS)}
    try:
        done = subprocess.run(
            argv,
            cwd=workspace.path,
            env={**environment, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"},
            input="".join(f"{each}\n" for each in objects).encode(),
            capture_output=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _impossible(workspace, f"no end after {_TIMEOUT_SECONDS} s") from None
    if done.returncode:
        raise _impossible(workspace, done.stderr.decode(errors="replace"))


def _impossible(workspace: Workspace, reason: str) -> InvalidPlan:
    reason = " ".join(reason.replace("\0", " ").split())[:300]
    message = f"{workspace.path} is a partial clone, and what it lacks cannot be fetched: {reason}"
    return InvalidPlan([Problem("workspace", f"{message}; when its remote answers: git fetch --refetch")])
