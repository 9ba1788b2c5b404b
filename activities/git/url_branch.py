"""Branch of a delivery on a git URL: pushed by a lease on its absence, taken back by a lease on what was pushed."""

from __future__ import annotations

from collections.abc import Callable

from activities.git.url_git import UrlGit
from activities.system.failpoints import failpoint

_MAX_NAMES = 20


def push_branch(url: UrlGit, wanted: str, head: str, keep: Callable[[str], None]) -> tuple[str | None, str]:
    """Push a commit as a new branch; where the name is taken, with `-2`, `-3`, ...

    `keep` notes each branch before it is pushed. Returns the branch, or None and why the URL refused; one that is at
    the commit already is ours. Raises `UrlAway`, `UrlDenied`.
    """
    there = url.refs("refs/heads/epw", f"refs/heads/{wanted}", f"refs/heads/{wanted}-*")
    if "refs/heads/epw" in there:
        return None, 'a branch "epw" stands in the way of the branches epw/<id>: rename it there'
    why = ""
    for number in range(1, _MAX_NAMES + 1):
        branch = wanted if number == 1 else f"{wanted}-{number}"
        reference = f"refs/heads/{branch}"
        if reference in there and there[reference] != head:
            continue
        keep(branch)
        failpoint("push.begun")
        rejected = [] if there.get(reference) == head else url.push({reference: (head, "")})
        failpoint("push.done")
        if not rejected:
            return branch, ""
        why = rejected[0].why
        if not rejected[0].is_stale:
            break
    return None, why or f"{_MAX_NAMES} branches named {wanted} exist"


def take_branch_back(url: UrlGit, branch: str, head: str) -> str | None:
    """Delete a branch that is still at the commit; None, or why the URL refused. One that has moved on stays."""
    reference = f"refs/heads/{branch}"
    if url.refs(reference).get(reference) != head:
        return None
    rejected = url.push({reference: ("", head)})
    return rejected[0].why if rejected and not rejected[0].is_stale else None
