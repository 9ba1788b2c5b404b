"""`doctor WORKSPACE` says what kind of repository it is, and changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from activities.git.traits import traits
from activities.git.workspace import Workspace
from epw.core.errors import InvalidPlan
from tests.command_line import Cli
from tests.support import fingerprint, make_repository, sh


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A repository with some of everything."""
    lib = make_repository(tmp_path / "lib")
    path = make_repository(
        tmp_path / "repo", {".gitignore": "out/\n", ".gitattributes": "*.s filter=rot\n*.x filter=gone\n"}
    )
    for key, value in (
        ("filter.rot.clean", "tr a-z n-za-m"),
        ("filter.rot.smudge", "tr a-z n-za-m"),
        ("core.eol", "lf"),
    ):
        sh(path, "git", "config", key, value)
    for name in ("a.s", "b.s", "c.x", "Readme", "README"):
        (path / name).write_text("text\n")
    sh(path, "git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(lib), "lib")
    sh(path, "git", "add", "--all")
    sh(path, "git", "commit", "--quiet", "--message", "all")
    make_repository(path / "nested")
    (path / "out").mkdir()
    (path / "out/big").write_bytes(bytes(2_000_000))
    (path / "new").write_text("1\n")
    hook = path / ".git/hooks/pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n")
    hook.chmod(0o755)
    return path


def _traits(cli: Cli, path: Path) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in cli.json("doctor", str(path))["traits"]}


def test_each_trait_is_told_with_what_it_means(tmp_path: Path, temporal_binary: str, path: Path) -> None:
    cli, before = Cli(tmp_path / "home", temporal_binary), fingerprint(path)
    found = _traits(cli, path)
    assert {name: row["found"] for name, row in found.items() if name != "files"} == {
        "kind": "git repository, branch main",
        "line ends": "core.eol=lf",
        "filter gone": "1 file, not configured here",
        "filter rot": "2 files",
        "submodules": "lib",
        "untracked": "new",
        "nested repositories": "nested/",
        "ignored": "out/, 2.0 MB",
        "names alike": "README, Readme",
        "hooks": "pre-commit",
    }
    assert [name for name, row in found.items() if not row["ok"]] == ["filter gone", "names alike"]
    assert fingerprint(path) == before
    assert "filter gone" in cli("doctor", str(path)).stdout


def test_clones_and_worktrees_are_told_apart(tmp_path: Path, temporal_binary: str) -> None:
    cli, origin = Cli(tmp_path / "home", temporal_binary), make_repository(tmp_path / "origin")
    sh(origin, "git", "config", "uploadpack.allowFilter", "true")
    kinds = {"--depth=1": "shallow clone", "--filter=blob:none": "partial clone", "--shared": "borrowed objects"}
    for option, name in kinds.items():
        clone = tmp_path / name
        sh(
            tmp_path,
            "git",
            "clone",
            "--quiet",
            option,
            f"file://{origin}" if option != "--shared" else str(origin),
            str(clone),
        )
        assert name in _traits(cli, clone)
    sh(origin, "git", "worktree", "add", "--quiet", str(tmp_path / "linked"))
    assert "linked worktree" in _traits(cli, tmp_path / "linked")
    sh(tmp_path, "git", "init", "--quiet", "--bare", str(tmp_path / "bare"))
    assert _traits(cli, tmp_path / "bare")["work tree"]["found"] == "none"
    (tmp_path / "plain").mkdir()
    assert _traits(cli, tmp_path / "plain")["kind"]["found"] == "a plain directory"


def test_what_cannot_be_used_is_said_in_a_line(tmp_path: Path, temporal_binary: str) -> None:
    cli = Cli(tmp_path / "home", temporal_binary)
    assert "not a directory" in cli("doctor", str(tmp_path / "gone"), code=2).stderr


@pytest.mark.parametrize(
    ("argv", "what"),
    [(["merge", "--no-commit", "--no-ff", "other"], "a merge"), (["cherry-pick", "--no-commit", "other"], None)],
)
def test_an_operation_that_is_not_finished_is_told(tmp_path: Path, argv: list[str], what: str | None) -> None:
    path = make_repository(tmp_path / "repo")
    sh(path, "git", "switch", "--quiet", "--create", "other")
    (path / "new").write_text("1\n")
    sh(path, "git", "add", "--all")
    sh(path, "git", "commit", "--quiet", "--message", "new")
    sh(path, "git", "switch", "--quiet", "main")
    sh(path, "git", *argv)
    found = {each.name: each for each in traits(Workspace.read(str(path)))}.get("git is in the middle of")
    assert (found.found if found is not None else None) == what
    assert found is None or (not found.ok and "merge --abort" in found.means)


def test_a_base_that_names_no_commit_is_told_with_the_nearest_that_does(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo")
    sh(path, "git", "branch", "release-2")
    with pytest.raises(InvalidPlan, match=r"base: 'relaese-2' names no commit in .*; did you mean release-2\?"):
        Workspace.read(str(path)).at("relaese-2")
