"""A plan's pull request is opened once its branch is delivered, and never costs the delivery."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_pull_requests import GITHUB, calls, remote
from tests.repositories import bare_repository
from tests.site import Site
from tests.support import Harness, failure_type, make_repository, sh, tasks

OPEN = "https://github.com/ada/repo/pull/7"


def forge(folder: Path) -> Path:
    """A `gh` that notes its arguments, and remembers what it has opened."""
    (folder / "bin").mkdir()
    notes, opened, path = folder / "gh.argv", folder / "opened", folder / "bin/gh"
    path.write_text(
        "#!/bin/sh\n"
        f"python3 -c 'import json, sys; print(json.dumps(sys.argv[1:]))' \"$@\" >> {notes}\n"
        f'[ "$2" = create ] && echo {OPEN} > {opened}\n'
        f"cat {opened} 2> /dev/null\nexit 0\n"
    )
    path.chmod(0o755)
    return notes


def plan_of(path: Path, **wish: Any) -> dict[str, Any]:
    rows = tasks({"id": "api", "run": "echo 1 > api.py", "description": "Add users"})
    return {"workspace": str(path), "deliver": "branch", "pullRequest": wish, "tasks": rows}


async def test_it_is_opened_once_also_where_a_worker_dies_of_it(site: Site, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo")
    bare, notes = remote(path, tmp_path, GITHUB), forge(tmp_path)
    (path / ".git/hooks/pre-push").write_text(f"#!/bin/sh\necho pushed >> {tmp_path}/pushes\n")
    (path / ".git/hooks/pre-push").chmod(0o755)
    there = replace(site, cli=replace(site.cli, environment={"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}))
    killed = there.ask("pull-request.opened", kill=["worker"])
    wish = {"title": "Users", "draft": True, "reviewers": ["eve", "team/bob"]}
    desktop = tmp_path / "bin/notify-send"
    desktop.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/shown\n')
    desktop.chmod(0o755)
    plan = {**plan_of(path, **wish), "notify": [{"on": ["ended"], "desktop": True}]}
    document = await there.run(plan, "with-pr", [killed])
    assert document["status"] == "succeeded", document
    assert document["delivery"]["pullRequest"] == {"url": OPEN, "state": "draft"}
    branch = "refs/heads/epw/with-pr"
    assert sh(bare, "git", "rev-parse", branch) == sh(path, "git", "rev-parse", branch)
    assert (tmp_path / "pushes").read_text().split()[0] == "pushed", "by the user's git, with their hooks"
    asked = [argv for argv in calls(notes) if argv[0] == "pr"]
    assert [argv[1] for argv in asked] == ["create", "list"]
    # The desktop of the worker is told by what is on its PATH too.
    assert (tmp_path / "shown").read_text().splitlines()[:3] == ["--app-name=epw", "--", "with-pr: succeeded"]
    (created, listed) = asked
    assert created[:8] == ["pr", "create", "--repo", "github.com/ada/repo", "--head", "epw/with-pr", "--base", "main"]
    assert created[created.index("--title") + 1] == "Users"
    assert created[-5:] == ["--draft", "--reviewer", "eve", "--reviewer", "team/bob"]
    assert "Add users" in Path(created[created.index("--body-file") + 1]).read_text()
    assert listed[:6] == ["pr", "list", "--repo", "github.com/ada/repo", "--head", "epw/with-pr"]


async def test_without_a_program_of_the_forge_the_result_has_its_page(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo")
    bare = remote(path, tmp_path, GITHUB)
    document = await harness.run(plan_of(path))
    branch = document["delivery"]["branch"]
    page = f"https://github.com/ada/repo/compare/main...{branch}?expand=1&title=Add+users"
    assert document["delivery"]["pullRequest"] == {"url": page, "state": "manual"}
    assert document["delivery"]["warnings"] == []
    assert sh(bare, "git", "branch", "--format=%(refname:short)").split() == [branch]


async def test_a_push_that_is_refused_is_a_warning(
    harness: Harness, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = make_repository(tmp_path / "repo")
    bare = remote(path, tmp_path, GITHUB)
    (bare / "hooks/pre-receive").write_text(f"#!/bin/sh\necho >> {tmp_path}/tries; echo no such luck >&2; exit 1\n")
    (bare / "hooks/pre-receive").chmod(0o755)
    document = await harness.run(plan_of(path))
    delivery = document["delivery"]
    assert (document["status"], delivery["pullRequest"]) == ("succeeded", {"url": None, "state": "failed"})
    assert "no such luck" in delivery["warnings"][0]
    assert not [record for record in caplog.records if record.exc_info], "a sentence is enough"
    assert delivery["finishWith"] == [f"epw pr {document['executionId']}"]
    assert sh(path, "git", "rev-parse", delivery["branch"]).strip() == delivery["head"]
    assert len((tmp_path / "tries").read_text().splitlines()) == 3


async def test_nothing_runs_where_it_could_go_nowhere(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo")
    (tmp_path / "plain").mkdir()
    async with harness.working():
        for workspace in (path, tmp_path / "plain"):
            plan = plan_of(workspace) if workspace == path else {**plan_of(workspace), "deliver": None}
            handle = await harness.start(plan)
            assert await failure_type(handle) == "InvalidPlan"


async def test_of_a_git_url_it_joins_the_branch_that_it_began_from(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare, notes, ssh = bare_repository(tmp_path, {"x": "1\n"}), forge(tmp_path), tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\nfor last; do :; done\nexec "${{last%% *}}" {bare}\n')
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("GIT_SSH_COMMAND", str(ssh))
    document = await harness.run({**plan_of(Path(), title="Users"), "workspace": GITHUB, "deliver": "push"})
    assert document["delivery"]["pullRequest"] == {"url": OPEN, "state": "open"}
    branch = document["delivery"]["branch"]
    assert sh(bare, "git", "show", f"{branch}:api.py") == "1\n"
    (created,) = [argv for argv in calls(notes) if argv[:2] == ["pr", "create"]]
    assert created[2:8] == ["--repo", "github.com/ada/repo", "--head", branch, "--base", "main"]
