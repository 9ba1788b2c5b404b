"""Commands in a pseudo-terminal, whose screen is read as a person sees it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyte

from tests.command_line import ROOT, Cli


class Terminal:
    """A command in a terminal of so many columns and lines."""

    def __init__(self, cli: Cli, columns: int, lines: int, *arguments: str, term: str = "xterm-256color") -> None:
        self._ours, self._theirs = pty.openpty()
        self.resize(columns, lines)
        self.settings = termios.tcgetattr(self._theirs)
        self.printed = b""
        argv = [sys.executable, str(ROOT / "starter.py"), *arguments]
        env = {**cli.env, "TERM": term, "LANG": "C.UTF-8"}
        self.process = subprocess.Popen(
            argv, env=env, stdin=self._theirs, stdout=self._theirs, stderr=self._theirs, start_new_session=True
        )

    def resize(self, columns: int, lines: int) -> None:
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)
        fcntl.ioctl(self._theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(str(each).rstrip() for each in self._screen.display)

    @property
    def selected(self) -> str | None:
        """Id of the selected task, in the list."""
        found = re.search(r"^.>(\S+)", self.text, re.MULTILINE)
        return found[1] if found else None

    def press(self, keys: str) -> None:
        os.write(self._ours, keys.encode())

    def shows(self, words: str) -> str:
        """Wait until the screen has these words; the screen then."""
        return self.until(lambda: words in self.text, words)

    def until(self, condition: Callable[[], Any], what: str = "") -> str:
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, f"not shown: {what}\n{self.text}"
            self.look()
        return self.text

    def ends(self) -> tuple[int, str]:
        """Exit code of the command, and all that it has printed after the view was left."""
        self.until(lambda: self.process.poll() is not None, "the end")
        while self.look():
            pass
        return self.process.returncode, self.printed.decode().rpartition("\x1b[?1049l")[2].replace("\r\n", "\n")

    @property
    def is_as_before(self) -> bool:
        """Whether the terminal has the settings that it had."""
        return termios.tcgetattr(self._theirs) == self.settings

    def look(self) -> bool:
        """Take what was printed within a tenth of a second; whether anything was."""
        if not select.select([self._ours], [], [], 0.1)[0]:
            return False
        data = os.read(self._ours, 65_536)
        self.printed += data
        self._stream.feed(data)
        return True

    def close(self) -> None:
        if self.process.poll() is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.terminate()
                self.process.wait(20)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)
        os.close(self._theirs)


@contextmanager
def in_terminal(cli: Cli, columns: int, lines: int, *arguments: str, **more: Any) -> Iterator[Terminal]:
    terminal = Terminal(cli, columns, lines, *arguments, **more)
    try:
        yield terminal
    finally:
        terminal.close()
