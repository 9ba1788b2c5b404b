"""Estimates of task-executor workflows: minutes from hours, else by the kind of work that the description names."""

from __future__ import annotations

import re

from epw.core.plan.model import MAX_MINUTES

_MINUTES = (
    (re.compile(r"\btest(?:s|ed|ing)?\b", re.I), 15.0),
    (re.compile(r"\bimplement(?:s|ed|ing|ation)?\b", re.I), 30.0),
    (re.compile(r"\bdesign(?:s|ed|ing)?\b", re.I), 45.0),
    (re.compile(r"\bresearch(?:es|ed|ing)?\b", re.I), 60.0),
)
"""Whole words, and the minutes that each stands for; the first that is found decides."""
_OTHERWISE = 30.0
_PER_HOUR = 60
_LEAST = 0.01


def minutes_of(description: str, hours: float | None) -> float:
    """Minutes that a task probably takes, at most the 24 hours that a plan allows."""
    if hours is not None:
        return min(max(round(hours * _PER_HOUR, 2), _LEAST), MAX_MINUTES)
    return next((minutes for words, minutes in _MINUTES if words.search(description)), _OTHERWISE)
