"""Forges: what is asked of each to open a pull request, by its own program or by the page on which a person does."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode, urlsplit

_SCP = re.compile(r"(?:[^@/:]+@)?(?P<host>[^/:]+):(?P<path>(?!/{2}).+)")


@dataclass(frozen=True)
class WebRepository:
    """A repository as a forge names it: `https://host/path`."""

    host: str
    """With its port, where that is one of the web."""
    path: str
    scheme: str = "https"

    @classmethod
    def of(cls, url: str) -> WebRepository | None:
        """The repository of a remote's URL, without credentials; None for a path on this machine."""
        if "://" not in url:
            found = _SCP.fullmatch(url)
            return cls(found["host"].lower(), _bare(found["path"])) if found else None
        parts = urlsplit(url)
        if parts.scheme == "file" or not parts.hostname:
            return None
        is_web = parts.scheme in ("http", "https")
        host = f"{parts.hostname}:{parts.port}" if is_web and parts.port else parts.hostname
        return cls(host, _bare(parts.path), parts.scheme if is_web else "https")

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host}/{quote(self.path)}"

    @property
    def owner(self) -> str:
        return self.path.rpartition("/")[0]


@dataclass(frozen=True)
class PullRequestTexts:
    """What a pull request says, of the branch `head`."""

    head: str
    title: str
    body: str
    body_file: str
    draft: bool = False
    reviewers: Sequence[str] = ()


@dataclass(frozen=True)
class PullRequest:
    """A pull request to open, from a pushed branch of `source` into `base`, a branch of `target`."""

    source: WebRepository
    target: WebRepository
    base: str
    texts: PullRequestTexts


@dataclass(frozen=True)
class Forge:
    """A kind of forge."""

    name: str
    words: tuple[str, ...]
    """A host that holds one of them is of this kind."""
    page: Callable[[PullRequest], str]
    """URL at which a person opens the pull request."""
    program: str | None = None
    arguments: Callable[[PullRequest], list[str]] = lambda request: []
    """Arguments by which the program opens the pull request."""
    finds: Callable[[PullRequest], list[str]] = lambda request: []
    """Arguments by which it prints the open ones of the branch."""
    noun: str = "pull request"


def _bare(path: str) -> str:
    return path.strip("/").removesuffix(".git")


def _head(request: PullRequest) -> str:
    """The branch, with its owner where it was pushed to a fork."""
    fork = request.source.path != request.target.path
    return f"{request.source.owner}:{request.texts.head}" if fork else request.texts.head


def _compare(request: PullRequest) -> str:
    return f"{request.target.url}/compare/{quote(request.base)}...{quote(_head(request), safe='/:')}"


def _gh(request: PullRequest) -> list[str]:
    texts, repository = request.texts, f"{request.target.host}/{request.target.path}"
    argv = ["pr", "create", "--repo", repository, "--head", _head(request), "--base", request.base]
    return [*argv, "--title", texts.title, "--body-file", texts.body_file, *_more(texts)]


def _glab(request: PullRequest) -> list[str]:
    texts = request.texts
    fork = ["--head", request.source.url] if request.source != request.target else []
    argv = ["mr", "create", "--repo", request.target.url, *fork]
    argv += ["--source-branch", texts.head, "--target-branch", request.base]
    return [*argv, "--title", texts.title, "--description", texts.body, "--yes", *_more(texts)]


def _gh_open(request: PullRequest) -> list[str]:
    repository = f"{request.target.host}/{request.target.path}"
    argv = ["pr", "list", "--repo", repository, "--head", request.texts.head, "--base", request.base]
    return [*argv, "--state", "open", "--json", "url", "--jq", ".[].url"]


def _glab_open(request: PullRequest) -> list[str]:
    argv = ["mr", "list", "--repo", request.target.url, "--source-branch", request.texts.head]
    return [*argv, "--target-branch", request.base, "--output", "json"]


def _more(texts: PullRequestTexts) -> list[str]:
    reviewers = (part for each in texts.reviewers for part in ("--reviewer", each))
    return [*["--draft"] * texts.draft, *reviewers]


def _gitlab_page(request: PullRequest) -> str:
    names = {"source_branch": request.texts.head, "target_branch": request.base, "title": request.texts.title}
    fields = urlencode({f"merge_request[{name}]": value for name, value in names.items()})
    return f"{request.source.url}/-/merge_requests/new?{fields}"


def _bitbucket_page(request: PullRequest) -> str:
    return f"{request.source.url}/pull-requests/new?{urlencode({'source': request.texts.head, 'dest': request.base})}"


def _github_page(request: PullRequest) -> str:
    return f"{_compare(request)}?{urlencode({'expand': 1, 'title': request.texts.title})}"


GITEA = Forge("Gitea", ("gitea", "forgejo", "codeberg"), _compare)
"""Also a host of an unknown kind: several forges have its form of the URL."""
FORGES = (
    Forge("GitHub", ("github",), _github_page, "gh", _gh, _gh_open),
    Forge("GitLab", ("gitlab",), _gitlab_page, "glab", _glab, _glab_open, "merge request"),
    Forge("Bitbucket", ("bitbucket",), _bitbucket_page),
    GITEA,
)


def forge_of(host: str, logged_in: Callable[[str, str], bool]) -> Forge:
    """The kind of a host by its name, else by the program that is logged in there (`logged_in(program, host)`)."""
    named = (each for each in FORGES if any(word in host for word in each.words))
    known = (each for each in FORGES if each.program is not None and logged_in(each.program, host))
    return next(named, None) or next(known, GITEA)
