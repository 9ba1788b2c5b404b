"""One control group per attempt: the kernel accounts for its process tree, limits it, and ends it as a whole.

Version 2, or version 1 with one folder per controller, where a version 2 hierarchy beside it, if mounted, provides
`cgroup.kill`. `probe` is None where this process may create no groups.
https://docs.kernel.org/admin-guide/cgroup-v2.html
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shlex
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from activities.processes.bounds import MB, Bounds
from activities.processes.disk import written_mb

_ROOT = Path("/sys/fs/cgroup")
_OURS = "epw"
_CONTROLLERS = ("memory", "cpu", "cpuacct", "pids")
_PERIOD_US = 100_000
_MAX_NAME_LENGTH = 200
_KILL_SECONDS = 5.0
_PROBE_MB = 64


@dataclass(frozen=True)
class CgroupMount:
    """Folders below which groups are created, one in each hierarchy."""

    version: int
    folders: dict[str, Path]


@dataclass(frozen=True)
class Reading:
    """Use of resources of a group so far."""

    memory_mb: float
    """Resident memory now, without the kernel's caches, MB."""
    peak_mb: float
    """Highest memory so far, with the kernel's caches, MB."""
    cpu_seconds: float
    throttled_seconds: float
    killed: int
    """Processes that the kernel ended for lack of memory."""
    denied: int
    """Processes that could not be started."""
    processes: int
    written_mb: float
    """Written to disk by its living processes and by children that they have waited for, MB."""


@cache
def probe() -> CgroupMount | None:
    """The mount in which this process may create groups; None without one. Creates and removes a group to find out."""
    for version, folders in ((2, _version_2), (1, _version_1)):
        with contextlib.suppress(OSError):
            mount = CgroupMount(version, folders())
            group = Group(mount, f"probe-{os.getpid()}")
            group.make(Bounds(_PROBE_MB, 100, 10, _PROBE_MB))
            group.remove()
            return mount
    return None


def _version_2() -> dict[str, Path]:
    if not (_ROOT / "cgroup.controllers").is_file():
        raise OSError("no cgroup v2 here")
    folder = _ROOT / _own_group("").lstrip("/")
    wanted = "+memory +cpu +pids"
    try:
        (folder / "cgroup.subtree_control").write_text(wanted)
    except OSError:
        # A group that holds processes can have no groups with limits below it.
        leaf = folder / f"{_OURS}-worker"
        leaf.mkdir(exist_ok=True)
        (leaf / "cgroup.procs").write_text(str(os.getpid()))
        (folder / "cgroup.subtree_control").write_text(wanted)
    ours = folder / _OURS
    ours.mkdir(exist_ok=True)
    (ours / "cgroup.subtree_control").write_text(wanted)
    return {"unified": ours}


def _version_1() -> dict[str, Path]:
    folders = {}
    for controller in _CONTROLLERS:
        mount = _ROOT / controller
        if not (mount / "cgroup.procs").is_file():
            raise OSError(f"no controller {controller} here")
        own = mount / _own_group(controller).lstrip("/")
        folders[controller] = (own if own.is_dir() else mount) / _OURS
    if (_ROOT / "unified/cgroup.procs").is_file():
        folders["unified"] = _ROOT / "unified" / _OURS
    for folder in folders.values():
        folder.mkdir(exist_ok=True)
    return folders


