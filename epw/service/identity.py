"""Identity of a worker process at the server: `4711@buildhost-1a2b/9f3c/4`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorkerIdentity:
    process: int
    host: str
    """Name of the machine and state directory."""
    start: str
    """Differs between processes that have the same number one after the other."""
    slots: int | None = None
    """How many attempts it runs at once; None: no limit."""

    def __str__(self) -> str:
        slots = "" if self.slots is None else f"/{self.slots}"
        return f"{self.process}@{self.host}/{self.start}{slots}"

    @classmethod
    def read(cls, text: str) -> WorkerIdentity | None:
        """The identity in a text; None: it is not of a worker of ours (a plugin's has the SDK's form)."""
        process, _, rest = text.partition("@")
        host, _, rest = rest.partition("/")
        start, _, slots = rest.partition("/")
        if not process.isdigit() or not host or not start or (slots and not slots.isdigit()):
            return None
        return cls(int(process), host, start, int(slots) if slots else None)
