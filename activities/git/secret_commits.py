"""Commits that would publish a secret: those of a delivered branch that add a file which looks like one."""

from __future__ import annotations

import os
import shlex
from functools import partial

from activities.git.command import differences, list_paths
from activities.git.secret_files import looks_secret
from activities.git.user_git import UserGit

_RAW = ("--format=", "--raw", "--no-renames", "--diff-filter=A", "--no-abbrev", "-z")


def secrets_added(git: UserGit, base: str | None, last: str) -> list[str]:
    """Such files that commits up to `last` (a ref) add, also where a later one removes them; they began at `base`."""
    known = base is not None and git.says("cat-file", "-e", f"{base}^{{commit}}") is not None
    before = base if base is not None and known else "HEAD"
    added = differences(os.fsencode(git.says("log", *_RAW, f"{before}..{last}") or ""))
    return sorted({each.path for each in added if looks_secret(each.path, partial(_content, git, each.new))})


def refusal(paths: list[str], command: str, execution_id: str) -> str:
    """Why a branch with these files is not pushed, and what to do; `command`: the one of `epw` that pushes it."""
    name = shlex.quote(execution_id)
    return (
        f"its commits add {list_paths(paths)}, secret by name or content; without the task: `epw drop {name} TASK`; "
        f"if they are no secrets: `epw {command} {name} --publish-secrets`"
    )


def _content(git: UserGit, blob: str) -> bytes:
    return (git.says("cat-file", "blob", blob) or "").encode("utf-8", "surrogateescape")
