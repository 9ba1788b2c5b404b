"""Key of the worker's API account."""

from __future__ import annotations

import os

from epw.core.backends import CLAUDE
from epw.core.errors import Unavailable

_NAMES = ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")


def has_key() -> bool:
    """Whether the environment of this process names an API key."""
    return any(os.environ.get(name) for name in _NAMES)


def api_key() -> str:
    """The key of the worker's API account; raises `Unavailable` where there is none."""
    for name in _NAMES:
        if key := os.environ.get(name):
            return key
    raise Unavailable(missing_key(CLAUDE.name))


def missing_key(agent: str) -> str:
    """Message for a user whose plan has an agent that needs the key."""
    return f"agent {agent} needs ANTHROPIC_API_KEY in the environment of the worker: export it where the worker starts"
