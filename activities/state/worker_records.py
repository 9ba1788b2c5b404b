"""Records of workers and of their activities, so that a successor can report a dead worker to Temporal at once."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from temporalio import activity

from activities.state.state_directory import StateDirectory
from activities.system.atomic_write import write_atomically
from activities.system.file_lock import FileLock
from activities.system.process_identity import CURRENT_PROCESS, Process, is_alive

POISON_DEATHS = 3
_SUSPECT_DEATHS = 2
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class AttemptRecord:
    """Activity in flight, as a file in the state directory."""

    path: Path
    task_token: bytes
    marker: str
    """Mark that every process of the attempt carries."""
    worker: Process
    deaths: Path | None = None
    """File that counts the workers that died under this task; None if no agent of a task runs."""
    workflow: tuple[str, str, str] = ("", "", "")
    """Workflow id, run id, and id of the activity."""
    alone: bool = False
    """Whether it is a suspect that runs apart from other suspects: a death now is its fault."""

    @classmethod
    @contextmanager
    def kept(cls, state: StateDirectory, marker: str, deaths: Path | None = None) -> Iterator[AttemptRecord]:
        """Keep a record of the running activity while the block runs."""
        info = activity.info()
        token, workflow = info.task_token, (info.workflow_id or "", info.workflow_run_id or "", info.activity_id)
        path = state.activity_record(hashlib.sha256(token).hexdigest()[:32])
        record = cls(path, token, marker, CURRENT_PROCESS, deaths, workflow)
        record.write()
        try:
            yield record
        finally:
            path.unlink(missing_ok=True)

    def write(self) -> None:
        """Write the record to its file."""
        content = {
            "taskToken": base64.b64encode(self.task_token).decode(),
            "marker": self.marker,
            "worker": self.worker,
            "deaths": str(self.deaths) if self.deaths else None,
            "workflow": self.workflow,
            "alone": self.alone,
        }
        write_atomically(self.path, json.dumps(content).encode(), survives_power_loss=False)

    @classmethod
    def all(cls, state: StateDirectory) -> list[AttemptRecord]:
        """Every readable record of the state directory."""
        found = []
        for path in state.activity_records():
            with contextlib.suppress(OSError, ValueError, KeyError):
                record = json.loads(path.read_bytes())
                token = base64.b64decode(record["taskToken"])
                deaths = Path(record["deaths"]) if record["deaths"] else None
                worker = (record["worker"][0], record["worker"][1])
                workflow = record.get("workflow") or ("", "", "")
                place = (workflow[0], workflow[1], workflow[2])
                found.append(cls(path, token, record["marker"], worker, deaths, place, record["alone"]))
        return found

    @property
    def worker_lives(self) -> bool:
        """Whether the worker still runs."""
        return is_alive(self.worker)


@dataclass(frozen=True)
class WorkerRecord:
    """Polling worker, as a file in the state directory."""

    path: Path
    identity: str
    """Identity of the worker at the server."""
    worker: Process

    @classmethod
    @contextmanager
    def kept(cls, state: StateDirectory, identity: str, supervisor: Process | None = None) -> Iterator[None]:
        """Keep the worker on record until it ends in order; `supervisor`: the process that adopts what it leaves."""
        path = state.worker_record(CURRENT_PROCESS[0])
        write_atomically(
            path,
            json.dumps({"identity": identity, "worker": CURRENT_PROCESS, "keeper": supervisor}).encode(),
            survives_power_loss=False,
        )
        try:
            yield
        finally:
            path.unlink(missing_ok=True)

    @classmethod
    def was_kept(cls, state: StateDirectory, process_id: int) -> bool:
        """Whether a worker that has just died had started polling."""
        return state.worker_record(process_id).exists()

    @classmethod
    def dead(cls, state: StateDirectory) -> list[WorkerRecord]:
        """Records of workers that died without ending in order."""
        found = []
        for path in state.worker_records():
            with contextlib.suppress(OSError, ValueError, KeyError):
                content = json.loads(path.read_bytes())
                record = cls(path, content["identity"], (content["worker"][0], content["worker"][1]))
                if not is_alive(record.worker):
                    found.append(record)
        return found


@asynccontextmanager
async def isolated_suspect(state: StateDirectory, record: AttemptRecord, deaths: Path) -> AsyncIterator[None]:
    """Run a task under which workers died twice only while no other such task runs: the next death is its fault."""
    if count_of(deaths) < _SUSPECT_DEATHS:
        yield
        return
    replace(record, deaths=None).write()
    with FileLock.opened(state.suspect_lock) as lock:
        await lock.poll(_POLL_SECONDS)
        replace(record, deaths=deaths, alone=True).write()
        yield


def count_death(lost: list[AttemptRecord]) -> None:
    """Count the death of one worker for its tasks in flight: for the suspect that ran alone, else for all."""
    alone = [record for record in lost if record.alone]
    for record in alone or lost:
        if record.deaths is not None:
            write_atomically(record.deaths, str(count_of(record.deaths) + 1).encode())


def count_of(deaths: Path) -> int:
    """Number of workers that have died under a task."""
    try:
        return int(deaths.read_text())
    except FileNotFoundError:
        return 0


@contextmanager
def recovering(state: StateDirectory) -> Iterator[bool]:
    """Hold the recovery lock while the block runs, if it is free; yields whether it was."""
    state.running.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock.opened(state.recovery_lock) as lock:
        yield lock.try_acquire()
