"""The terminal while the view has it: an alternate screen, keys as they are pressed; given back however it ends."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
import termios
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.text import Text

from epw.cli.output import BEFORE_EXIT

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[?2004h"
_LEAVE = "\x1b[?2004l\x1b[?25h\x1b[?1049l"
_SYNCHRONIZED, _DONE = "\x1b[?2026h", "\x1b[?2026l"
_MIN_WIDTH, _MIN_HEIGHT = 20, 3
_UNKNOWN = 80, 24
_LOCAL, _INPUT = 3, 0


def is_there() -> bool:
    """Whether there is a terminal that can show the view: else plain lines are printed."""
    dumb = os.environ.get("TERM", "dumb") in ("dumb", "")
    encoding = (getattr(sys.stdout, "encoding", "") or "").lower().replace("-", "")
    try:
        return not dumb and encoding == "utf8" and sys.stdout.isatty() and sys.stdin.isatty()
    except ValueError:
        # A stream was closed.
        return False


class Terminal:
    """A terminal, by default that of standard input and output."""

    def __init__(self, keyboard: int | None = None, screen: int | None = None) -> None:
        self.keyboard = sys.stdin.fileno() if keyboard is None else keyboard
        self._screen = sys.stdout.fileno() if screen is None else screen
        self._console = Console(file=io.StringIO(), force_terminal=True, legacy_windows=False)
        self._saved: list[Any] | None = None
        self._drawn: list[Text] = []

    def __enter__(self) -> Terminal:
        self.take()
        BEFORE_EXIT.append(self.give_back)
        return self

    def __exit__(self, *error: object) -> None:
        BEFORE_EXIT.remove(self.give_back)
        self.give_back()

    @property
    def size(self) -> tuple[int, int]:
        """Columns and lines."""
        size = os.get_terminal_size(self._screen)
        return max(_MIN_WIDTH, size.columns or _UNKNOWN[0]), max(_MIN_HEIGHT, size.lines or _UNKNOWN[1])

    def take(self) -> None:
        """Show the alternate screen, and get keys one at a time, Ctrl-C as a key."""
        self._saved = termios.tcgetattr(self.keyboard)
        raw = termios.tcgetattr(self.keyboard)
        raw[_LOCAL] &= ~(termios.ICANON | termios.ECHO | termios.ISIG | termios.IEXTEN)
        raw[_INPUT] &= ~(termios.IXON | termios.ICRNL)
        termios.tcsetattr(self.keyboard, termios.TCSADRAIN, raw)
        self._write(_ENTER)
        self._drawn = []

    def give_back(self) -> None:
        """Show what was there before, and set the terminal as it was; nothing where that was done."""
        saved, self._saved = self._saved, None
        if saved is not None:
            # The terminal may have gone.
            with contextlib.suppress(OSError, termios.error):
                self._write(_LEAVE)
                termios.tcsetattr(self.keyboard, termios.TCSADRAIN, saved)

    def forget(self) -> None:
        """Draw everything anew at the next time."""
        self._drawn = []

    def draw(self, lines: Sequence[Text], width: int, height: int) -> None:
        """Write the lines that are not there yet; the screen's other lines become empty."""
        shown = [*lines, *[Text("", end="")] * (height - len(lines))][:height]
        is_new = len(self._drawn) != height
        parts = ["\x1b[2J"] if is_new else []
        for number, each in enumerate(shown):
            if is_new or each != self._drawn[number]:
                parts.append(f"\x1b[{number + 1};1H{self._encoded(each, width)}\x1b[0m\x1b[K")
        self._drawn = shown
        if parts:
            self._write(f"{_SYNCHRONIZED}{''.join(parts)}{_DONE}")

    def _encoded(self, text: Text, width: int) -> str:
        with self._console.capture() as captured:
            self._console.print(text, width=width, soft_wrap=True, end="", highlight=False)
        return captured.get()

    def _write(self, text: str) -> None:
        data = text.encode("utf-8", "replace")
        try:
            while data:
                data = data[os.write(self._screen, data) :]
        except OSError as error:
            raise BrokenPipeError(error.errno, "the terminal has gone") from None


@contextmanager
def held_errors() -> Iterator[None]:
    """Keep what this process and its children write to standard error, and write it when the block has ended."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)

        def show() -> None:
            os.dup2(kept, 2)
            held.seek(0)
            with contextlib.suppress(OSError):
                while data := held.read(65_536):
                    os.write(2, data)

        BEFORE_EXIT.append(show)
        try:
            yield
        finally:
            BEFORE_EXIT.remove(show)
            sys.stderr.flush()
            show()
            os.close(kept)
