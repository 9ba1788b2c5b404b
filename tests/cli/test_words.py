"""Tasks in words, the project's plan, and commands in a folder within a repository."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from epw.cli.plain_command import placed, set_apart
from epw.client.words_plan import words_plan
from epw.core.errors import InvalidRequest
from tests import forked
from tests.messages_api import Turn
from tests.scripted import Claude
from tests.support import make_repository, sh

Run = Callable[..., "subprocess.CompletedProcess[str]"]
PLAN = "workspace: .\ntasks:\n  - id: a\n    description: d\n    run: ls > seen.txt\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    found = make_repository(tmp_path / "repo", {"app/core/x.txt": "x\n"})
    (found / "app/core").mkdir(parents=True, exist_ok=True)
    return found


@pytest.fixture
def epw(tmp_path: Path, temporal_binary: str) -> Run:
    """Run a command in a directory."""

    def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "EPW_TEMPORAL": temporal_binary, **variables}
        return subprocess.run(
            [*forked.program(), *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (["a b", "c d", "--after", "1"], ["a b", "c d", "--after=2:1"]),
        (["--id", "x", "a b", "--json", "c d", "--after=1"], ["--id", "x", "a b", "--json", "c d", "--after=2:1"]),
        (["a b", "--after", "1", "--", "--after"], ["a b", "--after=1:1", "--", "--after"]),
        (["-", "--after"], ["-", "--after=1:"]),
    ],
)
def test_an_option_behind_a_task_says_which_task_that_was(given: list[str], made: list[str]) -> None:
    assert placed(given, {"--id"}) == made


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (["uni", "-dash"], ["--", "uni", "-dash"]),
        (["uni", "-dash", "--id", "-x", "-n3", "-h"], ["--id", "-x", "-n3", "-h", "--", "uni", "-dash"]),
        (["uni", "--", "--dash"], ["--", "uni", "--dash"]),
    ],
)
def test_a_task_whose_id_begins_like_an_option_is_an_argument(given: list[str], made: list[str]) -> None:
    assert set_apart(given, {"--id", "-n"}, ["--id", "-n", "-h"]) == made


def test_words_become_tasks_of_the_repository_that_holds_the_folder(repository: Path) -> None:
    document = words_plan(
        ["Add GET /users", "Add the page", "Test both", "Test both"], ["3:1,2", "3:1"], repository / "app"
    )
    assert document["workspace"] == str(repository)
    assert [(row["id"], row.get("dependsOn")) for row in document["tasks"]] == [
        ("add-get-users", None),
        ("add-the-page", None),
        ("test-both", ["add-get-users", "add-the-page"]),
        ("test-both-4", None),
    ]


@pytest.mark.parametrize("after", ["0:1", "1:1", "1:3", "1:x", "1:"])
def test_an_order_that_names_no_other_task_is_refused(repository: Path, after: str) -> None:
    with pytest.raises(InvalidRequest, match="--after"):
        words_plan(["Add a", "Test a"], [after], repository)


def test_words_outside_of_a_repository_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="git init"):
        words_plan(["Add a"], [], tmp_path)


SLIPS: list[tuple[list[str], str]] = [
    (["run"], "`epw init` writes"),
    (["run", "refactor"], "is no file, and too short"),
    (["run", "nowhere.yaml"], "cannot be read"),
    (["run", "Add a page", "nowhere.yaml"], "nowhere.yaml is a file"),
    (["run", "-f", "plan.yaml", "Add a page"], "--file names the plan"),
    (["run", "--after", "1", "Add a page"], "stands behind a task"),
    (["run", "plan.yaml", "--after", "1"], "--after is for tasks in words"),
    (["run", "--resume", "x", "--agent", "simulated"], "--agent needs a plan file"),
    (["run", "Add a page", "--agent", "claud"], "no agent claud;"),
]


@pytest.mark.parametrize(
    ("arguments", "said"), SLIPS, ids=lambda each: " ".join(each) if isinstance(each, list) else ""
)
def test_a_slip_is_answered_before_anything_runs(epw: Run, repository: Path, arguments: list[str], said: str) -> None:
    done = epw(repository, *arguments)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


async def test_words_run_one_after_the_other_by_an_agent_that_is_set_up(idle_claude: Claude, repository: Path) -> None:
    write = Turn(calls=[("Bash", {"command": "ls *.txt > $EPW_TASK_ID.txt"})])
    idle_claude.script(lambda _, turn, __: write if turn == 0 else Turn(calls=[("finish", {"summary": "written"})]))
    argv = [*forked.program(), "run", "Write one", "Write two", "--after", "1", "--json"]
    done = await asyncio.to_thread(
        partial(
            subprocess.run, argv, cwd=repository / "app", env=idle_claude.site.cli.env, capture_output=True, text=True
        )
    )
    document = json.loads(done.stdout)
    assert document["status"] == "succeeded", document
    assert "agent: claude, which is set up here" in done.stderr
    assert (
        sh(repository, "git", "show", f"{document['delivery']['branch']}:write-two.txt").split()[0] == "write-one.txt"
    )


def test_the_projects_plan_is_found_from_a_folder_within_it(epw: Run, repository: Path) -> None:
    (repository / "epw.yaml").write_text(PLAN)
    done = epw(repository / "app/core", "run")
    assert (done.returncode, f"plan: {repository}/epw.yaml" in done.stderr) == (0, True), done.stderr
    branch = subprocess.run(
        ["git", "branch", "--list", "epw/*", "--format=%(refname:short)"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    shown = subprocess.run(
        ["git", "show", f"{branch}:seen.txt"], cwd=repository, capture_output=True, text=True, check=True
    )
    assert shown.stdout.split() == ["app", "epw.yaml", "seen.txt"]


@pytest.mark.parametrize("arguments", [["doctor", "."], ["merge-check", "HEAD", "HEAD"], ["analyze", "p.yaml"]])
def test_a_command_takes_a_folder_within_a_repository(epw: Run, repository: Path, arguments: list[str]) -> None:
    (repository / "app/core/p.yaml").write_text(PLAN)
    done = epw(repository / "app/core", *arguments)
    assert done.returncode == 0, done.stderr


def test_a_workspace_within_a_repository_stands_for_it_and_says_so(epw: Run, repository: Path) -> None:
    (repository / "app/core/p.yaml").write_text(PLAN)
    done = epw(repository, "run", "app/core/p.yaml", "--json")
    assert (done.returncode, f"the repository that holds {repository}/app/core" in done.stderr) == (0, True), (
        done.stderr
    )


def test_a_plan_is_written_that_runs_as_it_is(epw: Run, repository: Path) -> None:
    (repository / "Makefile").write_text("test:\n\ttest -s epw-files.txt -a -s epw-report.txt -o ! -e epw-report.txt\n")
    made = epw(repository / "app", "init", "--json")
    assert made.returncode == 0, made.stderr
    document = json.loads(made.stdout)
    assert (document["file"], document["verify"]) == (f"{repository}/epw.yaml", "make test")
    done = epw(repository / "app", "run", "--json")
    assert json.loads(done.stdout)["status"] == "succeeded", done.stdout


def test_a_plan_that_is_there_is_not_written_over_but_by_force(epw: Run, repository: Path) -> None:
    (repository / "epw.yml").write_text(PLAN)
    done = epw(repository, "init")
    assert (done.returncode, "--force writes over it" in done.stderr) == (2, True)
    assert (repository / "epw.yml").read_text() == PLAN
    assert epw(repository, "init", "--force", "--agent", "claude").returncode == 0
    assert "\nagent: claude\n" in (repository / "epw.yml").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"), [([], "`git init`"), (["--agent", "claud"], "no agent claud; there are")]
)
def test_init_says_what_it_needs(epw: Run, tmp_path: Path, repository: Path, arguments: list[str], said: str) -> None:
    done = epw(repository if arguments else tmp_path, "init", *arguments)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize("token", ["a" * 40, "abcd", None], ids=["token", "too short to be told as one", "none"])
def test_the_agent_of_a_first_plan_is_a_program_with_a_login(epw: Run, repository: Path, token: str | None) -> None:
    program = repository.parent / "bin/codex"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    if token is not None:
        (repository.parent / ".codex").mkdir()
        (repository.parent / ".codex/auth.json").write_text(json.dumps({"tokens": {"access_token": token}}))
    made = epw(repository, "init", "--json", PATH=f"{program.parent}:{os.environ['PATH']}")
    document = json.loads(made.stdout)
    assert document["agent"] == ("codex" if token else None)
    assert ("codex login" in document["missing"].get("codex", "")) is (token is None)
