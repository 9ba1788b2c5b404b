"""Hosts that share a Temporal server and a git URL, and nothing else, and what must hold of them in the end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import psutil
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from activities.processes.process_tree import MARKER
from epw.service.walled_server import dynamic_flags
from tests.command_line import ROOT, Cli, wait_for
from tests.git_servers import free_port
from tests.network import Link
from tests.shared_server import connected_client
from tests.support import eventually, sh, tasks

CANARY = "swordfish-4711-canary"
_READY = "worker ready"
_SECONDS = 60


def pairs(count: int, seconds: float = 1) -> list[dict[str, Any]]:
    """Twice as many tasks: the two of each pair append to one file, and note which host has run them."""
    return tasks(
        *(
            {
                "id": f"{name}{pair}",
                "run": f"echo {name} >> shared{pair}; mkdir -p who; pwd > who/{name}{pair}; sleep {seconds}",
            }
            for pair in range(count)
            for name in ("ours", "theirs")
        )
    )


def shared_files(count: int) -> dict[str, str]:
    return {f"shared{pair}": "begin\n" for pair in range(count)}


def plan_of(url: str, count: int, seconds: float = 1) -> dict[str, Any]:
    """Conflicts that a run on the newest head settles."""
    return {"workspace": url, "maxAgents": 8, "onConflict": ["retry", "merge"], "tasks": pairs(count, seconds)}


class TemporalServer:
    """A development server with a database, which can be killed and come back."""

    def __init__(self, binary: str, folder: Path, link: Link | None = None) -> None:
        """`link`: to the network that reaches it."""
        self._binary, self._database, self._port = binary, folder / "temporal.db", free_port()
        self._within, self._ip = (link.within(), "0.0.0.0") if link is not None else ((), "127.0.0.1")
        self.address = f"{link.address if link is not None else self._ip}:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        argv = [*self._within, self._binary, "server", "start-dev", "--headless", "--port", str(self._port)]
        argv += ["--ip", self._ip]
        argv += ["--log-level", "never", "--db-filename", str(self._database), *dynamic_flags()]
        argv += ["--sqlite-pragma", "journal_mode=wal", "--sqlite-pragma", "synchronous=normal"]
        quiet = subprocess.DEVNULL
        self._process = subprocess.Popen(argv, env={**os.environ, "GOGC": "400"}, stdout=quiet, stderr=quiet)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(_SECONDS)

    async def client(self) -> Client:
        return await connected_client(self.address, "default")


@asynccontextmanager
async def temporal_server(binary: str, folder: Path, link: Link | None = None) -> AsyncIterator[TemporalServer]:
    """A Temporal server while the block runs."""
    server = TemporalServer(binary, folder, link)
    server.start()
    try:
        await server.client()
        yield server
    finally:
        server.kill()


class Host:
    """A machine with a state directory and at most one worker."""

    def __init__(self, cli: Cli, link: Link | None = None) -> None:
        self.cli, self.link = cli, link
        self._worker: subprocess.Popen[bytes] | None = None
        self._log = cli.home.parent / "worker.log"

    @property
    def said(self) -> str:
        """What its workers have printed."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def work(self) -> None:
        """Start its worker, with so few slots that another host has to help; returns once it polls."""
        before = self.said.count(_READY)
        argv = [*self.cli.within, sys.executable, str(ROOT / "starter.py"), "worker", "--slots", "4"]
        with open(self._log, "ab") as log:
            # Not a pipe: who does not read it stops the worker.
            self._worker = subprocess.Popen(argv, env=self.cli.env, stdout=log, stderr=log, start_new_session=True)
        wait_for(lambda: self.said.count(_READY) > before, _SECONDS)

    def kill(self) -> None:
        """End the worker in the middle of whatever it does, with all that it has started: the machine is gone."""
        if (worker := self._worker) is None:
            return
        self._worker = None
        with contextlib.suppress(psutil.NoSuchProcess):
            every = psutil.Process(worker.pid).children(recursive=True)
            os.killpg(worker.pid, signal.SIGKILL)
            for each in every:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
        worker.wait(_SECONDS)

    def stop(self) -> None:
        if self._worker is not None:
            worker, self._worker = self._worker, None
            worker.send_signal(signal.SIGINT)
            worker.wait(_SECONDS)


