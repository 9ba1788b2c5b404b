"""The terminal is given back however the view ends, and only what has changed is written."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
from collections.abc import Iterator

import pytest
from rich.text import Text

from epw.cli.live.terminal import Terminal, held_errors
from epw.cli.output import BEFORE_EXIT


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """The two ends of a pseudo-terminal: a person's, and a program's."""
    ours, theirs = pty.openpty()
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def printed(ours: int) -> str:
    found = b""
    while select.select([ours], [], [], 0)[0]:
        found += os.read(ours, 65_536)
    return found.decode()


def crash(ours: int, theirs: int) -> None:
    with Terminal(theirs, theirs):
        assert "\x1b[?1049h" in printed(ours)
        assert not termios.tcgetattr(theirs)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)
        raise ZeroDivisionError


def test_a_crash_gives_the_terminal_back(ends: tuple[int, int]) -> None:
    ours, theirs = ends
    before, known = termios.tcgetattr(theirs), list(BEFORE_EXIT)
    with pytest.raises(ZeroDivisionError):
        crash(ours, theirs)
    assert termios.tcgetattr(theirs) == before
    assert printed(ours).endswith("\x1b[?1049l")
    assert known == BEFORE_EXIT


def test_the_end_of_the_process_gives_it_back_from_wherever_it_is_ended(ends: tuple[int, int]) -> None:
    ours, theirs = ends
    before = termios.tcgetattr(theirs)
    with Terminal(theirs, theirs):
        BEFORE_EXIT[-1]()
        assert termios.tcgetattr(theirs) == before
        assert printed(ours).count("\x1b[?1049l") == 1
    assert printed(ours) == ""


def test_only_lines_that_have_changed_are_written(ends: tuple[int, int]) -> None:
    ours, theirs = ends
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 3, 40, 0, 0))
    with Terminal(theirs, theirs) as terminal:
        assert terminal.size == (40, 3)
        terminal.draw([Text("one"), Text("two")], 40, 3)
        printed(ours)
        terminal.draw([Text("one"), Text("three")], 40, 3)
        assert printed(ours) == "\x1b[?2026h\x1b[2;1Hthree\x1b[0m\x1b[K\x1b[?2026l"
        terminal.draw([Text("one"), Text("three")], 40, 3)
        assert printed(ours) == ""
        terminal.draw([Text("one"), Text("three")], 40, 4)
        assert "one" in printed(ours)


def test_a_terminal_of_unknown_size_has_a_usual_one(ends: tuple[int, int]) -> None:
    assert Terminal(ends[1], ends[1]).size == (80, 24)


def test_a_terminal_that_has_gone_is_a_broken_pipe() -> None:
    ours, theirs = pty.openpty()
    terminal = Terminal(theirs, theirs)
    terminal.take()
    os.close(ours)
    with pytest.raises(BrokenPipeError):
        terminal.draw([Text("one")], 80, 24)
    terminal.give_back()
    os.close(theirs)


def test_errors_wait_until_the_view_has_gone(capfd: pytest.CaptureFixture[str]) -> None:
    with held_errors():
        os.write(2, b"a warning\n")
        assert capfd.readouterr().err == ""
    assert capfd.readouterr().err == "a warning\n"
