"""Notice board of an execution: finds what has happened since the last look, and tells each thing once."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from epw.core.amounts import dollars
from epw.core.decisions.conflicts import Conflict
from epw.core.decisions.questions import Asked, Questions, placeholder
from epw.core.execution.budget_policy import NOTICE_SHARE, share_of, spending
from epw.core.execution.delivery import Delivery
from epw.core.execution.state import ExecutionState
from epw.core.notice import MAX_TEXT, Notice

_MAX_TITLE = 200
_MAX_LISTED = 10
_MAX_WORDS = 200


class NoticeBoard:
    """Questions, conflicts, failures and the budget of an execution, as far as they were told.

    `key` begins the ids of the notices, which count up.
    """

    def __init__(
        self, execution: ExecutionState, questions: Questions, conflicts: list[Conflict], execution_id: str, key: str
    ) -> None:
        self._execution = execution
        self._questions = questions
        self._conflicts = conflicts
        self._id = execution_id
        self._key = key
        self._count = 0
        self._asked: set[str] = set()
        self._seen_conflicts = 0
        self._failed: set[str] = set()
        self._budget_told: Any = None

    def news(self, now: int) -> Iterator[Notice]:
        """Notices of what has happened since the last look."""
        for asked in self._questions.open:
            if asked.id not in self._asked:
                self._asked.add(asked.id)
                yield self._question(asked, now)
        for conflict in self._conflicts[self._seen_conflicts :]:
            self._seen_conflicts += 1
            if not conflict.is_advice:
                yield self._conflict(conflict, now)
        if self._execution.failures != len(self._failed):
            now_failed = self._execution.with_status("failed", "conflicted")
            new = [each for each in now_failed if each not in self._failed]
            self._failed = set(now_failed)
            for task_id in new:
                yield self._failure(task_id, now)
        yield from self._spent(now)

    def end(self, now: int, status: str, why: str, delivery: Delivery | None, left_out: int) -> Notice:
        """The last notice. `why`: one sentence on why it did not succeed; may be empty."""
        counts = {name: count for name, count in self._execution.counts.items() if count}
        told = ", ".join(f"{count} {name}" for name, count in counts.items())
        fields: dict[str, Any] = {"counts": counts, "left_out": left_out or None}
        if delivery is not None:
            pull_request = delivery.pull_request.url if delivery.pull_request is not None else None
            shown = {"mode": delivery.mode, "branch": delivery.branch}
            shown |= {"pullRequest": pull_request} if pull_request is not None else {}
            fields["delivery"] = {**shown, "refusedBecause": _cut(delivery.refused_because)}
            told += f"; branch {delivery.branch}" if delivery.branch else ""
            told += f"; {pull_request}" if pull_request else ""
        text = f"{why}\n{told}" if why else told
        return self._made("ended", now, f"{self._id}: {status}", text, ["status"], status=status, **fields)

    def _question(self, asked: Asked, now: int) -> Notice:
        options = [option[:_MAX_WORDS] for option in asked.question.options[:_MAX_LISTED]]
        question = {"id": asked.id, "text": _cut(asked.question.text), "options": options}
        title = f"{asked.task_id} asks"
        text = asked.question.text + (f"\n({' | '.join(options)})" if options else "")
        answer = ["answer", asked.id, placeholder(options)]
        return self._made("question", now, title, text, answer, task_id=asked.task_id, question=question)

    def _conflict(self, conflict: Conflict, now: int) -> Notice:
        found = conflict.found
        detail = {
            "id": conflict.id,
            "kind": found.kind,
            "tasks": found.tasks[:_MAX_LISTED],
            "paths": [path[:_MAX_WORDS] for path in found.paths[:_MAX_LISTED]],
            "description": _cut(found.description),
        }
        title = f"conflict of {' and '.join(found.tasks[:_MAX_LISTED])}"
        return self._made(
            "conflict", now, title, found.description, ["status"], task_id=found.tasks[0], conflict=detail
        )

    def _failure(self, task_id: str, now: int) -> Notice:
        state = self._execution.tasks[task_id]
        error = dict(state.error or {})
        message = _cut(str(error.get("message", "")))
        detail = {"type": error.get("type"), "message": message, "attempt": error.get("attempt")}
        title, text = f"{task_id} has {_ENDINGS[state.status]}", f"{error.get('type')}: {message}"
        return self._made("failed", now, title, text, ["logs", task_id], task_id=task_id, error=detail)

    def _spent(self, now: int) -> Iterator[Notice]:
        budget = self._execution.budget
        if budget == self._budget_told or (budget.max_cost_usd is None and budget.max_tokens is None):
            return
        seen, ended = self._execution.spent_so_far, spending(self._execution)
        cost, tokens = max(seen[0], ended[0]), max(seen[1], ended[1])
        share = share_of(budget, cost, tokens)
        if share < NOTICE_SHARE:
            return
        # A raised budget is told of anew.
        self._budget_told = budget
        fields = {"costUSD": round(cost, 6), "tokens": tokens, **budget.model_dump(by_alias=True)}
        of_cost = f"{dollars(cost)} of {dollars(budget.max_cost_usd)}" if budget.max_cost_usd is not None else ""
        of_tokens = f"{tokens} of {budget.max_tokens} tokens" if budget.max_tokens is not None else ""
        text = ", ".join(filter(None, [of_cost, of_tokens]))
        yield self._made("budget", now, f"{share:.0%} of the budget are spent", text, ["status"], budget=fields)

    def _made(self, event: str, now: int, title: str, text: str, command: list[str], **fields: Any) -> Notice:
        self._count += 1
        name, *rest = command
        return Notice.model_validate(
            {
                "id": f"{self._key}-{self._count}",
                "event": event,
                "execution_id": self._id,
                "name": self._execution.plan.name,
                "at": now,
                "title": title[:_MAX_TITLE],
                "text": _cut(text),
                "status": "running",
                "commands": [shlex.join(["epw", name, self._id, *rest])],
                **fields,
            }
        )


_ENDINGS = {"failed": "failed", "conflicted": "ended with a conflict"}


def _cut(text: str | None) -> str | None:
    return text if text is None or len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
