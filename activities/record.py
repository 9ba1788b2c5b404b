"""Which attempts a worker is in: so that a successor can tell Temporal at once of a worker that died."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from temporalio import activity

from activities.execution import write_atomically

_CLOCK_STEP_SECONDS = 5.0
_ME = (os.getpid(), psutil.Process().create_time())


@dataclass(frozen=True)
class AttemptRecord:
    task_token: bytes
    marker: str
    """What every process of the attempt carries."""
    worker: tuple[int, float]
    """Process id and creation time: a reused id is another process."""

    @classmethod
    @contextmanager
    def kept(cls, home: Path, marker: str) -> Iterator[None]:
        """The running activity stands in the state directory while the block runs."""
        token = activity.info().task_token
        path = _folder(home) / f"{hashlib.sha256(token).hexdigest()[:32]}.json"
        content = {"taskToken": base64.b64encode(token).decode(), "marker": marker, "worker": _ME}
        write_atomically(path, json.dumps(content).encode())
        try:
            yield
        finally:
            path.unlink(missing_ok=True)

    @classmethod
    def all(cls, home: Path) -> list[tuple[Path, AttemptRecord]]:
        """Every record of the state directory that is whole."""
        found = []
        for path in sorted(_folder(home).glob("*.json")):
            with contextlib.suppress(OSError, ValueError, KeyError):
                record = json.loads(path.read_bytes())
                token = base64.b64decode(record["taskToken"])
                found.append((path, cls(token, record["marker"], tuple(record["worker"]))))
        return found

    @property
    def worker_lives(self) -> bool:
        process_id, created = self.worker
        try:
            # A clock that was set moves the time by which psutil reckons.
            return abs(psutil.Process(process_id).create_time() - created) < _CLOCK_STEP_SECONDS
        except psutil.Error:
            return False


def _folder(home: Path) -> Path:
    return home / "running"
