"""The embedded server is of use to its owner's processes alone: no other user, no web page, no agent."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest

from activities.sandbox.levels import bubblewrap_problem
from activities.state.state_directory import StateDirectory
from activities.system.process_identity import SUPERVISED_BY, worker_supervisor
from epw.core.errors import Unavailable
from epw.service.connection import connected
from epw.service.door import is_agent
from epw.service.walled_server import is_own_request
from epw.settings import Settings
from tests.command_line import Cli, line_with, stop
from tests.support import tasks
from tests.threats import LEVELS

OWN = [b"Host: localhost:8233"]
WAYS = {"itself": "", "new-session": "setsid -w ", "no-parent-no-environment": "env -i setsid -f "}
"""How an agent knocks: the prefix of its command."""
# What a client of HTTP/2 begins with; a server answers with its settings.
_KNOCK = """
import socket, sys
try:
    s = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 5)
    sent = b"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n" + bytes(4) + b"\\4" + bytes(4)
    s.sendall(sent)
    # Where nobody listens, a socket may by chance connect to itself, and hear what it says.
    print("open" if s.recv(100) not in (b"", sent) else "shut")
except OSError:
    print("shut")
"""


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, temporal_binary: str) -> Iterator[Cli]:
    cli = Cli(tmp_path_factory.mktemp("door") / "home", temporal_binary)
    process = cli.popen("up")
    line_with(process, "task queue")
    yield cli
    stop(process)


def _note(cli: Cli) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((cli.home / "server/server.json").read_text())
    return found


def _knock(port: int, *prefix: str) -> str:
    # The system's: another user may not enter this one's home.
    argv = [*prefix, "/usr/bin/python3", "-c", _KNOCK, str(port)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_owner_s_tools_work_by_what_env_prints(up: Cli) -> None:
    exported = up("env").stdout
    command = f'{exported} {up.temporal} workflow list --output json && echo "$TEMPORAL_NAMESPACE"'
    done = subprocess.run(["sh", "-c", command], env=up.env, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == _note(up)["namespace"] == up.json("env")["TEMPORAL_NAMESPACE"]
    assert _knock(_note(up)["ports"][0]) == "open"


def test_env_says_that_no_server_runs(tmp_path: Path, temporal_binary: str) -> None:
    assert "epw up" in Cli(tmp_path / "home", temporal_binary)("env", code=3).stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_another_user_gets_no_answer(up: Cli) -> None:
    for port in _note(up)["ports"]:
        assert _knock(port, "setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups") == "shut"


@pytest.fixture(scope="module")
def knocked(up: Cli) -> Callable[[str], dict[str, list[str]]]:
    """What the agents of a level were told, by the way in which they knocked at both ports."""
    ports = _note(up)["ports"]

    def task(way: str, prefix: str) -> dict[str, str]:
        knocks = "\n".join(f"{prefix}/usr/bin/python3 knock.py {port} > said{port}" for port in ports)
        # One without a parent is not waited for.
        said = "".join(f"while [ ! -s said{port} ]; do sleep 0.05; done; cat said{port}; " for port in ports)
        return {"id": way, "run": f"cat > knock.py <<'END'\n{_KNOCK}\nEND\n{knocks}\n{said}"}

    @cache
    def answers(level: str) -> dict[str, list[str]]:
        rows = tasks(*(task(way, prefix) for way, prefix in WAYS.items()))
        document = up.json("run", up.plan({"sandbox": level, "tasks": rows}))
        assert document["status"] == "succeeded", document["results"]
        logs = f"executions/{document['executionId'][:20]}*/*/logs"
        return {way: next(up.home.glob(f"{logs}/{way}-*.log")).read_text().split() for way in WAYS}

    return answers


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("way", WAYS)
def test_an_agent_gets_no_answer(knocked: Callable[[str], dict[str, list[str]]], level: str, way: str) -> None:
    if level == "bubblewrap" and (missing := bubblewrap_problem()):
        pytest.skip(missing)
    assert knocked(level)[way] == ["shut", "shut"]


@pytest.mark.parametrize("end", [b"\n", b"\r"])
def test_no_second_request_is_smuggled_behind_a_bare_line_end(up: Cli, end: bytes) -> None:
    hidden = end.join([b"X: a", b"", b"POST /api/v1/namespaces HTTP/1.1", b"Host: evil", b"Content-Length: 0"])
    port = _note(up)["ports"][1]
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n\r\n" % (port, hidden))
        answer = b""
        while data := connection.recv(65536):
            answer += data
    assert answer.startswith(b"HTTP/1.1 403")
    assert answer.count(b"HTTP/1.1") == 1


def test_a_web_page_gets_nothing_done_and_the_web_ui_works(up: Cli) -> None:
    note = _note(up)
    url = f"{note['webUI']}/api/v1/namespaces/{note['namespace']}/workflows"
    with urlopen(url, timeout=10) as answer:
        assert answer.status == 200
    body = json.dumps({"workflowType": {"name": "ExecuteParallelWorkflow"}, "taskQueue": {"name": "epw"}}).encode()
    pages: list[dict[str, str]] = [
        {"Origin": "http://evil.example", "Content-Type": "text/plain"},
        {"Origin": "null"},
        {"Host": "evil.example:8233"},
        {"Sec-Fetch-Site": "cross-site"},
    ]
    for headers in pages:
        with pytest.raises(HTTPError) as refused:
            urlopen(Request(f"{url}/evil", data=body, headers=headers, method="POST"), timeout=10)
        with refused.value as answered:
            assert answered.code == 403
    assert "evil" not in up.temporal_cli("workflow", "list")


@pytest.mark.parametrize(
    ("request_line", "fields", "own"),
    [
        (b"GET / HTTP/1.1", OWN, True),
        (b"GET / HTTP/1.1", [b"host:  LOCALHOST:8233 "], True),
        (b"POST /api HTTP/1.1", [*OWN, b"Origin: http://localhost:8233", b"Sec-Fetch-Site: same-origin"], True),
        (b"GET /x HTTP/1.1", [*OWN, b"Sec-Fetch-Site: cross-site"], True),
        (b"POST /api HTTP/1.1", [*OWN, b"Sec-Fetch-Site: same-site"], False),
        (b"GET / HTTP/1.1", [], False),
        (b"GET / HTTP/1.1", [*OWN, b"Host: evil:8233"], False),
        (b"GET / HTTP/1.1", [b"Host: evil.example:8233"], False),
        (b"GET / HTTP/1.1", [b"Host: localhost:7233"], False),
        (b"GET / HTTP/1.1", [*OWN, b"Origin: http://localhost:3000"], False),
        (b"GET http://evil.example/ HTTP/1.1", OWN, False),
        (b"PUT / HTTP/1.1", [*OWN, b"origin: https://localhost:8233"], False),
    ],
)
def test_whose_request_it_is(request_line: bytes, fields: list[bytes], own: bool) -> None:
    assert is_own_request(request_line, fields, 8233) is own


async def test_a_server_of_somebody_else_at_our_port_is_not_ours(up: Cli, tmp_path: Path, temporal_binary: str) -> None:
    """As after a supervisor's death, when another server has taken its port: by name it is none of ours."""
    mine = Cli(tmp_path / "home", temporal_binary)
    process = mine.popen("up")
    line_with(process, "task queue")
    try:
        note = mine.home / "server/server.json"
        theirs = {**json.loads(note.read_text()), "address": _note(up)["address"]}
        note.write_text(json.dumps(theirs))
        with pytest.raises(Unavailable, match="no Temporal server"):
            async with connected(Settings(mine.home), connect_seconds=1, start_seconds=1):
                pass
    finally:
        stop(process)


