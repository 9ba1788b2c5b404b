"""Agents' own commits (`commits: keep`), kept beside their changes until the delivery."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from activities.git.command import GITLINK, LINK, differences, display_path, git, text
from activities.git.hub import Hub
from activities.system.directories import leads_out

Ranges = dict[str, tuple[str, str]]
"""Range of the agent's commits by the task's change: the commit before the first one, and the last one."""


def keep_range(hub: Hub, prefix: str, change: str, start: str, last: str) -> None:
    """Keep the agent's commits of a change by refs."""
    hub.update_ref(f"{prefix}/{change}/start", start)
    hub.update_ref(f"{prefix}/{change}/last", last)


def read_ranges(hub: Hub, prefix: str) -> Ranges:
    """The ranges that are kept beneath a prefix."""
    listed = text(git("for-each-ref", "--format=%(refname) %(objectname)", prefix, git_dir=hub.path))
    found = dict(line.removeprefix(f"{prefix}/").split(" ") for line in listed.splitlines())
    changes = dict.fromkeys(ref.split("/")[0] for ref in found)
    return {change: (found[f"{change}/start"], found[f"{change}/last"]) for change in changes}


def refusal(view: Path, start: str, last: str, change: str, *, is_encoded: bool) -> str | None:
    """Reason why the commits after `start`, up to `last`, cannot be delivered one by one; None if they can.

    One of them may hold what the change as a whole does not: a link that leads out, a submodule's commit that nobody
    has; and if files are `is_encoded`, content that neither `start` nor the change has.
    """
    listed = (text(git("ls-tree", "-r", "--format=%(objectname)", each, git_dir=view)) for each in (start, change))
    known = {name for names in listed for name in names.splitlines()}
    for mode, name, path in introduced_files(view, start, last):
        if mode == GITLINK and name not in known:
            return f"one of them sets the submodule {display_path(path)}"
        if mode == LINK and leads_out(path, os.fsdecode(git("cat-file", "blob", name, git_dir=view))):
            return f"in one of them {display_path(path)} is a link that leaves the workspace"
        if mode != GITLINK and is_encoded and name not in known:
            return f"files here are stored by a filter, and one of them has another {display_path(path)}"
    return None


def secret_message(view: Path, start: str, last: str, redact: Callable[[str], str]) -> str | None:
    """Reason why the commits after `start`, up to `last`, are not delivered: `redact` finds a secret in a message."""
    messages = text(git("log", "--format=%B", f"{start}..{last}", git_dir=view))
    return None if redact(messages) == messages else "the message of one of them holds a secret"


def introduced_files(view: Path, start: str, last: str) -> Iterator[tuple[str, str, str]]:
    """Mode, object and path of each file that a commit after `start`, up to `last`, adds or changes."""
    argv = ("log", "--raw", "--no-renames", "--no-abbrev", "-m", "-z", "--format=", f"{start}..{last}")
    for each in differences(git(*argv, git_dir=view)):
        if each.status != "D":
            yield each.mode, each.new, each.path
