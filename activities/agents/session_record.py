"""State of a session that a program keeps itself: its id, and the time at work."""

from __future__ import annotations

from pydantic import BaseModel

from activities.agents.claude.conversation import newest_before, order_of
from activities.agents.context import AgentContext
from activities.system.atomic_write import write_atomically


class Record(BaseModel):
    """State that a later attempt needs to go on with the session."""

    session: str | None = None
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
