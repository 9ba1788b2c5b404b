"""`pr` pushes by the user's git to a real remote, and opens a pull request by the program of its forge."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from activities.forges.forges import PullRequest, PullRequestTexts, WebRepository, forge_of
from tests.command_line import Cli, line_with, stop
from tests.support import make_repository, sh, tasks

GITHUB = "git@github.com:ada/repo.git"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Iterator[Cli]:
    cli = Cli(tmp_path_factory.mktemp("pr") / "home", temporal_binary)
    process = cli.popen("up")
    line_with(process, "task queue")
    yield cli
    stop(process)


@pytest.fixture(scope="module")
def repository(up: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with a delivered branch `epw/done`."""
    path = make_repository(tmp_path_factory.mktemp("work") / "repo")
    rows = tasks(
        {"id": "api", "run": "echo 1 > api.py", "description": "Add <b>users</b> for @ada, fixes #12"},
        {"id": "ui", "run": "echo 1 > ui.py", "dependsOn": ["api"]},
    )
    up.execute(up.plan({"workspace": str(path), "tasks": rows, "verify": "test -e api.py"}), "done")
    return path


def remote(repository: Path, tmp_path: Path, url: str, name: str = "origin") -> Path:
    """A bare repository behind a URL of a forge, reached by an `ssh` that stays on this machine."""
    bare = tmp_path / f"{name}.git"
    sh(tmp_path, "git", "init", "--quiet", "--bare", str(bare))
    sh(repository, "git", "config", "--replace-all", f"remote.{name}.url", url)
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\nfor last; do :; done\nexec "${{last%% *}}" {bare}\n')
    ssh.chmod(0o755)
    sh(repository, "git", "config", "core.sshCommand", str(ssh))
    return bare


def program(tmp_path: Path, name: str, *, logged_in: bool = True, says: str = "", code: int = 0) -> Path:
    """A program of a forge that notes its arguments, one JSON array a line."""
    folder, notes = tmp_path / "bin", tmp_path / f"{name}.argv"
    folder.mkdir(exist_ok=True)
    path = folder / name
    note = "import json, sys; print(json.dumps(sys.argv[1:]))"
    path.write_text(
        f"#!/bin/sh\npython3 -c '{note}' \"$@\" >> {notes}\n"
        f'[ "$1" = auth ] && exit {0 if logged_in else 1}\nprintf "%s\\n" "{says}"\nexit {code}\n'
    )
    path.chmod(0o755)
    return notes


def beside(up: Cli, tmp_path: Path) -> Cli:
    (tmp_path / "bin").mkdir(exist_ok=True)
    return Cli(up.home, up.temporal, {"PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"})


def calls(notes: Path) -> list[list[str]]:
    return [json.loads(line) for line in notes.read_text().splitlines()]


def test_github_is_asked_by_gh(up: Cli, repository: Path, tmp_path: Path) -> None:
    bare = remote(repository, tmp_path, GITHUB)
    notes = program(tmp_path, "gh", says="https://github.com/ada/repo/pull/7")
    document = beside(up, tmp_path).json("pr", "done", "--draft", "--reviewer", "eve", "--reviewer", "bob")
    assert document["pullRequest"] == "https://github.com/ada/repo/pull/7"
    assert (document["pushed"], document["created"], document["forge"]) == (True, True, "GitHub")
    branch = "refs/heads/epw/done"
    assert sh(bare, "git", "rev-parse", branch) == sh(repository, "git", "rev-parse", branch)
    argv = calls(notes)[-1]
    assert argv[:8] == ["pr", "create", "--repo", "github.com/ada/repo", "--head", "epw/done", "--base", "main"]
    assert argv[argv.index("--title") + 1] == document["title"] == "Add <b>users</b> for @ada, fixes #12 and 1 more"
    assert argv[-5:] == ["--draft", "--reviewer", "eve", "--reviewer", "bob"]
    body = Path(argv[argv.index("--body-file") + 1]).read_text()
    assert "Verified by `test -e api.py`." in body
    assert "api.py" in body
    # What an agent or a plan says mentions nobody, closes nothing and is no markup.
    assert "@ada" not in body
    assert "#12" not in body
    assert "<b>" not in body


