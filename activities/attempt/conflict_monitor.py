"""While an agent runs: its work so far is saved, and merged with the others' to see conflicts coming.

Each attempt looks for itself, and finds the others by what they leave with the execution, whichever worker runs them.
What is found is a warning, to the agent and to who watches; it decides nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from activities.agents.base import Work
from activities.attempt.directory import AttemptDirectory
from activities.conflicts.prediction import ConflictPredictor, PredictedConflict, WorkInProgress
from activities.conflicts.textual.encoded_files import FilterDrivers
from activities.git.command import display_path
from activities.state.execution_store import write_atomically
from activities.system.concurrency import in_thread
from epw.core.naming import slug

_log = logging.getLogger(__name__)
_FIRST_SECONDS = 2.0
# Of one core, for all attempts of a worker together.
_SHARE = 0.02
_MAX_WRITTEN_MB = 100


@asynccontextmanager
async def looking_out(directory: AttemptDirectory, work: Work) -> AsyncIterator[None]:
    """Look now and then while the block runs."""
    if directory.run.base is None:
        yield
        return
    lookout = _Lookout(directory, work, directory.run.base)
    looking = asyncio.create_task(lookout.keep_looking())
    try:
        yield
    finally:
        lookout.early.stopped = True
        looking.cancel()
        try:
            await asyncio.wait([looking])
        finally:
            lookout.leave()


class _Lookout:
    _looking = 0

    def __init__(self, directory: AttemptDirectory, work: Work, base: str) -> None:
        self._directory = directory
        self._work = work
        self._base = base
        merges = "merge" in work.plan.steps_on_conflict(work.strategy.on_conflict)
        drivers = FilterDrivers.of(directory.execution, directory.hub)
        self.early = ConflictPredictor(directory.hub, base, "merge" if merges else "", drivers)
        self._began = int(time.time())
        self._folder = directory.execution.so_far()
        self._own = self._folder / f"{slug(work.task.id)}.json"

    async def keep_looking(self) -> None:
        """At growing intervals where looking is dear."""
        _Lookout._looking += 1
        try:
            pause = _FIRST_SECONDS
            while True:
                await asyncio.sleep(pause)
                started = time.perf_counter()
                try:
                    self._work.warnings.hold(await in_thread(self._look))
                except Exception as error:
                    # Files go while they are read, and say what no reader of their format expects: next time.
                    _log.debug("%s: %s", self._work.task.id, error)
                pause = max(_FIRST_SECONDS, (time.perf_counter() - started) * _Lookout._looking / _SHARE)
        finally:
            _Lookout._looking -= 1

    def leave(self) -> None:
        """From now on there is no work in progress."""
        self._own.unlink(missing_ok=True)

    def _look(self) -> list[PredictedConflict]:
        if self._work.guard is not None and self._work.guard.disk_mb > _MAX_WRITTEN_MB:
            # A build, most likely: what of it stays is seen at the end.
            return []
        head = self._directory.hub.resolve(self._directory.execution.head_ref)
        if head in (None, self._base) and not self._has_company():
            return []
        commit, paths = self._directory.save(self._began, opens=False, keeps=False)
        if commit is None:
            self.leave()
            return []
        own = WorkInProgress(task_id=self._work.task.id, commit=commit, paths=[display_path(path) for path in paths])
        write_atomically(self._own, own.model_dump_json().encode(), outlives_machine=False)
        return self.early.predict(own, self._others(), head)

    def _has_company(self) -> bool:
        """Whether other tasks have directories now."""
        own = self._directory.path.parent
        return any(each.name != own.name and not each.name.startswith(".") for each in own.parent.iterdir())

    def _others(self) -> Iterator[WorkInProgress]:
        for path in sorted(self._folder.glob("[!.]*.json")):
            if path != self._own:
                try:
                    yield WorkInProgress.model_validate_json(path.read_bytes())
                except FileNotFoundError:
                    # It has ended meanwhile.
                    continue
