"""One way to call git: argv only, our configuration only, nobody's hooks, filters or prompts."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from workflows.errors import GitError

MIN_VERSION = (2, 38)
_SEALED = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.quotePath=false",
    "core.alternateRefsCommand=true",
    "gc.auto=0",
    "maintenance.auto=false",
    "receive.autogc=false",
    "protocol.ext.allow=never",
    "submodule.recurse=false",
    "diff.ignoreSubmodules=dirty",
    "diff.renames=false",
    "advice.addEmbeddedRepo=false",
    "commit.gpgSign=false",
)


def git(
    *arguments: str,
    git_dir: Path | None = None,
    work_tree: Path | None = None,
    index: Path | None = None,
    config: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    codes: Sequence[int] = (0,),
    cwd: Path | None = None,
) -> bytes:
    """Standard output of `git ARGUMENTS`; raises `GitError` for an exit code not in `codes`."""
    return run_git(
        *arguments,
        git_dir=git_dir,
        work_tree=work_tree,
        index=index,
        config=config,
        environment=environment,
        stdin=stdin,
        codes=codes,
        cwd=cwd,
    ).stdout


def run_git(
    *arguments: str,
    git_dir: Path | None = None,
    work_tree: Path | None = None,
    index: Path | None = None,
    config: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    codes: Sequence[int] = (0,),
    cwd: Path | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """As `git`, with the exit code."""
    argv = ["git"]
    for setting in (*_SEALED, *config):
        argv += ["-c", setting]
    done = subprocess.run(
        [*argv, *arguments],
        env=_environment(git_dir, work_tree, index, environment),
        input=b"" if stdin is None else stdin,
        capture_output=True,
        check=False,
        cwd=work_tree or git_dir or cwd,
    )
    if done.returncode not in codes:
        raise GitError(list(arguments), done.returncode, done.stderr.decode(errors="replace"))
    return done


def text(output: bytes) -> str:
    """git's answer of one line."""
    return output.decode("utf-8", "surrogateescape").rstrip("\n")


def records(output: bytes) -> list[str]:
    """git's `-z` answer."""
    return [part.decode("utf-8", "surrogateescape") for part in output.split(b"\0") if part]


def version() -> tuple[int, ...] | None:
    """git's version; None where there is no git."""
    try:
        words = text(git("version")).split()
    except (FileNotFoundError, GitError):
        return None
    return tuple(int(part) for part in words[2].split(".")[:2] if part.isdigit())


def _environment(
    git_dir: Path | None, work_tree: Path | None, index: Path | None, more: Mapping[str, str] | None
) -> dict[str, str]:
    # Built from nothing: a GIT_* variable or a HOME of the caller would bring configuration along.
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "HOME": "/nonexistent",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_REPLACE_OBJECTS": "1",
    }
    for name, path in (("GIT_DIR", git_dir), ("GIT_WORK_TREE", work_tree), ("GIT_INDEX_FILE", index)):
        if path is not None:
            env[name] = str(path)
    return env | dict(more or {})
