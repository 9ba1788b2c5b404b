"""Retention: what ended executions keep here goes by age and size, as the settings say; never what exists nowhere else.

By size, caches go first, then logs, then whole executions, the oldest of each first.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Collection
from dataclasses import dataclass, field

from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from activities.system.atomic_write import write_atomically
from activities.system.directories import Trash, size_of
from activities.system.file_lock import FileLock
from epw.client.collection import DAY, Candidate, collect, examined, remove
from epw.service.connection import Connection
from epw.settings import Settings

_EVERY_SECONDS = 3600
_MB = 1e6


@dataclass(frozen=True)
class Dropped:
    """The last time that anything was dropped; `at`: epoch seconds."""

    at: float
    lines: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, state: StateDirectory) -> Dropped | None:
        with contextlib.suppress(OSError, ValueError, TypeError):
            return cls(**json.loads(state.retention.read_bytes()))
        return None


async def retain(settings: Settings, connection: Connection, *, every: float = _EVERY_SECONDS) -> list[str]:
    """Drop what is too old or too much; a sentence for each. Looks only `every` so many seconds.

    Raises `Unavailable` for settings that are no numbers.
    """
    days, limit, state = settings.keep_days, settings.max_state_bytes, settings.state
    if not state.path.is_dir():
        # The first command on a host whose server is elsewhere.
        return []
    with FileLock.opened(state.retention_lock) as lock:
        path = state.retention_lock
        looked_at = path.stat().st_mtime
        is_new = path.stat().st_size == 0
        if not lock.try_acquire() or (not is_new and time.time() - looked_at < every):
            return []
        path.write_text("looked at\n")
        retention = _Retention(settings, connection)
        if days is not None:
            await retention.by_age(days)
        if limit is not None:
            await retention.by_size(limit)
        if retention.done:
            write_atomically(state.retention, json.dumps({"at": time.time(), "lines": retention.done}).encode())
        return retention.done


def size_of_state(state: StateDirectory) -> int:
    """Bytes of all that executions keep here, without the server's database, which its retention bounds."""
    return size_of(state.path) - sum(size_of(each) for each in (state.server.folder, state.trash) if each.is_dir())


class _Retention:
    """One look; `done` says what was dropped."""

    def __init__(self, settings: Settings, connection: Connection) -> None:
        self._settings = settings
        self._state = settings.state
        self._connection = connection
        self.done: list[str] = []

    async def by_age(self, days: float) -> None:
        """Drop executions that ended longer ago."""
        # One that has ended so long ago has begun before.
        old = [each for each in ExecutionStore.all(self._state) if time.time() - _began(each) > days * DAY]
        for each in old:
            found = await examined(self._settings, self._connection, each, days, None)
            if found.kept_because is None:
                await self._drop(found, f"EPW_KEEP_DAYS is {days:g}")
        if self.done:
            await self._collect(began=time.time())

    async def by_size(self, limit: int) -> None:
        """Drop caches, logs and executions, the oldest first, until what is left is small enough."""
        state, reason = self._state, f"EPW_STATE_MB is {limit / _MB:g}"
        if await self._fits(limit):
            return
        if not await self._connection.has_running():
            for path, what in (
                (state.setups, "what `setup` commands had made"),
                (state.all_checks, "caches of checkers"),
            ):
                if path.is_dir():
                    self._say(what, await asyncio.to_thread(size_of, path), reason)
                    await asyncio.to_thread(Trash(state.trash).take, path)
        began = time.time()
        everything = [
            await examined(self._settings, self._connection, each, 0, None) for each in ExecutionStore.all(state)
        ]
        ended = sorted((each for each in everything if each.ended_at), key=lambda each: each.ended_at)
        for each in ended:
            logs = each.execution.path / "logs"
            if not logs.is_dir():
                continue
            if await self._fits(limit):
                return
            self._say(f"logs of {each.execution.workflow_id}", await asyncio.to_thread(size_of, logs), reason)
            await asyncio.to_thread(Trash(state.trash).take, logs)
        removable = [each for each in ended if each.kept_because is None]
        while (excess := await self._excess(limit)) > 0:
            if not removable:
                kept = "what is left runs, or exists nowhere else: `epw gc --dry-run` says which"
                size = (limit + excess) / _MB
                self.done.append(f"the state directory still has {size:.0f} MB ({reason}): {kept}")
                return
            # What a removal frees of a hub is only known afterwards.
            while removable and excess > 0:
                each = removable.pop(0)
                await self._drop(each, reason)
                excess -= each.size
            await self._collect(began, {each.execution.key for each in ended})

    async def _fits(self, limit: int) -> bool:
        return await self._excess(limit) <= 0

    async def _excess(self, limit: int) -> int:
        return await asyncio.to_thread(size_of_state, self._state) - limit

    async def _drop(self, found: Candidate, reason: str) -> None:
        self._say(f"what {found.execution.workflow_id} kept", found.size, reason)
        await asyncio.to_thread(remove, self._state, found)

    async def _collect(self, began: float, ended: Collection[str] = ()) -> None:
        await asyncio.to_thread(collect, self._state, unused_setups=False, ended=ended, began=began)

    def _say(self, what: str, size: int, reason: str) -> None:
        self.done.append(f"dropped {what}, {size / _MB:.1f} MB: {reason}")


def _began(execution: ExecutionStore) -> float:
    """When it began here, seconds since 1970."""
    try:
        return (execution.path / "id").stat().st_mtime
    except OSError:
        return time.time()
