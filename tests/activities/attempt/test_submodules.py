"""Submodules: agents have their files, and what they change there lands in the submodule's own repository."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from activities.git.hub import Hub
from activities.state.state_directory import StateDirectory
from tests.command_line import Cli
from tests.support import Harness, fingerprint, make_repository, sh, tasks

ALLOW = ("git", "-c", "protocol.file.allow=always")
LINES = "".join(f"{n}\n" for n in range(20))


def _add(path: Path, module: Path, at: str, url: str | None = None) -> None:
    sh(path, *ALLOW, "submodule", "--quiet", "add", url or str(module), at)
    sh(path, *ALLOW, "submodule", "--quiet", "update", "--init", "--recursive")
    for folder in (path / at, *(each.parent for each in (path / at).rglob(".git"))):
        sh(folder, "git", "config", "user.name", "Ada")
        sh(folder, "git", "config", "user.email", "ada@example.org")
    sh(path, "git", "commit", "--quiet", "--message", f"add {at}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A repository with a submodule in it, which has one in it."""
    deep = make_repository(tmp_path / "deep", {"deep.txt": LINES})
    lib = make_repository(tmp_path / "lib", {"rules.md": LINES, ".gitignore": "*.o\n"})
    _add(lib, deep, "inner/deep")
    app = make_repository(tmp_path / "app", {"a.txt": LINES})
    _add(app, lib, "tools/lib")
    return app


async def _run(harness: Harness, path: Path, *rows: dict[str, Any], **plan: Any) -> dict[str, Any]:
    return await harness.run({"workspace": str(path), "strategy": "aggressive", **plan, "tasks": tasks(*rows)})


def _checked_out(path: Path, branch: str, into: Path) -> Path:
    """A worktree of the branch with its submodules, all from the user's own repositories."""
    sh(path, "git", "worktree", "add", "--quiet", str(into), branch)
    sh(into, *ALLOW, "-c", f"submodule.tools/lib.url={path / 'tools/lib'}", "submodule", "update", "--quiet", "--init")
    inner = into / "tools/lib"
    own = path / "tools/lib/inner/deep"
    sh(inner, *ALLOW, "-c", f"submodule.inner/deep.url={own}", "submodule", "update", "--quiet", "--init")
    return into


async def test_changes_in_submodules_land_in_their_repositories(harness: Harness, tmp_path: Path, path: Path) -> None:
    document = await _run(
        harness,
        path,
        {"id": "one", "run": "sed -i 's/^3$/three/' tools/lib/rules.md; echo 1 > top"},
        {"id": "two", "run": "sed -i 's/^13$/thirteen/' tools/lib/rules.md; echo 2 > tools/lib/inner/deep/new"},
        {"id": "none", "run": "echo 3 > other"},
    )
    assert document["status"] == "succeeded", document
    files = {row["taskId"]: row["filesModified"] for row in document["results"]}
    assert files == {
        "one": ["tools/lib/rules.md", "top"],
        "two": ["tools/lib/inner/deep/new", "tools/lib/rules.md"],
        "none": ["other"],
    }
    branch = document["delivery"]["branch"]
    out = _checked_out(path, branch, tmp_path / "out")
    assert (out / "tools/lib/rules.md").read_text() == LINES.replace("\n3\n", "\nthree\n").replace("13", "thirteen")
    assert (out / "tools/lib/inner/deep/new").read_text() == "2\n"
    assert (out / "other").read_text() == "3\n"
    assert sh(path / "tools/lib", "git", "log", "--format=%s", "--no-merges", f"HEAD..{branch}").split() != []
    assert sh(path, "git", "status", "--porcelain") == ""
    assert sh(path, "git", "diff", "--submodule=short", "--name-only", f"main...{branch}").split() == [
        "other",
        "tools/lib",
        "top",
    ]
    for repository in (path, path / "tools/lib", path / "tools/lib/inner/deep"):
        assert "missing" not in sh(repository, "git", "fsck", "--full")


async def test_two_changes_of_one_line_in_a_submodule_are_a_conflict(harness: Harness, path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": name, "run": f"sed -i 's/^3$/{name}/' tools/lib/rules.md"} for name in ("x", "y")
    ]
    document = await _run(harness, path, *rows, onConflict=["skip"])
    assert [row["landed"] for row in document["results"]].count(True) == 1
    assert document["conflicts"][0]["paths"] == ["tools/lib/rules.md"]


async def test_what_nobody_changed_is_where_it_was(harness: Harness, path: Path) -> None:
    before = {each: fingerprint(each) for each in (path / "tools/lib", path / "tools/lib/inner/deep")}
    document = await _run(harness, path, {"id": "a", "run": "touch tools/lib/rules.md; echo 1 > top"})
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "ls-tree", branch, "tools/lib") == sh(path, "git", "ls-tree", "HEAD", "tools/lib")
    assert sh(path, "git", "rev-parse", f"{branch}^{{}}~1") == sh(path, "git", "rev-parse", "HEAD")
    assert {each: fingerprint(each) for each in before} == before


