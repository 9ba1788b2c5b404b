"""Time left in words: a range where there is one, else who is waited for, or that nobody knows."""

from __future__ import annotations

from typing import Any, cast

from epw.core.report.so_far import SoFar
from epw.rendering.forecast import time_left


def numbers(eta: dict[str, Any] | None = None, asked: list[str] | None = None) -> SoFar:
    found: dict[str, Any] = {"elapsedMs": 1, "percent": 0.0, "costUSD": None, "tokens": None}
    found |= {**({"eta": eta} if eta else {}), **({"waitsForPerson": asked} if asked else {})}
    return cast(SoFar, found)


ETA = {"leftMs": 1_200_000, "lowMs": 960_000, "highMs": 1_620_000, "measured": 2, "tasks": {}}


def test_a_range_says_what_it_rests_on_and_which_wait_is_not_in_it() -> None:
    assert time_left(numbers(ETA)) == "about 20 min left (16 min to 27 min)"
    assert time_left(numbers(ETA), 60_000) == "about 19 min left (15 min to 26 min)"
    assert time_left(numbers({**ETA, "measured": 0})) == "about 20 min left (16 min to 27 min, by estimates)"
    assert time_left(numbers(ETA, ["a"])).endswith(", the wait for a person (a) apart")


def test_without_a_forecast_it_says_who_is_waited_for_or_that_nobody_knows() -> None:
    assert time_left(numbers(asked=["a", "b"])) == "waits for a person (a, b)"
    assert time_left(numbers({**ETA, "guessed": True})).startswith("time left unknown: no estimates")
    assert time_left(numbers()) == ""
