"""Sandbox levels: what each hides from an agent, and what it leaves. `make test` says what a machine lacks."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from activities.sandbox import landlock, levels
from activities.sandbox.levels import bubblewrap_problem
from epw.core.plan.validate import read_plan
from tests.messages_api import KEY, Turn
from tests.scripted import FINISH, Claude
from tests.support import Harness, ended, failure_type, make_repository, sh, statuses, tasks

needs_bubblewrap = pytest.mark.skipif(bubblewrap_problem() is not None, reason=str(bubblewrap_problem()))


async def printed(harness: Harness, command: str, **plan: Any) -> str:
    """Output of a command in the sandbox."""
    run = f"{{ {command}; }} > printed 2>&1 || true"
    document = await harness.run({"sandbox": "bubblewrap", **plan, "tasks": tasks({"id": "a", "run": run})})
    assert document["status"] == "succeeded", document["results"]
    assert document["results"][0]["sandbox"] == "bubblewrap"
    return sh(Path(plan["workspace"]), "git", "show", f"{document['delivery']['branch']}:printed")


@needs_bubblewrap
async def test_an_agent_works_as_outside(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work", {"app.py": "print('runs')\n"})
    work = (
        "git log --oneline && python3 app.py && echo 1 > $TMPDIR/x && echo 2 > $HOME/y && git commit -qam z; echo done"
    )
    said = await printed(harness, work, workspace=str(path))
    assert "first" in said
    assert "runs" in said
    assert said.endswith("done\n")
    assert "denied" not in said


@needs_bubblewrap
async def test_the_system_is_read_only_and_other_processes_are_not_there(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    said = await printed(
        harness, "touch /etc/x; ls -A /run /tmp | wc -l; ls /proc | grep -c '^[0-9]'", workspace=str(path)
    )
    assert "Read-only" in said
    assert not Path("/etc/x").exists()
    assert int(said.split()[-1]) < 20


@needs_bubblewrap
async def test_nobody_has_any_power_in_it_or_gets_one(harness: Harness, tmp_path: Path) -> None:
    """As root too: no capability, an id that is not root's, no user namespace in which it would be root."""
    path = make_repository(tmp_path / "work")
    look = (
        "grep ^Cap /proc/self/status; echo id $(id -u); unshare -Ur true && echo became-root; "
        "python3 -c 'import ctypes; print(ctypes.CDLL(None).ptrace(0, 0, 0, 0), ctypes.CDLL(None).syscall(425, 1, 0))'"
    )
    said = await printed(harness, look, workspace=str(path))
    powers = {line.split(":")[0]: int(line.split()[1], 16) for line in said.splitlines() if line.startswith("Cap")}
    assert set(powers.values()) == {0}, said
    assert "id 0" not in said
    assert "became-root" not in said
    assert said.splitlines()[-1] == "-1 -1"


@needs_bubblewrap
async def test_no_service_of_this_machine_is_reached_whatever_the_network(harness: Harness, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        reach = f"bash -c 'echo > /dev/tcp/127.0.0.1/{server.getsockname()[1]}'"
        for network in (False, True, ["127.0.0.1"]):
            await printed(harness, reach, workspace=str(path), network=network)
            # Asked here: in its own network a port of that number may be its proxy's.
            with pytest.raises(BlockingIOError):
                server.accept()


@pytest.mark.parametrize("level", ["landlock", "bubblewrap"])
async def test_of_a_tool_in_a_home_its_programs_are_there_and_its_settings_are_not(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str
) -> None:
    if level == "bubblewrap" and (missing := bubblewrap_problem()):
        pytest.skip(missing)
    tool, path = tmp_path / "home/.tool", make_repository(tmp_path / "work")
    (tool / "bin").mkdir(parents=True)
    (tool / "lib").mkdir()
    (tool / "lib/text").write_text("library")
    (tool / "config.yml").write_text("token")
    (tool / "bin/tool").write_text("#!/bin/sh\ncat $(dirname $0)/../lib/text $(dirname $0)/../config.yml\n")
    (tool / "bin/tool").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool}/bin:{os.environ['PATH']}")
    for known in (levels._programs, levels._system):
        known.cache_clear()
    try:
        run = "tool > said 2>&1 || true"
        plan = {"workspace": str(path), "sandbox": level, "tasks": tasks({"id": "a", "run": run})}
        document = await harness.run(plan)
    finally:
        for known in (levels._programs, levels._system):
            known.cache_clear()
    said = sh(path, "git", "show", f"{document['delivery']['branch']}:said")
    assert "library" in said
    assert "token" not in said


@needs_bubblewrap
async def test_a_shell_of_a_model_gets_the_strongest_there_is(claude: Claude) -> None:
    look = f"ls {claude.home} || echo hidden; kill -0 {os.getpid()} || echo unseen"
    claude.script({"a": [Turn(calls=[("Bash", {"command": look})]), Turn(calls=[FINISH])]})
    document = await claude.run({"sandbox": "auto", "tasks": tasks({"id": "a"})})
    assert document["results"][0]["sandbox"] == "bubblewrap"
    said = claude.results_told("a")[0]["content"]
    assert "host" not in said.split()
    assert "unseen" in said


