"""Tasks that agents propose: which of them a person is asked about, and what they are shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from epw.core.amounts import count
from epw.core.backends import Backend
from epw.core.messages import Question

TAKE, REFUSE = "take", "refuse"
_PLAIN = frozenset(
    [
        *("id", "description", "dependsOn", "priority", "context", "files", "reads", "constraints"),
        *("estimatedMinutes", "estimatedCostUSD", "estimatedTokens", "estimatedRequests"),
    ]
)
"""Fields that widen nothing: the task is done as the plan says."""
_OF_COMMANDS = frozenset(("run", "verify", "keep"))
"""Fields that a command may set too: its own text is the plan's, and runs in the same sandbox."""
_MAX_TEXT = 1_900
_MAX_DESCRIPTION = 160


def is_plain(tasks: Sequence[Any], proposer: Backend) -> bool:
    """Whether the tasks may be taken without a question where the plan says `take`."""
    allowed = _PLAIN if proposer.driven_by_model else _PLAIN | _OF_COMMANDS
    return all(isinstance(each, dict) and allowed.issuperset(each) for each in tasks)


def question(task_id: str, tasks: Sequence[Any]) -> Question | None:
    """The question whether the tasks are added; None: it is too long to show all that they would be allowed."""
    lines = [f"{task_id} proposes {count(len(tasks), 'more task')}:"]
    for each in tasks:
        description = str(each.get("description"))
        cut = description if len(description) <= _MAX_DESCRIPTION else f"{description[: _MAX_DESCRIPTION - 1]}…"
        more = {name: value for name, value in each.items() if name not in ("id", "description")}
        lines.append(f"- {each.get('id')}: {cut}{f' {json.dumps(more, ensure_ascii=False)}' if more else ''}")
    text = "\n".join(lines)
    return Question.cut(text, [TAKE, REFUSE]) if len(text) <= _MAX_TEXT else None
