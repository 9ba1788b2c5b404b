"""Monitor that predicts conflicts while agents run, by merging their unfinished changes.

Each attempt saves its change now and then where all workers of the execution find it, and merges it with those of the
others. A predicted conflict is a warning to the agent and to watchers, and decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager

from activities.attempt.attempt import Attempt
from activities.conflicts.prediction import ConflictPredictor, Fit, PredictedConflict, WorkInProgress
from activities.conflicts.semantic.sides import Finding
from activities.conflicts.textual.encoded_files import FilterDrivers
from activities.git.command import display_path
from activities.system.atomic_write import write_atomically
from activities.system.concurrency import in_thread
from epw.core.naming import slug

_log = logging.getLogger(__name__)
_FIRST_SECONDS = 2.0
_CPU_SHARE = 0.02
"""Share of one core that the monitors of a worker use together."""
_MAX_WRITTEN_MB = 100


Read = Callable[[Fit], Awaitable[Sequence[Finding] | None]]
"""Lets checkers read a merge; None: they had no time for it."""


@asynccontextmanager
async def conflict_monitor(attempt: Attempt, read: Read) -> AsyncIterator[None]:
    """Update the attempt's warnings now and then while the block runs."""
    base = attempt.directory.run.base
    if base is None:
        yield
        return
    monitor = _Monitor(attempt, base, read)
    running = asyncio.create_task(monitor.run())
    try:
        yield
    finally:
        monitor.predictor.stopped = True
        running.cancel()
        try:
            await asyncio.wait([running])
        finally:
            monitor.withdraw()


class _Monitor:
    def __init__(self, attempt: Attempt, base: str, read: Read) -> None:
        directory, context = attempt.directory, attempt.context
        self._attempt = attempt
        self._read = read
        self._count = attempt.host.test_merged
        self._directory = directory
        self._base = base
        merges = "merge" in context.plan.steps_on_conflict(context.strategy.on_conflict)
        drivers = FilterDrivers.of(directory.execution, directory.hub)
        self.predictor = ConflictPredictor(directory.hub, base, "merge" if merges else "", drivers)
        self._began = int(time.time())
        self._folder = directory.execution.work_in_progress()
        self._own = self._folder / f"{slug(context.task.id)}.json"

    async def run(self) -> None:
        """Look for conflicts until cancelled; less often where a look takes long."""
        with self._count.one_more():
            pause = _FIRST_SECONDS
            while True:
                await asyncio.sleep(pause)
                started = time.perf_counter()
                try:
                    self._attempt.reporter.warnings.update(await in_thread(self._look))
                    pause = max(_FIRST_SECONDS, (time.perf_counter() - started) * self._count.value / _CPU_SHARE)
                    await self._read_one()
                except Exception as error:
                    # Files vanish while they are read, or have unexpected content: the next look may succeed.
                    _log.debug("%s: %s", self._attempt.context.task.id, error)

    async def _read_one(self) -> None:
        """Let checkers read the first of the merges that fit by symbols and names."""
        fit = next(iter(self.predictor.fits.values()), None)
        found = await self._read(fit) if fit is not None else None
        if fit is not None and found is not None:
            await in_thread(self.predictor.was_read, fit, found)
            self._attempt.reporter.warnings.update(self.predictor.current)

    def withdraw(self) -> None:
        """Remove the attempt's unfinished change from what others find."""
        self._own.unlink(missing_ok=True)

    def _look(self) -> list[PredictedConflict]:
        guard = self._attempt.launcher.guard
        if guard is not None and guard.disk_mb > _MAX_WRITTEN_MB:
            # Most likely a build: its lasting changes are seen at the end.
            return []
        head = self._directory.hub.resolve(self._directory.execution.head_ref)
        if head in (None, self._base) and not self._has_neighbours():
            return []
        commit, paths = self._directory.save(self._began, final=False, keep=False)
        if commit is None:
            self.withdraw()
            return []
        displayed = [display_path(path) for path in paths]
        own = WorkInProgress(task_id=self._attempt.context.task.id, commit=commit, paths=displayed)
        write_atomically(self._own, own.model_dump_json().encode(), survives_power_loss=False)
        return self.predictor.predict(own, self._others(), head)

    def _has_neighbours(self) -> bool:
        """Whether other tasks have directories at the moment."""
        own = self._directory.path.parent
        return any(each.name != own.name and not each.name.startswith(".") for each in own.parent.iterdir())

    def _others(self) -> Iterator[WorkInProgress]:
        for path in sorted(self._folder.glob("[!.]*.json")):
            if path != self._own:
                try:
                    yield WorkInProgress.model_validate_json(path.read_bytes())
                except FileNotFoundError:
                    # The other attempt has ended.
                    continue
