"""Merge attributes of all folders count as in the user's git; drivers of the user's own are not run."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.conflicts.textual.resolve import resolved_tree
from activities.git.hub import Hub
from activities.git.merge import Merge, merge
from activities.git.merge_attributes import keep_user_settings, merge_settings, same_attributes
from activities.git.workspace import Workspace
from tests.support import make_repository, sh

LINES = "".join(f"{number}\n" for number in range(9))
FILES = dict.fromkeys(("x.md", "d/x.md", "d/e/x.md", "d/e/y.txt", "f/x.md", "a b/x.md", "d[1]/x.md"), LINES)


def sides(tmp_path: Path, attributes: dict[str, str], *setup: str) -> tuple[Path, list[str]]:
    """A repository in which both sides add a line at the end of each file, and the commits of both."""
    repository = make_repository(tmp_path / "work", {**FILES, **attributes})
    for command in setup:
        sh(repository, "bash", "-euc", command)
    commits = []
    for side in ("ours", "theirs"):
        sh(repository, "git", "checkout", "--quiet", "-B", side, "main")
        for name in FILES:
            with (repository / name).open("a") as file:
                file.write(f"{side}\n")
        sh(repository, "git", "commit", "--quiet", "--all", "--message", side)
        commits.append(sh(repository, "git", "rev-parse", "HEAD").strip())
    return repository, commits


def merged(repository: Path, commits: list[str]) -> tuple[Hub, Merge]:
    hub = Hub(repository / ".git")
    keep_user_settings(hub, Workspace.read(str(repository)))
    return hub, merge(hub, *commits)


def as_git_does(repository: Path) -> set[str]:
    """The files that git itself does not merge, in a work tree, where it reads all attributes."""
    sh(repository, "git", "checkout", "--quiet", "--force", "ours")
    sh(repository, "bash", "-c", "git merge --quiet --no-edit theirs >/dev/null 2>&1; true")
    return set(filter(None, sh(repository, "git", "diff", "--name-only", "-z", "--diff-filter=U").split("\0")))


@pytest.mark.parametrize(
    "attributes",
    [
        pytest.param({".gitattributes": "*.md merge=union\n"}, id="of the top"),
        pytest.param({"d/.gitattributes": "*.md merge=union\n"}, id="of a folder"),
        pytest.param({"d/.gitattributes": "/x.md merge=union\n"}, id="of a folder's own file"),
        pytest.param({"d/.gitattributes": "e/*.md merge=union\n"}, id="of a folder within"),
        pytest.param({".gitattributes": "*.md merge=union\n", "d/.gitattributes": "*.md -merge\n"}, id="nearer ones"),
        pytest.param({"a b/.gitattributes": "*.md merge=union\n"}, id="a blank in the folder"),
        pytest.param({"d[1]/.gitattributes": "*.md merge=union\n"}, id="a bracket in the folder"),
        pytest.param({"d/.gitattributes": '"x.md" merge=union\n'}, id="in quotes"),
        pytest.param({".gitattributes": "[attr]log merge=union\n*.md log\n"}, id="a macro"),
        pytest.param(
            {".gitattributes": "[attr]log merge=union\n", "d/.gitattributes": "*.md log\n"}, id="its use below"
        ),
        pytest.param({"d/.gitattributes": "*.md merge=unknown\n", ".gitattributes": "* merge=union\n"}, id="unknown"),
    ],
)
def test_each_folder_s_attributes_count_as_in_a_work_tree(tmp_path: Path, attributes: dict[str, str]) -> None:
    repository, commits = sides(tmp_path, attributes)
    _, found = merged(repository, commits)
    assert set(found.paths) == as_git_does(repository)
    assert found.paths != list(FILES)


@pytest.mark.parametrize("where", ["info/attributes", "config"])
def test_attributes_of_the_user_count(tmp_path: Path, where: str) -> None:
    line = "echo '*.md merge=union' > .git/info/attributes"
    if where == "config":
        line = "echo '*.md merge=union' > ../mine; git config core.attributesFile $PWD/../mine"
    repository, commits = sides(tmp_path, {}, line)
    _, found = merged(repository, commits)
    assert set(found.paths) == as_git_does(repository) == {"d/e/y.txt"}


def test_a_driver_that_keeps_ours_is_built_in(tmp_path: Path) -> None:
    attributes = {"d/.gitattributes": "* merge=ours\n"}
    repository, commits = sides(tmp_path, attributes, "git config merge.ours.driver true")
    hub, found = merged(repository, commits)
    assert set(found.paths) == as_git_does(repository) == {"x.md", "f/x.md", "a b/x.md", "d[1]/x.md"}
    assert hub.file(found.tree, "d/x.md") == f"{LINES}ours\n".encode()


def test_without_a_setting_the_name_of_a_driver_means_nothing(tmp_path: Path) -> None:
    repository, commits = sides(tmp_path, {".gitattributes": "* merge=ours\n"})
    _, found = merged(repository, commits)
    assert set(found.paths) == as_git_does(repository) == set(FILES)


def test_another_driver_is_not_run_and_what_it_would_merge_is_a_conflict(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    repository, commits = sides(
        tmp_path, {"d/.gitattributes": "*.txt merge=own\n"}, f"git config merge.own.driver 'touch {mark}; true'"
    )
    hub, found = merged(repository, commits)
    assert not mark.exists()
    assert found.refused == {"d/e/y.txt": "own"}
    assert "merge driver 'own', which is not run" in found.named
    assert resolved_tree(hub, found, "merge") is None
    tree = resolved_tree(hub, found, "theirs")
    assert tree is not None
    assert hub.file(tree, "d/e/y.txt") == f"{LINES}theirs\n".encode()


def test_a_driver_is_asked_only_where_both_sides_changed(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "work", {**FILES, ".gitattributes": "*.txt merge=own\n"})
    sh(repository, "git", "config", "merge.own.driver", "false")
    commits = []
    for side, name in (("ours", "d/e/y.txt"), ("theirs", "x.md")):
        sh(repository, "git", "checkout", "--quiet", "-B", side, "main")
        (repository / name).write_text("new\n")
        sh(repository, "git", "commit", "--quiet", "--all", "--message", side)
        commits.append(sh(repository, "git", "rev-parse", "HEAD").strip())
    _, found = merged(repository, commits)
    assert found.clean


def test_settings_are_known_of_a_later_commit_with_the_same_attributes(tmp_path: Path) -> None:
    repository, commits = sides(tmp_path, {"d/.gitattributes": "*.md merge=union\n"})
    hub = Hub(repository / ".git")
    known = merge_settings(hub, commits[0])
    same_attributes(hub, commits[0], commits[1])
    assert merge_settings(hub, commits[1]) is known
