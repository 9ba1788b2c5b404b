"""Commands that change an execution while it runs, on a real repository."""

from __future__ import annotations

import getpass
import json
import os
from pathlib import Path
from typing import Any

from tests.cli.test_running import running
from tests.command_line import wait_for
from tests.site import Site
from tests.support import make_repository, sh

PROPOSED = {"propose": [{"id": "p", "description": "go on", "run": "cat b > p", "dependsOn": ["b"]}]}
ADDED = {"tasks": [{"id": "e", "description": "more", "run": "echo e > e"}]}
WORK = f"""tail -n 1 "$EPW_MESSAGES" > told; echo b > b; echo '{json.dumps(PROPOSED)}' >> "$EPW_EVENTS\""""
WAIT = "until [ -e {go} ]; do sleep 0.05; done; "


def test_a_task_is_stopped_and_limits_change_while_it_runs(site: Site, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repository")
    rows: list[dict[str, Any]] = [
        {"id": "a", "run": f"echo half > a; {WAIT}"},
        {
            "id": "b",
            "run": f"{WAIT}{WORK}",
        },
        {"id": "c", "run": "cat a", "dependsOn": ["a"]},
    ]
    cli = site.cli
    with running(cli, tmp_path, "steered", rows, workspace=str(repository), exits=1, onProposal="take"):

        def status(task: str) -> Any:
            document = json.loads(cli("status", "steered", "--json", code=None).stdout or "{}")
            return next((each["status"] for each in document.get("results", []) if each["taskId"] == task), None)

        wait_for(lambda: status("a") == "running" and status("b") == "running")
        assert "set_max_agents accepted" in cli("set", "steered", "--max-agents", "3").stdout
        assert json.loads(cli("set", "steered", "b", "--priority", "2", "--json").stdout)["priority"] == 2
        assert cli("message", "steered", "b", "mind the gap").stdout.endswith("it is handed to its agent\n")
        wait_for(lambda: "its agent gets it at its next turn" in cli("status", "steered").stdout)
        assert "nothing to change" in cli("set", "steered", code=2).stderr
        assert "no task 'zz'" in cli("cancel", "steered", "zz", code=2).stderr
        assert cli("cancel", "steered", "a").stdout == "a: its agent is being stopped\n"
        wait_for(lambda: status("a") == "cancelled")
        added = cli("add", "steered", "-", "--after", "b", stdin=json.dumps(ADDED))
        assert added.stdout == "steered: e added, 0 of them ready to start\n"
        assert "Duplicate task ID found: e" in cli("add", "steered", "-", stdin=json.dumps(ADDED), code=2).stderr
        lacks = cli("add", "steered", "in words", "--agent", "opencode", code=3).stderr
        assert "opencode" in lacks
        assert "nothing is added; `--agent` chooses another" in lacks
        assert "`epw retry steered TASK`" in cli("retry", "steered", code=2).stderr
        assert cli("retry", "steered", "a").stdout == "a: runs again, and with it c\n"
        wait_for(lambda: status("a") == "running")
        cli("cancel", "steered", "a")
        wait_for(lambda: status("a") == "cancelled")
        shown = cli("status", "steered").stdout
        assert f"cancel_task a by {getpass.getuser()}@{os.uname().nodename} → cancelled; 1" in shown
    document = json.loads(cli("status", "steered", "--json").stdout)
    assert (document["status"], document["delivery"]["branch"]) == ("partial", "epw/steered")
    statuses = {row["taskId"]: row["status"] for row in document["results"]}
    assert statuses == {"a": "cancelled", "b": "succeeded", "c": "skipped", "e": "succeeded", "p": "succeeded"}
    assert [each["by"] for each in document["steering"] if each["action"] == "add_tasks"][1] == "agent:b"
    assert sh(repository, "git", "show", "epw/steered:told") == '{"message": "mind the gap"}\n'
    (told,) = [each["outcome"] for each in document["steering"] if each["action"] == "message"]
    assert told == "its agent has got it"
    assert "go on" in sh(repository, "git", "log", "epw/steered")
    assert sh(repository, "git", "show", "epw/steered:p") == "b\n"
    assert "`epw retry steered` runs what is not done" in cli("retry", "steered", "a", code=2).stderr
    told = cli("retry", "steered", "--dry-run").stderr.splitlines()
    assert told[0] == "taken over from steered: 3 of 5 tasks"
    assert [each.split(" (")[0].strip() for each in told[1:]] == [
        "runs: a",
        "keeps: b",
        "runs: c",
        "keeps: e",
        "keeps: p",
    ]
    assert "+half" in cli("diff", "steered", "a").stdout, "what it had done is kept"
    cli("doctor", "steered")
