"""Tell: put a person's message where the agent of a running attempt finds it at its next turn."""

from __future__ import annotations

from temporalio import activity

from activities.agents.notes import keep
from activities.state.activity_scope import current_execution
from activities.state.state_directory import StateDirectory
from activities.system.concurrency import in_thread
from epw.core.naming import slug
from epw.core.telling import TELL, TellRequest


class Teller:
    """The activity `tell`."""

    def __init__(self, state: StateDirectory) -> None:
        self._state = state

    @activity.defn(name=TELL)
    async def tell(self, request: TellRequest) -> bool:
        """Keep the message for the attempt; false where it has no directory on this machine.

        Done twice it is read once: messages have numbers.
        """
        execution = current_execution(self._state, request)
        await in_thread(keep, execution.notes(request.task_id), request.number, request.text)
        return (execution.attempts() / slug(request.task_id)).is_dir()
