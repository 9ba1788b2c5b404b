"""Process that runs the embedded server in a network namespace of its own.

The supervisor accepts connections outside, checks them, and passes those that it admits to this process. Where this
machine allows no network namespace the server listens on this machine's loopback, at ports that are not published.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil

from activities.sandbox.network import make_namespace
from activities.state.state_directory import ServerFiles
from epw.core.search_attributes import TYPES
from epw.service import startup

_READY_SECONDS = 20.0
_MAX_STARTS = 3
_PR_SET_PDEATHSIG = 1
_CHUNK = 256 * 1024
_MAX_HEAD_BYTES = 64 * 1024
_HEAD_SECONDS = 30.0
# The step from one activity to the next waits for these queues: 51 ms with the defaults, 9 ms with these.
_DYNAMIC_CONFIG = (
    "history.transferProcessorMaxPollRPS=5000",
    "history.timerProcessorMaxPollRPS=1000",
    # A plan may have 1.5 MB; the default warns and the limit of one message stays 4 MB.
    "limit.blobSize.warn=4194304",
    # A plan's 10,000 tasks take 37,000 events where none fails; the defaults are 51,200 and 50 MB.
    "limit.historyCount.error=200000",
    "limit.historySize.error=209715200",
    # With more events than this while a worker is at a workflow task, the server takes the task away and has it done
    # anew, from the history's beginning: the default, 100, is what as many agents send that end together.
    "history.maximumBufferedEventsBatch=10000",
    "history.maximumBufferedEventsSizeInBytes=33554432",
    # The start of each activity looks up its event: with the default, half a megabyte, that of a thousand that begin at
    # once is read from the database.
    "history.eventsCacheMaxSizeBytes=33554432",
)
# While its heap is small, Go would collect garbage all the time: a tenth of the CPU, measured. Later, the heap of a
# server that is up for long stays bounded: 277 MB after 500 executions, 450 MB and growing without the limit.
_MEMORY = {"GOGC": "400", "GOMEMLIMIT": "200MiB"}
_PRAGMAS = ("journal_mode=wal", "synchronous=normal")


def dynamic_flags() -> list[str]:
    """Flags that make a development server fast."""
    return [part for value in _DYNAMIC_CONFIG for part in ("--dynamic-config-value", value)]


def die_with_parent() -> None:
    """End this process when its parent's main thread ends (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def main(control: socket.socket, files: ServerFiles, binary: str, namespace: str) -> int:
    """Serve until the server or the supervisor has ended; first sends process id and start time, as JSON."""
    is_walled = _wall_off()
    die_with_parent()
    started = _start(files, binary, namespace)
    if started is None:
        return 1
    server, ports = started
    created = psutil.Process(server.pid).create_time()
    control.sendall(json.dumps({"pid": server.pid, "created": created, "walled": is_walled}).encode() + b"\n")
    threading.Thread(target=_receive_connections, args=[control, ports], daemon=True).start()
    signal.signal(signal.SIGTERM, lambda *_: server.terminate())
    return server.wait()


def _wall_off() -> bool:
    """Enter a network namespace of its own; whether that is allowed."""
    user, group = os.getuid(), os.getgid()
    if sys.platform != "linux" or not (make_namespace.enter() or make_namespace.enter(as_user=True)):
        return False
    if user:
        make_namespace.keep_user(user, group)
    descriptors, _ = make_namespace.make(0)
    for each in descriptors:
        os.close(each)
    return True


