"""Plain text of a report: every line fits, at every width, and what agents say is not obeyed by a terminal."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.cells import cell_len

from epw.rendering.text import text
from tests.rendering.reports import made, recorded


@pytest.mark.parametrize("width", [60, 80, 120, 250])
@pytest.mark.parametrize("count", [1, 7, 60])
def test_every_line_fits(width: int, count: int) -> None:
    names = [f"a-task-with-a-rather-long-name-{number}" for number in range(count)]
    shown = text(made(count, words="some words of an agent " * 12, names=names), width)
    is_command = [line.startswith("  ") for line in shown.splitlines()]
    long = [line for line, whole in zip(shown.splitlines(), is_command, strict=True) if cell_len(line) > width]
    assert [line for line in long if not line.startswith(("  epw ", "  git "))] == []


def test_a_terminal_is_told_nothing_by_agents() -> None:
    shown = text(made(words="\x1b]0;title\x07 \u202eevil \x1b[2J"), 100)
    assert {each for each in shown if not each.isprintable()} == {"\n"}


def test_a_timeline_has_a_line_an_agent_and_shows_waits_and_failures() -> None:
    lines = text(made(12, agents=3), 80).splitlines()
    by_name = {line.split("│")[0].strip(): line for line in lines if line.count("│") == 2}
    assert {"agent-1", "agent-2", "agent-3", "waiting", "epw"} <= set(by_name)
    assert "x" in by_name["agent-1"], "task-3 failed, and agent-1 had it"
    assert "~" in by_name["waiting"]
    assert "█" in by_name["agent-2"]


async def test_an_execution_that_failed_says_why_and_what_is_next(tmp_path: Path) -> None:
    shown = text(await recorded("conservative_rolled_back", tmp_path), 100)
    assert "↶ rolled back" in shown
    assert "Not succeeded" in shown
