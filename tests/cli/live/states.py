"""States of executions, as the view gets them, and the screen of a terminal that shows them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any, cast

import pyte
from rich.console import Console
from rich.text import Text

from epw.cli.live.snapshot import Snapshot
from epw.core.messages import AgentProgress
from epw.core.report.history import empty_row, whole
from epw.core.report.so_far import SoFar

NOW = 1_700_000_000_000
HUNKS = [
    {
        "path": "api/users.py",
        "line": 12,
        "ours": ["def get(id):\n", "    return 1\n"],
        "theirs": ["def get(uid, all):\n"],
    },
    {"path": "logo.png", "line": 1, "what": "binary", "ours": None, "theirs": "3 KB"},
]


def row(task: str, status: str, **fields: Any) -> dict[str, Any]:
    return {**empty_row(task), "status": status, **fields}


def question(name: str, task: str, text: str, options: Sequence[str] = (), **fields: Any) -> dict[str, Any]:
    return {
        "id": name,
        "taskId": task,
        "text": text,
        "options": list(options),
        "askedAt": NOW,
        "answer": None,
        "answeredAt": None,
        **fields,
    }


def conflict(task: str, other: str, asked: str) -> dict[str, Any]:
    options = [
        {"strategy": "retry", "description": f"Run {task} again", "automatic": True, "risk": "low", "choice": "retry"},
        {"strategy": "skip", "description": f"Leave {task} out", "automatic": True, "risk": "high", "choice": "skip"},
    ]
    sides = [{"taskId": each, "description": f"The intent of {each}", "summary": None} for each in (task, other)]
    return {
        "id": "c1",
        "type": "file-level",
        "kind": "lines",
        "severity": "medium",
        "agents": [],
        "tasks": [task, other],
        "description": f"{task} and {other} change the same lines",
        "paths": ["api/users.py"],
        "hunks": [],
        "affectedResources": ["api/users.py"],
        "detectionMethod": "three-way merge",
        "commit": "abc",
        "resolutionOptions": options,
        "resolution": None,
        "decidedBy": None,
        "intents": sides,
        "questionId": asked,
    }


def snapshot(agents: int, prefix: str = "task", **fields: Any) -> Snapshot:
    """So many agents at work, as many tasks done and to come, a question and a conflict, a budget, a warning."""
    running = [f"{prefix}-{n:03}" for n in range(agents)]
    rows = [
        *(row(f"done-{n:03}", "succeeded", finishedAt=NOW + n, duration=61_000) for n in range(agents)),
        *(row(task, "running", agentId=f"agent-{n + 1}", attempts=1 + n % 2) for n, task in enumerate(running)),
        row("ask-one", "waiting", waitingFor="question", attempts=1),
        row("clash", "waiting", waitingFor="question", attempts=1),
        row("writes", "waiting", waitingFor="files", waitingOn=[running[0]]),
        row("broken", "failed", attempts=2, finishedAt=NOW, error={"type": "CommandFailed", "message": "exit code 1"}),
        *(row(f"later-{n:03}", "pending") for n in range(agents)),
    ]
    live = {
        task: AgentProgress.model_validate(
            {
                "taskId": task,
                "agentId": f"agent-{n + 1}",
                "percent": 5 + n % 90,
                "operation": "editing api/users.py",
                "files": ["api/users.py", "b"],
                "tokens": 12_300 * (n + 1),
                "costUSD": 0.012 * (n + 1),
                "memoryMB": 310.4,
                "cpuSeconds": 4.0,
                "elapsedMs": 63_000,
                "warnings": ["api/users.py would not merge with ui"] if n == 0 else [],
            }
        )
        for n, task in enumerate(running)
    }
    numbers: SoFar = {
        "elapsedMs": 754_000,
        "percent": 37.5,
        "costUSD": 4.2,
        "tokens": 1_234_567,
        "eta": {
            "leftMs": 1_200_000,
            "lowMs": 960_000,
            "highMs": 1_620_000,
            "measured": agents,
            "tasks": dict.fromkeys(running, 185_000),
        },
    }
    short = {
        "status": "running",
        "executionId": "shop-1a2b",
        "results": [],
        "questions": [
            question("q1", "ask-one", "Which port?", ["8080", "9090"], freeText=True),
            question("q2", "clash", "How is c1 resolved?", ["retry", "skip"]),
        ],
        "conflicts": [conflict("clash", "done-000", "q2")],
    }
    document = cast(
        Any, {**whole(short, "run"), "results": rows, "metrics": {"criticalPath": ["done-000", running[0]]}}
    )
    given: dict[str, Any] = {"max_agents": agents, "max_cost": 5.0, "cpu": {running[0]: 97.0}, **fields}
    return Snapshot(document, live, numbers, NOW, **given)


def shown(lines: Sequence[Text], width: int, height: int) -> list[str]:
    """What a terminal of this size shows of lines."""
    console = Console(file=io.StringIO(), force_terminal=True, width=width, legacy_windows=False)
    for number, each in enumerate(lines):
        console.file.write(f"\x1b[{number + 1};1H")
        console.print(each, soft_wrap=True, end="", highlight=False)
    screen = pyte.Screen(width, height)
    pyte.Stream(screen).feed(cast(io.StringIO, console.file).getvalue())
    return [str(each).rstrip() for each in screen.display]
