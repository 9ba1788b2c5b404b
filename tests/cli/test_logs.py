"""`logs`: what attempts have printed, while they run and after everything else of them is gone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from epw.cli.logs import why_none
from epw.client.task_logs import VERIFY, TaskLog
from tests.command_line import line_with, wait_for
from tests.site import Site
from tests.support import make_repository, tasks

_RUN = """echo "first of $EPW_ATTEMPT with $CANARY"
touch {mark}
until [ -e {go} ]; do sleep 0.05; done
printf '\\033[31mred\\033[0m\\n'
if [ "$EPW_ATTEMPT" = 1 ]; then echo broken >&2; exit 3; fi
"""


def test_logs_are_followed_while_an_attempt_runs_and_there_afterwards(site: Site, tmp_path: Path) -> None:
    mark, go = tmp_path / "mark", tmp_path / "go"
    make_repository(tmp_path / "repo")
    run = _RUN.format(mark=mark, go=go)
    plan = {"workspace": str(tmp_path / "repo"), "passEnv": ["CANARY"], "tasks": tasks({"id": "a b", "run": run})}
    cli = replace(site.cli, environment={"CANARY": "s3cret-canary"})
    running = cli.popen("run", cli.plan(plan), "--id", "logged")
    wait_for(mark.exists)
    following = site.cli.popen("logs", "logged", "a b", "-f")
    assert "first of 1 with [CANARY]" in line_with(following, "first of")
    go.touch()
    out, _ = following.communicate(timeout=60)
    assert "first of 2 with [CANARY]" in out
    assert "\nred\n" in out
    assert "attempt 2 of a b" in out
    told, _ = running.communicate(timeout=60)
    assert running.returncode == 0, told
    said = site.cli("logs", "logged", "a b", "--attempt", "1").stdout
    assert said == "first of 1 with [CANARY]\nred\nbroken\n"
    listed = json.loads(site.cli("logs", "logged", "--json").stdout)
    assert [(each["task_id"], each["attempt"]) for each in listed] == [("a b", 1), ("a b", 2)]
    assert not [path for path in site.cli.home.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    assert "has no task 'ab'; did you mean a b?" in site.cli("logs", "logged", "ab", code=2).stderr


def test_the_last_line_of_a_failure_is_told_with_where_the_rest_is(site: Site, tmp_path: Path) -> None:
    make_repository(tmp_path / "repo")
    run = 'for i in $(seq 60); do echo "step $i of many"; done\necho made > half\nclade -p hello\n'
    plan = {"workspace": str(tmp_path / "repo"), "tasks": tasks({"id": "a", "run": run})}
    told = site.cli("run", site.cli.plan(plan), "--id", "typo", code=1).stdout
    assert "✗ a failed (CommandFailed, attempt 2): the command ended with 127:" in told
    assert "    line 3: clade: command not found" in told
    assert "`epw logs typo a`" in told
    assert "`epw retry typo PLAN`" in told
    assert "saved: 1 changed file" in told
    (row,) = site.cli.json("status", "typo")["results"]
    context = row["error"]["context"]
    assert (context["taskId"], context["attempt"], context["savedCommit"]) == ("a", 2, row["commit"])
    assert context["command"].startswith("for i in")
    assert context["output"].endswith("clade: command not found")
    assert Path(context["log"]).read_text().startswith("step 1 of many")
    assert "clade: command not found" in site.cli("logs", "typo", "a").stdout
    assert site.cli("salvage", "typo", "a").stdout.count("a") > 1


def test_a_limit_that_is_broken_twice_is_not_tried_again(site: Site) -> None:
    row = {"id": "a", "run": "sleep 30", "constraints": {"resourceLimits": {"maxDurationMs": 300}}}
    document = site.cli.json("run", site.cli.plan({"strategy": "aggressive", "tasks": tasks(row)}), code=1)
    (result,) = document["results"]
    assert (result["error"]["type"], result["attempts"]) == ("TimeLimit", 2)
    assert "raise tasks[0].constraints.resourceLimits.maxDurationMs" in result["error"]["recoveryOptions"][0]


def test_a_red_verify_names_its_command_code_output_and_tasks(site: Site, tmp_path: Path) -> None:
    make_repository(tmp_path / "repo")
    verify = "echo checking; echo FAILED test_a; exit 4"
    rows = tasks({"id": "a", "run": "echo 1 > a"}, {"id": "b", "run": "echo 1 > b"})
    plan = {"workspace": str(tmp_path / "repo"), "verify": verify, "tasks": rows}
    told = site.cli("run", site.cli.plan(plan), "--id", "red", code=1).stdout
    red = "verify of the plan is red before any task too (no task made it so)"
    assert f"{red}: `echo checking; echo FAILED test_a; exit 4` ended with 4:" in told
    assert "→ correct the plan's `verify`, or what it checks in the workspace" in told
    assert "FAILED test_a" in told
    assert "→ see what it printed: `epw logs red verify`" in told
    assert site.cli("logs", "red", "verify").stdout == "checking\nFAILED test_a\n" * 2, "of the head, and of the base"


@pytest.mark.parametrize(
    ("task", "logs", "why"),
    [
        ("skipped", [], "it has not run: skipped"),
        ("ran", [TaskLog("ran", 1, 0, Path("ran.1.log"))], "it has printed nothing"),
        ("ran", [], "it has printed nothing, or ran on another machine (logs)"),
        (VERIFY, [], "it has printed nothing, or ran on another machine (logs)"),
        ("gone", [], "what it has printed is gone: `epw gc` has removed it"),
    ],
)
def test_a_log_that_is_not_there_is_explained(task: str, logs: list[TaskLog], why: str) -> None:
    rows = [{"taskId": "skipped", "status": "skipped", "attempts": 0}, {"taskId": "ran", "status": "", "attempts": 1}]
    assert why_none({"results": rows}, task, logs, None if task == "gone" else Path("logs")) == why