@pytest.mark.skipif(sys.platform != "linux", reason="network namespaces are Linux's")
def test_nothing_but_the_door_listens_on_this_machine(up: Cli) -> None:
    note = _note(up)
    if not note["walled"]:
        pytest.skip("this machine has no network namespaces for this user")
    listening = subprocess.run(["ss", "-ltnp"], capture_output=True, text=True, check=True).stdout
    assert f"pid={note['pid']}," not in listening
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", note["ports"][0])) == 0


def test_whoever_descends_from_a_worker_is_an_agent(tmp_path: Path) -> None:
    """Whatever it has given up: a marker, a group, a session."""
    mine = psutil.Process()
    (tmp_path / "running").mkdir()
    with subprocess.Popen(["env", "-i", "setsid", "sleep", "1000"]) as child:
        try:
            sleeping = child.pid
            assert not is_agent(StateDirectory(tmp_path), sleeping, [])
            note = {"identity": "w", "worker": [mine.pid, mine.create_time()]}
            (tmp_path / "running" / f"{mine.pid}.worker").write_text(json.dumps(note))
            assert is_agent(StateDirectory(tmp_path), sleeping, [])
            assert not is_agent(StateDirectory(tmp_path), mine.pid, []), "the worker itself"
            (tmp_path / "running" / f"{mine.pid}.worker").rename(tmp_path / "hidden")
            assert is_agent(StateDirectory(tmp_path), sleeping, [(mine.pid, mine.create_time())]), "it was seen before"
            # Its number is another's by now.
            (tmp_path / "running" / f"{mine.pid}.worker").write_text(json.dumps({**note, "worker": [mine.pid, 1.0]}))
            assert not is_agent(StateDirectory(tmp_path), sleeping, [])
        finally:
            child.terminate()


