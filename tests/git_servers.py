"""Servers of git repositories, as forges have them: over ssh, and over HTTP with a password."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil
from aiohttp import web

from tests.command_line import wait_for
from tests.http_server import served

SSHD = shutil.which("sshd") or next((path for path in ("/usr/sbin/sshd",) if os.path.exists(path)), None)


def free_port(address: str = "127.0.0.1") -> int:
    with socket.socket() as found:
        found.bind((address, 0))
        return int(found.getsockname()[1])


class SshServer:
    """An OpenSSH server with keys of its own, which can be killed and come back."""

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        self._folder, self._address, self._port = folder, address, free_port(address)
        folder.mkdir(mode=0o700)
        for name in ("host", "client"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        (folder / "authorized").write_text((folder / "client.pub").read_text())
        kind, key, *_ = (folder / "host.pub").read_text().split()
        (folder / "known").write_text(f"[{address}]:{self._port} {kind} {key}\n")
        (folder / "config").write_text(
            f"Port {self._port}\nListenAddress {address}\nHostKey {folder}/host\n"
            f"AuthorizedKeysFile {folder}/authorized\nPidFile {folder}/pid\n"
            "StrictModes no\nUsePAM no\nPasswordAuthentication no\nMaxStartups 100\n"
            # The user's own .bashrc, which bash reads for ssh, may start anything, and be killed in its middle.
            f"SetEnv HOME={folder}\n"
        )
        self._process: psutil.Popen | None = None

    @property
    def begin(self) -> str:
        """What a URL begins with."""
        return f"ssh://{os.environ.get('USER') or 'root'}@{self._address}:{self._port}"

    @property
    def client(self) -> str:
        """Command of a client that it lets in."""
        folder = self._folder
        return f"ssh -F none -i {folder}/client -o UserKnownHostsFile={folder}/known -o IdentitiesOnly=yes"

    def start(self) -> None:
        """Serve; returns once it answers."""
        assert SSHD is not None
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        with open(self._folder / "log", "ab") as log:
            self._process = psutil.Popen([SSHD, "-D", "-e", "-f", str(self._folder / "config")], stderr=log)
        wait_for(lambda: _answers(self._address, self._port))

    def kill(self) -> None:
        """End it in the middle of whatever it does, with all that it has started."""
        assert self._process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            for each in [self._process, *self._process.children(recursive=True)]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.kill()
        self._process.wait(10)


@contextmanager
def ssh_server(folder: Path, address: str = "127.0.0.1") -> Iterator[SshServer]:
    """An OpenSSH server while the block runs."""
    server = SshServer(folder, address)
    server.start()
    try:
        yield server
    finally:
        server.kill()


def _answers(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), 1) as connection:
        return connection.recv(4) == b"SSH-"
    return False


class Certificates:
    """A certificate authority of a test's own, and a certificate of it for one address."""

    def __init__(self, folder: Path, address: str) -> None:
        folder.mkdir()
        self.authority = folder / "authority.pem"
        key, request, self._chain = folder / "key.pem", folder / "request.pem", folder / "server.pem"
        names = folder / "names"
        names.write_text(f"subjectAltName=IP:{address}\n")
        new = ("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        own = folder / "authority-key.pem"
        sign = ("x509", "-req", "-days", "2", "-CA", self.authority, "-CAkey", own, "-CAcreateserial")
        for argv in (
            (*new, "-x509", "-days", "2", "-subj", "/CN=epw test", "-keyout", own, "-out", self.authority),
            (*new, "-subj", f"/CN={address}", "-keyout", key, "-out", request),
            (*sign, "-in", request, "-extfile", names, "-out", self._chain),
        ):
            subprocess.run(["openssl", *argv], check=True, capture_output=True)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self._chain, key)


class HttpServer:
    """`git http-backend` behind basic authentication; `is_away`: it breaks every connection off."""

    def __init__(self, root: Path, user: str, password: str) -> None:
        self._root = root
        self._wanted = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.is_away = False
        self.answered = 0

    @asynccontextmanager
    async def serving(self, address: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
        """Serve while the block runs; yields what a URL begins with."""
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        async with served(app, address, tls) as place:
            yield f"{'https' if tls else 'http'}://{place}"

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
