"""What an execution takes besides its agents' work, in seconds: a record that `benchmarks/costs.py` measures."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Costs:
    """Seconds of a worker's threads (`_thread`), of a core in other processes (`_process`), else by the clock.

    All of them 0: an execution is its list schedule.
    """

    source: str = ""
    """What was measured, where and when."""
    begin: float = 0.0
    """From asking for an execution until its first turn."""
    begin_task: float = 0.0
    """The same for each task of the plan."""
    finish: float = 0.0
    """From the turn in which the last task ends to the end of the execution."""
    hop: float = 0.0
    """Each way from the server to a worker."""
    turn_thread: float = 0.0
    """A turn of the workflow."""
    turn_process: float = 0.0
    event_thread: float = 0.0
    """What has happened and is settled in a turn, each, with what it starts."""
    activity_thread: float = 0.0
    """An attempt or a landing for its worker, half of it before the work, half after."""
    activity_process: float = 0.0
    """The same for the server."""
    beat_thread: float = 0.0
    """Heartbeats of an agent that works, each second."""
    beat_process: float = 0.0
    prepare: float = 0.0
    """Reading a workspace."""
    prepare_file: float = 0.0
    """The same for each of its files."""
    directory_thread: float = 0.0
    """An attempt's directory and saving its change, half of it before the work, half after."""
    directory_process: float = 0.0
    directory_pause: float = 0.0
    """What of it passes without work."""
    directory_file: float = 0.0
    """A new directory, a process, for each of the workspace's files; later attempts take over an earlier one."""
    program_thread: float = 0.0
    """An agent that is a process: its start and its end."""
    program_process: float = 0.0
    program_pause: float = 0.0
    landing: float = 0.0
    """A landing, and in it a change that was made on the present head."""
    change_thread: float = 0.0
    """Each other change in a landing: it is merged."""
    change_process: float = 0.0
    deliver: float = 0.0
    """Handing a head over."""
    deliver_change: float = 0.0
    """The same for each change in it."""
    crowding: float = 0.0
    """No time: the part by which work on files takes longer for each that there is at once beyond the cores."""
    cancel: float = 0.0
    """Until a running agent has been stopped."""

    @property
    def without_landing(self) -> Costs:
        """The same where landings take no time."""
        return replace(self, landing=0.0, change_thread=0.0, change_process=0.0)


NONE = Costs()
