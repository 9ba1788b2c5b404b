"""Git URL as a workspace: its branches and tags in a hub, and the commit that an execution starts from."""

from __future__ import annotations

import os
import re

from activities.git.command import git, text
from activities.git.filters.filter_drivers import DriverCommands, drivers
from activities.git.hub import Hub
from activities.git.merge_attributes import ATTRIBUTES
from activities.git.url_git import UrlGit
from activities.git.user_settings import UserSettings
from activities.git.workspace import Workspace
from epw.core.errors import InvalidPlan, Problem, UrlAway

_BRANCHES = "refs/remotes/origin"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_FILTER = re.compile(rb"\sfilter=(\S+)")
_LARGE = "lfs"
_MAX_NAMED = 3


def fetch_branches(url: UrlGit) -> None:
    """Copy all branches and tags, as a clone has them; what is there already is not copied again."""
    url.fetch(f"+refs/heads/*:{_BRANCHES}/*", "+refs/tags/*:refs/tags/*", prune=True)


def read_url(hub: Hub, url: UrlGit, base: str | None, refs: str) -> Workspace:
    """The URL as it is now, at `base` or its default branch; raises `InvalidPlan`, `UrlAway`, `UrlDenied`.

    `refs`: where on the URL the execution keeps its refs.
    """
    branch = url.default_branch()[0] if base is None else None
    fetch_branches(url)
    commit, branch = _commit_of(hub, url, base, branch)
    settings = UserSettings.read(hub.path)
    remotes = UserSettings(
        {
            "remote.origin.url": [url.url],
            "remote.origin.fetch": [f"+refs/heads/*:{_BRANCHES}/*"],
            **(
                {f"branch.{branch}.remote": ["origin"], f"branch.{branch}.merge": [f"refs/heads/{branch}"]}
                if branch
                else {}
            ),
        }
    ).remotes
    filters = _filters(hub, commit, url.url, settings)
    return Workspace(
        path=str(hub.path),
        real_path=str(hub.path),
        git_dir=str(hub.path),
        filters=filters,
        is_encoded=bool(filters),
        url=url.url,
        url_refs=refs,
        bare=True,
        head=commit,
        branch=branch,
        remotes=remotes,
        **settings.author,
        content_settings=settings.content,
        merge_drivers=settings.merge_drivers,
        attributes=settings.attributes,
        excludes=settings.excludes(hub.path),
    ).at_hub(hub.path)


def has_branch(hub: Hub, name: str) -> bool:
    """Whether the URL had a branch of this name when its branches were fetched."""
    return hub.resolve(f"{_BRANCHES}/{name}") is not None


def _commit_of(hub: Hub, url: UrlGit, base: str | None, default: str | None) -> tuple[str, str | None]:
    """The commit of a ref of the URL, and the branch that it is, if it is one."""
    if base is None and default is None and not git("for-each-ref", "--count=1", _BRANCHES, git_dir=hub.path):
        raise InvalidPlan([Problem("workspace", f"{url.url} has no commit: push one first")])
    if base is None and default is None:
        raise InvalidPlan([Problem("base", f"is needed: HEAD of {url.url} names no branch")])
    name = (base or default or "").removeprefix("refs/heads/")
    if commit := hub.resolve(f"{_BRANCHES}/{name}"):
        return commit, name
    if base is None:
        raise InvalidPlan(
            [Problem("workspace", f"{url.url} has no commit on its default branch, {name}: push one first")]
        )
    for ref in (f"refs/tags/{name}", name if name.startswith("refs/tags/") else ""):
        if ref and (commit := hub.resolve(ref)):
            return commit, None
    if (name.startswith("refs/") or _COMMIT.fullmatch(name)) and (commit := _fetched(hub, url, name)):
        return commit, None
    raise InvalidPlan([Problem("base", f"{base!r} names no branch, tag or commit of {url.url}")])


def _fetched(hub: Hub, url: UrlGit, name: str) -> str | None:
    """The commit of another ref, or of a whole commit id; None where the URL does not give it."""
    kept = f"refs/asked-for/{name.removeprefix('refs/')}"
    try:
        if not name.startswith("refs/") and (known := hub.resolve(name)):
            return known
        url.fetch(f"+{name}:{kept}")
    except UrlAway:
        # An unknown ref breaks a fetch off; that the URL answers, the fetch before has shown.
        return None
    return hub.resolve(kept)


def _filters(hub: Hub, commit: str, url: str, settings: UserSettings) -> DriverCommands:
    """The driver of Git LFS, where files are stored by it; raises `InvalidPlan` for any other filter.

    What others need comes neither with a fetch nor from the URL.
    """
    blobs = [name for _, name, path in hub.entries(commit) if os.path.basename(path) == ATTRIBUTES]
    names = dict.fromkeys(text(each) for content in hub.blobs(blobs) for each in _FILTER.findall(content))
    if list(names) == [_LARGE]:
        driver = drivers(settings.values).get(_LARGE)
        if driver is None:
            message = f"{url} stores files by Git LFS, which this user has not set up here: `git lfs install`"
            raise InvalidPlan([Problem("workspace", message)])
        return {_LARGE: driver}
    if names:
        named = ", ".join([each for each in names if each != _LARGE][:_MAX_NAMED])
        message = (
            f"{url} stores files by a filter ({named}), whose contents no fetch brings: use a directory with a clone"
        )
        raise InvalidPlan([Problem("workspace", message)])
    return {}
