"""What each sandbox level stops is what docs/security.md says, no more and no less."""

from __future__ import annotations

import os
import socket
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from activities.limits.sandbox import lacks_bubblewrap
from tests.support import Farm, make_repository, tasks
from tests.threats import ALWAYS, GOT, LEVELS, PAGE, THREATS, exists, page

SECRET = f"{GOT}-variable"


@pytest.fixture
def laid_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, object]]:
    """What there is to be reached on this machine."""
    canary = f".epw-canary-{uuid.uuid4().hex}"
    home = Path(os.path.realpath(os.path.expanduser("~")))
    abstract = f"\0epw-{uuid.uuid4().hex}"
    monkeypatch.setenv("WORKER_SECRET", SECRET)
    with ExitStack() as opened:
        for folder in (home, Path("/dev/shm")):
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
            "abstract": abstract.replace("\0", "\\0"),
            "port": service.getsockname()[1],
            "own": _own_address(),
        }


def _own_address() -> str:
    """Of this machine, and not its loopback, where it has one."""
    addresses = [each for all_of_one in psutil.net_if_addrs().values() for each in all_of_one]
    own = [each.address for each in addresses if each.family == socket.AF_INET]
    return next((each for each in own if not each.startswith("127.")), own[0])


@pytest.mark.parametrize("level", LEVELS)
async def test_a_level_stops_what_it_says(farm: Farm, tmp_path: Path, laid_out: dict[str, object], level: str) -> None:
    if level == "bubblewrap" and (missing := lacks_bubblewrap()):
        pytest.skip(missing)
    workspace = make_repository(tmp_path / "work")
    places = {**laid_out, "workspace": workspace, "state": farm.home}
    runs = {threat.name: f"( {threat.command.format(**places)} ) 2>&1 || true" for threat in THREATS}
    rows = [{"id": name, "run": run} for name, run in runs.items()]
    plan = {"sandbox": level, "deliver": "none", "workspace": str(workspace), "tasks": tasks(*rows)}
    document = await farm.run(plan)
    assert document["status"] == "succeeded"
    said = {name: next(farm.home.glob(f"executions/*/*/logs/{name}-*.log")).read_text() for name in runs}
    reached = {name for name, text in said.items() if GOT in text}
    expected = {threat.name for threat in THREATS if level not in threat.stopped_by}
    assert reached == expected, said


def test_the_page_says_what_is_tested() -> None:
    assert PAGE.read_text() == page(PAGE.read_text()), "python -m tests.threats"
    assert [test for _, test in ALWAYS if not exists(test)] == []