def test_a_pull_request_that_is_open_is_found(up: Cli, repository: Path, tmp_path: Path) -> None:
    remote(repository, tmp_path, GITHUB)
    words = "a pull request for branch epw/done already exists: https://github.com/ada/repo/pull/7"
    program(tmp_path, "gh", says=words, code=1)
    document = beside(up, tmp_path).json("pr", "done")
    assert (document["created"], document["pullRequest"]) == (False, "https://github.com/ada/repo/pull/7")
    assert "open already" in beside(up, tmp_path)("pr", "done").stdout


def test_gitlab_is_asked_by_glab_also_on_a_host_of_its_own(up: Cli, repository: Path, tmp_path: Path) -> None:
    remote(repository, tmp_path, "ssh://git@code.example.org:2222/team/sub/repo.git")
    notes = program(tmp_path, "glab", says="https://code.example.org/team/sub/repo/-/merge_requests/3")
    document = beside(up, tmp_path).json("pr", "done", "--title", "Users")
    assert document["pullRequest"] == "https://code.example.org/team/sub/repo/-/merge_requests/3"
    argv = calls(notes)[-1]
    assert argv[:4] == ["mr", "create", "--repo", "https://code.example.org/team/sub/repo"]
    assert argv[argv.index("--source-branch") + 1] == "epw/done"
    assert argv[argv.index("--title") + 1] == "Users"
    assert "## Tasks" in argv[argv.index("--description") + 1]


def test_without_a_program_that_is_logged_in_the_page_is_printed(up: Cli, repository: Path, tmp_path: Path) -> None:
    bare = remote(repository, tmp_path, GITHUB)
    notes = program(tmp_path, "gh", logged_in=False)
    said = beside(up, tmp_path)("pr", "done").stdout
    assert "https://github.com/ada/repo/compare/main...epw/done?expand=1" in said
    assert sh(bare, "git", "branch", "--list", "--format=%(refname)").strip() == "refs/heads/epw/done"
    assert {argv[0] for argv in calls(notes)} == {"auth"}
    (file,) = [line.split(": ")[1] for line in said.splitlines() if line.startswith("its text")]
    assert "## Tasks" in Path(file).read_text()


def test_a_dry_run_pushes_and_opens_nothing(up: Cli, repository: Path, tmp_path: Path) -> None:
    bare = remote(repository, tmp_path, GITHUB)
    notes = program(tmp_path, "gh")
    document = beside(up, tmp_path).json("pr", "done", "--dry-run")
    assert (document["pushed"], document["created"]) == (False, False)
    assert [each.split()[0] for each in document["commands"]] == ["git", "gh"]
    assert document["body"] == up("report", "done", "--markdown").stdout
    assert "## Tasks" in document["body"]
    assert "\u200b" in document["body"], "nobody is mentioned"
    printed = beside(up, tmp_path)("pr", "done", "--dry-run").stdout
    assert "\u200b" not in printed
    assert r"\x200b" not in printed
    assert sh(bare, "git", "branch") == ""
    assert {argv[0] for argv in calls(notes)} == {"auth"}


def test_a_push_that_is_refused_opens_nothing(up: Cli, repository: Path, tmp_path: Path) -> None:
    bare = remote(repository, tmp_path, GITHUB)
    (bare / "hooks/pre-receive").write_text("#!/bin/sh\nexit 1\n")
    (bare / "hooks/pre-receive").chmod(0o755)
    notes = program(tmp_path, "gh")
    document = beside(up, tmp_path).json("pr", "done", code=1)
    assert (document["success"], document["pushed"]) == (False, False)
    assert {argv[0] for argv in calls(notes)} == {"auth"}


def test_a_problem_of_the_program_is_told(up: Cli, repository: Path, tmp_path: Path) -> None:
    remote(repository, tmp_path, GITHUB)
    program(tmp_path, "gh", says="HTTP 403: Forbidden", code=1)
    done = beside(up, tmp_path)("pr", "done", code=1)
    assert "gh opened none: HTTP 403: Forbidden" in done.stderr
    assert "pushed: epw/done to origin" in done.stdout
    assert "compare/main...epw/done" in done.stdout