@pytest.mark.parametrize("level", ["process", "landlock", pytest.param("bubblewrap", marks=needs_bubblewrap)])
async def test_claude_code_works_in_it_and_sees_no_key(claude: Claude, tmp_path: Path, level: str) -> None:
    if level != "bubblewrap" and landlock.abi() < 6:
        pytest.skip("this kernel has no Landlock that keeps processes apart")
    # A workspace's modules are never run by us.
    planted = {
        f"{name}.py": f"open({str(tmp_path / 'ran')!r}, 'w')" for name in ("activities/__init__", "sitecustomize")
    }
    path = make_repository(tmp_path / "work", planted)
    look = {"command": f"cat /proc/*/environ | tr '\\0' '\\n' > seen; ls {claude.home} > there || true"}
    claude.script(
        lambda task, turn, request: [
            Turn(calls=[("Write", {"file_path": "x", "content": "1\n"})]),
            Turn(calls=[("Bash", look)]),
            Turn("Done."),
        ][turn]
    )
    plan = {"workspace": str(path), "agent": "claude-code", "sandbox": level, "tasks": tasks({"id": "a"})}
    document = await claude.run(plan)
    assert document["status"] == "succeeded", document["results"]
    assert document["results"][0]["sandbox"] == level
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "show", f"{branch}:x") == "1\n"
    assert KEY not in sh(path, "git", "show", f"{branch}:seen")
    assert not (tmp_path / "ran").exists()
    if level != "process":
        assert "host" not in sh(path, "git", "show", f"{branch}:there").split()


NOTHING = "this machine has no bubblewrap"


@pytest.mark.parametrize(
    ("plan", "bubblewrap", "abi", "lacks"),
    [
        ({"sandbox": "landlock"}, None, 0, "landlock"),
        ({"sandbox": "landlock"}, NOTHING, 2, None),
        ({"sandbox": "bubblewrap"}, NOTHING, 6, NOTHING),
        ({"network": ["example.org"]}, NOTHING, 6, NOTHING),
        ({"network": False}, NOTHING, 6, NOTHING),
        ({"agent": "claude"}, NOTHING, 0, NOTHING),
        ({"agent": "claude-code"}, NOTHING, 0, NOTHING),
        ({"agent": "claude"}, None, 0, None),
        ({"agent": "claude"}, NOTHING, 2, None),
        ({"agent": "claude", "sandbox": "process"}, NOTHING, 0, None),
        ({"agent": "claude", "sandbox": "none"}, NOTHING, 0, None),
        ({}, NOTHING, 0, None),
    ],
)
async def test_what_a_plan_demands_and_the_machine_lacks_is_refused_before_anything_ran(
    harness: Harness,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plan: dict[str, Any],
    bubblewrap: str | None,
    abi: int,
    lacks: str | None,
) -> None:
    monkeypatch.setattr(levels, "bubblewrap_problem", lambda: bubblewrap)
    monkeypatch.setattr(landlock, "abi", lambda: abi)
    path, ran = make_repository(tmp_path / "work"), tmp_path / "ran"
    command = {"id": "runs", "run": f"touch {ran}", "agent": "command"}
    whole = {
        "workspace": str(path),
        "setup": f"touch {ran}",
        **plan,
        "tasks": tasks(command, {"id": "a", "run": "true"}),
    }
    if "agent" in plan:
        del whole["tasks"][1]["run"]
    if lacks is None:
        levels.require_sandbox(read_plan(whole))
        return
    async with harness.working():
        handle = await harness.start(whole)
        refused = str(await ended(handle, 10))
        document = await harness.document(handle)
    assert lacks in refused
    assert statuses(document) == {"runs": "skipped", "a": "skipped"}
    assert not ran.exists()


async def test_no_network_at_a_level_that_cannot_keep_it_is_no_plan(harness: Harness) -> None:
    plan = {"network": False, "sandbox": "process", "tasks": tasks({"id": "a", "run": "true"})}
    async with harness.working():
        assert await asyncio.wait_for(failure_type(await harness.start(plan)), 10) == "InvalidPlan"


@pytest.mark.skipif(not landlock.abi(), reason="this kernel has no Landlock")
@pytest.mark.parametrize(
    ("level", "abi"),
    [
        ("none", None),
        ("process", None),
        ("landlock", None),
        pytest.param("bubblewrap", None, marks=needs_bubblewrap),
        *((level, abi) for abi in (2, 3, 5) for level in ("process", "landlock")),
    ],
)
async def test_an_agent_gains_no_rights_by_programs_also_with_an_older_landlock(
    harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, level: str, abi: int | None
) -> None:
    if abi is not None and landlock.abi() < abi:
        pytest.skip(f"this kernel has an older Landlock: {landlock.abi()}")
    if abi is not None:
        monkeypatch.setattr(landlock, "abi", lambda: abi)
    path, secret = make_repository(tmp_path / "work"), tmp_path / "secret"
    secret.write_text("told\n")
    look = (
        f"grep NoNewPrivs /proc/self/status; cat {secret} || true; cat /proc/{os.getpid()}/environ 2> /dev/null | wc -c"
    )
    run = f"{{ {look}; }} > said 2>&1 || true"
    plan = {"workspace": str(path), "sandbox": level, "tasks": tasks({"id": "a", "run": run})}
    document = await harness.run(plan)
    assert document["status"] == "succeeded", document["results"]
    said = sh(path, "git", "show", f"{document['delivery']['branch']}:said")
    assert said.split()[:2] == ["NoNewPrivs:", "0" if level == "none" else "1"]
    assert ("told" in said) == (level in ("none", "process"))
    # No look into other processes: the oldest has it too.
    assert (said.split()[-1] == "0") == (level != "none")
