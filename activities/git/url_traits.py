"""Traits of a git URL as a workspace: whether it answers, and whether this user may push."""

from __future__ import annotations

from collections.abc import Iterator

from activities.git.hub import Hub
from activities.git.traits import Trait
from activities.git.url_git import UrlGit
from epw.core.errors import UrlAway, UrlDenied


def url_traits(hub: Hub, url: UrlGit) -> Iterator[Trait]:
    """Ask the URL as a worker of this user would; nothing on it is changed."""
    try:
        branch, commit = url.default_branch()
    except (UrlAway, UrlDenied) as error:
        yield Trait("git URL", "not read", str(error), ok=False)
        return
    if branch is None or commit is None:
        yield Trait("git URL", "answers", "no commit on a default branch: a plan needs `base`", ok=False)
    else:
        yield Trait(
            "git URL", f"answers, default branch {branch}", "executions begin there, unless `base` says another"
        )
    try:
        url.try_push(hub.empty_commit())
    except (UrlAway, UrlDenied) as error:
        yield Trait("push", "not taken", str(error), ok=False)
        return
    yield Trait("push", "this user may", "rules of the server for single refs show when an execution starts")
