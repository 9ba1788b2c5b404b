"""What every update is answered in every state of an execution: `docs/steering.md` shows it, a test sends each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

STATES = {
    "running": "agents work, or can start",
    "paused": "after `pause`: what runs goes on to its end",
    "waiting": "agents and conflicts wait for people, nothing else runs",
    "finishing": "every task has ended; the head is verified and delivered",
    "stopping": "it ends by a failure or `cancel`; agents are being stopped",
    "ended": "its result stands",
}
_FINISHING = "refused: every task has ended, and the head is being verified and delivered"
_STOPPING = "refused: the execution is ending (running)"
_ENDED = "refused: the execution has ended"
_LATE = {"finishing": _FINISHING, "stopping": _STOPPING, "ended": _ENDED}


@dataclass(frozen=True)
class Answers:
    """Answers to one update: by state, `accepted` or `refused`, and the words that tell why or what comes of it.

    In the execution `z` has succeeded, `a` runs (in `waiting` it asks), `b` depends on it, `c` conflicts in `waiting`.
    """

    update: str
    request: dict[str, Any]
    running: str
    paused: str
    waiting: str
    finishing: str = _LATE["finishing"]
    stopping: str = _LATE["stopping"]
    ended: str = _LATE["ended"]

    def at(self, state: str) -> str:
        answer: str = getattr(self, state)
        return answer


ANSWERS = (
    Answers(
        "answer",
        {"questionId": "q1", "text": "this"},
        "refused: no question 'q1' was asked",
        "refused: no question 'q1' was asked",
        "accepted: a goes on",
    ),
    Answers(
        "resolve_conflict",
        {"conflictId": "c1", "choice": "skip"},
        "refused: there is no conflict 'c1'",
        "refused: there is no conflict 'c1'",
        "accepted: skip is tried",
    ),
    Answers(
        "pause",
        {},
        "accepted: nothing starts until `resume`",
        "accepted: nothing starts until `resume`",
        "accepted: nothing starts until `resume`",
    ),
    Answers("resume", {}, "accepted: it was not paused", "accepted: starts go on", "accepted: it was not paused"),
    Answers("set_max_agents", {"maxAgents": 9}, *["accepted: 9 instead of 2"] * 3),
    Answers("set_budget", {"maxTokens": 1000}, *["accepted: what starts from now on has it"] * 3),
    Answers("set_priority", {"taskId": "b", "priority": 4}, *["accepted: 4 instead of 0"] * 3),
    Answers(
        "cancel_task",
        {"taskId": "a"},
        "accepted: its agent is being stopped",
        "accepted: its agent is being stopped",
        "accepted: cancelled; 1 that depends on it skipped",
    ),
    Answers(
        "message",
        {"taskId": "a", "text": "look"},
        "accepted: it is handed to its agent",
        "accepted: it is handed to its agent",
        "accepted: its next attempt gets it",
    ),
    Answers("retry_task", {"taskId": "z"}, *["accepted: what is under way ends first"] * 3),
    Answers(
        "add_tasks",
        {"tasks": [{"id": "n", "description": "new", "run": "true", "dependsOn": ["a"]}]},
        *["accepted: added, 0 of them ready to start"] * 3,
    ),
)
