"""Events of a program's output, as far as the worker uses them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Session:
    """The program has begun, or gone on with, the session of this id."""

    id: str


@dataclass(frozen=True)
class Said:
    """Text of the model; the last one is the summary of the attempt."""

    text: str
    is_part: bool = False
    """Whether it goes on with the text before it."""


@dataclass(frozen=True)
class Doing:
    """What the agent does now: a call of a tool, or a wait."""

    operation: str
    files: tuple[str, ...] = ()
    """Files that it writes."""
    reads: tuple[str, ...] = ()
    """Files that it reads."""


@dataclass(frozen=True)
class Used:
    """Tokens and dollars. A later one of the same `key` replaces it; `key` None: of all so far."""

    input_tokens: int
    output_tokens: int
    cost: float | None = None
    """US dollars; None: not said."""
    requests: int = 1
    key: str | None = None


@dataclass(frozen=True)
class Limited:
    """The account may not be used for now."""

    message: str
    until: float | None = None
    """Epoch seconds; None: not said."""


@dataclass(frozen=True)
class Failed:
    """The program cannot go on, or has ended without doing the task."""

    message: str


@dataclass(frozen=True)
class Rejected:
    """The API does not take the login; trying again brings nothing."""

    message: str


Event = Session | Said | Doing | Used | Limited | Failed | Rejected
