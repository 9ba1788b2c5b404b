"""Foreign files by the command line: analysed, imported, run, and ticked where the work is."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import ROOT, Cli, line_with, stop
from tests.messages_api import Turn
from tests.scripted import Claude
from tests.support import fingerprint, make_repository, sh

TASKS = """\
# Tasks: Albums

## Phase 1: Setup

- [x] T001 Create the project
- [ ] T002 [P] Write one
- [ ] T003 [P] Write two

## Phase 2: Story

- [ ] T004 [US1] Write three
"""
PLACE = "specs/001/tasks.md"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Iterator[Cli]:
    cli = Cli(tmp_path_factory.mktemp("importing") / "home", temporal_binary)
    process = cli.popen("up")
    line_with(process, "task queue")
    yield cli
    stop(process)


@pytest.fixture
def cli(tmp_path: Path, temporal_binary: str) -> Cli:
    """Commands that need no server."""
    return Cli(tmp_path / "home", temporal_binary)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", {PLACE: TASKS, "README.md": "hello\n"})


def planned(cli: Cli, file: Path, **more: Any) -> str:
    """The imported plan with a command for each task, as a plan file."""
    plan = cli.json("import", str(file))
    for row in plan["tasks"]:
        row["run"] = f"echo {row['id']} > {row['id']}.txt; test {row['id']} != {more.get('fails')}"
    return cli.plan({**plan, **{name: each for name, each in more.items() if name != "fails"}})


def boxes(text: str) -> list[str]:
    """Ids of the ticked tasks."""
    return [line.split()[2] for line in text.splitlines() if line.startswith("- [x]")]


def test_a_foreign_file_or_its_folder_is_analysed_and_says_what_it_was_taken_for(cli: Cli, repository: Path) -> None:
    for given in (PLACE, str(Path(PLACE).parent)):
        done = cli("analyze", str(repository / given), "--json")
        assert json.loads(done.stdout)["criticalPath"] == ["T002", "T004"]
        assert "tasks.md for a spec-kit tasks.md: 3 tasks in 2 phases" in done.stderr
        assert "left out: 1 done" in done.stderr
        assert f"workspace: {repository}, the repository of the file" in done.stderr


def test_import_writes_a_plan_that_reads_back_the_same(cli: Cli, repository: Path, tmp_path: Path) -> None:
    given = ("import", str(repository / PLACE), "--agent", "simulated", "--strategy", "aggressive", "--max-agents", "2")
    text = cli(*given).stdout
    (tmp_path / "plan.yaml").write_text(text)
    document = cli.json(*given)
    assert document["workspace"] == str(repository)
    assert (document["agent"], document["strategy"], document["maxAgents"]) == ("simulated", "aggressive", 2)
    analysed = cli.json("analyze", str(tmp_path / "plan.yaml"))
    assert analysed["dependencyGraph"]["nodes"].keys() == {"T002", "T003", "T004"}
    elsewhere = cli.json("import", str(repository / PLACE), "--workspace", str(tmp_path))
    assert elsewhere["workspace"] == str(tmp_path)
    assert "is a plan already" in cli("import", str(tmp_path / "plan.yaml"), code=2).stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "spec-kitt"), "did you mean spec-kit?"),
        (("--order", "some"), "--order must be one of: sequence, groups, none"),
        (("--tag", "master"), "--tag has no meaning for a spec-kit tasks.md"),
        (("--agent", "nobody"), "agent: no agent nobody"),
        (("--in-place",), "--in-place needs --tick"),
    ],
)
def test_a_choice_that_makes_no_sense_is_refused(
    cli: Cli, repository: Path, arguments: tuple[str, ...], words: str
) -> None:
    assert words in cli("import", str(repository / PLACE), *arguments, code=2).stderr


def test_a_file_of_no_format_is_told_what_was_looked_for(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Notes\n\nnothing to do\n")
    for command in ("analyze", "import"):
        told = cli(command, str(tmp_path / "notes.md"), code=2).stderr
        assert "is neither a plan nor any of these" in told
        assert "- spec-kit: boxes with numbers" in told
    assert "is a folder with none of: tasks.md" in cli("analyze", str(tmp_path), code=2).stderr


def test_a_list_on_standard_input_is_taken_too(cli: Cli) -> None:
    issues = [{"number": 3, "title": "Fix it", "body": "", "state": "OPEN", "labels": []}]
    document = json.loads(cli("import", "-", "--json", stdin=json.dumps(issues)).stdout)
    assert [row["id"] for row in document["tasks"]] == ["issue-3"]
    document = json.loads(cli("import", "-", "--json", stdin="1. [ ] one\n2. [ ] two\n").stdout)
    assert [row.get("dependsOn") for row in document["tasks"]] == [None, ["one"]]


def test_ticks_travel_with_the_work_and_are_in_the_file_once_it_is_merged(up: Cli, repository: Path) -> None:
    file = repository / PLACE
    up.execute(planned(up, file, strategy="aggressive", fails="T003"), "albums", code=1)
    before = fingerprint(repository, but=(".git/refs/heads/epw", ".git/index"))
    done = up("import", str(file), "--tick", "albums").stdout
    assert "on branch epw/albums" in done
    assert done.strip().endswith(": T002")
    assert fingerprint(repository, but=(".git/refs/heads/epw", ".git/index")) == before
    assert boxes(sh(repository, "git", "show", f"epw/albums:{PLACE}")) == ["T001", "T002"]
    assert sh(repository, "git", "diff", "--name-only", "epw/albums~1", "epw/albums").split() == [PLACE]
    assert sh(repository, "git", "show", "--no-patch", "--format=%an", "epw/albums") == "Ada\n"
    assert "nothing to tick" in up("import", str(file), "--tick", "albums").stdout
    sh(repository, "git", "merge", "--quiet", "epw/albums")
    file.write_text(file.read_text().replace("[x] T002", "[ ] T002"))
    file.chmod(0o640)
    assert "on branch" not in up("import", str(file), "--tick", "albums").stdout
    assert boxes(file.read_text()) == ["T001", "T002"]
    assert file.stat().st_mode & 0o777 == 0o640


def test_the_branch_of_a_plan_that_stands_where_the_page_says_merges(up: Cli, repository: Path) -> None:
    page = (ROOT / "docs/importing.md").read_text()
    (place,) = re.findall(r"^\$ epw import .* > (\S+)$", page, re.MULTILINE)
    (repository / place).write_text(Path(planned(up, repository / PLACE)).read_text())
    up("run", str(repository / place), "--id", "as-the-page-says")
    sh(repository, "git", "merge", "--quiet", "epw/as-the-page-says")
    assert (repository / "T004.txt").read_text() == "T004\n"


def test_a_branch_that_is_checked_out_or_gone_is_left_and_the_file_can_be_ticked_instead(
    up: Cli, repository: Path
) -> None:
    file = repository / PLACE
    up.execute(planned(up, file), "three")
    sh(repository, "git", "worktree", "add", "--quiet", str(repository.parent / "other"), "epw/three")
    assert "is checked out" in up("import", str(file), "--tick", "three", code=2).stderr
    sh(repository, "git", "worktree", "remove", str(repository.parent / "other"))
    sh(repository, "git", "branch", "--quiet", "-D", "epw/three")
    told = up("import", str(file), "--tick", "three", code=2).stderr
    assert "the branch epw/three is gone" in told
    assert "--in-place" in told
    assert file.read_text() == TASKS
    up("import", str(file), "--tick", "three", "--in-place")
    assert boxes(file.read_text()) == ["T001", "T002", "T003", "T004"]


def test_a_task_that_changed_nothing_is_ticked_and_named(up: Cli, repository: Path) -> None:
    file = repository / PLACE
    plan = json.loads(Path(planned(up, file)).read_text())
    plan["tasks"][1]["run"] = "true"
    up.execute(up.plan(plan), "idle")
    told = up("import", str(file), "--tick", "idle").stdout.splitlines()
    assert told[0].endswith(": T002, T003, T004")
    assert told[1:] == ["ticked, though nothing was changed for them: T003"]


def test_what_was_undone_or_is_still_under_way_is_not_ticked(up: Cli, repository: Path) -> None:
    file = repository / PLACE
    up.execute(planned(up, file, fails="T004"), "undone", code=1)
    assert "has delivered nothing" in up("import", str(file), "--tick", "undone", code=2).stderr
    assert up("export", "undone", "--as", "complete-task").stdout == ""
    plan = json.loads(Path(planned(up, file)).read_text())
    plan["tasks"][0]["run"] = "sleep 1000"
    up("start", up.plan(plan), "--id", "waits")
    assert "has not ended" in up("import", str(file), "--tick", "waits", code=2).stderr
    up("cancel", "waits")
    assert file.read_text() == TASKS


async def test_run_ticks_the_file_it_was_given(idle_claude: Claude, repository: Path) -> None:
    """By the default agent, as an imported task has no command."""
    claude = idle_claude
    write = [("Bash", {"command": "echo $EPW_TASK_ID > $EPW_TASK_ID.txt"})]

    def script(name: str, turn: int, request: dict[str, Any]) -> Turn:
        return Turn(calls=write) if turn == 0 else Turn(calls=[("finish", {"summary": f"wrote {name}"})])

    claude.script(script)
    done = await asyncio.to_thread(
        claude.site.cli, "run", str(repository / PLACE), "--tick", "--id", "claude-albums", "--json"
    )
    document = json.loads(done.stdout)
    assert document["status"] == "succeeded", document
    assert "ticked 3 tasks" in done.stderr
    assert boxes(sh(repository, "git", "show", f"{document['delivery']['branch']}:{PLACE}")) == [
        "T001",
        "T002",
        "T003",
        "T004",
    ]
    assert (repository / PLACE).read_text() == TASKS
    calls = await asyncio.to_thread(claude.site.cli.json, "export", "claude-albums", "--as", "complete-task")
    assert [call["arguments"]["notes"] for call in calls] == ["wrote T002", "wrote T003", "wrote T004"]
    assert calls[0]["arguments"]["projectPath"] == str(repository)


def test_the_agent_of_a_plan_or_a_list_can_be_chosen_where_it_is_run(up: Cli, tmp_path: Path) -> None:
    file = tmp_path / "todo.md"
    file.write_text("- [ ] one\n- [ ] two\n")
    without_key = up("run", str(file), code=3).stderr
    assert "agent claude needs ANTHROPIC_API_KEY" in without_key
    assert "`--agent` chooses another" in without_key
    tasks = [
        {"id": "a", "description": "x", "run": "true", "agent": "command"},
        {"id": "b", "description": "y"},
    ]
    plan = {"agent": "claude", "simulation": {"speed": 1_000_000}, "tasks": tasks}
    assert "--agent" not in up("run", up.plan(plan), code=3).stderr
    rows = up.json("run", up.plan(plan), "--agent", "simulated")["results"]
    assert [row.get("simulated", False) for row in rows] == [False, True]
    refused = up("start", up.plan(plan), "--agent", "nobody", code=2).stderr
    assert ("agent: no agent nobody" in refused, "(line" in refused) == (True, False)
    started = up("start", up.plan(plan), "--agent", "simulated", "--id", "chosen").stdout
    assert "succeeded" in up("watch", started.strip()).stdout
    assert "--agent needs a plan file" in up("run", "--resume", "chosen", "--agent", "claude", code=2).stderr


def test_an_unknown_execution_is_told_as_by_other_commands(up: Cli, repository: Path) -> None:
    told = up("import", str(repository / PLACE), "--tick", "nope", code=2).stderr
    assert "no execution 'nope'; " in told
    assert "`epw list` shows those there are" in told


def test_ticks_that_cannot_be_written_are_refused_before_anything_runs(cli: Cli, tmp_path: Path) -> None:
    goals = tmp_path / "goals.json"
    goals.write_text(json.dumps({"goals": [{"id": "a", "name": "A"}]}))
    assert "in which nothing is ticked: `epw export ID" in cli("run", str(goals), "--tick", code=2).stderr
    assert "--tick needs the file" in cli("run", "--resume", "x", "--tick", code=2).stderr


def test_progress_of_goals_is_exported(up: Cli, repository: Path) -> None:
    goals = {
        "id": "01",
        "name": "Accounts",
        "subGoals": [{"id": "a", "tasks": [{"description": "x"}, {"description": "y"}]}],
    }
    (repository / "goals.json").write_text(json.dumps(goals))
    path = planned(up, repository / "goals.json", strategy="aggressive", fails="01/a/2")
    document = json.loads(Path(path).read_text())
    for row in document["tasks"]:
        row["run"] = "test $EPW_TASK_ID != 01/a/2"
    up.execute(up.plan(document), "goals", code=1)
    lines = [json.loads(line) for line in up("export", "goals", "--as", "goal-progress").stdout.splitlines()]
    found = [(call["name"], call["arguments"]["goalId"], call["arguments"]["progress"]) for call in lines]
    assert found == [("update_goal_progress", "01", 50), ("update_goal_progress", "a", 50)]
    assert "must be one of" in up("export", "goals", "--as", "x", code=2).stderr