def test_an_orphan_of_a_dead_worker_is_an_agent_and_its_successor_is_not(tmp_path: Path) -> None:
    """Both are children of the dead one's supervisor."""
    supervisor = psutil.Process()
    (tmp_path / "running").mkdir()
    note = {"identity": "w", "worker": [supervisor.pid, 1.0], "keeper": [supervisor.pid, supervisor.create_time()]}
    (tmp_path / "running" / "1.worker").write_text(json.dumps(note))
    for name, expected in (("orphan", True), (f"{SUPERVISED_BY}1", False)):
        # It waits in a process of its own, which is two below the supervisor.
        argv = ["/usr/bin/python3", "-c", "import subprocess; subprocess.run(['sleep', '1000'])", name]
        with subprocess.Popen(argv, start_new_session=True) as child:
            try:
                while not (below := psutil.Process(child.pid).children()) or below[0].name() != "sleep":
                    os.sched_yield()
                assert is_agent(StateDirectory(tmp_path), child.pid, []) == expected
                assert is_agent(StateDirectory(tmp_path), below[0].pid, [])
            finally:
                os.killpg(child.pid, signal.SIGKILL)


def test_who_becomes_a_worker_s_parent_when_its_supervisor_dies_is_no_supervisor() -> None:
    """It may be the first process of the machine, of which everybody descends."""
    assert worker_supervisor([f"{SUPERVISED_BY}{os.getppid()}"]) == (
        os.getppid(),
        psutil.Process(os.getppid()).create_time(),
    )
    assert worker_supervisor([f"{SUPERVISED_BY}{os.getpid()}"]) is None
    assert worker_supervisor([]) is None


def test_a_supervised_worker_names_its_supervisor(up: Cli) -> None:
    (file,) = (up.home / "running").glob("*.worker")
    content = json.loads(file.read_bytes())
    assert psutil.Process(content["worker"][0]).ppid() == content["keeper"][0]


def test_nobody_of_a_crowd_is_left_outside(up: Cli) -> None:
    """As a browser comes: many connections at once, while others end."""
    url = f"{_note(up)['webUI']}/"

    def ask(_: int) -> int:
        with urlopen(url, timeout=20) as answer:
            return int(answer.status)

    with ThreadPoolExecutor(20) as crowd:
        assert set(crowd.map(ask, range(300))) == {200}
