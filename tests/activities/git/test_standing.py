"""Changes of the hub that stand in the user's history, however they came there; and those that do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.git.hub import Hub
from activities.git.standing import standing
from activities.git.workspace import Workspace
from tests.support import make_repository, sh

LINES = "".join(f"{number}\n" for number in range(1, 31))


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Hub, Workspace, Path, str]:
    """A hub with one change of a text, a binary file and a deletion; the user's repository, and the change."""
    repository = make_repository(tmp_path / "repo", {"f": LINES, "gone": "1\n"})
    workspace = Workspace.read(str(repository))
    sh(tmp_path, "git", "clone", "--quiet", "--bare", str(repository), "hub")
    work = tmp_path / "work"
    sh(tmp_path, "git", "clone", "--quiet", "hub", "work")
    sh(work, "bash", "-c", "sed -i s/^15$/fifteen/ f; printf '\\0\\1' > binary; git rm -q gone; git add --all")
    sh(work, "git", "-c", "user.name=a", "-c", "user.email=a", "commit", "--quiet", "--message", "change")
    sh(work, "git", "push", "--quiet", "origin", "HEAD:refs/heads/saved")
    sh(repository, "git", "fetch", "--quiet", str(tmp_path / "hub"), "saved")
    return Hub(tmp_path / "hub"), workspace, repository, sh(work, "git", "rev-parse", "HEAD").strip()


@pytest.mark.parametrize(
    ("way", "stands"),
    [
        ("true", False),
        ("git merge -q FETCH_HEAD", True),
        ("git merge -q --squash FETCH_HEAD && git commit -qm squashed", True),
        ("sed -i s/^1$/one/ f && git commit -qam other && git cherry-pick FETCH_HEAD", True),
        ("git merge -q --squash FETCH_HEAD && git commit -qm s && echo more > f && git commit -qam on", True),
        ("git branch elsewhere FETCH_HEAD", True),
        ("git cherry-pick FETCH_HEAD && printf '\\0\\2' > binary && git commit -qa --amend -m mine", False),
        ("git merge -q --squash FETCH_HEAD && git reset -q f && git commit -qm 'a part'", False),
    ],
)
def test_a_change_stands_where_the_user_has_it(saved: tuple[Hub, Workspace, Path, str], way: str, stands: bool) -> None:
    hub, workspace, repository, commit = saved
    sh(repository, "bash", "-c", f"{{ {way}; }} >&2")
    assert standing(hub, workspace, [commit]) == ({commit} if stands else set())


def test_what_names_no_commit_of_the_hub_stands_nowhere(saved: tuple[Hub, Workspace, Path, str]) -> None:
    hub, workspace, _, _ = saved
    assert standing(hub, workspace, ["1" * 40]) == set()
    assert standing(hub, workspace, []) == set()
