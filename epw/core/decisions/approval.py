"""Approval of changes to files that other programs execute unasked: a model's land only when a person allows it.

The list says which program runs each: continuous integration, git, shells, editors, agents, package managers.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from epw.core.errors import InvalidRequest
from epw.core.messages import Question

LAND, REFUSE = "land", "refuse"


@dataclass(frozen=True)
class Executed:
    """Files that a program executes, or that name what it executes; patterns with `*`, in lower case."""

    by: str
    """The program that executes them, and when."""
    folders: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


EXECUTED = (
    Executed(
        "continuous integration runs it",
        folders=(".github", ".circleci", ".forgejo", ".gitea", ".buildkite", ".semaphore", ".teamcity", ".woodpecker"),
        files=_words(
            ".gitlab-ci.yml .gitlab-ci.yaml azure-pipelines.y*ml jenkinsfile .travis.yml .drone.yml "
            ".woodpecker.y*ml appveyor.yml .appveyor.yml bitbucket-pipelines.yml cloudbuild.y*ml"
        ),
    ),
    Executed(
        "git runs it, or what it names",
        folders=(".githooks", ".husky"),
        files=(".pre-commit-config.yaml", "lefthook.y*ml", ".lefthook.y*ml", ".gitattributes", ".gitmodules"),
    ),
    Executed(
        "an agent runs what it names",
        folders=(".claude", ".cursor", ".codex", ".gemini", ".windsurf"),
        files=(".mcp.json", "opencode.json*"),
    ),
    Executed(
        "an editor runs it when the folder is opened",
        folders=(".vscode", ".idea", ".devcontainer", ".fleet", ".zed", ".vs"),
        files=_words("*.code-workspace .devcontainer.json .vimrc .nvimrc .exrc .lvimrc .nvim.lua .dir-locals*.el"),
    ),
    Executed(
        "a shell or its tools run it when they enter the folder",
        folders=(".direnv",),
        files=(".envrc", ".mise.toml", "mise.toml", ".tool-versions", ".autoenv*", ".bashrc", ".zshrc", ".profile"),
    ),
    Executed(
        "a package manager or compiler runs what it names",
        folders=(".mvn", ".yarn"),
        files=_words(
            ".npmrc .yarnrc* .pnpmfile.* .bazelrc pip.conf .pypirc sitecustomize.py usercustomize.py *.pth "
            "gradle-wrapper.properties gradle-wrapper.jar init.gradle*"
        ),
    ),
    Executed("a debugger runs it", files=(".gdbinit", ".lldbinit")),
)
_HOOKS = _words(
    "applypatch-msg pre-applypatch post-applypatch pre-commit pre-merge-commit prepare-commit-msg "
    "commit-msg post-commit pre-rebase post-checkout post-merge pre-push pre-receive update post-receive "
    "post-update reference-transaction push-to-checkout pre-auto-gc post-rewrite sendemail-validate "
    "fsmonitor-watchman"
)
_LIFECYCLE = _words(
    "preinstall install postinstall prepublish preprepare prepare postprepare prepack postpack dependencies"
)
_REPOSITORY_PARTS = ("head", "config", "packed-refs", "objects", "refs", "hooks", "info")
REPOSITORY = "HEAD", "objects", "refs"
"""Entries that make a folder a bare repository for git, which then follows its `config` and `hooks`."""


def reason(path: str) -> str | None:
    """The program that executes a file with this path, or what it names, unasked; None: there is none."""
    *folders, name = path.casefold().split("/")
    if folders[-1:] == ["hooks"] and name in _HOOKS:
        return "git runs it"
    if folders[-1:] == [".cargo"]:
        return "cargo runs what it names" if name.startswith("config") else None
    for each in EXECUTED:
        by_folder = any(folder in each.folders for folder in folders)
        if by_folder or any(fnmatchcase(name, pattern) for pattern in each.files):
            return each.by
    return None


def may_be_repository(path: str) -> list[str]:
    """Folders that are or become a bare repository if this path changes."""
    parts = path.split("/")
    depths = (depth for depth, part in enumerate(parts) if part.casefold() in _REPOSITORY_PARTS)
    return ["/".join(parts[:depth]) for depth in depths]


def reason_in(path: str, before: bytes | None, after: bytes | None) -> str | None:
    """The program that executes, unasked, the change of a file whose content decides that; None: there is none."""
    name = path.rpartition("/")[2]
    rule = _BY_CONTENT.get(name)
    if rule is None or after is None:
        return None
    read, by = rule
    executed = _executed(read, after)
    return by if executed and executed != (_executed(read, before) if before is not None else None) else None


def by_content(path: str) -> bool:
    """Whether the content of such a file decides whether it is executed: see `reason_in`."""
    return path.rpartition("/")[2] in _BY_CONTENT


def shadowed(path: str, names: list[str]) -> str | None:
    """Reason why a new file is executed instead of another one of its folder (`names`); None: it is not."""
    order = ("GNUmakefile", "makefile", "Makefile")
    name = path.rpartition("/")[2]
    later = order[order.index(name) + 1 :] if name in order else ()
    taken = next((each for each in later if each in names), None)
    return f"make runs it in place of {taken}" if taken else None


def _executed(read: Callable[[bytes], Any], content: bytes) -> Any:
    """The executed part of a file's content; None where it cannot be read."""
    try:
        return read(content)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None


def _lifecycle_scripts(content: bytes) -> dict[str, Any]:
    scripts = json.loads(content).get("scripts", {})
    return {name: scripts[name] for name in _LIFECYCLE if name in scripts}


_BY_CONTENT: dict[str, tuple[Callable[[bytes], Any], str]] = {
    "package.json": (_lifecycle_scripts, "npm runs its lifecycle scripts on install"),
    "composer.json": (lambda content: json.loads(content).get("scripts"), "composer runs its scripts on install"),
    "pyproject.toml": (
        lambda content: tomllib.loads(content.decode()).get("build-system"),
        "pip runs its build system",
    ),
}


def question(task_id: str, paths: list[str]) -> Question:
    """The question whether a task's change may land."""
    text = f"{task_id} has changed {', '.join(paths)}. Look at it; {LAND} or {REFUSE}?"
    return Question.cut(text, [LAND, REFUSE])


def approved(answer: str) -> bool:
    """Whether the answer allows the change; raises `InvalidRequest` for any other text."""
    text = answer.strip().lower()
    if text not in (LAND, REFUSE):
        raise InvalidRequest(f"{answer[:100]!r} must be one of: {LAND}, {REFUSE}")
    return text == LAND
