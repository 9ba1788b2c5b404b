"""What a worker logs of failed activities."""

from __future__ import annotations

import logging
import sys
from types import TracebackType

import pytest

from epw.core.errors import UrlAway
from epw.service.log import known_in_a_line


@pytest.mark.parametrize(
    ("error", "words", "has_trace"),
    [
        (
            UrlAway("git fetch of https://h/x broke off"),
            "w1: prepare, try 2: git fetch of https://h/x broke off",
            False,
        ),
        (KeyError("a bug"), "Completing activity as failed", True),
    ],
)
def test_only_a_bug_is_told_with_its_stack_trace(error: Exception, words: str, has_trace: bool) -> None:
    trace: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None] = (
        None,
        None,
        None,
    )
    try:
        raise error
    except (UrlAway, KeyError):
        trace = sys.exc_info()
    record = logging.LogRecord("sdk", logging.WARNING, "", 0, "Completing activity as failed", (), trace)
    record.temporal_activity = {"workflow_id": "w1", "activity_type": "prepare", "attempt": 2}
    assert known_in_a_line(record)
    told = logging.Formatter("%(message)s").format(record)
    assert told.startswith(words)
    assert ("Traceback" in told) is has_trace
