"""Workers that die: poison is found, innocents are not charged, what terminated executions left is put right."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

import psutil

from activities.processes.process_tree import MARKER
from activities.state.state_directory import StateDirectory
from tests.command_line import ROOT, Cli, wait_for
from tests.site import Site
from tests.support import fingerprint, make_repository, sh, tasks


async def test_a_poison_task_fails_after_three_dead_workers_and_charges_nobody(site: Site) -> None:
    innocents = [{"id": f"i{n}", "simulate": {"seconds": 1.5}} for n in range(4)]
    plan = {
        "strategy": "aggressive",
        "maxAgents": 5,
        "tasks": tasks({"id": "poison", "simulate": {"crashAttempts": list(range(1, 30))}}, *innocents),
    }
    document = await site.run(plan, "poison", [])
    rows = {row["taskId"]: row for row in document["results"]}
    assert rows.pop("poison")["error"]["type"] == "Poison"
    assert document["status"] == "partial"
    assert [(row["status"], row["attempts"]) for row in rows.values()] == [("succeeded", 1)] * 4


async def test_two_suspects_are_told_apart(site: Site) -> None:
    """Both are in flight at two deaths; alone, only the guilty one dies a third time."""
    rows = [
        {"id": "poison", "simulate": {"seconds": 0.3, "crashAttempts": list(range(1, 30))}},
        {"id": "unlucky", "simulate": {"seconds": 2}},
    ]
    document = await site.run({"strategy": "aggressive", "tasks": tasks(*rows)}, "suspects", [])
    assert {row["taskId"]: row["status"] for row in document["results"]} == {
        "poison": "failed",
        "unlucky": "succeeded",
    }


async def test_what_a_terminated_execution_left_is_cleaned_and_told(site: Site, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo", {"a": "1\n"})
    before = fingerprint(repository)
    plan = {
        "workspace": str(repository),
        "deliver": "apply",
        "tasks": tasks({"id": "a", "run": "echo 2 > a"}),
    }
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan))
    # Ends worker and supervisor in the middle of a delivery, as a power cut would.
    asked = [site.ask("deliver.step", kill=["worker"])]
    environment = {**site.cli.env, "EPW_FAILPOINT": json.dumps(asked)}
    worker = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "worker.py"), env=environment, stderr=asyncio.subprocess.PIPE
    )
    await asyncio.to_thread(site.cli, "start", str(path), "--id", "cut")
    await worker.communicate()
    assert worker.returncode == -signal.SIGKILL
    assert list(repository.glob(".epw-*"))
    await asyncio.to_thread(site.cli.temporal_cli, "workflow", "terminate", "-w", "cut")
    done = await asyncio.to_thread(site.cli, "list")
    assert "cleaned up after cut (terminated)" in done.stderr
    assert fingerprint(repository) == before
    assert not list(repository.glob(".epw-*"))
    shown = await asyncio.to_thread(site.cli.json, "status", "cut", code=None)
    assert (shown["status"], shown["error"]["type"]) == ("terminated", "terminated")
    assert [(row["status"], row["landed"]) for row in shown["results"]] == [("succeeded", False)]
    again = await asyncio.to_thread(site.cli, "list")
    assert "cleaned" not in again.stderr


async def test_processes_and_directories_of_a_terminated_execution_go(site: Site, tmp_path: Path) -> None:
    plan = {
        "tasks": tasks({"id": "a", "run": f"echo x > half; echo $$ > {tmp_path}/pid; setsid sleep 1000 & sleep 1000"})
    }
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan))
    worker = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "worker.py"), env=site.cli.env, stderr=asyncio.subprocess.PIPE
    )
    await asyncio.to_thread(site.cli, "start", str(path), "--id", "orphan")
    await asyncio.to_thread(wait_for, (tmp_path / "pid").exists)
    worker.kill()
    await worker.communicate()
    await asyncio.to_thread(site.cli.temporal_cli, "workflow", "terminate", "-w", "orphan")
    done = await asyncio.to_thread(site.cli, "status", "orphan", code=None)
    assert "processes ended" in done.stderr
    assert not [each for each in psutil.process_iter() if _marker(each).startswith("orphan")]
    assert not list((site.cli.home / "executions").glob("orphan*/*/attempts"))
    assert "the unfinished work of a is saved: epw salvage orphan" in done.stderr
    saved = await asyncio.to_thread(site.cli.json, "salvage", "orphan")
    assert [(row["taskId"], row["files"]) for row in saved] == [("a", ["half"])]


async def test_what_agents_had_made_when_their_worker_died_is_saved_if_nobody_goes_on_with_it(
    site: Site, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "repo", {"kept": "1\n"})
    run = f"echo $EPW_TASK_ID > made-$EPW_TASK_ID; touch {tmp_path}/$EPW_TASK_ID; exec sleep 1000"
    plan = {"workspace": str(repository), "maxAgents": 2, "tasks": tasks(*({"id": each, "run": run} for each in "ab"))}
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan))
    worker = await asyncio.create_subprocess_exec(
        sys.executable, str(ROOT / "worker.py"), env=site.cli.env, stderr=asyncio.subprocess.PIPE
    )
    await asyncio.to_thread(site.cli, "start", str(path), "--id", "given-up")
    await asyncio.to_thread(wait_for, lambda: all((tmp_path / each).exists() for each in "ab"))
    worker.kill()
    await worker.communicate()
    await asyncio.to_thread(site.cli, "cancel", "given-up", code=None)
    resumed = await asyncio.to_thread(site.cli, "run", "--resume", "given-up", code=None)
    again = await asyncio.to_thread(site.cli, "salvage", "given-up")
    saved = await asyncio.to_thread(site.cli.json, "salvage", "given-up")
    assert {row["taskId"]: row["files"] for row in saved} == {"a": ["made-a"], "b": ["made-b"]}
    told = [line for line in (resumed.stderr + again.stderr).splitlines() if "unfinished work of a, b is saved" in line]
    assert len(told) == 1
    assert "epw salvage given-up" in told[0]
    hub = StateDirectory(site.cli.home).hub(str(repository))
    shown = sh(hub, "git", "log", "-1", "--format=%an%n%B", saved[0]["commit"])
    assert "Epw-Execution: given-up\nEpw-Task: a\nEpw-Attempt: 1" in shown
    assert shown.startswith(sh(repository, "git", "log", "-1", "--format=%an").strip())
    assert not (await asyncio.to_thread(site.cli.json, "doctor", "given-up"))["violations"]
    assert not list((site.cli.home / "executions").glob("given-up*/*/attempts"))


def _marker(process: psutil.Process) -> str:
    try:
        return process.environ().get(MARKER, "") if process.pid != os.getpid() else ""
    except psutil.Error:
        return ""


async def test_the_next_attempt_gets_the_directory_of_one_that_ended_cleanly(site: Site, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo", {f"f{n}": f"{n}\n" for n in range(50)})
    look = f"sleep 0.1; stat -c %i f* > {tmp_path}/$EPW_TASK_ID; touch ignored.o; echo x > new-$EPW_TASK_ID"
    plan = {
        "workspace": str(repository),
        "tasks": tasks({"id": "a", "run": look}, {"id": "b", "run": look, "dependsOn": ["a"]}),
    }
    document = await site.run(plan, "reused", [])
    assert document["status"] == "succeeded"
    first, second = ((tmp_path / name).read_text().split() for name in "ab")
    assert len(set(first) & set(second)) > 25


async def test_no_attempt_gets_a_directory_in_which_a_process_may_still_write(site: Site, tmp_path: Path) -> None:
    """One that left its session and its environment, so that nothing but its ancestry tells whose it is."""
    repository = make_repository(tmp_path / "repo", {"file": "good\n"})
    script = tmp_path / "escape.sh"
    # By an open directory: it goes where the directory goes.
    script.write_text(
        f'exec 5< "$1"; cd /; echo $$ > {tmp_path}/pid; sleep 1; '
        "while sleep 0.05; do echo evil > /proc/self/fd/5/file; done"
    )
    plan = {
        "workspace": str(repository),
        "maxAgents": 2,
        "tasks": tasks(
            {"id": "beside", "run": f"while [ ! -e {tmp_path}/done ]; do sleep 0.1; done"},
            {"id": "a", "run": f'(env -i setsid bash {script} "$PWD" &); while [ ! -s {tmp_path}/pid ]; do :; done'},
            {"id": "b", "run": f"sleep 2; cp file {tmp_path}/seen; touch {tmp_path}/done", "dependsOn": ["a"]},
        ),
    }
    document = await site.run(plan, "escaped", [])
    assert document["status"] == "succeeded"
    assert (tmp_path / "seen").read_text() == "good\n"
    assert not psutil.pid_exists(int((tmp_path / "pid").read_text()))


def test_a_run_goes_on_by_itself_after_the_server_s_supervisor_is_killed(tmp_path: Path, temporal_binary: str) -> None:
    """The supervisor is a child of the run, which has not reaped it: a zombie in its place is no supervisor."""
    cli = Cli(tmp_path / "home", temporal_binary)
    gate = tmp_path / "gate"
    plan = {"tasks": tasks({"id": "a", "run": f"while [ ! -e {gate} ]; do sleep 0.1; done"})}
    run = cli.popen("run", cli.plan(plan), "--id", "guarded")
    note = cli.home / "server/server.json"
    wait_for(lambda: note.is_file() and cli.json("status", "guarded", code=None).get("status") == "running")
    supervisor = json.loads(note.read_text())["guardian"][0]
    os.kill(supervisor, signal.SIGKILL)
    wait_for(lambda: json.loads(note.read_text()).get("guardian", [supervisor])[0] != supervisor, 90)
    gate.touch()
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 0, out


def test_what_a_killed_worker_leaves_ends_before_its_task_runs_again(tmp_path: Path, temporal_binary: str) -> None:
    """A daemon without session, environment and parent: only its ancestry tells whose it is."""
    cli = Cli(tmp_path / "home", temporal_binary)
    daemon = tmp_path / "daemon"
    first = f"(env -i setsid sh -c 'echo $$ > {daemon}; exec sleep 1000' &); sleep 1000"
    again = f"[ ! -e /proc/$(cat {daemon}) ] && touch {tmp_path}/alone"
    plan = {"tasks": tasks({"id": "a", "run": f"if [ -e {daemon} ]; then {again}; else {first}; fi"})}
    run = cli.popen("run", cli.plan(plan), "--id", "left")
    wait_for(lambda: daemon.is_file() and daemon.read_text())
    (worker,) = (json.loads(path.read_text())["worker"][0] for path in (cli.home / "running").glob("*.worker"))
    os.kill(worker, signal.SIGKILL)
    out, _ = run.communicate(timeout=60)
    assert run.returncode == 0, out
    assert (tmp_path / "alone").exists()