def _own_group(controller: str) -> str:
    """Path of this process's own group in a hierarchy."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            return path
    return "/"


class Group:
    """Control group of an attempt, named by its marker."""

    def __init__(self, mount: CgroupMount, marker: str) -> None:
        self._mount = mount
        self._folders = {name: folder / _group_name(marker) for name, folder in mount.folders.items()}

    @classmethod
    def under(cls, mount: CgroupMount | None, marker: str) -> Iterator[Group]:
        """The groups of a marker and of the markers below it, created by any process."""
        if mount is None:
            return
        first = next(iter(mount.folders.values()))
        name = _group_name(marker)
        with contextlib.suppress(OSError):
            for folder in first.iterdir():
                if folder.name == name or folder.name.startswith(f"{name}!"):
                    yield cls(mount, folder.name)

    def make(self, bounds: Bounds) -> None:
        """Create the group, or set the limits of the one that is there."""
        for folder in self._folders.values():
            folder.mkdir(exist_ok=True)
        quota = int(bounds.cores * _PERIOD_US)
        if self._mount.version == 2:
            limits = {"memory.max": bounds.memory_mb * MB, "memory.oom.group": 1, "pids.max": bounds.processes}
            for name, value in {**limits, "cpu.max": f"{quota} {_PERIOD_US}"}.items():
                self._write("unified", name, value)
            with contextlib.suppress(OSError):
                self._write("unified", "memory.swap.max", 0)
            return
        self._write("memory", "memory.limit_in_bytes", bounds.memory_mb * MB)
        with contextlib.suppress(OSError):
            self._write("memory", "memory.memsw.limit_in_bytes", bounds.memory_mb * MB)
        self._write("cpu", "cpu.cfs_quota_us", max(1000, quota))
        self._write("pids", "pids.max", bounds.processes)

    def join_snippet(self) -> str:
        """Shell text that moves the shell, and what it executes, into the group."""
        return "".join(f"echo $$ > {shlex.quote(str(path))};" for path in self.join_files)

    @property
    def join_files(self) -> list[Path]:
        """Files to which a process writes its id to join."""
        return [folder / "cgroup.procs" for folder in self._folders.values()]

    def read(self) -> Reading:
        """Use of resources so far; raises `OSError` where the group is gone."""
        processes = self.processes()
        now = len(processes), written_mb(processes)
        if self._mount.version == 2:
            stat, cpu = self._table("unified", "memory.stat"), self._table("unified", "cpu.stat")
            peak = int(self._text("unified", "memory.peak"))
            killed = self._table("unified", "memory.events").get("oom_kill", 0)
            denied = self._table("unified", "pids.events").get("max", 0)
            used, throttled = cpu["usage_usec"] / 1e6, cpu.get("throttled_usec", 0) / 1e6
            return Reading(stat["anon"] / MB, peak / MB, used, throttled, killed, denied, *now)
        stat = self._table("memory", "memory.stat")
        peak = int(self._text("memory", "memory.max_usage_in_bytes"))
        killed = self._table("memory", "memory.oom_control").get("oom_kill", 0)
        has_events = (self._folders["pids"] / "pids.events").exists()
        denied = self._table("pids", "pids.events").get("max", 0) if has_events else 0
        used = int(self._text("cpuacct", "cpuacct.usage")) / 1e9
        throttled = self._table("cpu", "cpu.stat").get("throttled_time", 0) / 1e9
        return Reading(stat["rss"] / MB, peak / MB, used, throttled, killed, denied, *now)

    def processes(self) -> list[int]:
        """Ids of the processes in it."""
        with contextlib.suppress(OSError):
            text = (next(iter(self._folders.values())) / "cgroup.procs").read_text()
            return [int(line) for line in text.split()]
        return []

    def kill(self) -> None:
        """Kill every process in it, also one that left its session, its parent or its environment."""
        unified = self._folders.get("unified")
        if unified is not None and (unified / "cgroup.kill").exists():
            with contextlib.suppress(OSError):
                (unified / "cgroup.kill").write_text("1")
        deadline = time.monotonic() + _KILL_SECONDS
        # A process may start others until it is dead: repeat until none is found.
        while (left := self.processes()) and time.monotonic() < deadline:
            for process in left:
                with contextlib.suppress(OSError):
                    os.kill(process, signal.SIGKILL)
            time.sleep(0.005)

    def remove(self) -> None:
        """Remove the group, which must be empty.

        The folder by which it is found goes last: this process may be killed in between.
        """
        for folder in reversed(self._folders.values()):
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _write(self, hierarchy: str, name: str, value: object) -> None:
        (self._folders[hierarchy] / name).write_text(str(value))

    def _text(self, hierarchy: str, name: str) -> str:
        return (self._folders[hierarchy] / name).read_text()

    def _table(self, hierarchy: str, name: str) -> dict[str, int]:
        rows = (line.split() for line in self._text(hierarchy, name).splitlines())
        return {row[0]: int(row[1]) for row in rows if len(row) == 2 and row[1].isdigit()}


def _group_name(marker: str) -> str:
    """Folder name of a marker; names of markers below it begin with the same text and `!`."""
    name = marker.replace("/", "!")
    return (
        name
        if len(name) <= _MAX_NAME_LENGTH
        else f"{name[:_MAX_NAME_LENGTH]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
    )
