"""The view of real executions in a pseudo-terminal: answers, steers, is left, gives the terminal back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.live.terminal import Terminal, in_terminal
from tests.command_line import ROOT, stop, wait_for
from tests.site import Site
from tests.support import make_repository, tasks

_ASKS = """if [ -z "${EPW_ANSWER:-}" ]; then echo '{"question": "Which colour?"}' >> "$EPW_EVENTS"; exit 75; fi
echo "chosen $EPW_ANSWER"
"""


def _plan(folder: Path) -> dict[str, Any]:
    event = json.dumps({"progress": {"percent": 40, "operation": "editing"}})
    wait = f"until [ -e {folder}/go ]; do sleep 0.05; done"
    return {
        "maxAgents": 4,
        "strategy": "aggressive",
        "tasks": tasks(
            {"id": "asks", "run": _ASKS},
            {"id": "works", "run": f'echo "first words"; echo \'{event}\' >> "$EPW_EVENTS"; {wait}'},
            {"id": "hangs", "run": "sleep 600"},
        ),
    }


def _select(terminal: Terminal, task: str) -> None:
    """Choose a task as a person does: one down at a time, from the top again at the end."""
    for _ in range(20):
        terminal.until(lambda: terminal.selected, "a selected task")
        if terminal.selected == task:
            return
        before = terminal.selected
        terminal.press("\x1b[B")
        for _ in range(10):
            terminal.look()
            if terminal.selected != before:
                break
        else:
            terminal.press("\x1b[H")
    raise AssertionError(terminal.text)


def test_a_question_is_answered_a_task_cancelled_and_one_added_by_typing(site: Site, tmp_path: Path) -> None:
    with in_terminal(site.cli, 80, 24, "run", site.cli.plan(_plan(tmp_path)), "--id", "typed") as terminal:
        terminal.shows("[1] asks asks q1: Which colour?")
        assert "40%" in terminal.shows("editing")
        terminal.press("1")
        terminal.shows("answer:")
        terminal.press("dark red\r")
        terminal.until(lambda: "✓ asks" in terminal.text, "asks is done")
        _select(terminal, "works")
        terminal.press("\r")
        terminal.shows("first words")
        terminal.press("\x1b")
        terminal.shows("hangs")
        terminal.press("n$ echo added\r")
        terminal.shows("after which tasks?")
        terminal.press("works\r")
        terminal.shows("echo-added")
        _select(terminal, "hangs")
        terminal.press("c")
        terminal.shows("cancel hangs and what depends on it?")
        terminal.press("y\r")
        terminal.until(lambda: "■" in terminal.text, "hangs is cancelled")
        terminal.resize(120, 30)
        terminal.shows("agent")
        terminal.press("\x03")
        terminal.shows("leave? d: stop, go on later")
        terminal.press("\x1b")
        (tmp_path / "go").touch()
        code, after = terminal.ends()
        assert code == 1, after
        assert terminal.is_as_before
    for words in ("typed: partial", "Which colour? → dark red", "cancel_task hangs", "add_tasks"):
        assert words in after, after
    document = site.cli.json("status", "typed")
    states = {row["taskId"]: row["status"] for row in document["results"]}
    assert states == {"asks": "succeeded", "works": "succeeded", "hangs": "cancelled", "echo-added": "succeeded"}


def test_a_conflict_is_looked_at_and_resolved_by_typing(site: Site, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo", {"f": "old\n"})
    rows = tasks({"id": "left", "run": "echo of the left > f"}, {"id": "right", "run": "echo of the right > f"})
    plan = {"workspace": str(repository), "strategy": "aggressive", "onConflict": ["ask"], "tasks": rows}
    with in_terminal(site.cli, 60, 24, "run", site.cli.plan(plan), "--id", "clash") as terminal:
        terminal.shows("conflict c1")
        terminal.press("1")
        shown = terminal.shows("of the right")
        sides = next(line for line in shown.splitlines() if "of the right" in line and "│" in line)
        assert "of the left" in sides, "both sides stand beside each other"
        terminal.press("nonsense\r")
        terminal.shows("type the number of a choice")
        terminal.press("\x15skip\r")
        code, after = terminal.ends()
        assert code == 1, after
        assert terminal.is_as_before
    document = site.cli.json("status", "clash")
    (conflict,) = document["conflicts"]
    assert (conflict["resolution"], conflict["decidedBy"]) == ("skip", "user")
    assert sorted(row["status"] for row in document["results"]) == ["conflicted", "succeeded"]
    assert [each["action"] for each in document["steering"]] == ["resolve_conflict"]


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "agents"), [(60, 1), (80, 10), (200, 100), (60, 100)])
def test_at_every_size_a_person_answers_cancels_and_adds_by_typing(site: Site, columns: int, agents: int) -> None:
    name, hangs = f"size-{columns}-{agents}", {"simulate": {"seconds": 600}}
    rows: list[dict[str, Any]] = [
        {"id": "asks", "priority": 9, "simulate": {"ask": "Which?"}},
        *({"id": f"t{n}", **hangs} for n in range(agents + 1)),
    ]
    plan = {"maxAgents": agents, "strategy": "aggressive", "agent": "simulated", "tasks": tasks(*rows)}
    with in_terminal(site.cli, columns, 24, "run", site.cli.plan(plan), "--id", name) as terminal:
        terminal.shows("[1] asks asks q1: Which?")
        terminal.press("1")
        terminal.shows("answer:")
        terminal.press("this\r")
        terminal.until(lambda: "[1] asks" not in terminal.text, "the question has gone")
        terminal.press("n")
        terminal.shows("new task")
        terminal.press("one thing more\r")
        terminal.shows("after which tasks?")
        terminal.press("t0\r")
        terminal.shows(f"of {agents + 3} tasks")
        terminal.press("\x1b[H")
        _select(terminal, "t0")
        terminal.press("c")
        terminal.shows("cancel t0 and what depends on it?")
        terminal.press("y\r")
        terminal.until(lambda: site.cli.json("status", name)["results"][1]["status"] == "cancelled", "t0 is cancelled")
        terminal.press("q")
        terminal.shows("leave?")
        terminal.press("c")
        code, _ = terminal.ends()
        assert (code, terminal.is_as_before) == (4, True)
    document = site.cli.json("status", name)
    assert [each["action"] for each in document["steering"]] == ["answer", "add_tasks", "cancel_task"]
    assert document["results"][-1]["status"] == "skipped", "it was to follow what was cancelled"


def test_a_watcher_of_a_hundred_agents_leaves_in_order(site: Site, tmp_path: Path) -> None:
    """By Ctrl-C twice, and by SIGTERM."""
    plan = {"maxAgents": 100, "agent": "simulated", "tasks": []}
    plan["tasks"] = [{"id": f"t{n}", "description": "d", "simulate": {"seconds": 600}} for n in range(100)]
    running = site.cli.popen("run", site.cli.plan(plan), "--id", "hundred")
    try:
        wait_for(lambda: not site.cli("status", "hundred", code=None).returncode)
        with in_terminal(site.cli, 200, 50, "watch", "hundred") as terminal:
            terminal.shows("100 of 100 agents")
            terminal.shows("simulated work")
            terminal.press("\x03")
            terminal.shows("leave? d: leave")
            terminal.press("\x03")
            code, after = terminal.ends()
            assert (code, terminal.is_as_before) == (130, True)
            assert "hundred · running · 0 of 100 tasks" in after
            assert "look again with: epw watch hundred" in after
        with in_terminal(site.cli, 60, 24, "watch", "hundred") as terminal:
            terminal.shows("▶>t0")
            os.kill(terminal.process.pid, signal.SIGTERM)
            code, after = terminal.ends()
            assert (code, terminal.is_as_before) == (130, True)
            assert "look again with: epw watch hundred" in after
    finally:
        stop(running)


def test_a_terminal_that_can_nothing_gets_plain_lines(site: Site) -> None:
    plan = site.cli.plan({"tasks": tasks({"id": "a", "run": "true"})})
    with in_terminal(site.cli, 80, 24, "run", plan, term="dumb") as terminal:
        code, _ = terminal.ends()
        printed = terminal.printed.decode()
    assert code == 0
    assert " a: succeeded" in printed
    assert "\x1b[" not in printed.partition("succeeded")[0]


def test_where_there_is_no_terminal_or_plain_lines_are_wanted_the_view_is_not_even_imported() -> None:
    look = (
        "import sys; from epw.cli.shown import may_be_live as live;"
        "told = [live(as_json=a, is_plain=b) for a, b in ((False, False), (True, False), (False, True))];"
        "print(*told, *sys.modules)"
    )
    argv = [sys.executable, "-c", look]
    told = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert told[:3] == ["False"] * 3
    assert not [each for each in told if each.startswith("epw.cli.live")]
