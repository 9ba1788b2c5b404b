"""An attempt's directory is what the user's own checkout of that commit would be: its git knows what theirs knows."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from activities.sandbox.levels import bubblewrap_problem
from tests.support import Harness, make_repository, sh, tasks


async def _seen(harness: Harness, path: Path, run: str, **plan: object) -> str:
    row = {"id": "a", "run": f"{{ {run}; }} > seen 2>&1 || true"}
    document = await harness.run({"workspace": str(path), **plan, "tasks": tasks(row)})
    assert document["status"] == "succeeded", document["results"]
    return sh(path, "git", "show", f"{document['delivery']['branch']}:seen")


def _with_history(path: Path) -> Path:
    make_repository(path)
    sh(path, "git", "tag", "--annotate", "v1.2.0", "--message", "v1.2.0")
    sh(path, "git", "update-ref", "refs/remotes/origin/main", "HEAD")
    sh(path, "git", "remote", "add", "origin", "https://ada:t0ken@example.org/app.git")
    sh(path, "git", "remote", "add", "fork", "git@example.org:ada/app.git")
    sh(path, "git", "checkout", "--quiet", "-b", "feature/x")
    sh(path, "git", "config", "branch.feature/x.remote", "origin")
    sh(path, "git", "config", "branch.feature/x.merge", "refs/heads/main")
    (path / "two").write_text("2\n")
    sh(path, "git", "add", "--all")
    sh(path, "git", "commit", "--quiet", "--message", "second")
    # On a branch that nobody builds on: not in the hub.
    sh(path, "git", "checkout", "--quiet", "-b", "other", "main")
    (path / "three").write_text("3\n")
    sh(path, "git", "add", "--all")
    sh(path, "git", "commit", "--quiet", "--message", "third")
    sh(path, "git", "checkout", "--quiet", "feature/x")
    return path


LOOK = (
    "git describe --tags; git branch --show-current; git log --format=%s origin/main..; git diff --name-only main;"
    " git show other:three; git rev-parse --abbrev-ref @{u}; git remote get-url origin; git remote get-url fork;"
    " git status --porcelain; git fsck --no-dangling && echo sound"
)


@pytest.mark.parametrize("level", ["none", "process", "landlock", "bubblewrap"])
async def test_an_agent_s_git_knows_tags_branches_and_remotes(harness: Harness, tmp_path: Path, level: str) -> None:
    if level == "bubblewrap" and (missing := bubblewrap_problem()):
        pytest.skip(missing)
    path = _with_history(tmp_path / "repo")
    said = (await _seen(harness, path, LOOK, sandbox=level)).splitlines()
    assert said[0].startswith("v1.2.0-1-g")
    assert said[1:4] == ["feature/x", "second", "two"]
    assert said[4:] == [
        "3",
        "origin/main",
        "https://example.org/app.git",
        "git@example.org:ada/app.git",
        "?? seen",
        "sound",
    ]


async def test_a_linked_worktree_and_one_on_no_branch(harness: Harness, tmp_path: Path) -> None:
    path = _with_history(tmp_path / "repo")
    sh(path, "git", "worktree", "add", "--quiet", "--detach", str(tmp_path / "linked"), "other")
    said = await _seen(
        harness, tmp_path / "linked", "git branch --show-current; git show --format=%s --no-patch; git tag"
    )
    assert said.split() == ["third", "v1.2.0"]


async def test_a_base_that_is_a_branch_is_the_branch_that_agents_are_on(harness: Harness, tmp_path: Path) -> None:
    path = _with_history(tmp_path / "repo")
    look = "git branch --show-current; ls; git describe --tags"
    assert (await _seen(harness, path, look, base="other")).split()[:3] == ["other", "README.md", "seen"]
    assert (await _seen(harness, path, look, base="v1.2.0")).split() == ["README.md", "seen", "v1.2.0"]


async def test_what_an_agent_commits_is_pushed_nowhere(harness: Harness, tmp_path: Path) -> None:
    path, origin = make_repository(tmp_path / "repo"), tmp_path / "origin.git"
    sh(tmp_path, "git", "init", "--quiet", "--bare", str(origin))
    sh(path, "git", "remote", "add", "origin", str(origin))
    sh(path, "git", "push", "--quiet", "origin", "main")
    said = await _seen(
        harness, path, "git commit --allow-empty -qm x; git push origin HEAD:refs/heads/x", sandbox="none"
    )
    assert "epw-delivers-what-you-commit" in said
    assert sh(origin, "git", "branch") == "  main\n"


async def test_ten_thousand_refs_and_objects_that_were_borrowed_before(harness: Harness, tmp_path: Path) -> None:
    origin = make_repository(tmp_path / "origin")
    sh(tmp_path, "git", "clone", "--quiet", "--shared", str(origin), str(tmp_path / "repo"))
    path, head = tmp_path / "repo", sh(origin, "git", "rev-parse", "HEAD").strip()
    for key, value in (("user.name", "Ada"), ("user.email", "ada@example.org")):
        sh(path, "git", "config", key, value)
    lines = "".join(f"create refs/tags/t{n} {head}\n" for n in range(10_000))
    sh(path, "git", "update-ref", "--stdin", input=lines)
    assert (await _seen(harness, path, "git tag | wc -l; git log --format=%s")).split() == ["10000", "first"]


async def test_setup_runs_in_the_finished_repository_and_its_hooks_are_there_again(
    harness: Harness, tmp_path: Path
) -> None:
    path = make_repository(tmp_path / "repo", {".gitignore": "version\n", "a": "1\n"})
    sh(path, "git", "tag", "v3")
    setup = (
        "git describe --tags > version; mkdir -p .git/hooks;"
        " printf '#!/bin/sh\\ntouch hooked\\n' > .git/hooks/pre-commit; chmod +x .git/hooks/pre-commit"
    )
    work = "echo $(cat version) > {0}; git add -A; git commit -qm {0}; test -e hooked"
    rows = [{"id": name, "run": work.format(name)} for name in "bc"]
    plan = {"workspace": str(path), "setup": setup, "maxAgents": 1, "deliver": "none", "tasks": tasks(*rows)}
    document = await harness.run(plan)
    assert document["status"] == "succeeded", document["results"]
    assert [row["filesModified"] for row in document["results"]] == [["b", "hooked"], ["c", "hooked"]]


@pytest.mark.parametrize("name", ["HOME", "TMPDIR", "XDG_CONFIG_HOME", "PATH"])
async def test_a_variable_that_is_passed_on_is_passed_on(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    path, value = make_repository(tmp_path / "repo"), f"{tmp_path}:{os.environ['PATH']}" if name == "PATH" else tmp_path
    monkeypatch.setenv(name, str(value))
    assert (await _seen(harness, path, f'echo "${name}"', passEnv=[name])).strip() == str(value)


@pytest.mark.parametrize("counts", [True, False])
async def test_who_may_run_a_file_counts_where_it_does_for_the_user_s_git(
    harness: Harness, tmp_path: Path, counts: bool
) -> None:
    path = make_repository(tmp_path / "repo", {"tool": "1\n", "script": "1\n", "plain": "1\n"})
    (path / "tool").chmod(0o755)
    sh(path, "git", "commit", "--quiet", "--all", "--message", "tool")
    if not counts:
        sh(path, "git", "config", "core.fileMode", "false")
    run = "chmod +x plain script; chmod -x tool; echo 2 | tee -a script tool made; chmod +x made; git status --short"
    row = {"id": "a", "run": f"{run} > seen"}
    document = await harness.run({"workspace": str(path), "deliver": "apply", "tasks": tasks(row)})
    assert document["status"] == "succeeded", document["results"]
    also = ["plain"] if counts else []
    assert document["results"][0]["filesModified"] == ["made", *also, "script", "seen", "tool"]
    seen = [line for line in (path / "seen").read_text().splitlines() if not line.startswith("??")]
    assert seen == [f" M {name}" for name in (*also, "script", "tool")]
    can_run = [name for name in ("made", "plain", "script", "tool") if os.access(path / name, os.X_OK)]
    assert can_run == (["made", "plain", "script"] if counts else ["tool"])
    assert (path / "tool").read_text() == "1\n2\n"
    status = [line for line in sh(path, "git", "status", "--short").splitlines() if not line.startswith("??")]
    assert status == seen
