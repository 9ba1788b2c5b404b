"""Name of this host: of a machine and a state directory in it."""

from __future__ import annotations

import socket
import uuid

from activities.state.state_directory import StateDirectory
from activities.system.atomic_write import write_once
from epw.core.naming import slug


def host_name(state: StateDirectory) -> str:
    """Name of this machine and state directory, created once: hubs and attempts exist here and nowhere else."""
    note = state.host_name
    if note.is_file():
        return note.read_text()
    state.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Several processes may begin at once: work that is bound to a name that only one of them knew would wait for ever.
    return write_once(note, f"{machine_name()}-{uuid.uuid4().hex[:8]}".encode()).decode()


def machine_name() -> str:
    """What the names of all hosts of this machine begin with."""
    return slug(socket.gethostname())[:30]
