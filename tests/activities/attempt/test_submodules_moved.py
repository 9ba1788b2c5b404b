"""Submodules that agents move, add, remove and set to other commits: what lands is what git would have made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.activities.attempt.test_submodules import ALLOW, LINES, _add, _run
from tests.command_line import Cli
from tests.site import Site
from tests.support import Harness, fingerprint, make_repository, sh, tasks

ADD = f"{' '.join(ALLOW)} submodule --quiet add"
AGENT = "git -c user.name=Bo -c user.email=bo@example.org"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "other", {"o.txt": LINES, ".gitignore": "*.log\n"})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A repository with a submodule that has two commits."""
    lib = make_repository(tmp_path / "lib", {"rules.md": LINES})
    sh(lib, "git", "branch", "older")
    (lib / "rules.md").write_text("new\n" + LINES)
    sh(lib, "git", "commit", "--quiet", "--all", "--message", "newer")
    app = make_repository(tmp_path / "app", {"a.txt": LINES})
    _add(app, lib, "sub")
    return app


def _out(path: Path, document: dict[str, Any], into: Path) -> Path:
    """A fresh worktree of the delivered branch, with its submodules from where they are said to be."""
    assert document["status"] == "succeeded", document
    sh(path, "git", "worktree", "add", "--quiet", "--detach", str(into), document["delivery"]["branch"])
    return into


def _commit(repository: Path, name: str) -> str:
    return sh(repository, "git", "rev-parse", name).strip()


async def test_a_moved_submodule_is_a_pointer_at_its_new_path(harness: Harness, tmp_path: Path, path: Path) -> None:
    document = await _run(harness, path, {"id": "a", "run": "mkdir lib; git mv sub lib/sub"})
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "ls-tree", branch, "lib/sub").split()[:3:2] == ["160000", _commit(path, "main:sub")]
    assert sh(path, "git", "ls-tree", branch, "sub") == ""
    assert "path = lib/sub" in sh(path, "git", "show", f"{branch}:.gitmodules")
    assert document["results"][0]["leftBehind"] == []
    sh(path, "git", "switch", "--quiet", branch)
    sh(path, "git", "submodule", "--quiet", "update", "--init")
    assert (path / "lib/sub/rules.md").read_text() == "new\n" + LINES


async def test_what_changes_in_a_moved_one_is_a_commit_of_its_own(harness: Harness, path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {
            "id": "a",
            "run": "mkdir lib; git mv sub lib/sub; sed -i 's/^3$/three/' lib/sub/rules.md; echo 1 > lib/sub/new",
        },
        {
            "id": "b",
            "run": "git -C lib/sub status --porcelain > seen; sed -i 's/^13$/x/' lib/sub/rules.md",
            "dependsOn": ["a"],
        },
    ]
    document = await _run(harness, path, *rows)
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "show", f"{branch}:seen") == ""
    pointer = _commit(path, f"{branch}:lib/sub")
    assert _commit(path / "sub", branch) == pointer
    assert sh(path / "sub", "git", "show", f"{pointer}:rules.md").split()[4:15:10] == ["three", "x"]
    assert sh(path / "sub", "git", "rev-list", "--count", f"HEAD..{pointer}") == "2\n"


async def test_an_edit_beside_a_move_lands_where_it_is_now(harness: Harness, path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "run": "git mv sub moved"},
        {"id": "b", "run": "sed -i 's/^3$/three/' sub/rules.md"},
    ]
    document = await _run(harness, path, *rows)
    assert document["status"] == "succeeded", document
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "ls-tree", "--name-only", branch).split() == [".gitmodules", "a.txt", "moved"]
    pointer = _commit(path, f"{branch}:moved")
    assert "three" in sh(path / "sub", "git", "show", f"{pointer}:rules.md")


async def test_an_added_submodule_is_a_pointer(harness: Harness, tmp_path: Path, path: Path, other: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "run": f"{ADD} {other} vendor/other; echo 1 > vendor/other/ignored.log"},
        {"id": "b", "run": "git status --porcelain > seen; ls vendor/other >> seen", "dependsOn": ["a"]},
    ]
    document = await _run(harness, path, *rows, sandbox="none")
    assert (document["delivery"]["finishWith"], document["results"][0]["leftBehind"]) == ([], [])
    out = _out(path, document, tmp_path / "out")
    assert _commit(out, "HEAD:vendor/other") == _commit(other, "HEAD")
    assert (out / "seen").read_text() == "?? seen\no.txt\n"
    sh(out, *ALLOW, "submodule", "--quiet", "update", "--init")
    assert (out / "vendor/other/o.txt").read_text() == LINES