def _start(files: ServerFiles, binary: str, namespace: str) -> tuple[subprocess.Popen[bytes], list[int]] | None:
    """Start the server; its process and its ports, for Temporal's protocol and for the Web UI."""
    for _ in range(_MAX_STARTS):
        ports = [_free_port(), _free_port()]
        argv = [binary, "server", "start-dev", "--ip", "127.0.0.1", "--port", str(ports[0])]
        argv += ["--ui-port", str(ports[1]), "--ui-disable-news-fetch", "--log-level", "error"]
        argv += ["--db-filename", str(files.database), "--namespace", namespace]
        argv += dynamic_flags()
        argv += [part for value in _PRAGMAS for part in ("--sqlite-pragma", value)]
        argv += [part for name, kind in TYPES.items() for part in ("--search-attribute", f"{name}={kind}")]
        with open(files.log, "ab") as output:
            server = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**_MEMORY, **os.environ},
                preexec_fn=die_with_parent,
            )
        deadline = time.monotonic() + _READY_SECONDS
        while server.poll() is None and time.monotonic() < deadline:
            if all(map(_listens, ports)):
                return server, ports
            time.sleep(0.02)
        server.kill()
        server.wait()
    return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _receive_connections(control: socket.socket, ports: list[int]) -> None:
    """Connect clients that the supervisor passes on; a message holds the index of the port and its number outside."""
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 64, 1, socket.MSG_CMSG_CLOEXEC)
        if not message:
            os.kill(os.getpid(), signal.SIGTERM)
            return
        index, outside = map(int, message.split())
        for descriptor in descriptors:
            client = socket.socket(fileno=descriptor)
            threading.Thread(target=_connect, args=[client, ports[index], outside if index else 0], daemon=True).start()


def _connect(client: socket.socket, port: int, web_port: int) -> None:
    """Relay between client and server; for the Web UI (`web_port`: its port outside, else 0) one checked request."""
    with client:
        first = b""
        if web_port:
            client.settimeout(_HEAD_SECONDS)
            request = _checked_request(client, web_port)
            if request is None:
                return
            first = request
            client.settimeout(None)
        try:
            server = socket.create_connection(("127.0.0.1", port))
        except OSError:
            return
        with server:
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.sendall(first)
            upstream = threading.Thread(target=_pump, args=[client, server], daemon=True)
            upstream.start()
            _pump(server, client)
            upstream.join()


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(_CHUNK):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        for each in (source, target):
            _shut(each)


def _shut(connection: socket.socket) -> None:
    """Shut a connection down that may have ended already."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _checked_request(client: socket.socket, port: int) -> bytes | None:
    """A browser's request, made the last one on its connection; None where it is denied or does not arrive."""
    head = b""
    try:
        while b"\r\n\r\n" not in head and len(head) < _MAX_HEAD_BYTES:
            data = client.recv(_CHUNK)
            if not data:
                return None
            head += data
        lines, _, body = head.partition(b"\r\n\r\n")
        request, *fields = lines.split(b"\r\n")
        # A server may accept a bare CR or LF as a line end, and what follows as another header or request.
        is_plain = not any(end in line for line in (request, *fields) for end in (b"\r", b"\n"))
        if not is_plain or not is_own_request(request, fields, port):
            client.sendall(b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
            return None
    except OSError:
        return None
    kept = [line for line in fields if not line.lower().startswith((b"connection:", b"keep-alive:"))]
    return b"\r\n".join([request, *kept, b"Connection: close"]) + b"\r\n\r\n" + body


def is_own_request(request: bytes, fields: list[bytes], port: int) -> bool:
    """Whether a request comes from the Web UI's own pages or from the user, not from another page in the browser.

    Decided by headers that pages cannot set: Host (against DNS rebinding), Origin, Sec-Fetch-Site.
    """
    if not request.partition(b" ")[2].startswith(b"/"):
        return False
    named: dict[bytes, list[bytes]] = {}
    for line in fields:
        name, _, value = line.partition(b":")
        named.setdefault(name.strip().lower(), []).append(value.strip().lower())
    hosts = [f"{host}:{port}".encode() for host in ("127.0.0.1", "localhost")]
    if len(named.get(b"host", [])) != 1 or named[b"host"][0] not in hosts:
        return False
    if any(origin not in [b"http://" + host for host in hosts] for origin in named.get(b"origin", [])):
        return False
    reads = request.split(b" ")[0] in (b"GET", b"HEAD")
    return reads or all(site in (b"same-origin", b"none") for site in named.get(b"sec-fetch-site", []))


if __name__ == "__main__":
    startup.prepare()
    startup.begin()
    with socket.socket(fileno=int(sys.argv[1])) as channel:
        sys.exit(main(channel, ServerFiles(Path(sys.argv[2])), sys.argv[3], sys.argv[4]))
