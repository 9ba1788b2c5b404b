"""Servers of git repositories, as forges have them: over ssh, and over HTTP with a password."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from aiohttp import web

from tests.command_line import wait_for
from tests.http_server import served

SSHD = shutil.which("sshd") or next((path for path in ("/usr/sbin/sshd",) if os.path.exists(path)), None)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def ssh_server(folder: Path) -> Iterator[tuple[str, str]]:
    """An OpenSSH server with keys of its own; yields what a URL begins with, and a client's command."""
    assert SSHD is not None
    folder.mkdir(mode=0o700)
    port, user = free_port(), os.environ.get("USER") or "root"
    for name in ("host", "client"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    (folder / "authorized").write_text((folder / "client.pub").read_text())
    kind, key, *_ = (folder / "host.pub").read_text().split()
    (folder / "known").write_text(f"[127.0.0.1]:{port} {kind} {key}\n")
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
        f"PidFile {folder}/pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nMaxStartups 100\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with open(folder / "log", "wb") as log:
        server = subprocess.Popen([SSHD, "-D", "-e", "-f", str(folder / "config")], stderr=log)
    try:
        wait_for(lambda: _answers(port))
        command = f"ssh -F none -i {folder}/client -o UserKnownHostsFile={folder}/known -o IdentitiesOnly=yes"
        yield f"ssh://{user}@127.0.0.1:{port}", command
    finally:
        server.terminate()
        server.wait(10)


def _answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
        return connection.recv(4) == b"SSH-"
    return False


class HttpServer:
    """`git http-backend` behind basic authentication; `is_away`: it breaks every connection off."""

    def __init__(self, root: Path, user: str, password: str) -> None:
        self._root = root
        self._wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.is_away = False
        self.answered = 0

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve while the block runs; yields what a URL begins with."""
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        async with served(app) as address:
            yield f"http://{address}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if self.is_away and request.transport is not None:
            request.transport.abort()
        if request.headers.get("Authorization") != self._wanted:
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="git"'})
        self.answered += 1
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self._root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "ada",
            "REQUEST_METHOD": request.method,
            "PATH_INFO": request.path,
            "QUERY_STRING": request.query_string,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
            "GIT_CONFIG_GLOBAL": "/dev/null",
        }
        body = await request.read()
        backend = await asyncio.create_subprocess_exec(
            "git", "http-backend", env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        answer, _ = await backend.communicate(body)
        head, _, content = answer.partition(b"\r\n\r\n")
        lines = (line.partition(": ")[::2] for line in head.decode().split("\r\n"))
        headers = dict(lines)
        status = int(headers.pop("Status", "200 OK").split()[0])
        return web.Response(status=status, headers=headers, body=content)
