"""Partial clones: what a checkout needs and the user's repository lacks is fetched once, by the user's own git."""

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
_SECONDS = 600
_OVERRIDES = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_NAMESPACE")
_log = logging.getLogger(__name__)


def complete(workspace: Workspace, commit: str) -> None:
    """Have all objects of a commit's tree; raises `InvalidPlan`, with a command, where they cannot be had."""
    if workspace.promisor is None:
        return
    fetched = 0
    # A tree that was missing names others that are.
    for _ in range(_MAX_ROUNDS):
        lacks = missing(workspace, commit)
        if not lacks:
            break
        if not fetched:
            _log.warning("%s is a partial clone: fetching what it lacks from %s", workspace.path, workspace.promisor)
        _fetch(workspace, lacks)
        fetched += len(lacks)


def missing(workspace: Workspace, commit: str) -> list[str]:
    """The objects of a commit's tree that are not there."""
    safe = [f"safe.directory={each}" for each in workspace.safe_directories]
    argv = ("rev-list", "--objects", "--no-object-names", "--missing=print", f"{commit}^{{tree}}")
    done = run_git(*argv, cwd=Path(workspace.path), config=safe, codes=(0, 128))
    if done.returncode:
        raise _impossible(workspace, done.stderr.decode(errors="replace"))
    return [line[1:] for line in text(done.stdout).splitlines() if line.startswith("?")]


def _fetch(workspace: Workspace, objects: list[str]) -> None:
    """As git itself fetches what it lacks, with the user's settings, helpers and keys."""
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
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _impossible(workspace, f"no end after {_SECONDS} s") from None
    if done.returncode:
        raise _impossible(workspace, done.stderr.decode(errors="replace"))


def _impossible(workspace: Workspace, said: str) -> InvalidPlan:
    told = " ".join(said.replace("\0", " ").split())[:300]
    message = f"{workspace.path} is a partial clone, and what it lacks cannot be fetched: {told}"
    return InvalidPlan([Problem("workspace", f"{message}; when its remote answers: git fetch --refetch")])
