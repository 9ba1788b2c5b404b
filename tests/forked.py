"""Commands as processes that are forked from one that has imported the libraries: a start costs a third.

What is imported is what has no state of a process: third-party packages and `epw.core`. The rest a command does itself,
in a process of its own, with its own arguments, environment, directory and streams, to its own exit code. How a program
starts (streams that are closed, locales, modules in its way) is for processes of their own: `Cli.popen`,
tests/service/test_startup.py, tests/cli/test_environments.py.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import io
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent
_STARTING = threading.Lock()
_LIBRARIES = (
    *("pydantic", "rich.console", "rich.table", "temporalio.client", "temporalio.converter", "temporalio.envconfig"),
    *(
        "temporalio.worker",
        "tree_sitter",
        "tree_sitter_python",
        "typer",
        "typer.main",
        "yaml",
        "psutil",
        "asyncio",
        "sqlite3",
    ),
    *("epw.core.conflict_steps", "epw.core.messages", "epw.core.plan.validate", "epw.core.report.model"),
)


def run(
    argv: Sequence[str],
    env: dict[str, str],
    seconds: float,
    stdin: str | None = None,
    started: Callable[[int], object] = lambda pid: None,
) -> subprocess.CompletedProcess[str]:
    """Run `starter.py` with these arguments; standard input is empty where `stdin` is None.

    `started`: called with the process id. One that has not ended after so many seconds is killed.
    """
    with contextlib.ExitStack() as files:
        wanted, given, out, err = (files.enter_context(tempfile.TemporaryFile("w+")) for _ in range(4))
        json.dump({"argv": argv, "env": env, "cwd": os.getcwd()}, wanted)
        given.write(stdin or "")
        for each in (wanted, given):
            each.seek(0)
        ended, told = (files.enter_context(os.fdopen(each, "r+b", 0)) for each in os.pipe())
        socket.send_fds(_server(), [b"."], [each.fileno() for each in (wanted, given, out, err, told)])
        told.close()
        pid = int(ended.readline())
        started(pid)
        if not select.select([ended], [], [], seconds)[0]:
            os.kill(pid, signal.SIGKILL)
            raise AssertionError(f"{argv}: no end after {seconds} s: {_text(err)[-2000:]}")
        code = int(ended.readline())
        return subprocess.CompletedProcess(argv, code, _text(out), _text(err))


def program() -> list[str]:
    """Start of an argument list: a small program that has `starter.py` forked with its own streams and directory.

    It passes signals on, and ends with the command's exit code.
    """
    return [sys.executable, "-I", "-S", str(ROOT / "tests/forked_program.py"), str(_path())]


@functools.cache
def _path() -> Path:
    """Socket at which the process that is forked takes requests of others than this one."""
    _server()
    return _folder() / "requests"


@functools.cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="epw-forked-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _text(file: IO[str]) -> str:
    file.seek(0)
    return file.read()


def _server() -> socket.socket:
    """The process that is forked; it ends when this one has. Threads share it."""
    with _STARTING:
        return _started_server()


@functools.cache
def _started_server() -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    others = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    others.bind(str(_folder() / "requests"))
    others.listen(64)
    passed = [theirs.fileno(), others.fileno()]
    argv = [sys.executable, "-m", "tests.forked", *map(str, passed)]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    process = subprocess.Popen(argv, env=kept, cwd=ROOT, pass_fds=passed, stdin=subprocess.DEVNULL)
    for each in (theirs, others):
        each.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _serve(requests: socket.socket, others: socket.socket) -> None:
    """Fork for each request; returns in the process that is to become the command."""
    for library in _LIBRARIES:
        importlib.import_module(library)
    gc.freeze()
    # Waited for late, when another is wanted: so that the time they took counts as this process's and its parent's.
    waiting: list[int] = []
    while files := _request(requests, others):
        if b'"argv": ["mcp"' in os.pread(files[0], 100, 0):
            # Half a second that no other command takes.
            importlib.import_module("mcp.server.lowlevel")
        pid = os.fork()
        if pid == 0:
            requests.close()
            others.close()
            return _fork(*files)
        for each in files:
            os.close(each)
        waiting = [each for each in (*waiting, pid) if os.waitpid(each, os.WNOHANG)[0] == 0]
    for each in waiting:
        os.waitpid(each, 0)
    sys.exit()


def _request(requests: socket.socket, others: socket.socket) -> list[int]:
    """The files of the next request; none where there will be no more."""
    if requests in select.select([requests, others], [], [])[0]:
        return socket.recv_fds(requests, 1, 5)[1]
    with others.accept()[0] as asked:
        return socket.recv_fds(asked, 1, 5)[1]


def _fork(wanted: int, given: int, out: int, err: int, told: int) -> None:
    """Start the command, and tell its process id and exit code, a line each; returns in the command."""
    pid = os.fork()
    if pid:
        os.write(told, f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    os.close(told)
    with open(wanted) as file:
        request = json.load(file)
    for number, each in enumerate((given, out, err)):
        os.dup2(each, number)
        os.close(each)
    os.environ.clear()
    os.environ.update(request["env"])
    os.chdir(request["cwd"])
    sys.argv = [str(ROOT / "starter.py"), *request["argv"]]
    sys.stdin = os.fdopen(0)
    sys.stdout, sys.stderr = (io.TextIOWrapper(os.fdopen(each, "wb", 0), write_through=True) for each in (1, 2))


if __name__ == "__main__":
    with socket.socket(fileno=int(sys.argv[1])) as channel, socket.socket(fileno=int(sys.argv[2])) as listener:
        _serve(channel, listener)
    runpy.run_path(sys.argv[0], run_name="__main__")
