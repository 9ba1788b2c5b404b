"""Resource limits of an attempt's processes: the plan's, else a fair share of this machine (docs/plan.md)."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from epw.core.plan.model import Plan, Task

_MIN_MB = 512
_RESERVE_MB = 1024
_RESERVE_SHARE = 0.1
_DEFAULT_CPU_PERCENT = 80.0
_DEFAULT_PROCESSES = 512
_MIN_DISK_MB = 2048
_RESERVE_DISK_MB = 1024
_RESERVE_DISK_SHARE = 0.02
MB = 1024 * 1024


def reserve_mb(total_mb: float) -> float:
    """Memory that agents do not get of a machine with `total_mb` MB, MB."""
    return max(_RESERVE_MB, total_mb * _RESERVE_SHARE)


def reserve_disk_mb(total_mb: float) -> float:
    """Space that agents do not get of a disk with `total_mb` MB, MB."""
    return min(_RESERVE_DISK_MB, max(64.0, total_mb * _RESERVE_DISK_SHARE))


@dataclass(frozen=True)
class Machine:
    """Memory and disk by which limits are chosen, MB."""

    memory_mb: float
    disk_mb: float
    free_disk_mb: float

    @classmethod
    def here(cls, folder: Path) -> Machine:
        """This machine, with the disk of a folder."""
        disk = shutil.disk_usage(folder)
        return cls(psutil.virtual_memory().total / MB, disk.total / MB, disk.free / MB)


@dataclass(frozen=True)
class Bounds:
    """Limits of an attempt's whole process tree."""

    memory_mb: int
    cpu_percent: float
    """Percent of all cores of the machine."""
    processes: int
    disk_mb: int
    """MB that it writes into its directory."""

    @classmethod
    def of(cls, plan: Plan, task: Task, machine: Machine) -> Bounds:
        """The task's limits, else the plan's, else what the machine has, less its reserve, divided by `maxAgents`."""
        given = plan.limits_of(task)
        share = int((machine.memory_mb - reserve_mb(machine.memory_mb)) / plan.max_agents)
        disk_share = int((machine.free_disk_mb - reserve_disk_mb(machine.disk_mb)) / plan.max_agents)
        return cls(
            given.max_memory_mb or max(_MIN_MB, share),
            given.max_cpu_percent or _DEFAULT_CPU_PERCENT,
            given.max_processes or _DEFAULT_PROCESSES,
            given.max_disk_mb or max(_MIN_DISK_MB, disk_share),
        )

    @property
    def cores(self) -> float:
        """The CPU limit as a number of cores."""
        return self.cpu_percent / 100 * (os.cpu_count() or 1)
