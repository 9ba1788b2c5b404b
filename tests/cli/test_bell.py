"""The terminal of who follows an execution rings where the plan asks for it, once a thing."""

from __future__ import annotations

import io
from typing import Any

import pytest

from epw.cli.bell import Bell
from epw.cli.follow import _Lines
from epw.core.plan.outgoing import Event


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


ROW = {"taskId": "a", "agentId": None, "attempts": 1, "waitingFor": None}
CONFLICT = {"id": "c1", "kind": "lines", "description": "d", "resolution": None, "decidedBy": None}


@pytest.mark.parametrize(("event", "rings"), [("question", 1), ("failed", 1), ("conflict", 1), ("ended", 0)])
def test_it_rings_once_a_thing(event: Event, rings: int) -> None:
    terminal = Terminal()
    lines = _Lines("e", io.StringIO(), Bell([event], terminal))
    question: dict[str, Any] = {"id": "q1", "taskId": "a", "text": "which?", "options": [], "answer": None}
    for _ in range(2):
        lines.tasks({"tasks": [{**ROW, "status": "failed"}]})
        lines.questions([question])
        lines.conflicts([{**CONFLICT, "type": "file-level"}, {**CONFLICT, "id": "c2", "type": "dependency"}])
    assert terminal.getvalue() == "\a" * rings


def test_it_does_not_ring_where_no_terminal_is() -> None:
    file = io.StringIO()
    Bell(["ended"], file).ring("ended")
    assert file.getvalue() == ""