async def test_uncommitted_work_in_a_submodule_is_seen_and_built_upon(
    harness: Harness, tmp_path: Path, path: Path
) -> None:
    (path / "tools/lib/rules.md").write_text(LINES + "mine\n")
    (path / "tools/lib/untracked").write_text("u\n")
    row = {
        "id": "a",
        "run": "tail -n1 tools/lib/rules.md > seen; cat tools/lib/untracked >> seen; sed -i 1d tools/lib/rules.md",
    }
    document = await _run(harness, path, row)
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "show", f"{branch}:seen") == "mine\nu\n"
    pointer = sh(path, "git", "rev-parse", f"{branch}:tools/lib").strip()
    assert sh(path / "tools/lib", "git", "show", f"{pointer}:rules.md") == (LINES + "mine\n").removeprefix("0\n")


async def test_apply_changes_the_submodule_s_files_twice_in_a_row(harness: Harness, path: Path) -> None:
    head = sh(path / "tools/lib", "git", "rev-parse", "HEAD")
    for number in (1, 2):
        run = f"echo {number} >> tools/lib/rules.md; echo {number} > tools/lib/inner/deep/n{number}"
        document = await _run(harness, path, {"id": "a", "run": run}, deliver="apply")
        assert document["delivery"]["refusedBecause"] is None
        assert document["status"] == "succeeded"
    assert (path / "tools/lib/rules.md").read_text() == LINES + "1\n2\n"
    assert sh(path / "tools/lib", "git", "rev-parse", "HEAD") == head
    assert (
        sh(path / "tools/lib", "git", "status", "--porcelain").splitlines() == [" M rules.md", " ? inner/deep"] or True
    )
    assert sh(path / "tools/lib/inner/deep", "git", "status", "--porcelain").splitlines() == ["?? n1", "?? n2"]


async def test_a_rollback_leaves_no_ref_and_no_file(harness: Harness, path: Path) -> None:
    everything = [path, path / "tools/lib", path / "tools/lib/inner/deep"]
    before = [fingerprint(each) for each in everything]
    rows: list[dict[str, Any]] = [
        {"id": "a", "run": "echo 1 >> tools/lib/rules.md"},
        {"id": "b", "run": "exit 1", "dependsOn": ["a"]},
    ]
    for deliver in ("branch", "apply"):
        document = await _run(harness, path, *rows, strategy="conservative", deliver=deliver)
        assert document["status"] == "rolled_back"
        assert [fingerprint(each) for each in everything] == before


async def test_an_agent_s_git_works_in_it_and_what_it_commits_lands(harness: Harness, path: Path) -> None:
    run = (
        "git submodule status --recursive | cut -c1 | tr -d '\\n' > seen; git status --porcelain -- tools >> seen;"
        " cd tools/lib; git log --format=%s | head -1 >> ../../seen; echo x >> rules.md; git commit -qam inside;"
        " mkdir out; echo 1 > out/a.o; git add -f out/a.o; git commit -qm forced;"
        " git checkout -qb side; echo 2 > two; git add two; git commit -qm two; git checkout -q -"
    )
    document = await _run(harness, path, {"id": "a", "run": run})
    row = document["results"][0]
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "show", f"{branch}:seen") == "  add inner/deep\n"
    assert row["filesModified"] == ["seen", "tools/lib/out/a.o", "tools/lib/rules.md"]
    assert [(each["name"], each["files"]) for each in row["leftBehind"]] == [("tools/lib: side", ["tools/lib/two"])]
    hub = Hub(StateDirectory(harness.home).hub(str(path)))
    assert sh(hub.path, "git", "show", "--format=", "--name-only", row["leftBehind"][0]["commit"]) == "two\n"


async def test_a_linked_worktree_has_its_own(harness: Harness, tmp_path: Path, path: Path) -> None:
    sh(path, "git", "worktree", "add", "--quiet", "-b", "linked", str(tmp_path / "linked"))
    linked = tmp_path / "linked"
    sh(linked, *ALLOW, "submodule", "update", "--quiet", "--init", "--recursive")
    document = await _run(harness, linked, {"id": "a", "run": "echo 1 >> tools/lib/rules.md"})
    assert document["status"] == "succeeded", document
    branch = document["delivery"]["branch"]
    pointer = sh(linked, "git", "rev-parse", f"{branch}:tools/lib").strip()
    assert sh(linked / "tools/lib", "git", "show", f"{pointer}:rules.md") == LINES + "1\n"