async def test_the_first_submodule_of_a_repository_can_be_added(harness: Harness, tmp_path: Path, other: Path) -> None:
    plain = make_repository(tmp_path / "plain")
    document = await _run(harness, plain, {"id": "a", "run": f"{ADD} {other} o"}, sandbox="none")
    assert _commit(plain, f"{document['delivery']['branch']}:o") == _commit(other, "HEAD")


async def test_a_commit_of_an_added_one_that_no_remote_has_is_said(harness: Harness, path: Path, other: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "run": f"{ADD} {other} o; cd o; echo 1 > n; git add n; {AGENT} commit -qm n"},
        {"id": "b", "run": "echo 2 > o/m", "dependsOn": ["a"]},
    ]
    document = await _run(harness, path, *rows, sandbox="none")
    (command,) = document["delivery"]["finishWith"]
    sh(path, "bash", "-c", f"export GIT_ALLOW_PROTOCOL=file; {command}")
    assert ((path / "o/n").read_text(), (path / "o/m").read_text()) == ("1\n", "2\n")
    assert sh(path, "git", "status", "--porcelain") == ""


@pytest.mark.parametrize("at", ["sub", "o"])
async def test_beside_a_submodule_that_cannot_be_read_all_is_saved(
    harness: Harness, path: Path, other: Path, at: str
) -> None:
    run = (
        f"echo 1 > top; {ADD} {other} o; cd {at}; echo 1 > new; git add new; {AGENT} commit -qm 1;"
        f" tree=$(git rev-parse HEAD:); echo 2 > new; {AGENT} commit -qam 2;"
        " rm -f $(git rev-parse --git-path objects)/$(echo $tree | sed 's,^..,&/,')"
    )
    (row,) = (await _run(harness, path, {"id": "a", "run": run}, sandbox="none", strategy="aggressive"))["results"]
    assert row["error"]["type"] == "SubmoduleUnreadable", row
    assert {"top", f"{at}/new"} <= set(row["filesModified"])


async def test_the_commit_that_an_agent_sets_a_submodule_to_is_the_pointer(harness: Harness, path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "older", "run": "git -C sub checkout -q origin/older"},
        {"id": "edits", "run": "sed -i 's/^13$/x/' sub/rules.md", "dependsOn": ["older"]},
    ]
    older = _commit(path / "sub", "origin/older")
    document = await _run(harness, path, rows[0])
    branch = document["delivery"]["branch"]
    assert _commit(path, f"{branch}:sub") == older == _commit(path / "sub", branch)
    assert document["results"][0]["leftBehind"] == []
    document = await _run(harness, path, *rows)
    assert _commit(path / "sub", f"{_commit(path, document['delivery']['branch'] + ':sub')}^") == older


async def test_what_is_not_committed_stands_on_the_commit_that_an_agent_chose(
    harness: Harness, path: Path, tmp_path: Path
) -> None:
    lib = tmp_path / "lib"
    (lib / "newest").write_text("1\n")
    sh(lib, "git", "add", "newest")
    sh(lib, "git", "commit", "--quiet", "--message", "newest")
    run = f"cd sub; git fetch -q {lib} main; git checkout -q FETCH_HEAD; echo 2 >> newest"
    document = await _run(harness, path, {"id": "a", "run": run}, sandbox="none")
    pointer = _commit(path, f"{document['delivery']['branch']}:sub")
    assert _commit(path / "sub", f"{pointer}^") == _commit(lib, "HEAD")
    assert sh(path / "sub", "git", "show", f"{pointer}:newest") == "1\n2\n"


@pytest.mark.parametrize(
    ("one", "two", "pointer"),
    [
        ("git -C sub checkout -q origin/older", "git -C sub checkout -q origin/older; echo 1 > x", "origin/older"),
        ("git -C sub checkout -q origin/older", "echo 1 > x", "origin/older"),
        ("git -C sub checkout -q origin/older", "echo x > sub/rules.md", None),
    ],
)
async def test_two_tasks_and_the_pointer(harness: Harness, path: Path, one: str, two: str, pointer: str | None) -> None:
    document = await _run(harness, path, {"id": "one", "run": one}, {"id": "two", "run": two}, onConflict=["skip"])
    assert len(document["conflicts"]) == (pointer is None)
    if pointer is not None:
        assert _commit(path, f"{document['delivery']['branch']}:sub") == _commit(path / "sub", pointer)


