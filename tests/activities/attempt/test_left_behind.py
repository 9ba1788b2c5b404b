"""Leftovers: what an agent does with its own git is in the result, or is named there and can be got back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from activities.git.hub import Hub
from activities.state.state_directory import StateDirectory
from tests.activities.git.test_filters import clear_text, filtered_repository
from tests.command_line import Cli
from tests.support import Harness, ended, make_repository, sh, tasks

ONE = "echo 1 > one; git add one; git commit -qm one"
FILES = {"a": "1\n", ".gitignore": "dist/\n*.log\n", "kept.log": "x\n"}


def _repository(path: Path) -> Path:
    make_repository(path, FILES)
    sh(path, "git", "add", "--force", "kept.log")
    sh(path, "git", "commit", "--quiet", "--amend", "--no-edit")
    sh(path, "git", "branch", "other")
    return path


async def _row(harness: Harness, path: Path, run: str, **plan: Any) -> dict[str, Any]:
    row = {"id": "t", "run": f"git status -s > /dev/null; {run}"}
    document = await harness.run({"workspace": str(path), "strategy": "aggressive", **plan, "tasks": tasks(row)})
    found: dict[str, Any] = document["results"][0]
    return found


@pytest.mark.parametrize(
    ("kind", "name", "run"),
    [
        ("branch", "side/x", f"git checkout -qb side/x; {ONE}; git checkout -q -"),
        ("branch", "other", f"git checkout -q other; {ONE}; git checkout -q -"),
        ("branch", "main", f"{ONE}; git checkout -q --detach HEAD~1"),
        ("stash", "stash", "echo 2 > one; git add one; git stash -q"),
        ("tag", "v9", f"{ONE}; git tag v9; git reset -q --hard HEAD~1"),
        (
            "rebase",
            "rebase",
            "git checkout -qb x; echo 2 > a; git commit -qam x; git checkout -q main; echo 3 > a; git commit -qam y;"
            " git checkout -q x; git rebase -q main || git update-ref -d refs/heads/x; git checkout -q -f main",
        ),
    ],
)
async def test_commits_that_are_in_no_file_are_named_and_kept(
    harness: Harness, tmp_path: Path, kind: str, name: str, run: str
) -> None:
    path = _repository(tmp_path / "repo")
    row = await _row(harness, path, run)
    assert row["status"] == "succeeded", row
    assert [(each["kind"], each["name"]) for each in row["leftBehind"]] == [(kind, name)]
    assert row["leftBehind"][0]["files"] == (["one"] if kind != "rebase" else ["a"])
    assert f"left behind, not landed: {kind} {name}" in row["warnings"]
    hub = Hub(StateDirectory(harness.home).hub(str(path)))
    commit = row["leftBehind"][0]["commit"]
    assert sh(hub.path, "git", "show", "--name-only", "--format=", commit).split() == row["leftBehind"][0]["files"]
    assert "missing" not in sh(hub.path, "git", "fsck", "--full", "--strict")


async def test_a_secret_in_names_and_messages_of_an_agent_s_git_is_redacted(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "s3cret-value")
    path = _repository(tmp_path / "repo")
    aside = f'git checkout -qb "br-$CANARY"; {ONE}; git commit --allow-empty -qm "by $CANARY"; git checkout -q main'
    tag = 'echo 3 > three; git add three; git commit -qm three; git tag "v-$CANARY"; git reset -q --hard HEAD~1'
    stash = 'echo 4 > four; git add four; git stash push -qm "with $CANARY"'
    lands = 'echo 5 > five; git add five; git commit -qm "lands $CANARY"'
    row = {"id": "t", "run": "; ".join((aside, tag, stash, lands))}
    plan = {"workspace": str(path), "commits": "keep", "passEnv": ["CANARY"], "tasks": tasks(row)}
    async with harness.working():
        handle = await harness.start(plan)
        await ended(handle)
        history = (await handle.fetch_history()).to_json()
        document = await harness.document(handle)
    (result,) = document["results"]
    assert {each["name"] for each in result["leftBehind"]} == {"br-[CANARY]", "v-[CANARY]", "stash"}
    assert any("land as one: the message of one of them holds a secret" in each for each in result["warnings"])
    hub = Hub(StateDirectory(harness.home).hub(str(path)))
    kept = [sh(hub.path, "git", "show", "-s", "--format=%B", each["commit"]) for each in result["leftBehind"]]
    landed = sh(path, "git", "log", "--format=%B", document["delivery"]["branch"])
    assert "s3cret-value" not in "".join((json.dumps(document), history, landed, *kept))


async def test_what_was_committed_on_the_way_to_head_lands_and_is_not_named(harness: Harness, tmp_path: Path) -> None:
    path = _repository(tmp_path / "repo")
    run = "git checkout -qb x; echo 1 > one; git add one; git commit -qm one; git checkout -qb y; git branch -q z"
    row = await _row(harness, path, run)
    assert (row["filesModified"], row["leftBehind"], row.get("warnings", [])) == (["one"], [], [])


@pytest.mark.parametrize("commits", ["git commit -qm dist", "true"])
async def test_an_ignored_file_that_was_added_by_force_lands(harness: Harness, tmp_path: Path, commits: str) -> None:
    path = _repository(tmp_path / "repo")
    odd = "mkdir dist; echo 1 > dist/a.js; echo 2 > dist/b.js; echo 3 > 'dist/[a]*.js'"
    row = await _row(harness, path, f"{odd}; git add -f 'dist/[[]a]*' dist/a.js; {commits}")
    assert row["filesModified"] == ["dist/[a]*.js", "dist/a.js"]


async def test_a_file_that_was_committed_not_to_be_tracked_any_more_goes_and_no_other(
    harness: Harness, tmp_path: Path
) -> None:
    path = _repository(tmp_path / "repo")
    row = await _row(harness, path, "git rm -q --cached kept.log; git commit -qm 'not tracked'; test -e kept.log")
    assert [(each["file"], each["type"]) for each in row["changes"]] == [("kept.log", "delete")]
    for run in ("rm -rf .git; git init -q .", "rm .git/index", "echo x > .git/index", "git rm -q --cached kept.log"):
        assert (await _row(harness, path, f"{run}; echo 2 > a"))["filesModified"] == ["a"], run


@pytest.mark.parametrize(
    "run",
    [
        "rm -rf .git; ln -s {secret}/.git .git",
        "rm -rf .git/objects; ln -s {secret}/.git/objects .git/objects; git update-ref refs/heads/x {commit}",
        "echo {secret}/.git/objects >> .git/objects/info/alternates; git update-ref refs/heads/x {commit}",
        "rm -rf .git/refs; ln -s {secret}/.git/refs .git/refs",
        "rm .git/HEAD; mkfifo .git/HEAD; mkfifo .git/refs/heads/x; ln -sf {secret}/.git/HEAD .git/packed-refs",
    ],
)
async def test_a_repository_that_is_not_the_agent_s_is_not_brought_in(
    harness: Harness, tmp_path: Path, run: str
) -> None:
    path, secret = _repository(tmp_path / "repo"), make_repository(tmp_path / "secret", {"secret": "canary\n"})
    commit = sh(secret, "git", "rev-parse", "HEAD").strip()
    told = run.format(secret=secret, commit=commit)
    row = await _row(harness, path, f"{told}; echo 2 > a", sandbox="process")
    assert row["filesModified"] == ["a"]
    hub = Hub(StateDirectory(harness.home).hub(str(path)))
    assert hub.resolve(commit) is None


async def test_what_is_its_own_is_kept_whatever_else_it_borrows(harness: Harness, tmp_path: Path) -> None:
    path = _repository(tmp_path / "repo")
    run = f"echo /nowhere >> .git/objects/info/alternates; git checkout -qb side; {ONE}; git checkout -q -"
    row = await _row(harness, path, run)
    assert [(each["kind"], each["name"], each["files"]) for each in row["leftBehind"]] == [("branch", "side", ["one"])]


async def test_nothing_that_the_agent_configured_runs(harness: Harness, tmp_path: Path) -> None:
    path, ran = _repository(tmp_path / "repo"), tmp_path / "ran"
    trap = f"printf '#!/bin/sh\\ntouch {ran}\\n' > trap; chmod +x trap; "
    trap += "".join(
        f'git config {key} "$PWD/trap"; '
        for key in ("core.fsmonitor", "uploadpack.packObjectsHook", "core.sshCommand", "gpg.program", "core.pager")
    )
    trap += "echo 1 > one; git stash -qu || true; git branch side; rm -f " + str(ran)
    row = await _row(harness, path, trap)
    assert row["status"] == "succeeded"
    assert not ran.exists()


@pytest.mark.parametrize("setup", [None, "mkdir -p dist; echo old > dist/old"])
async def test_a_task_that_made_only_what_is_ignored_says_so(
    harness: Harness, tmp_path: Path, setup: str | None
) -> None:
    path = _repository(tmp_path / "repo")
    more = {} if setup is None else {"setup": setup}
    row = await _row(harness, path, "mkdir -p dist; head -c 2000000 /dev/zero > dist/a; echo 1 > b.log", **more)
    (warning,) = row["warnings"]
    made = "b.log (0.0 MB)" if setup else "b.log (0.0 MB), dist/ (2.0 MB)"
    assert warning == f"only what git ignores was made, and does not land: {made}"
    assert row.get("commit") is None
    assert "warnings" not in await _row(harness, path, "true", **more)
    assert "warnings" not in await _row(harness, path, "mkdir -p dist; echo 1 > dist/a; echo 2 > a", **more)


async def test_a_mode_and_a_link_are_among_the_changes(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", {"a": "1\n", "b": "2\n", "c": "3\n"})
    row = await _row(harness, path, "chmod +x a; rm b; ln -s a b; echo 4 > c")
    modes = {each["file"]: each.get("mode") for each in row["changes"]}
    assert modes == {"a": "100644 → 100755", "b": "100644 → 120000", "c": None}


def test_salvage_has_it_and_gc_keeps_it(tmp_path: Path, temporal_binary: str) -> None:
    path, cli = _repository(tmp_path / "repo"), Cli(tmp_path / "home", temporal_binary)
    run = "git checkout -qb side; echo 1 > one; git add one; git commit -qm first; git checkout -q -"
    plan = {"workspace": str(path), "tasks": tasks({"id": "t", "run": run})}
    document = cli.json("run", cli.plan(plan))
    (row,) = cli.json("salvage", document["executionId"], "--patches", str(tmp_path / "patches"))
    assert row["leftBehind"] is True
    assert row["files"] == ["one"]
    assert "left behind, branch side: first" in cli("salvage", document["executionId"]).stdout
    sh(path, "git", "apply", row["patch"])
    assert (path / "one").read_text() == "1\n"
    kept = json.dumps(cli.json("gc", "--dry-run"))
    assert "exists nowhere else" in kept


@pytest.mark.parametrize("how", ["merge", "rebase"])
async def test_conflict_markers_of_an_unfinished_merge_do_not_land(harness: Harness, tmp_path: Path, how: str) -> None:
    path = _repository(tmp_path / "repo")
    run = (
        "echo x > a; git commit -qam x; git checkout -qb side HEAD~1; echo y > a; git commit -qam y;"
        f" git checkout -q main; git {how} side || true; grep -q '<<<<' a"
    )
    row = await _row(harness, path, run)
    assert row["error"]["type"] == "UnfinishedMerge"
    assert "a holds the conflict markers" in row["error"]["message"]
    assert row["error"]["recoveryOptions"]
    solved = await _row(harness, path, f"{run}; echo z > a; git add a")
    assert solved["status"] == "succeeded", solved


async def test_work_beside_an_unfinished_merge_is_saved_and_what_is_elsewhere_is_named(
    harness: Harness, tmp_path: Path
) -> None:
    path = _repository(tmp_path / "repo")
    run = (
        "echo 1 > early; git add early; git commit -qm early; echo x > a; git commit -qam x;"
        " git checkout -qb side HEAD~1; echo y > a; echo 2 > late; git add late; git commit -qam y;"
        " git merge -q main || true; echo 3 > loose; grep -q '<<<<' a"
    )
    row = await _row(harness, path, run)
    assert row["error"]["type"] == "UnfinishedMerge"
    assert row["filesModified"] == ["a", "early", "late", "loose"]
    assert row["landed"] is False
    assert ("branch", "main") in [(each["kind"], each["name"]) for each in row["leftBehind"]]
    assert "<<<<<<< " in sh(Hub(StateDirectory(harness.home).hub(str(path))).path, "git", "show", f"{row['commit']}:a")


@pytest.mark.parametrize(
    "run",
    ["git switch -q old", "git reset -q --hard HEAD~1; git commit -q --allow-empty -m x", "git switch -q --orphan o"],
)
async def test_a_head_that_does_not_go_on_from_the_start_is_named(harness: Harness, tmp_path: Path, run: str) -> None:
    path = _repository(tmp_path / "repo")
    sh(path, "git", "branch", "old")
    (path / "later").write_text("1\n")
    sh(path, "git", "add", "--all")
    sh(path, "git", "commit", "--quiet", "--message", "later")
    row = await _row(harness, path, run)
    assert "later" in row["filesModified"]
    assert any("does not go on from the start" in warning for warning in row["warnings"])


@pytest.mark.parametrize("run", ["git clone -q . cl", "git init -q cl; cd cl; echo 1 > x; git add x; git commit -qm x"])
async def test_a_repository_that_it_made_within_is_named(harness: Harness, tmp_path: Path, run: str) -> None:
    row = await _row(harness, _repository(tmp_path / "repo"), run)
    assert "left behind, not landed: repository within cl" in row["warnings"]


@pytest.mark.parametrize(
    "deed", ["git commit -q --amend -m Amended", "git checkout -q --orphan new; git commit -qm New"]
)
async def test_a_head_that_does_not_go_on_is_kept_and_named(harness: Harness, tmp_path: Path, deed: str) -> None:
    path = make_repository(tmp_path / "repo")
    row = {"id": "a", "run": f"echo 1 > one; git add one; {deed}"}
    document = await harness.run({"workspace": str(path), "tasks": tasks(row)})
    left = document["results"][0]["leftBehind"]
    assert [each["kind"] for each in left] == ["HEAD", "branch"]
    assert left[1]["commit"]


async def test_what_is_in_clear_on_another_branch_is_named_and_not_kept(harness: Harness, tmp_path: Path) -> None:
    path = filtered_repository(tmp_path / "repo", "crypt")
    off = "git config filter.git-crypt.clean cat; git config filter.git-crypt.required false"
    run = f"git checkout -q -b side; {off}; echo 'new swordfish' > new.secret; git add -A; git commit -qm clear"
    row = {"id": "a", "run": f"{run}; git checkout -q -f main; echo 1 > one"}
    document = await harness.run({"workspace": str(path), "tasks": tasks(row)})
    (left,) = document["results"][0]["leftBehind"]
    assert ".secret is in clear there" in left["name"]
    assert clear_text(harness.home) == []