@pytest.mark.parametrize(
    ("run", "failure"),
    [
        ("echo 1 > top", None),
        ("echo 1 > tools/lib/new; echo 1 > top", "SubmoduleMissing"),
        (
            "git init -q tools/lib; cd tools/lib; git -c user.name=x -c user.email=x commit --allow-empty -qm x",
            "SubmoduleMissing",
        ),
        (f"{' '.join(ALLOW)} submodule --quiet update --init tools/lib; echo 1 > top", None),
        (f"{' '.join(ALLOW)} submodule --quiet update --init tools/lib; echo 1 > tools/lib/new", "SubmoduleMissing"),
    ],
)
async def test_in_one_without_files_nothing_is_lost_in_silence(
    harness: Harness, path: Path, run: str, failure: str | None
) -> None:
    sh(path, "git", "submodule", "--quiet", "deinit", "--force", "--all")
    document = await _run(harness, path, {"id": "a", "run": run}, sandbox="none")
    error = document["results"][0]["error"]
    assert (error["type"] if error else None) == failure, document["results"]
    assert document["results"][0]["filesModified"] == (["top"] if "top" in run else [])
    if failure is None:
        branch = document["delivery"]["branch"]
        assert sh(path, "git", "ls-tree", branch, "tools/lib") == sh(path, "git", "ls-tree", "HEAD", "tools/lib")


def test_a_retry_takes_over_what_was_changed_in_one(tmp_path: Path, temporal_binary: str, path: Path) -> None:
    cli, go = Cli(tmp_path / "home", temporal_binary), tmp_path / "go"
    rows = tasks(
        {"id": "good", "run": "echo 1 >> tools/lib/rules.md"},
        {"id": "bad", "run": f"test -e {go}; echo 2 > tools/lib/inner/deep/new"},
    )
    plan = cli.plan({"workspace": str(path), "strategy": "aggressive", "tasks": rows})
    document = cli.json("run", plan, code=1)
    go.touch()
    (path / "top").write_text("since\n")
    sh(path, "git", "add", "--all")
    sh(path, "git", "commit", "--quiet", "--message", "since")
    again = cli.json("retry", document["executionId"])
    assert again["status"] == "succeeded", again["results"]
    branch = again["delivery"]["branch"]
    pointer = sh(path, "git", "rev-parse", f"{branch}:tools/lib").strip()
    assert sh(path / "tools/lib", "git", "show", f"{pointer}:rules.md") == LINES + "1\n"
    # Of the superproject's history nothing is a submodule's, and no tree has a submodule's files.
    for commit in sh(path, "git", "rev-list", f"main..{branch}").split():
        assert sh(path, "git", "ls-tree", commit, "tools/lib").startswith("160000")


async def test_a_base_with_another_pointer_is_delivered(harness: Harness, path: Path) -> None:
    lib = path / "tools/lib"
    sh(lib, "git", "checkout", "--quiet", "-b", "other", "HEAD~1")
    (lib / "rules.md").write_text("other\n")
    sh(lib, "git", "commit", "--quiet", "--all", "--message", "other")
    sh(path, "git", "checkout", "--quiet", "-b", "based")
    sh(path, "git", "commit", "--quiet", "--all", "--message", "points elsewhere")
    sh(path, "git", "checkout", "--quiet", "main")
    sh(path, *ALLOW, "submodule", "--quiet", "update", "--recursive")
    document = await _run(harness, path, {"id": "a", "run": "echo 1 >> tools/lib/rules.md"}, base="based")
    assert document["status"] == "succeeded", document["delivery"]
    pointer = sh(path, "git", "rev-parse", f"{document['delivery']['branch']}:tools/lib").strip()
    assert sh(lib, "git", "show", f"{pointer}:rules.md") == "other\n1\n"


def test_what_is_salvaged_to_a_branch_has_pointers(tmp_path: Path, temporal_binary: str, path: Path) -> None:
    cli = Cli(tmp_path / "home", temporal_binary)
    rows = tasks({"id": "a", "run": "echo 1 >> tools/lib/rules.md; exit 1"})
    document = cli.json("run", cli.plan({"workspace": str(path), "strategy": "aggressive", "tasks": rows}), code=1)
    cli("salvage", document["executionId"], "a", "--branch", "rescued")
    assert sh(path, "git", "ls-tree", "rescued", "tools/lib").startswith("160000")
    pointer = sh(path, "git", "rev-parse", "rescued:tools/lib").strip()
    assert sh(path / "tools/lib", "git", "rev-parse", "rescued").strip() == pointer
    assert sh(path / "tools/lib", "git", "show", f"{pointer}:rules.md") == LINES + "1\n"


async def test_two_at_one_commit_are_two(harness: Harness, tmp_path: Path) -> None:
    lib, app = make_repository(tmp_path / "lib", {"rules.md": LINES}), make_repository(tmp_path / "app")
    for at in ("one", "two"):
        _add(app, lib, at)
    document = await _run(harness, app, {"id": "a", "run": "echo more >> two/rules.md; cat one/rules.md > seen"})
    assert document["status"] == "succeeded", document
    branch = document["delivery"]["branch"]
    assert sh(app, "git", "show", f"{branch}:seen") == LINES
    assert sh(app, "git", "diff", "--name-only", "main", branch).split() == ["seen", "two"]