class Hosts:
    """Hosts with the same user's git configuration, on one Temporal server."""

    def __init__(
        self, address: str, temporal: str, folder: Path, settings: str, namespace: str = "default", **more: str
    ) -> None:
        """`settings`: of git; `more`: variables."""
        self._own = {
            "TEMPORAL_ADDRESS": address,
            "TEMPORAL_NAMESPACE": namespace,
            "GIT_CONFIG_GLOBAL": str(folder / "gitconfig"),
            **more,
        }
        (folder / "gitconfig").write_text(f"[user]\n\tname = Ada\n\temail = ada@example.org\n{settings}")
        self._temporal = temporal
        self._folder = folder
        self.all: list[Host] = []

    def host(self, name: str, link: Link | None = None, clock: Path | None = None) -> Host:
        """A host; `link`: to a network of its own; `clock`: library of another time of day (`other_clock`)."""
        (self._folder / name).mkdir()
        within = () if link is None else link.within(clock)
        cli = Cli(self._folder / name / "home", self._temporal, self._own, within=within)
        cli.is_forked = cli.is_forked and not within
        self.all.append(Host(cli, link))
        return self.all[-1]

    @contextmanager
    def working(self) -> Iterator[None]:
        """Workers of all hosts while the block runs."""
        try:
            for each in self.all:
                each.work()
            yield
        finally:
            for each in self.all:
                each.stop()

    @property
    def said(self) -> str:
        return "".join(each.said for each in self.all)


async def landed(handle: WorkflowHandle[Any, Any], wanted: int, seconds: float = 120) -> None:
    """Wait until so many tasks have succeeded; a server that is away is asked again."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(RPCError):
                progress: dict[str, Any] = await handle.query("progress")
                if progress["counts"].get("succeeded", 0) >= wanted:
                    return
            await asyncio.sleep(0.1)


async def closed(handle: WorkflowHandle[Any, Any], seconds: float = 240) -> None:
    """Wait for an execution's end; a server that is away is asked again."""
    async with asyncio.timeout(seconds):
        while True:
            with contextlib.suppress(RPCError):
                if (await handle.describe()).close_time is not None:
                    return
            await asyncio.sleep(0.2)


async def check(
    hosts: Hosts, handle: WorkflowHandle[Any, Any], plan: dict[str, Any], origin: Path, *, left: float = 90
) -> dict[str, Any]:
    """Check an execution of `plan_of` that has ended, as its result, git and every host tell it; the document.

    `left`: seconds after which nothing of it may be left on a host whose worker was killed.
    """
    documents = [await asyncio.to_thread(each.cli.json, "status", handle.id, code=None) for each in hosts.all]
    document: dict[str, Any] = documents[0]
    errors = [(row["taskId"], row["error"]["message"]) for row in document["results"] if row["error"]]
    assert document["status"] == "succeeded", (errors, hosts.said)
    await eventually(lambda: not remains(hosts), left)
    for each in hosts.all:
        # The invariants, as each host can check them.
        await asyncio.to_thread(each.cli, "doctor", handle.id)
    branch, head = document["delivery"]["branch"], document["delivery"]["head"]
    assert sh(origin, "git", "rev-parse", branch).strip() == head
    prefix = f"refs/epw/{handle.id}"
    assert sh(origin, "git", "for-each-ref", "--format=%(refname)", "refs/heads").split() == [
        f"refs/heads/{branch}",
        "refs/heads/main",
    ]
    listed = sh(origin, "git", "for-each-ref", "--format=%(refname)", "refs").split()
    assert not [ref for ref in listed if not ref.startswith(("refs/heads/", f"{prefix}/"))]
    assert not [ref for ref in listed if "/probes/" in ref]
    count = len(plan["tasks"]) // 2
    for pair in range(count):
        assert sorted(sh(origin, "git", "show", f"{branch}:shared{pair}").split()) == ["begin", "ours", "theirs"], pair
    reported = sorted({file for row in document["results"] for file in row["filesModified"]})
    assert sh(origin, "git", "diff", "--name-only", document["delivery"]["base"], head).splitlines() == reported
    for row in document["results"]:
        assert sh(origin, "git", "cat-file", "-t", row["commit"]) == "commit\n"
    assert CANARY not in json.dumps(documents)
    return document


def remains(hosts: Hosts) -> list[str]:
    """Directories of attempts on any host, and processes of agents and of git that a host has started."""
    homes = [str(each.cli.home) for each in hosts.all]
    found = [str(path) for home in homes for path in Path(home).glob("executions/*/*/attempts")]
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            variables = each.environ()
            if (variables.get("EPW_HOME") in homes and each.name() in ("git", "ssh")) or MARKER in variables:
                is_ours = any(home in " ".join((*each.cmdline(), *variables.values())) for home in homes)
                found += [f"{each.pid} {each.cmdline()}"] if is_ours else []
    return found


async def collect(hosts: Hosts, execution_id: str, origin: Path) -> None:
    """Remove an execution by a command; nothing of it is left on the URL but its branch."""
    await asyncio.to_thread(hosts.all[-1].cli, "gc", execution_id, "--yes")
    assert sh(origin, "git", "for-each-ref", "refs/epw") == ""
    assert sh(origin, "git", "show", f"epw/{execution_id}:shared0")
