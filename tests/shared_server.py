"""One development server for all processes of a run of pytest-xdist, with a namespace for each."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import time
from dataclasses import dataclass

from temporalio.client import Client

from epw.service.converter import data_converter
from epw.service.walled_server import dynamic_flags

_MAX_PROCESSES = 32
_SECONDS = 60
_MAX_STARTS = 3


@dataclass(frozen=True)
class SharedServer:
    address: str
    process: subprocess.Popen[bytes]

    @classmethod
    def started(cls, binary: str) -> SharedServer:
        """A server that answers; one whose port was taken before it could bind it is started again at another."""
        for _ in range(_MAX_STARTS):
            server = cls._start(binary)
            if server._answers():
                return server
            server.process.kill()
            server.process.wait(_SECONDS)
        raise RuntimeError(f"no development server came up in {_MAX_STARTS} starts")

    @classmethod
    def _start(cls, binary: str) -> SharedServer:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        namespaces = [part for number in range(_MAX_PROCESSES) for part in ("--namespace", f"gw{number}")]
        argv = [binary, "server", "start-dev", "--headless", "--ip", "127.0.0.1", "--port", str(port)]
        argv += ["--log-level", "never", *dynamic_flags(), *namespaces]
        # It keeps all in memory: with the embedded one's limit it would collect garbage half of the time.
        quiet, env = subprocess.DEVNULL, {**os.environ, "GOGC": "400"}
        return cls(f"127.0.0.1:{port}", subprocess.Popen(argv, env=env, stdout=quiet, stderr=quiet))

    def _answers(self) -> bool:
        """Whether somebody listens at its port, and it has not ended by then."""
        host, port = self.address.split(":")
        deadline = time.monotonic() + _SECONDS
        while self.process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                return self.process.poll() is None
            time.sleep(0.1)
        return False

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(_SECONDS)


async def connected_client(address: str, namespace: str) -> Client:
    """A client of a server that may still be starting."""
    deadline = time.monotonic() + _SECONDS
    while True:
        try:
            return await Client.connect(address, namespace=namespace, data_converter=data_converter)
        except RuntimeError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
