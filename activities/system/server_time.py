"""Time of day as Temporal's server has it: what machines tell each other of time is by its clock, not by theirs."""

from __future__ import annotations

import time

_ahead = [0.0]
"""Seconds by which this machine's clock is ahead."""


def server_time() -> float:
    """Seconds since 1970."""
    return time.time() - _ahead[0]


def server_ms() -> int:
    """Milliseconds since 1970."""
    return round(server_time() * 1000)


def began_ms() -> int:
    """When this process began, milliseconds since 1970."""
    # Here: commands that only tell times do without what it imports.
    from activities.system.process_identity import CURRENT_PROCESS

    return round((CURRENT_PROCESS[1] - _ahead[0]) * 1000)


def set_ahead(seconds: float) -> None:
    """Take a difference that was measured."""
    _ahead[0] = seconds
