"""Logins in the private home of an attempt: copies, kept equal to the user's files while the attempt runs.

The program writes new tokens into its copy when the old ones are used up; they are taken over into the user's file, and
from there into the copies of other attempts, so that none is left with tokens that are no longer taken.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from activities.agents import login_files
from activities.agents.reporter import Reporter
from activities.agents.secrets import Secrets
from activities.attempt.attempt import Attempt
from activities.system import file_lock
from activities.system.atomic_write import write_atomically
from activities.system.concurrency import in_thread
from activities.system.file_content import MAX_BYTES, content
from activities.system.rooted_dir import RootedDir
from epw.core.presets.preset import Login, LoginFile

_POLL_SECONDS = 1.0


@asynccontextmanager
async def logged_in(attempt: Attempt) -> AsyncIterator[Attempt]:
    """The attempt with its logins, for its agent, while the block runs; afterwards its home has none of them."""
    launcher = attempt.launcher
    variables = await in_thread(login_files.variables, attempt.logins) if attempt.logins else {}
    with_logins = replace(attempt, launcher=replace(launcher, inherited={**variables, **launcher.inherited}))
    if not attempt.logins or not launcher.has_private_home:
        # It has the user's own home, with all that is in it.
        yield with_logins
        return
    private = attempt.context.home if attempt.backend.preset is not None else launcher.folder / "home"
    copies = [
        LoginCopy(login, file, private, attempt.directory.execution.state.logins_lock, attempt.reporter)
        for login in attempt.logins
        for file in login.files
    ]
    syncing: asyncio.Task[None] | None = None
    try:
        await in_thread(_place, private, copies)
        syncing = asyncio.create_task(_sync_often(copies))
        yield with_logins
    finally:
        if syncing is not None:
            syncing.cancel()
            await asyncio.wait([syncing])
        await in_thread(_take_back, copies)


class LoginCopy:
    """One file of a login in a private home, and the user's own."""

    def __init__(self, login: Login, file: LoginFile, private: Path, lock: Path, reporter: Reporter) -> None:
        self._login = login
        self._file = file
        self._private = private
        self._lock = lock
        self._reporter = reporter
        self._source = login_files.source(login, file)
        self._known = b""
        """Content of the copy and of the user's file when they were last equal."""
        self._refused = b""

    def place(self) -> None:
        """Copy the user's file, if there is one."""
        self._known = content(self._source)
        if self._known:
            self._write(self._known)

    def sync(self) -> None:
        """Take over what has changed on either side; where both have, the user's stays."""
        own, copied = content(self._source), self._copied()
        if own and own != self._known:
            self._write(own)
            self._redact(own)
            self._known = own
        elif copied and copied not in (self._known, self._refused):
            # Before it can be printed.
            self._redact(copied)
            if self._file.is_refreshed and self._known and login_files.is_refresh(self._known, copied):
                self._take_over(copied)
            else:
                self._refused = copied

    def take_back(self) -> None:
        """Take over the last change, and remove the copy."""
        self.sync()
        with contextlib.suppress(OSError), RootedDir.opened(self._private) as folder:
            folder.write(self._file.path, b"")
        with contextlib.suppress(OSError):
            (self._private / self._file.path).unlink()

    def _take_over(self, refreshed: bytes) -> None:
        with file_lock.exclusive(self._lock):
            if content(self._source) == self._known:
                path = Path(os.path.realpath(self._source))
                write_atomically(path, refreshed, mode=path.stat().st_mode & 0o777)
                self._known = refreshed

    def _copied(self) -> bytes:
        try:
            with RootedDir.opened(self._private) as folder:
                return folder.read(self._file.path, MAX_BYTES - 1)
        except OSError:
            return b""

    def _write(self, data: bytes) -> None:
        with RootedDir.opened(self._private) as folder:
            folder.write(self._file.path, data, mode=0o600)

    def _redact(self, data: bytes) -> None:
        found = login_files.named_tokens(self._login, data)
        self._reporter.secrets = self._reporter.secrets.joined(Secrets.of(found))


def _place(private: Path, copies: list[LoginCopy]) -> None:
    private.mkdir(mode=0o700, parents=True, exist_ok=True)
    for copy in copies:
        copy.place()


async def _sync_often(copies: list[LoginCopy]) -> None:
    while True:
        await asyncio.sleep(_POLL_SECONDS)
        await in_thread(_sync, copies)


def _sync(copies: list[LoginCopy]) -> None:
    for copy in copies:
        # A full disk or an unreadable folder must not end the attempt: the next round tries again.
        with contextlib.suppress(OSError):
            copy.sync()


def _take_back(copies: list[LoginCopy]) -> None:
    for copy in copies:
        with contextlib.suppress(OSError):
            copy.take_back()
