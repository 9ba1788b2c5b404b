"""Threats: each sandbox level stops what docs/security.md says, no more and no less."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import psutil
import pytest

from activities.sandbox import landlock
from activities.sandbox.levels import bubblewrap_problem
from activities.sandbox.network import namespace
from epw.core.naming import slug
from tests.command_line import ROOT, Cli, wait_for
from tests.support import Harness, make_repository, tasks
from tests.threats import ALWAYS, GOT, LEVELS, PAGE, PLACES, SHARED_BY, THREATS, THREATS_BY_ROOT, exists, page

_CONNECT = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1]); print(sys.argv[2])"
SECRET = f"{GOT}-variable"


@pytest.fixture
def laid_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """Targets on this machine that an agent could reach."""
    canary = f".epw-canary-{uuid.uuid4().hex}"
    home = Path(os.path.realpath(os.path.expanduser("~")))
    abstract = f"\0epw-{uuid.uuid4().hex}"
    monkeypatch.setenv("WORKER_SECRET", SECRET)
    with ExitStack() as opened:
        for folder in (home, Path("/dev/shm")):
            if not os.access(folder, os.W_OK):
                continue
            (folder / canary).write_text(GOT)
            opened.callback((folder / canary).unlink)
        secret = {**os.environ, "OTHER_SECRET": SECRET}
        # Ends when its input does.
        other = opened.enter_context(subprocess.Popen(["cat"], stdin=subprocess.PIPE, env=secret))
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        for address in (str(elsewhere / "socket"), abstract):
            server = opened.enter_context(socket.socket(socket.AF_UNIX))
            server.bind(address)
            server.listen()
        datagrams = opened.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        datagrams.bind(str(elsewhere / "datagrams"))
        service = opened.enter_context(socket.create_server(("0.0.0.0", 0)))
        reading, writing = os.pipe()
        os.write(writing, GOT.encode())
        os.set_inheritable(reading, True)
        for descriptor in (reading, writing):
            opened.callback(os.close, descriptor)
        yield {
            "secret": SECRET,
            "descriptor": reading,
            "home": home,
            "canary": canary,
            "pid": other.pid,
            "elsewhere": elsewhere,
            "socket": str(elsewhere / "socket"),
            "datagrams": str(elsewhere / "datagrams"),
            "abstract": abstract.replace("\0", "\\0"),
            "port": service.getsockname()[1],
            "own": _own_address(),
        }


def _own_address() -> str:
    """Address of this machine other than loopback, where it has one."""
    addresses = [each for all_of_one in psutil.net_if_addrs().values() for each in all_of_one]
    own = [each.address for each in addresses if each.family == socket.AF_INET]
    return next((each for each in own if not each.startswith("127.")), own[0])


def _require(level: str) -> None:
    if level == "bubblewrap" and (missing := bubblewrap_problem()):
        pytest.skip(missing)
    if level in ("process", "landlock") and landlock.abi() < 6:
        pytest.skip(f"what `{level}` stops needs Landlock 6 (Linux 6.12); this kernel has {landlock.abi()}")


async def _said(harness: Harness, workspace: Path, level: str, runs: dict[str, str]) -> dict[str, str]:
    """Output of each command."""
    rows = [{"id": name, "run": f"( {run} ) 2>&1 || true"} for name, run in runs.items()]
    plan = {"sandbox": level, "deliver": "none", "workspace": str(workspace), "tasks": tasks(*rows)}
    document = await harness.run(plan)
    assert document["status"] == "succeeded", document["results"]
    logs = {name: next(harness.home.glob(f"executions/*/*/logs/{slug(name)}.*.log")) for name in runs}
    return {name: log.read_text() for name, log in logs.items()}


@pytest.mark.parametrize("level", LEVELS)
async def test_a_level_stops_what_it_says(
    harness: Harness, tmp_path: Path, laid_out: dict[str, object], level: str
) -> None:
    _require(level)
    workspace = make_repository(tmp_path / "work")
    setting = Path("/proc/sys/kernel/domainname")
    places = {**laid_out, "workspace": workspace, "state": harness.home, "setting": setting, "cwd": "$PWD"}
    tried = (*THREATS, *(THREATS_BY_ROOT if os.geteuid() == 0 else ()))
    before = setting.read_text()
    try:
        said = await _said(harness, workspace, level, {each.name: each.command.format(**places) for each in tried})
    finally:
        if os.geteuid() == 0:
            setting.write_text(before)
    reached = {name for name, text in said.items() if GOT in text}
    expected = {threat.name for threat in tried if level not in threat.stopped_by}
    if not os.access("/dev/shm", os.W_OK):
        # This machine lets its users share no memory.
        expected -= {"memory"}
    assert reached == expected, said


@pytest.mark.parametrize("level", ["landlock", "bubblewrap"])
async def test_nothing_that_is_not_the_system_s_or_its_own_is_there(
    harness: Harness, tmp_path: Path, level: str
) -> None:
    _require(level)
    workspace = make_repository(tmp_path / "work", {"README": "x", ".gitignore": ".env\n"})
    with ExitStack() as opened:
        places = [*_laid_out_places(opened), workspace, harness.home, Path(os.path.expanduser("~"))]
        (workspace / ".env").write_text(GOT)
        (harness.home / "canary").parent.mkdir(parents=True, exist_ok=True)
        runs = {"env": f"cat {workspace}/.env"}
        for place in places:
            (place / "canary").write_text(GOT)
            (place / "canary").chmod(0o600)
            opened.callback((place / "canary").unlink)
            name = str(place)
            runs[f"read {name}"] = f"cat {name}/canary"
            runs[f"write {name}"] = f"echo x > {name}/written; test ! -e {name}/canary || echo x >> {name}/canary"
            runs[f"list {name}"] = f"ls -a {name} | grep -q canary && echo {GOT}"
            if len(name) < 90:
                server = opened.enter_context(socket.socket(socket.AF_UNIX))
                server.bind(f"{name}/socket")
                opened.callback(os.unlink, f"{name}/socket")
                server.listen()
                runs[f"connect {name}"] = f"python3 -c '{_CONNECT}' {name}/socket {GOT}"
        said = await _said(harness, workspace, level, runs)
        shared = SHARED_BY.get(level, ())
        reached = {name for name, text in said.items() if GOT in text and not any(each in name for each in shared)}
        assert (reached, len(places) >= (10 if os.geteuid() == 0 else 5)) == (set(), True)
        written = [place for place in places if (place / "written").exists() or (place / "canary").read_text() != GOT]
        assert [place for place in written if not any(each in str(place) for each in shared)] == []


def _laid_out_places(opened: ExitStack) -> list[Path]:
    """A directory of our own in each of the places where this user may make one."""
    found = []
    for place in PLACES:
        path = Path(place, f"epw-{uuid.uuid4().hex[:8]}")
        try:
            path.mkdir()
        except OSError:
            continue
        opened.callback(shutil.rmtree, path)
        found.append(path)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_own_variables_of_our_processes_are_shown_to_nobody() -> None:
    """/proc shows a process's first variables for as long as it runs, to all of the user's processes."""
    look = (
        "from epw.service import startup; startup.prepare(); import os, subprocess; "
        "print(open('/proc/self/environ').read().strip(chr(0)) or 'nothing', os.environ['TOKEN'], flush=True); "
        "subprocess.run(['printenv', 'TOKEN'])"
    )
    env = {**os.environ, "TOKEN": SECRET}
    done = subprocess.run([sys.executable, "-c", look], cwd=ROOT, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"nothing {SECRET}", SECRET]


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_no_process_of_a_running_execution_shows_its_variables(tmp_path: Path, temporal_binary: str) -> None:
    cli = Cli(tmp_path / "home", temporal_binary, {"TOKEN": SECRET, "ANTHROPIC_API_KEY": SECRET})
    began, go = tmp_path / "began", tmp_path / "go"
    wait = f"touch {began}; while [ ! -e {go} ]; do sleep 0.05; done"
    process = cli.popen("run", cli.plan({"sandbox": "process", "tasks": tasks({"id": "a", "run": wait})}))
    try:
        wait_for(began.exists)
        note = json.loads((cli.home / "server/server.json").read_text())
        roots = [psutil.Process(pid) for pid in (process.pid, note["guardian"][0])]
        all_of_them = {each for root in roots for each in (root, *root.children(recursive=True))}
        shown = {}
        for each in all_of_them:
            # The agent's `sleep` may have ended.
            with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
                shown[" ".join(each.cmdline())] = Path(f"/proc/{each.pid}/environ").read_bytes()
    finally:
        go.touch()
        process.communicate(timeout=60)
    assert not any(SECRET.encode() in variables for variables in shown.values())
    ours = {line for line, variables in shown.items() if b"EPW_ATTEMPT_KEY=" not in variables}
    assert len(ours) < len(shown), "an agent shows its own"
    for part in (
        "starter.py run",
        "-m epw.service.worker_process",
        "-m epw.service.server_supervisor",
        "-m epw.service.walled_server",
    ):
        (line,) = (each for each in ours if part in each)
        assert shown[line].strip(b"\0") == b"", line
        ours.remove(line)
    (server,) = ours
    assert "start-dev" in server
    names = {each.partition(b"=")[0].decode() for each in shown[server].split(b"\0") if each}
    assert names <= {"PATH", "HOME", "LANG", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "GOGC", "GOMEMLIMIT"}


def test_who_makes_a_sandbox_s_network_is_given_no_variables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nenv > {tmp_path}/env\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setenv("TOKEN", SECRET)
    monkeypatch.setattr(sys, "executable", str(python))
    with suppress(OSError):
        namespace._create_by_process(0)
    assert "PATH=" in (tmp_path / "env").read_text()
    assert SECRET not in (tmp_path / "env").read_text()


def test_the_page_says_what_is_tested() -> None:
    assert PAGE.read_text() == page(PAGE.read_text()), "python -m tests.threats"
    assert [test for _, test in ALWAYS if not exists(test)] == []
