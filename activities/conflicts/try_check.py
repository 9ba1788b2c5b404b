"""A check that cannot make a landing fail, whatever an agent wrote into the files that it reads."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

T = TypeVar("T")

_log = logging.getLogger(__name__)


def try_check(check: Callable[..., Iterable[T]], *arguments: object) -> list[T]:
    """The results of a check; none where it raises."""
    try:
        return list(check(*arguments))
    except Exception as error:
        _log.warning("%s: %s: %s", getattr(check, "__name__", "check"), type(error).__name__, error)
        return []