async def test_another_commit_with_the_same_files_is_said(harness: Harness, path: Path) -> None:
    row = {"id": "a", "run": f"cd sub; {AGENT} commit -q --allow-empty -m same"}
    (left,) = (await _run(harness, path, row))["results"][0]["leftBehind"]
    assert left["kind"] == "HEAD"
    assert "the same files" in left["name"]


async def test_a_submodule_that_is_none_any_more_is_plain_files(harness: Harness, path: Path) -> None:
    run = (
        "git rm -q --cached sub; rm -rf sub/.git; git config -f .gitmodules --remove-section submodule.sub; git add -A"
    )
    document = await _run(harness, path, {"id": "a", "run": run})
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "show", f"{branch}:sub/rules.md") == "new\n" + LINES


async def test_what_is_rolled_back_leaves_no_ref(harness: Harness, path: Path, other: Path) -> None:
    before = [fingerprint(each) for each in (path, path / "sub")]
    run = f"git mv sub moved; git -C moved checkout -q origin/older; {ADD} {other} o"
    rows: list[dict[str, Any]] = [{"id": "a", "run": run}, {"id": "b", "run": "exit 1", "dependsOn": ["a"]}]
    document = await _run(harness, path, *rows, strategy="conservative", sandbox="none")
    assert document["status"] == "rolled_back"
    assert [fingerprint(each) for each in (path, path / "sub")] == before


def test_a_retry_and_a_salvage_have_the_same_pointers(
    tmp_path: Path, temporal_binary: str, path: Path, other: Path
) -> None:
    cli, go = Cli(tmp_path / "home", temporal_binary), tmp_path / "go"
    run = f"git mv sub moved; git -C moved checkout -q origin/older; {ADD} {other} o"
    rows = tasks({"id": "good", "run": run}, {"id": "bad", "run": f"test -e {go}; echo 1 > top"})
    plan = cli.plan({"workspace": str(path), "strategy": "aggressive", "sandbox": "none", "tasks": rows})
    document = cli.json("run", plan, code=1)
    cli("salvage", document["executionId"], "good", "--branch", "rescued")
    go.touch()
    again = cli.json("retry", document["executionId"])
    assert again["status"] == "succeeded", again["results"]
    for branch in ("rescued", again["delivery"]["branch"]):
        assert _commit(path, f"{branch}:moved") == _commit(path / "sub", "origin/older")
        assert _commit(path, f"{branch}:o") == _commit(other, "HEAD")
        assert "Epw-Submodules" not in sh(path, "git", "log", branch)


@pytest.mark.parametrize(
    ("run", "status"),
    [
        ("git rm -q sub", [" M .gitmodules", "D  sub"]),
        ("mkdir lib; git mv sub lib/sub", ["M  .gitmodules", "R  sub -> lib/sub"]),
        ("mkdir lib; git mv sub lib/sub; echo 1 > lib/sub/new", ["M  .gitmodules", "RM sub -> lib/sub"]),
        ("git -C sub checkout -q origin/older", [" M sub"]),
        (f"{ADD} $OTHER o", ["M  .gitmodules", "A  o"]),
        ("echo 1 > sub/new", [" M sub"]),
    ],
)
async def test_apply_leaves_the_index_alone_and_says_what_completes_it(
    harness: Harness, tmp_path: Path, path: Path, other: Path, run: str, status: list[str]
) -> None:
    index = (path / ".git/index").read_bytes()
    plan = {"deliver": "apply", "sandbox": "none"}
    document = await _run(harness, path, {"id": "a", "run": run.replace("$OTHER", str(other))}, **plan)
    assert document["status"] == "succeeded", document
    assert (path / ".git/index").read_bytes() == index
    for command in document["delivery"]["finishWith"]:
        sh(path, "bash", "-c", command)
    assert sorted(sh(path, "git", "status", "--porcelain").splitlines()) == sorted(status)
    # As the agent had it, when all of it is committed.
    sh(path, "git", "add", "--all")
    sh(path, "git", "submodule", "--quiet", "init")
    assert {line[0] for line in sh(path, "git", "submodule", "status").splitlines()} <= {" "}


