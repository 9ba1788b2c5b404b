"""The loop of the live view: it looks, draws, takes keys, and does what they ask for."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from temporalio.client import WorkflowHandle
from temporalio.service import RPCError

from epw.cli.bell import Bell
from epw.cli.live.feed import Feed
from epw.cli.live.keys import KeyDecoder
from epw.cli.live.log_tail import log_tail
from epw.cli.live.overview import now_ms
from epw.cli.live.pages import screen
from epw.cli.live.snapshot import Snapshot
from epw.cli.live.steps import Action, CancelExecution, Leave, Redraw, Send, Suspend, Ui, after_key
from epw.cli.live.terminal import Terminal
from epw.client.added_tasks import assigned
from epw.client.requests import from_rpc, send, this_user
from epw.core.errors import EpwError
from epw.service.connection import Connection
from epw.settings import Settings

_DRAW_SECONDS, _OUTPUT_SECONDS = 1.0, 0.5
_ESCAPE_SECONDS = 0.05
_AWAY_SECONDS = 1.0


class View:
    """The view of one execution."""

    def __init__(
        self, settings: Settings, connection: Connection, handle: WorkflowHandle[Any, Any], *, own_worker: bool
    ) -> None:
        """`own_worker`: the command has started one for it, which ends with the view."""
        self._connection, self._handle = connection, handle
        self._feed, self._bell = Feed(settings, connection, handle, own_worker=own_worker), Bell()
        self._ui, self._decoder = Ui(own_worker=own_worker), KeyDecoder()
        self._awake, self._hurry = asyncio.Event(), asyncio.Event()
        self._left = False
        self._doing = set[asyncio.Task[None]]()
        self.snapshot: Snapshot | None = None
        """The newest; None before the first."""

    async def run(self, ending: asyncio.Future[None]) -> bool:
        """Show it until `ending` is done; whether that is so: else the user has left."""
        loop = asyncio.get_running_loop()
        self.snapshot = await self._feed.look()
        self._bell = replace(await Bell.of(self._connection, self._handle), terminal=sys.stdout)
        with Terminal() as terminal:
            loop.add_reader(terminal.keyboard, self._read_keys, terminal)
            loop.add_signal_handler(signal.SIGWINCH, self._awake.set)
            looking = asyncio.ensure_future(self._look())
            try:
                while not self._left and not ending.done():
                    self._draw(terminal)
                    await self._wait(ending, looking)
                    if looking.done():
                        looking.result()
                if not self._left:
                    self._bell.ring("ended")
            finally:
                loop.remove_reader(terminal.keyboard)
                loop.remove_signal_handler(signal.SIGWINCH)
                for each in (looking, *self._doing):
                    each.cancel()
        return not self._left

    async def _wait(self, *others: asyncio.Future[Any]) -> None:
        """Until there is something to draw."""
        waking: asyncio.Future[Any] = asyncio.ensure_future(self._awake.wait())
        seconds = _OUTPUT_SECONDS if self._ui.mode == "output" else _DRAW_SECONDS
        await asyncio.wait([waking, *others], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        waking.cancel()
        self._awake.clear()

    async def _look(self) -> None:
        while True:
            assert self.snapshot is not None
            before = self.snapshot
            try:
                self.snapshot = await self._feed.look()
                self._ring(before, self.snapshot)
            except RPCError as error:
                trouble = str(from_rpc(error, self._handle.id))
                self.snapshot = replace(before, trouble=trouble)
                await asyncio.sleep(_AWAY_SECONDS)
            self._awake.set()
            try:
                await asyncio.wait_for(self._hurry.wait(), self._feed.seconds)
            except TimeoutError:
                continue
            self._hurry.clear()

    def _ring(self, before: Snapshot, after: Snapshot) -> None:
        """Ring at what is new."""
        known = {each.id for each in before.waiting}
        for each in after.waiting:
            if each.id not in known:
                self._bell.ring("conflict" if each.kind == "conflict" else "question")
        bad = ("failed", "conflicted")
        for task, row in after.by_id.items():
            if row["status"] in bad and before.by_id.get(task, row)["status"] not in bad:
                self._bell.ring("failed")

    def _draw(self, terminal: Terminal) -> None:
        assert self.snapshot is not None
        width, height = terminal.size
        output, hunks = self._output(height), self._hunks()
        lines = screen(self.snapshot, self._ui, width, height, now_ms(), output=output, hunks=hunks)
        terminal.draw(lines, width, height)

    def _output(self, height: int) -> Sequence[str]:
        task = self._ui.task(self.snapshot) if self.snapshot is not None else None
        if self._ui.mode != "output" or task is None or self._feed.store is None:
            return ()
        return log_tail(self._feed.store, task)

    def _hunks(self) -> Sequence[Mapping[str, Any]]:
        waiting = self._ui.answered(self.snapshot) if self.snapshot is not None else None
        if self._ui.mode != "answer" or waiting is None or waiting.conflict is None or self._feed.store is None:
            return ()
        found: list[Mapping[str, Any]] = self._feed.store.conflict(waiting.conflict["commit"]).get("hunks", [])
        return found

    def _read_keys(self, terminal: Terminal) -> None:
        try:
            data = os.read(terminal.keyboard, 4096)
        except OSError:
            data = b""
        if not data:
            # The terminal has gone: SIGHUP follows, or there is nobody to ask.
            self._left = True
        self._press(self._decoder.feed(data), terminal)
        if self._decoder.is_within:
            asyncio.get_running_loop().call_later(_ESCAPE_SECONDS, self._flush, terminal)

    def _flush(self, terminal: Terminal) -> None:
        if self._decoder.is_within:
            self._press(self._decoder.flush(), terminal)

    def _press(self, keys: Sequence[str], terminal: Terminal) -> None:
        for key in keys:
            assert self.snapshot is not None
            self._ui, action = after_key(self._ui, key, self.snapshot)
            if action is not None:
                self._do(action, terminal)
        self._awake.set()

    def _do(self, action: Action, terminal: Terminal) -> None:
        match action:
            case Leave():
                self._left = True
            case Redraw():
                terminal.forget()
            case Suspend():
                terminal.give_back()
                os.kill(os.getpid(), signal.SIGSTOP)
                terminal.take()
            case Send() | CancelExecution():
                self._ui = self._ui.says("sending …")
                doing = asyncio.ensure_future(self._send(action))
                self._doing.add(doing)
                doing.add_done_callback(self._doing.discard)

    async def _send(self, action: Send | CancelExecution) -> None:
        try:
            if isinstance(action, Send):
                request = action.request
                if (rows := request.get("tasks")) is not None:
                    request = {**request, "tasks": (await assigned(self._connection, self._handle, rows))[0]}
                answered = await send(self._handle, action.update, request, this_user())
                said = str(answered.get("outcome") or f"{action.update.replace('_', ' ')}: accepted")
            else:
                await self._handle.cancel()
                said = "the execution is being cancelled"
            self._ui = self._ui.says(said)
        except EpwError as error:
            self._ui = self._ui.says(str(error), is_bad=True)
        except RPCError as error:
            self._ui = self._ui.says(str(from_rpc(error, self._handle.id)), is_bad=True)
        self._hurry.set()
        self._awake.set()
