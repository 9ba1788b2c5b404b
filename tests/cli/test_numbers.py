"""Numbers in lines: only what succeeded is done, known costs are told, an answer is `again` only the second time."""

from __future__ import annotations

import io
from typing import Any, cast

from epw.cli.bell import Bell
from epw.cli.follow import _Lines
from epw.cli.show_running import summary
from epw.client.pollers import without_worker
from epw.core.report.so_far import SoFar
from epw.core.report.spending import known_cost
from epw.core.report.task_result import ModelUsage


def test_a_task_that_failed_is_not_done() -> None:
    numbers = cast(SoFar, {"elapsedMs": 1000, "percent": 71.0, "costUSD": None, "tokens": None})
    assert summary({"succeeded": 4, "failed": 1, "waiting": 2}, numbers).startswith(
        "4 of 7 tasks done, 1 failed · 71 %"
    )


def test_what_is_known_of_a_cost_is_told() -> None:
    used = [cast(ModelUsage, {"costUSD": cost}) for cost in (0.0246, None)]
    assert known_cost(used) == "$0.0246 known, the rest without a price"
    assert known_cost(used[:1]) == "$0.0246"
    assert known_cost(used[1:]) == "unknown: a model without a price"


def test_a_worker_answers_again_only_after_it_has_answered() -> None:
    out: Any = io.StringIO()
    lines = _Lines("e", out, Bell([], out))
    for is_answered in (False, False, True, False, False, True):
        lines.answered(is_answered=is_answered)
    told = [line.split(" ", 1)[1] for line in out.getvalue().splitlines()]
    assert told == [without_worker("e"), "a worker answers", without_worker("e"), "a worker answers again"]
