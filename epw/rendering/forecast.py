"""When an execution that goes on probably ends, in words: with its range, or why nobody knows."""

from __future__ import annotations

from epw.core.amounts import few
from epw.core.report.so_far import SoFar
from epw.rendering.words import duration

_MAX_NAMED = 3


def time_left(numbers: SoFar, passed: int = 0) -> str:
    """`about 20 min left (16 min to 27 min)`, or who is waited for; empty where nothing is known of it.

    `passed`: milliseconds since the numbers were made.
    """
    asked = few(numbers.get("waitsForPerson", ()), _MAX_NAMED)
    if (eta := numbers.get("eta")) is None:
        return f"waits for a person ({asked})" if asked else ""
    apart = f", the wait for a person ({asked}) apart" if asked else ""
    if eta.get("guessed"):
        return f"time left unknown: no estimates, and nothing measured yet{apart}"
    left, low, high = (duration(max(0, eta[key] - passed)) for key in ("leftMs", "lowMs", "highMs"))
    basis = "" if eta["measured"] else ", by estimates"
    return f"about {left} left ({low} to {high}{basis}){apart}"
