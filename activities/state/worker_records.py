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

from activities.state.activity_journal import ActivityJournal, JournalFile
from activities.state.state_directory import StateDirectory
from activities.system.atomic_write import write_atomically
from activities.system.file_lock import FileLock
from activities.system.process_identity import CURRENT_PROCESS, Process, is_alive

POISON_DEATHS = 3
_SUSPECT_DEATHS = 2
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class AttemptRecord:
    """Activity in flight, an entry of its worker's journal in the state directory."""

    name: str
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
        record = cls(hashlib.sha256(token).hexdigest()[:32], token, marker, CURRENT_PROCESS, deaths, workflow)
        record.write(state)
        try:
            yield record
        finally:
            ActivityJournal.of_this_process(state.running).remove(record.name)

    def write(self, state: StateDirectory) -> None:
        """Write the record to the journal of this process."""
        content = {
            "taskToken": base64.b64encode(self.task_token).decode(),
            "marker": self.marker,
            "deaths": str(self.deaths) if self.deaths else None,
            "workflow": self.workflow,
            "alone": self.alone,
        }
        ActivityJournal.of_this_process(state.running).put(self.name, content)

    @classmethod
    def read(cls, journal: JournalFile) -> list[AttemptRecord]:
        """Every readable record of a journal."""
        found = []
        for name, record in journal.entries().items():
            with contextlib.suppress(ValueError, KeyError, TypeError):
                token = base64.b64decode(record["taskToken"])
                deaths = Path(record["deaths"]) if record["deaths"] else None
                place = (record["workflow"][0], record["workflow"][1], record["workflow"][2])
                found.append(cls(name, token, record["marker"], journal.worker, deaths, place, record["alone"]))
        return found


def has_live_worker(state: StateDirectory, execution_key: str) -> bool:
    """Whether a living worker has an activity of an execution in flight."""
    return any(
        record.marker.startswith(execution_key)
        for journal in JournalFile.all(state.running)
        if journal.worker_lives
        for record in AttemptRecord.read(journal)
    )


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
            ActivityJournal.of_this_process(state.running).close()

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
    replace(record, deaths=None).write(state)
    with FileLock.opened(state.suspect_lock) as lock:
        await lock.poll(_POLL_SECONDS)
        replace(record, deaths=deaths, alone=True).write(state)
        yield


def count_death(lost: list[AttemptRecord]) -> None:
    """Count the death of one worker for its tasks in flight: for the suspect that ran alone, else for all.

    Once, however often that is asked: with the server away, recovery begins anew.
    """
    alone = [record for record in lost if record.alone]
    for record in alone or lost:
        if record.deaths is not None and (name := _name(record.worker)) not in (known := _dead(record.deaths)):
            write_atomically(record.deaths, "\n".join([*known, name]).encode())


def count_of(deaths: Path) -> int:
    """Number of workers that have died under a task."""
    # An earlier version wrote a number.
    return sum(int(each) if each.isdigit() else 1 for each in _dead(deaths))


def _dead(deaths: Path) -> list[str]:
    try:
        return deaths.read_text().split()
    except FileNotFoundError:
        return []


def _name(worker: Process) -> str:
    return f"{worker[0]}-{round(worker[1] * 1000)}"


@contextmanager
def recovering(state: StateDirectory) -> Iterator[bool]:
    """Hold the recovery lock while the block runs, if it is free; yields whether it was."""
    state.running.mkdir(mode=0o700, parents=True, exist_ok=True)
    with FileLock.opened(state.recovery_lock) as lock:
        yield lock.try_acquire()