def test_the_remote_is_that_of_git_push_or_the_one_that_is_named(up: Cli, repository: Path, tmp_path: Path) -> None:
    remote(repository, tmp_path, "git@github.com:upstream/repo.git")
    mine = remote(repository, tmp_path, "git@github.com:ada/repo.git", "mine")
    notes = program(tmp_path, "gh", says="https://github.com/upstream/repo/pull/1")
    sh(repository, "git", "config", "branch.main.remote", "origin")
    sh(repository, "git", "config", "branch.main.merge", "refs/heads/trunk")
    sh(repository, "git", "config", "remote.pushDefault", "mine")
    document = beside(up, tmp_path).json("pr", "done")
    assert (document["remote"], document["base"]) == ("mine", "trunk")
    assert "epw/done" in sh(mine, "git", "branch")
    argv = calls(notes)[-1]
    assert argv[argv.index("--repo") + 1] == "github.com/upstream/repo"
    assert argv[argv.index("--head") + 1] == "ada:epw/done"
    assert "one of mine, origin" in beside(up, tmp_path)("pr", "done", "--remote", "no", code=2).stderr
    for name in ("branch.main.remote", "branch.main.merge", "remote.pushDefault"):
        sh(repository, "git", "config", "--unset", name)
    sh(repository, "git", "remote", "remove", "mine")


def test_a_remote_that_is_a_path_is_pushed_to(up: Cli, repository: Path, tmp_path: Path) -> None:
    bare = remote(repository, tmp_path, str(tmp_path / "origin.git"))
    document = beside(up, tmp_path).json("pr", "done")
    assert (document["pushed"], document["comparePage"], document["forge"]) == (True, None, None)
    assert "epw/done" in sh(bare, "git", "branch")


@pytest.mark.parametrize(
    ("url", "page"),
    [
        ("https://ada:secret@github.com/ada/repo.git", "https://github.com/ada/repo/compare/main...epw/x?expand=1&title=T"),
        ("git@github.example.org:ada/repo", "https://github.example.org/ada/repo/compare/main...epw/x?expand=1&title=T"),
        (
            "ssh://git@gitlab.com:22/a/b/c.git",
            "https://gitlab.com/a/b/c/-/merge_requests/new?merge_request%5Bsource_branch%5D=epw%2Fx"
            "&merge_request%5Btarget_branch%5D=main&merge_request%5Btitle%5D=T",
        ),
        ("git@bitbucket.org:a/b.git", "https://bitbucket.org/a/b/pull-requests/new?source=epw%2Fx&dest=main"),
        ("https://codeberg.org/a/b", "https://codeberg.org/a/b/compare/main...epw/x"),
        ("http://git.home:3000/a/b.git", "http://git.home:3000/a/b/compare/main...epw/x"),
    ],
)  # fmt: skip
def test_the_page_has_the_form_of_its_forge(url: str, page: str) -> None:
    repository = WebRepository.of(url)
    assert repository is not None
    request = PullRequest(repository, repository, "main", PullRequestTexts("epw/x", "T", "", ""))
    assert forge_of(repository.host, lambda program, host: False).page(request) == page


@pytest.mark.parametrize("url", ["/srv/repo.git", "../repo.git", "file:///srv/repo.git", ""])
def test_a_path_is_no_forge(url: str) -> None:
    assert WebRepository.of(url) is None


def test_a_branch_that_adds_a_secret_is_pushed_only_by_a_person_who_says_so(up: Cli, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", {".gitignore": ".env\n"})
    (path / ".env").write_text("KEY=1\n")
    bare = remote(path, tmp_path, GITHUB)
    # A later commit that removes it would leave it in the history that is pushed.
    add = "git add -f .env; git commit -qm env; git rm -q --cached .env; git commit -qm 'no env'; echo 1 > api.py"
    rows = tasks({"id": "api", "run": add})
    plan = {"workspace": str(path), "include": [".env"], "commits": "keep", "pullRequest": {}, "tasks": rows}
    delivery = json.loads(up.execute(up.plan(plan), "leaks", "--json").stdout)["delivery"]
    assert delivery["pullRequest"] == {"url": None, "state": "failed"}
    assert any("not pushed: its commits add .env" in each for each in delivery["warnings"])
    assert any("`epw pr leaks --publish-secrets`" in each for each in delivery["warnings"])
    refused = beside(up, tmp_path)("pr", "leaks", code=2)
    assert "epw/leaks is not pushed: its commits add .env" in refused.stderr
    assert sh(bare, "git", "branch") == ""
    assert beside(up, tmp_path).json("pr", "leaks", "--publish-secrets")["pushed"]
