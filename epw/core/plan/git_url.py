"""Git URLs as workspaces: their forms, and what a plan that names one can ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from epw.core.errors import Problem
from epw.core.naming import HIDDEN_REFS

if TYPE_CHECKING:
    # The supervisor of a server asks for forms of URLs alone: it needs no model, which takes two thirds of its start.
    from epw.core.plan.model import Plan

SCHEMES = ("https", "http", "ssh", "file")
_CONTROL = re.compile(r"[\x00-\x20\x7f]")
_USER_INFO = re.compile(r"(\w+://)[^/@\s]*@")
_TOKEN = re.compile(r"(?:gh[a-z]_|github_pat_|glpat-|x-token|ATBB|ATCTT).*|(?=.*\d)[A-Za-z0-9_=-]{20,}")


def is_url(workspace: str) -> bool:
    """Whether a workspace is a git URL (`https://…`, `ssh://…`, `host:path`) and not a directory."""
    head = workspace.split("/", 1)[0]
    return "://" in workspace or (":" in head and not workspace.startswith(("/", ".")))


def without_credentials(text: str) -> str:
    """A text without the user and the password of URLs in it, as git's messages may have them."""
    return _USER_INFO.sub(r"\1", text)


def check_url(plan: Plan) -> Iterator[Problem]:
    """What a plan with a git URL as workspace cannot have, and one without cannot."""
    url = plan.workspace if plan.workspace is not None and is_url(plan.workspace) else None
    if url is None:
        if plan.deliver == "push":
            message = '"push" needs a git URL as workspace; use "branch", with `pullRequest` or `epw pr` to push it'
            yield Problem("deliver", message)
        if plan.url_refs != HIDDEN_REFS:
            yield Problem("urlRefs", "is for a git URL as workspace: leave it out")
        return
    yield from check_form(url)
    if plan.deliver in ("branch", "apply"):
        yield Problem("deliver", f'"{plan.deliver}" needs a directory; of a git URL it is "push", or "none"')
    yield from _check_refs(plan.url_refs)


def check_form(url: str) -> Iterator[Problem]:
    """What is wrong with a git URL as a workspace."""
    if _CONTROL.search(url) or url.startswith("-"):
        yield Problem("workspace", "is no git URL: it has a space or a control character, or begins with a dash")
        return
    if "://" not in url:
        if url.startswith(("ext::", "fd::")) or "::" in url.split("/", 1)[0]:
            yield Problem(
                "workspace", "is an address of a remote helper, which could run any program: use https or ssh"
            )
        return
    try:
        parts = urlsplit(url)
        host, user, password = parts.hostname, parts.username or "", parts.password
    except ValueError:
        yield Problem("workspace", "is no URL that git could read")
        return
    if parts.scheme not in SCHEMES:
        yield Problem(
            "workspace", f"is of scheme {parts.scheme!r}; a git URL is {', '.join(SCHEMES)}, or git@host:path"
        )
    elif parts.scheme != "file" and not host:
        yield Problem("workspace", "names no host")
    elif password is not None or (parts.scheme.startswith("http") and (_TOKEN.fullmatch(user) or parts.query)):
        yield Problem(
            "workspace",
            "has a password or a token in it, which would stand in the history for all to read: take it out, and let "
            "git ask a credential helper (`git config --global credential.helper store`), or use ssh",
        )


def _check_refs(prefix: str) -> Iterator[Problem]:
    parts = prefix.split("/")
    is_plain = all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", part) for part in parts)
    if len(parts) < 2 or parts[0] != "refs" or not is_plain:
        yield Problem("urlRefs", 'is where refs are kept: "refs/epw", or "refs/heads/" and a name')
    elif prefix.startswith("refs/heads/epw/") or prefix == "refs/heads/epw":
        yield Problem("urlRefs", 'is where the delivered branches epw/<id> go: use another, as "refs/heads/epw-refs"')
    elif parts[1] in ("heads", "tags") and len(parts) < 3:
        yield Problem("urlRefs", f'would be among all others there: add a name, as "{prefix}/epw-refs"')
