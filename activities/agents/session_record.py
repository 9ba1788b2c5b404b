"""State of a session that a program keeps itself: its id, what it has used, and the time at work."""

from __future__ import annotations

from pydantic import BaseModel

from activities.agents.claude.conversation import newest_before, order_of
from activities.agents.context import AgentContext
from activities.system.atomic_write import write_atomically
from epw.core.messages import Usage


class Record(BaseModel):
    """State that a later attempt needs to go on with the session."""

    session: str | None = None
    usage: Usage = Usage()
    attempt: int = 0
    seconds: float = 0.0
    """Time at work in this attempt, waits not counted."""


class SessionRecord:
    """A record in a file of one activity attempt: a worker that froze and wakes up writes to its own."""

    def __init__(self, context: AgentContext) -> None:
        folder, order = context.state, order_of(context)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = folder / f"{'.'.join(map(str, order))}.json"
        found = newest_before(folder, order, "json")
        record = Record.model_validate_json(found.read_bytes()) if found is not None else Record()
        if record.attempt != context.attempt:
            record = record.model_copy(update={"attempt": context.attempt, "seconds": 0.0})
        self.current = record

    def update(self, **fields: object) -> None:
        self.current = self.current.model_copy(update=fields)
        write_atomically(self._path, self.current.model_dump_json().encode())

    def add_usage(self, tokens: dict[str, int], cost: float | None) -> None:
        """Count an answer: its tokens, by the API's names, and dollars (None: unknown price)."""
        before, output = self.current.usage, tokens.get("output_tokens", 0)
        known = (before.cost_usd is not None or not before.requests) and cost is not None
        usage = Usage(
            requests=before.requests + 1,
            input_tokens=before.input_tokens + sum(tokens.values()) - output,
            output_tokens=before.output_tokens + output,
            cost_usd=(before.cost_usd or 0.0) + (cost or 0.0) if known else None,
        )
        self.update(usage=usage)