@pytest.mark.parametrize(
    "step",
    [
        "save.committed",
        *(pytest.param(each, marks=pytest.mark.slow) for each in ("run.ended", "land.moved", "deliver.done")),
    ],
)
async def test_a_killed_worker_costs_no_pointer(site: Site, tmp_path: Path, path: Path, other: Path, step: str) -> None:
    run = (
        f"git mv sub moved; git -C moved checkout -q origin/older; echo 1 > moved/new; {ADD} {other} o; cat >/dev/null"
    )
    rows = tasks({"id": "a", "run": run}, {"id": "b", "run": "echo 2 > moved/newer", "dependsOn": ["a"]})
    plan = {"workspace": str(path), "sandbox": "none", "tasks": rows}
    document = await site.run(plan, f"killed-{step}-{tmp_path.name}", [site.ask(step, kill=["worker"])])
    assert document["status"] == "succeeded", document
    branch = document["delivery"]["branch"]
    assert _commit(path, f"{branch}:o") == _commit(other, "HEAD")
    pointer = _commit(path, f"{branch}:moved")
    assert _commit(path / "sub", f"{pointer}~2") == _commit(path / "sub", "origin/older")
    assert sh(path / "sub", "git", "ls-tree", "--name-only", pointer).split() == ["new", "newer", "rules.md"]


async def test_a_submodule_without_files_can_be_moved(harness: Harness, path: Path) -> None:
    sh(path, "git", "submodule", "--quiet", "deinit", "--force", "--all")
    document = await _run(harness, path, {"id": "a", "run": "git mv sub moved"})
    branch = document["delivery"]["branch"]
    assert _commit(path, f"{branch}:moved") == _commit(path, "main:sub")
    assert sh(path, "git", "ls-tree", "--name-only", branch).split() == [".gitmodules", "a.txt", "moved"]


async def test_a_submodule_with_one_within_can_be_moved(
    harness: Harness, tmp_path: Path, path: Path, other: Path
) -> None:
    _add(path / "sub", other, "in/other")
    sh(path, "git", "commit", "--quiet", "--all", "--message", "within")
    rows: list[dict[str, Any]] = [
        {"id": "a", "run": "git mv sub moved; echo 1 > moved/in/other/new"},
        {"id": "b", "run": "git -C moved mv in/other far; git mv moved near; echo 2 > near/far/b"},
    ]
    document = await _run(harness, path, rows[0], {**rows[1], "dependsOn": ["a"]})
    assert document["status"] == "succeeded", document
    branch = document["delivery"]["branch"]
    inner = _commit(path / "sub", f"{_commit(path, f'{branch}:near')}:far")
    assert sh(path / "sub/in/other", "git", "ls-tree", "--name-only", inner).split() == [
        ".gitignore",
        "b",
        "new",
        "o.txt",
    ]


async def test_uncommitted_work_in_one_that_no_agent_touches_is_delivered(harness: Harness, path: Path) -> None:
    (path / "sub/mine").write_text("1\n")
    document = await _run(harness, path, {"id": "a", "run": "echo 1 > top"})
    pointer = _commit(path, f"{document['delivery']['branch']}:sub")
    assert sh(path / "sub", "git", "show", f"{pointer}:mine") == "1\n"


@pytest.mark.parametrize("places", [["sub"], ["one", "two", "one/inner"]], ids=len)
async def test_settings_of_repositories_that_an_agent_made_run_nothing(
    harness: Harness, tmp_path: Path, path: Path, places: list[str]
) -> None:
    """git runs itself in a submodule whose pointer is in the index, by that repository's own settings."""
    ran = tmp_path / "ran"
    sh(path, "git", "submodule", "--quiet", "deinit", "--force", "--all")
    hostile = (
        f"; (git clone -q {tmp_path / 'lib'} $place; cd $place; git config filter.x.clean 'touch {ran}; cat';"
        " echo '* filter=x' > .git/info/attributes; cp rules.md again; mv again rules.md)"
    )
    run = "".join(hostile.replace("$place", place) for place in places)
    document = await _run(harness, path, {"id": "a", "run": run.removeprefix("; ")}, sandbox="none")
    assert not ran.exists()
    if places != ["sub"]:
        files = document["results"][0]["filesModified"]
        assert {f"{place}/rules.md" for place in places} <= set(files), document
        assert {each["name"] for each in document["results"][0]["leftBehind"]} == set(places)
