"""The commands as a user has them: processes, exit codes, an embedded server shared and ended."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import pytest

from activities.sandbox import landlock
from activities.sandbox.levels import bubblewrap_problem, strongest
from epw.cli.machine_checks import sandbox_in_force
from epw.core.execution.task_state import NO_WORKER_MS
from tests.command_line import ROOT, Cli, line_with, stop, wait_for
from tests.support import fingerprint, make_repository, sh, tasks


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Iterator[Cli]:
    """`up` in a state directory, and the other commands beside it."""
    cli = Cli(tmp_path_factory.mktemp("up") / "home", temporal_binary)
    process = cli.popen("up")
    line_with(process, "task queue")
    yield cli
    code, _ = stop(process)
    assert code == 130
    wait_for(lambda: not servers_of(cli), 8)


@pytest.fixture
def alone(tmp_path: Path, temporal_binary: str) -> Iterator[Cli]:
    """A state directory where nothing runs before and after."""
    cli = Cli(tmp_path / "home", temporal_binary)
    yield cli
    wait_for(lambda: not servers_of(cli), 8)


def servers_of(cli: Cli) -> list[int]:
    """Processes that name the state directory: the server, its supervisor, workers."""
    found = []
    for process in psutil.process_iter(["cmdline", "pid"]):
        if any(str(cli.home) in part for part in process.info["cmdline"] or []):
            found.append(process.info["pid"])
    return found


def described(cli: Cli, identifier: str) -> str:
    return str(
        json.loads(cli.temporal_cli("workflow", "describe", "-w", identifier))["workflowExecutionInfo"]["status"]
    )


def test_run_delivers_a_branch_and_leaves_nothing(alone: Cli, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo", {"a": "1\n"})
    (repository / "dirty").write_text("x\n")
    before = fingerprint(repository)
    rows = [
        {"id": f"t{n}", "run": f"cat a dirty > out{n}", "dependsOn": [f"t{n - 1}"] if n % 3 else []} for n in range(6)
    ]
    result = alone.json("run", alone.plan({"workspace": "repo", "tasks": tasks(*rows)}), "--id", "six")
    assert (result["status"], result["success"], result["delivery"]["branch"]) == ("succeeded", True, "epw/six")
    assert fingerprint(repository, but=(".git/refs/heads/epw",)) == before
    changed = sh(repository, "git", "diff", "--name-only", result["delivery"]["base"], "epw/six").split()
    assert sorted(changed) == sorted(c["file"] for row in result["results"] for c in row["changes"])
    again = alone.json("run", "--resume", "six")
    assert again["delivery"] == result["delivery"], "finished already: prints its result"
    assert oct(alone.home.stat().st_mode & 0o777) == "0o700"


@pytest.mark.parametrize(
    ("strategy", "workspace", "status", "temporal"),
    [
        ("conservative", True, "rolled_back", "FAILED"),
        ("aggressive", True, "partial", "COMPLETED"),
        ("conservative", False, "failed", "FAILED"),
        ("aggressive", False, "partial", "COMPLETED"),
    ],
)
def test_failures_end_by_the_table(
    up: Cli, tmp_path: Path, strategy: str, workspace: bool, status: str, temporal: str
) -> None:
    plan: dict[str, Any] = {
        "strategy": strategy,
        "tasks": tasks({"id": "ok", "run": "echo 1 > ok"}, {"id": "bad", "run": "exit 7", "dependsOn": ["ok"]}),
    }
    if workspace:
        plan["workspace"] = str(make_repository(tmp_path / "repo"))
    result = json.loads(up.execute(up.plan(plan), f"ends-{strategy}-{workspace}", "--json", code=1).stdout)
    assert result["status"] == status
    assert temporal in described(up, result["executionId"])
    shown = up("status", result["executionId"]).stdout
    assert status in shown
    assert "ended with 7" in shown


BAD: list[tuple[str, str]] = [
    ('{"tasks": []}', "cannot be empty"),
    ("{}", "required"),
    ("[]", "an array"),
    ('{"tasks": [{"id": "a", "description": "a", "run": "true", "dependsOn": ["b"]}]}', "non-existent"),
    ('{"tasks": [{"id": "a", "description": "a", "run": "true", "dependsOn": ["a"]}]}', "itself"),
    (
        '{"tasks": [{"id": "a", "description": "a", "run": "true"}, {"id": "a", "description": "b", "run": "true"}]}',
        "Duplicate",
    ),
    ('{"agent": "command", "tasks": [{"id": "a", "description": "a"}]}', "required by agent"),
    ('{"tasks": [{"id": "a", "description": "a", "run": "true", "estimatedMinutes": 0}]}', "1440"),
    ('{"tasks": [{"id": "a", "description": "a", "run": "true", "color": 1}]}', "unknown key"),
    ('{"maxAgents": 1001, "tasks": [{"id": "a", "description": "a", "run": "true"}]}', "1000"),
    ('{"workspace": "/nowhere/at/all", "tasks": [{"id": "a", "description": "a", "run": "true"}]}', "not a directory"),
    ('{"strategy": "x", "tasks": [{"id": "a", "description": "a", "run": "true"}]}', "conservative, aggressive"),
]


@pytest.mark.parametrize(("text", "words"), BAD, ids=range(len(BAD)))
def test_bad_plans_are_refused_by_every_way_in(up: Cli, tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "plan.json"
    path.write_text(text)
    done = up("run", str(path), code=2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    identifier = f"bad-{time.monotonic_ns()}"
    start = ("workflow", "start", "--type", "ExecuteParallelWorkflow", "--task-queue", "epw")
    up.temporal_cli(*start, "--workflow-id", identifier, "--input-file", str(path))
    wait_for(lambda: "RUNNING" not in described(up, identifier), 10)
    assert "FAILED" in described(up, identifier)
    closed = up.temporal_cli("workflow", "show", "-w", identifier)
    assert "InvalidPlan" in closed
    assert words in json.dumps(json.loads(closed), ensure_ascii=False)
    assert words in up("status", identifier, code=2).stderr


def test_the_temporal_cli_starts_queries_updates_and_cancels(up: Cli, tmp_path: Path) -> None:
    plan = up.plan({"tasks": tasks({"id": "a", "run": "sleep 60"}, {"id": "b", "run": "true", "dependsOn": ["a"]})})
    start = ("workflow", "start", "--type", "ExecuteParallelWorkflow", "--task-queue", "epw")
    up.temporal_cli(*start, "--workflow-id", "by-temporal", "--input-file", plan)

    def progress() -> Any:
        answer = json.loads(up.temporal_cli("workflow", "query", "-w", "by-temporal", "--type", "progress"))
        return answer["queryResult"][0]

    wait_for(lambda: progress()["tasks"][0]["status"] == "running")
    update = ("workflow", "update", "execute", "-w", "by-temporal", "--name", "pause", "--input", "{}")
    assert "paused" in up.temporal_cli(*update)
    assert progress()["status"] == "paused"
    pending = json.loads(up.temporal_cli("workflow", "describe", "-w", "by-temporal"))["pendingActivities"]
    assert pending[0]["activityId"] == "task-a"
    wait_for(lambda: up.json("list")[0]["status"] == "paused")
    up.temporal_cli("workflow", "cancel", "-w", "by-temporal")
    wait_for(lambda: "CANCELED" in described(up, "by-temporal"))
    listed = {row["executionId"]: row for row in up.json("list")}
    wait_for(lambda: {row["executionId"]: row for row in up.json("list")}["by-temporal"]["status"] == "cancelled")
    assert listed["by-temporal"]["strategy"] == "conservative"


def test_a_question_is_answered_from_a_second_terminal(up: Cli) -> None:
    ask = (
        """[ -n "${EPW_ANSWER:-}" ] && exit 0; echo '{"question": "ok?", "options": ["y"]}' > "$EPW_EVENTS"; exit 75"""
    )
    plan = up.plan(
        {"maxAgents": 1, "tasks": tasks({"id": "asks", "run": ask, "priority": 1}, {"id": "b", "run": "true"})}
    )
    identifier = up("start", plan).stdout.strip()
    watching = up.popen("watch", identifier)
    assert "ok?" in line_with(watching, "asks q1")
    assert up.json("list")[0]["waiting"] == "question"
    assert up.json("status", identifier)["results"][1]["status"] == "succeeded", "no slot was held"
    assert "no question" in up("answer", identifier, "q9", "y", code=2).stderr
    up("answer", identifier, "q1", "y")
    watching.communicate(timeout=20)
    assert watching.returncode == 0
    assert "has ended; q1 was answered: 'y'" in up("answer", identifier, "q1", "z", code=2).stderr


def test_cancel_ends_run_with_4(up: Cli) -> None:
    running = up.popen("run", up.plan({"tasks": tasks({"id": "a", "run": "sleep 60"})}), "--id", "to-cancel")
    line_with(running, "a: running")
    up("cancel", "to-cancel")
    running.communicate(timeout=20)
    assert running.returncode == 4


def test_ctrl_c_stops_in_order_and_resume_goes_on(alone: Cli, tmp_path: Path) -> None:
    counted = tmp_path / "count"
    slow = f"echo slow >> {counted}; [ -e {tmp_path}/go ] || sleep 60"
    rows = tasks(
        {"id": "first", "run": f"echo first >> {counted}"}, {"id": "slow", "run": slow, "dependsOn": ["first"]}
    )
    began = time.time()
    running = alone.popen("run", alone.plan({"tasks": rows}), "--id", "resumed")
    wait_for(lambda: counted.exists() and "slow" in counted.read_text())
    code, output = stop(running)
    assert code == 130
    assert "run --resume resumed" in output
    stopped = time.time()
    wait_for(lambda: not servers_of(alone) and time.time() > stopped + NO_WORKER_MS / 1000, 8)
    (tmp_path / "go").touch()
    without = (time.time() - stopped) * 1000
    document = alone.json("run", "--resume", "resumed")
    assert document["status"] == "succeeded"
    assert counted.read_text().split().count("first") == 1
    away = document["metrics"]["awayMs"]
    spent = sum(row["duration"] for row in document["results"])
    assert without <= away
    assert spent <= document["metrics"]["totalDuration"] <= (time.time() - began) * 1000 - away


def test_ctrl_c_says_that_another_worker_goes_on(up: Cli) -> None:
    running = up.popen("run", up.plan({"tasks": tasks({"id": "a", "run": "sleep 60"})}), "--id", "shared")
    line_with(running, "a: running")
    code, output = stop(running)
    assert code == 130
    assert "another worker goes on with it: epw watch shared" in output
    up("cancel", "shared")


def test_a_killed_worker_costs_nothing_but_time(up: Cli, tmp_path: Path) -> None:
    """Eight tasks, a worker killed among them, another one: as if nothing had been."""
    repository = make_repository(tmp_path / "repo")
    log = tmp_path / "log"
    rows = [
        {
            "id": f"t{n}",
            "run": f"sleep 0.4; echo t{n} >> {log}; echo {n} > f{n}",
            "dependsOn": [f"t{n - 2}"] if n > 1 else [],
        }
        for n in range(8)
    ]
    plan = {"workspace": str(repository), "maxAgents": 2, "tasks": tasks(*rows)}
    undisturbed = up.json("run", up.plan(plan))
    log.unlink()
    cli = Cli(tmp_path / "home", up.temporal)
    server = cli.popen("up")
    line_with(server, "task queue")
    try:
        identifier = cli("start", cli.plan(plan)).stdout.strip()
        wait_for(lambda: log.exists() and len(log.read_text().split()) >= 3)
        workers = [p for p in psutil.Process(server.pid).children() if "epw.service.worker_process" in p.cmdline()]
        assert len(workers) == 1
        workers[0].send_signal(signal.SIGKILL)
        done = cli("watch", identifier, code=None)
        assert done.returncode == 0, done.stdout
        result = cli.json("status", identifier)
    finally:
        stop(server)
    assert [row["status"] for row in result["results"]] == ["succeeded"] * 8
    assert [row["attempts"] for row in result["results"]] == [1] * 8
    trees = [
        sh(repository, "git", "rev-parse", f"{found['delivery']['branch']}^{{tree}}") for found in (undisturbed, result)
    ]
    assert trees[0] == trees[1]
    # At the kill at most two tasks were in flight: only those may have run again.
    again = len(log.read_text().split()) - 8
    assert again <= result["metrics"]["lostRunCount"] <= 2
    wait_for(lambda: not servers_of(cli), 8)


def test_no_server_no_worker_and_unknown_ids_are_told_with_their_codes(up: Cli, alone: Cli, tmp_path: Path) -> None:
    alone.environment["TEMPORAL_ADDRESS"] = "127.0.0.1:1"
    before = time.monotonic()
    assert "no Temporal server at 127.0.0.1:1" in alone("list", code=3).stderr
    assert time.monotonic() - before < 15
    told = alone("doctor", code=3).stdout
    assert "! Temporal server: no Temporal server at 127.0.0.1:1: nothing listens there" in told
    assert "→ agent claude needs ANTHROPIC_API_KEY" in told
    del alone.environment["TEMPORAL_ADDRESS"]
    assert "no execution 'nobody'" in up("status", "nobody", code=2).stderr
    assert "no execution" in up("cancel", "nobody", code=2).stderr
    identifier = alone("start", alone.plan({"tasks": tasks({"id": "a", "run": "true"})})).stdout.strip()
    assert f"no worker runs it: `epw run --resume {identifier}` goes on" in alone("pause", identifier, code=3).stderr
    assert alone.json("status", identifier)["status"] == "running", "the state is read from the history"
    assert (
        "exists already"
        in alone("start", alone.plan({"tasks": tasks({"id": "a", "run": "true"})}), "--id", identifier, code=2).stderr
    )
    assert "cannot be read" in up("run", str(tmp_path / "none.json"), code=2).stderr


def test_analyze_tells_cycles_and_what_is_parallel(up: Cli) -> None:
    cyclic = up.plan({"tasks": tasks({"id": "a", "dependsOn": ["b"]}, {"id": "b", "dependsOn": ["a"]})})
    assert up.json("analyze", cyclic, code=2)["cycles"] == [["a", "b", "a"]]
    good = up.plan({"tasks": tasks(*({"id": str(n)} for n in range(6)))})
    assert up.json("analyze", good)["parallelizable"] is True


def test_analyze_predicts_for_the_agents_and_hosts_that_it_is_told(up: Cli) -> None:
    plan = up.plan({"tasks": tasks(*({"id": str(n), "run": "true"} for n in range(6)))})
    prediction = up.json("analyze", plan, "--max-agents", "6", "--host", "1", "--host", "2:gpu")["prediction"]
    assert 20 <= prediction["minutes"] < 20.2
    assert [row["hosts"] for row in prediction["byHosts"]] == [2, 4]
    assert "6 agents" in up("analyze", plan, "--max-agents", "6").stdout
    assert "--host 'x'" in up("analyze", plan, "--host", "x", code=2).stderr
    assert "--costs" in up("analyze", plan, "--costs", plan, code=2).stderr
    assert "--failing" in up("analyze", plan, "--failing", "2", code=2).stderr


def test_doctor_says_what_this_machine_has(up: Cli) -> None:
    checks = up.json("doctor")
    assert checks["success"], checks
    found = {check["name"]: check["found"] for check in checks["checks"]}
    git = subprocess.run(["git", "--version"], capture_output=True, text=True, check=True).stdout.split()[2]
    assert git.startswith(found["git"].split()[0])
    free = shutil.disk_usage(up.home).free / 2**20
    assert abs(int(found["free disk"].split()[0]) - free) < free / 20
    assert found["state directory"] == f"{up.home} (700)"
    assert found["temporalio"] == version("temporalio")
    assert all(check["ok"] == (check["missing"] is None) for check in checks["checks"])
    by_name = {check["name"]: check for check in checks["checks"]}
    assert by_name["worker"]["ok"], "`up` has one"
    assert "export" in by_name["agent claude"]["missing"]
    assert not by_name["agent claude"]["required"]
    assert by_name["agent claude"]["state"] == "not set up"
    assert [check["name"] for check in checks["checks"] if check["state"] == "missing"] == []
    note = json.loads((up.home / "server/server.json").read_text())
    assert found["Temporal server"] == f"embedded, Web UI {note['webUI']}/namespaces/{note['namespace']}/workflows"
    # What an attempt gets is what was said.
    document = up.json("run", up.plan({"tasks": tasks({"id": "a", "run": "cat /proc/self/cgroup"})}), "--id", "shown")
    level = document["results"][0]["sandbox"]
    assert found["sandbox in force"].startswith(
        f"{level} for commands, {strongest(bubblewrap_problem(), landlock.abi()).replace('process', 'none')}"
    )
    (log,) = up.home.glob(f"executions/{document['executionId']}*/*/logs/a*.log")
    assert ("control groups (version" in found["limits in force"]) == ("/epw/" in log.read_text())


@pytest.mark.parametrize(
    ("bubblewrap", "abi", "said"),
    [
        (None, 7, "process for commands, bubblewrap for models; Landlock 7"),
        ("it is not there", 6, "process for commands, landlock for models (it is not there); Landlock 6"),
        (None, 5, "process for commands, bubblewrap for models; Landlock 5: a command can signal other programs"),
        (
            "it is not there",
            0,
            "process for commands, none that is enough for models (it is not there); "
            "no Landlock: a command can read other programs' variables and signal them",
        ),
    ],
)
def test_doctor_says_what_each_machine_lacks(bubblewrap: str | None, abi: int, said: str) -> None:
    assert sandbox_in_force(bubblewrap, abi) == said


def test_the_embedded_server_listens_on_loopback_only(up: Cli) -> None:
    note = json.loads((up.home / "server/server.json").read_text())
    # Of the server's own network, where it has one, nothing is seen from here.
    processes = [psutil.Process(pid) for pid in (note["guardian"][0], note["pid"])]
    connections = [each for process in processes for each in process.net_connections()]
    listening = [each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN]
    assert len(listening) >= 2
    assert set(listening) <= {"127.0.0.1", "::1"}


def test_a_killed_server_comes_back_and_agents_are_not_restarted(up: Cli, tmp_path: Path) -> None:
    counted = tmp_path / "count"
    run = f"echo x >> {counted}; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done"
    identifier = up("start", up.plan({"tasks": tasks({"id": "a", "run": run})})).stdout.strip()
    wait_for(counted.exists)
    os.kill(json.loads((up.home / "server/server.json").read_text())["pid"], signal.SIGKILL)
    (tmp_path / "go").touch()
    watched: subprocess.CompletedProcess[str] = up("watch", identifier, code=None)
    assert watched.returncode == 0, watched.stdout + watched.stderr
    assert counted.read_text() == "x\n"


@pytest.mark.slow
def test_the_demo_of_claude_says_that_it_is_scripted_and_lands_seven_tasks() -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANTHROPIC_")}
    argv = [sys.executable, str(ROOT / "examples/demo_claude/demo.py")]
    done = subprocess.run(argv, env=kept, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SCRIPTED" in done.stdout
    assert done.stdout.count("Merge task") + done.stdout.count("│ succeeded │ True") >= 7
