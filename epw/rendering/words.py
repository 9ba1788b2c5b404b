"""Words of reports: times, amounts and states as people read them, and text of unknown origin made visible."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]")
"""Control characters but tab and line feed, those that reorder or hide text, and halves of surrogate pairs."""
STATUSES = {
    "succeeded": ("✓", "succeeded"),
    "partial": ("◐", "partly succeeded"),
    "failed": ("✗", "failed"),
    "rolled_back": ("↶", "rolled back"),
    "undelivered": ("✗", "not delivered"),
    "cancelled": ("■", "cancelled"),
    "rollback_failed": ("✗", "rollback failed"),
    "terminated": ("■", "terminated"),
    "running": ("▶", "running"),
    "paused": ("‖", "paused"),
    "waiting": ("…", "waiting"),
    "ready": ("○", "ready"),
    "pending": ("○", "pending"),
    "skipped": ("–", "skipped"),
    "conflicted": ("≠", "conflicted"),
}
"""A sign and words by status, of executions and tasks: none is told by a colour alone."""
WAITS = {
    "question": "for an answer",
    "usageLimit": "for a usage limit",
    "rateLimit": "for a rate limit",
    "files": "for files of other tasks",
    "resources": "for memory",
    "host": "for a worker",
}
"""Words by what was waited for, as `waitedMs` calls it."""


def printable(text: str) -> str:
    """Text of unknown origin for a terminal: control characters are shown, not obeyed."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)


def visible(text: str) -> str:
    """Text of unknown origin for a page: what would not be seen there is written out, `\\u202e`."""
    return text if text.isprintable() else _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def status_words(status: str) -> str:
    """A sign and words: `✓ succeeded`."""
    return " ".join(STATUSES.get(status, ("", status)))


def duration(milliseconds: float) -> str:
    """A duration in its two largest units: `1 h 20 min`, `3 min`, `12 s`; under ten seconds with a tenth."""
    seconds = milliseconds / 1000
    if seconds < 10:
        return f"{seconds:.1f} s"
    left, parts = round(seconds), list[str]()
    for size, unit in _UNITS:
        count, left = divmod(left, size)
        if count and (len(parts) == 0 or size < 86_400):
            parts.append(f"{count} {unit}")
        if len(parts) == 2 or (parts and unit == "min" and seconds >= 600):
            break
    return " ".join(parts[:2])


def moment(at: int) -> str:
    """A moment (epoch milliseconds) in words: `26 Nov 2026, 22:53:07 UTC`."""
    return f"{datetime.fromtimestamp(at / 1000, UTC):%-d %b %Y, %H:%M:%S} UTC"
