"""Message between the workflow and the activity `tell`."""

from __future__ import annotations

from epw.core.messages import StepRequest

TELL = "tell"


class TellRequest(StepRequest):
    """Input of `tell`: a person's message to the agent of a running attempt; `number` counts those of its task."""

    task_id: str
    number: int
    text: str
