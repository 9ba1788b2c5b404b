"""Which attempts a worker is in: so that a successor can tell Temporal at once of a worker that died."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from temporalio import activity

from activities.execution import write_atomically

_ME = (os.getpid(), psutil.Process().create_time())


@dataclass(frozen=True)
class AttemptRecord:
    task_token: bytes
    worker: tuple[int, float]
    """Process id and creation time: a reused id is another process."""

    @classmethod
    @contextmanager
    def kept(cls, path: Path) -> Iterator[None]:
        """The running activity stands in the file `path` while the block runs."""
        token = base64.b64encode(activity.info().task_token).decode()
        write_atomically(path, json.dumps({"taskToken": token, "worker": _ME}).encode())
        try:
            yield
        finally:
            path.unlink(missing_ok=True)

    @classmethod
    def read(cls, path: Path) -> AttemptRecord | None:
        """The record of a file; None where it is gone or not whole."""
        try:
            found = json.loads(path.read_bytes())
            return cls(base64.b64decode(found["taskToken"]), tuple(found["worker"]))
        except (OSError, ValueError, KeyError):
            return None

    @property
    def worker_lives(self) -> bool:
        process_id, created = self.worker
        try:
            return psutil.Process(process_id).create_time() == created
        except psutil.Error:
            return False
