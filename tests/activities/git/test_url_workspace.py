"""A git URL as a workspace: where it begins, what agents see of it, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.git.agent_clone import borrowed_refs
from activities.git.hub import Hub
from activities.git.submodules.pointers import pointers
from activities.git.url_git import UrlGit
from activities.git.url_workspace import read_url
from activities.git.workspace import Workspace
from epw.core.errors import InvalidPlan
from epw.core.naming import HIDDEN_REFS
from tests.repositories import ALLOW, bare_repository
from tests.support import make_repository, sh


def read(folder: Path, origin: Path, base: str | None = None) -> tuple[Hub, Workspace]:
    hub = Hub.created(folder / "hub.git")
    return hub, read_url(hub, UrlGit(hub.path, f"file://{origin}"), base, HIDDEN_REFS)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with two branches, a tag and a ref that no clone fetches."""
    path = bare_repository(tmp_path, {"a": "1\n"})
    work = tmp_path / "first"
    for name in ("more", "hidden"):
        sh(work, "git", "commit", "--quiet", "--allow-empty", "--message", name)
        ref = f"refs/heads/{name}" if name == "more" else "refs/pull/7/head"
        sh(work, "git", "push", "--quiet", str(path), f"HEAD:{ref}")
    sh(work, "git", "tag", "v1", "HEAD~1")
    sh(work, "git", "push", "--quiet", str(path), "v1")
    return path


def test_it_begins_at_the_default_branch_or_at_a_ref(tmp_path: Path, origin: Path) -> None:
    commits = {name: sh(origin, "git", "rev-parse", name).strip() for name in ("main", "more", "refs/pull/7/head")}
    assert read(tmp_path, origin)[1].branch == "main"
    for base, commit, branch in (
        (None, commits["main"], "main"),
        ("more", commits["more"], "more"),
        ("refs/heads/more", commits["more"], "more"),
        ("v1", commits["more"], None),
        ("refs/tags/v1", commits["more"], None),
        (commits["main"], commits["main"], None),
        ("refs/pull/7/head", commits["refs/pull/7/head"], None),
    ):
        _, workspace = read(tmp_path, origin, base)
        assert (workspace.head, workspace.branch) == (commit, branch), base


@pytest.mark.parametrize("base", ["nowhere", "refs/pull/8/head", "0" * 40, "--upload-pack=x", "more^{tree}"])
def test_a_base_that_names_nothing_is_refused(tmp_path: Path, origin: Path, base: str) -> None:
    with pytest.raises(InvalidPlan, match=r"base: .* names no branch, tag or commit"):
        read(tmp_path, origin, base)


def test_agents_see_the_refs_of_a_clone_and_none_of_executions(tmp_path: Path, origin: Path) -> None:
    hub, workspace = read(tmp_path, origin)
    hub.update_ref("refs/epw/x/run/base", workspace.head or "")
    names = {line.split()[1] for line in borrowed_refs(workspace).splitlines() if "refs/" in line}
    assert names == {"refs/remotes/origin/main", "refs/remotes/origin/more", "refs/tags/v1"}
    assert f"remote.origin.url=file://{origin}" in workspace.remotes


def test_what_no_fetch_brings_is_refused_or_named(tmp_path: Path) -> None:
    inner = make_repository(tmp_path / "inner")
    work = make_repository(tmp_path / "outer", {"a": "1\n"})
    sh(work, *ALLOW, "submodule", "--quiet", "add", str(inner), "libs/inner")
    sh(work, "git", "commit", "--quiet", "--message", "with a submodule")
    hub, workspace = read(tmp_path, work)
    assert [path for path, _ in pointers(hub, workspace.head or "")] == ["libs/inner"]
    (work / "art").mkdir()
    (work / "art/.gitattributes").write_text("*.psd filter=lfs diff=lfs\n*.key filter=git-crypt\n")
    sh(work, "git", "add", "--all")
    sh(work, "git", "commit", "--quiet", "--message", "with a filter")
    with pytest.raises(InvalidPlan, match=r"a filter \(git-crypt\).* use a directory with a clone"):
        read(tmp_path, work)


def test_git_lfs_has_to_be_set_up_where_files_are_stored_by_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work = make_repository(tmp_path / "work", {".gitattributes": "*.psd filter=lfs diff=lfs\n"})
    for name, value in (("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")):
        monkeypatch.setenv(name, value)
    with pytest.raises(InvalidPlan, match=r"Git LFS, which this user has not set up here: `git lfs install`"):
        read(tmp_path, work)


def test_a_url_without_a_commit_says_so(tmp_path: Path) -> None:
    sh(tmp_path, "git", "init", "--quiet", "--bare", "--initial-branch", "main", "empty.git")
    with pytest.raises(InvalidPlan, match=r"workspace: .* no commit|base: is needed"):
        read(tmp_path, tmp_path / "empty.git")


def test_a_url_without_any_commit_is_told_as_such(tmp_path: Path) -> None:
    sh(tmp_path, "git", "init", "--quiet", "--bare", "empty.git")
    with pytest.raises(InvalidPlan, match=r"workspace: .*empty\.git has no commit"):
        read(tmp_path, tmp_path / "empty.git")
