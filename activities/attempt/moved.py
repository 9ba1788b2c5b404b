"""Attempt that goes on on another host than the one that has its agent's conversation: that one was away for too long.

It begins a new conversation, from the change that was saved. The host that was away may be the one to take it after
all, and goes on as if nothing had been.
"""

from __future__ import annotations

from activities.attempt.attempt import Attempt
from activities.system.atomic_write import write_atomically
from activities.system.directories import Trash

_PLACE = "waits-as"
"""File beside a conversation: the directory of the attempt with which it stopped, or went on here."""


def note_place(attempt: Attempt) -> None:
    """Note that the conversation on this host is that of the attempt as it ends now."""
    _note(attempt, attempt.directory.key)


def leave_other_conversation(attempt: Attempt) -> None:
    """Where the attempt has left the host of its conversation, begin a new one; what is here is an older one."""
    resume, state = attempt.directory.run.resume, attempt.context.state
    if resume is None or resume.left is None:
        return
    place = state / _PLACE
    if place.is_file() and place.read_text() == resume.directory:
        return
    Trash(attempt.directory.execution.state.trash).take(state)
    _note(attempt, resume.directory)
    done = "what it had changed there is in here" if resume.commit else "it had changed nothing there"
    attempt.reporter.remarks.append(
        f"its conversation is on host {resume.left}, which was away for too long: {done}, a new one went on from it"
    )


def _note(attempt: Attempt, directory: str) -> None:
    state = attempt.context.state
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_atomically(state / _PLACE, directory.encode())
