"""Network of a test's own: a bridge of this machine, and hosts that reach it from network namespaces of their own."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MISSING = [
    *(["root"] if os.geteuid() else []),
    *(f"{name} (Debian: apt-get install iproute2 util-linux)" for name in ("ip", "nsenter") if not shutil.which(name)),
]
"""What this machine lacks for a network."""
MISSING_FOR_CLOCKS = [*MISSING, *([] if shutil.which("cc") else ["cc (Debian: apt-get install gcc libc6-dev)"])]
_CLOCK = """
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t id, struct timespec *now) {
    int code = syscall(SYS_clock_gettime, id, now);
    if (!code && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) now->tv_sec += SHIFT;
    return code;
}
time_t time(time_t *to) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return to ? (*to = now.tv_sec) : now.tv_sec;
}
int gettimeofday(struct timeval *restrict to, void *restrict zone) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    to->tv_sec = now.tv_sec;
    to->tv_usec = now.tv_nsec / 1000;
    return 0;
}
"""
"""Library that shifts the time of day. With libfaketime 0.9.10 Python does not sleep: it takes the steady clock too."""
_OTHER_CLOCK = """
set -eu
mount -t tmpfs none /mnt
mkdir /mnt/upper /mnt/work
mount -t overlay none -o lowerdir=/etc,upperdir=/mnt/upper,workdir=/mnt/work /etc
echo {library} > /etc/ld.so.preload
exec "$@"
"""
"""Every program that is started from here on, whatever its environment, sees the other time of day."""


@dataclass(frozen=True)
class Link:
    """Link of one host to the bridge."""

    namespace: str
    interface: str
    address: str

    def within(self, clock: Path | None = None) -> tuple[str, ...]:
        """What a command line begins with that runs in this host; `clock`: its library of `other_clock`."""
        there = ("nsenter", f"--net=/run/netns/{self.namespace}", "--")
        if clock is None:
            return there
        script = _OTHER_CLOCK.format(library=shlex.quote(str(clock)))
        return (*there, "unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh")

    def cut(self) -> None:
        """Lose every packet from now on, without a word to either side."""
        _ip("link", "set", self.interface, "nomaster")

    def mend(self) -> None:
        _ip("link", "set", self.interface, "master", self.interface.rpartition("-")[0])


class Network:
    """A bridge; this machine is at `address`."""

    def __init__(self) -> None:
        number = os.getpid()
        self._bridge = f"ep{number}"
        self._prefix = f"10.{200 + number % 50}.{number // 50 % 250}"
        self._hosts = 0
        self.address = f"{self._prefix}.1"

    def join(self) -> Link:
        """A host that reaches this machine, and that this machine reaches."""
        self._hosts += 1
        name = f"{self._bridge}-{self._hosts}"
        link = Link(f"epw-{name}", name, f"{self._prefix}.{1 + self._hosts}")
        _ip("netns", "add", link.namespace)
        _ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", link.namespace)
        link.mend()
        _ip("link", "set", name, "up")
        within = ("-netns", link.namespace)
        _ip(*within, "addr", "add", f"{link.address}/24", "dev", "eth0")
        for each in ("lo", "eth0"):
            _ip(*within, "link", "set", each, "up")
        return link

    def _open(self) -> None:
        _ip("link", "add", self._bridge, "type", "bridge")
        _ip("addr", "add", f"{self.address}/24", "dev", self._bridge)
        _ip("link", "set", self._bridge, "up")

    def _close(self) -> None:
        for number in range(1, self._hosts + 1):
            subprocess.run(["ip", "netns", "delete", f"epw-{self._bridge}-{number}"], check=False)
            subprocess.run(["ip", "link", "delete", f"{self._bridge}-{number}"], check=False, capture_output=True)
        subprocess.run(["ip", "link", "delete", self._bridge], check=False)


@contextmanager
def network() -> Iterator[Network]:
    """A network while the block runs."""
    made = Network()
    made._open()
    try:
        yield made
    finally:
        made._close()


def other_clock(folder: Path, seconds: int) -> Path:
    """A library for hosts whose clock is ahead by so much."""
    library = folder / f"clock{seconds}.so"
    argv = ["cc", "-shared", "-fPIC", f"-DSHIFT=({seconds})", "-x", "c", "-", "-o", str(library)]
    subprocess.run(argv, input=_CLOCK.encode(), check=True, capture_output=True)
    return library


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
