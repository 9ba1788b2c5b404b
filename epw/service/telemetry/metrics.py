"""Metrics of executions that have ended, as their results have the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from temporalio.common import MetricMeter


class ExecutionMetrics:
    """Counts executions, tasks, conflicts, questions, costs and durations."""

    def __init__(self, meter: MetricMeter) -> None:
        self._executions = meter.create_counter("epw_executions", "Executions that have ended, by status.")
        self._tasks = meter.create_counter("epw_tasks", "Tasks of ended executions, by status and agent.")
        self._attempts = meter.create_counter("epw_attempts", "Attempts of the tasks of ended executions.")
        self._conflicts = meter.create_counter("epw_conflicts", "Conflicts, by kind and by what resolved them.")
        self._questions = meter.create_counter("epw_questions", "Questions that agents have asked.")
        self._cost = meter.create_histogram_float("epw_execution_cost_usd", "US dollars of model calls an execution.")
        self._duration = meter.create_histogram_float("epw_execution_duration", "From start to end.", "seconds")
        self._task_duration = meter.create_histogram_float(
            "epw_task_duration", "In attempts, without waits.", "seconds"
        )
        self._efficiency = meter.create_histogram_float("epw_efficiency", "List schedule divided by real duration.")

    def __call__(self, document: Mapping[str, Any], run_id: str, start_ms: int, end_ms: int) -> None:
        """Add an execution that has ended: a listener of `EndedExecutions`."""
        status, metrics = {"status": document["status"]}, document["metrics"] or {}
        self._executions.add(1, status)
        self._duration.record((end_ms - start_ms) / 1000, status)
        for histogram, value in ((self._cost, metrics.get("costUSD")), (self._efficiency, metrics.get("efficiency"))):
            if value is not None:
                histogram.record(float(value), status)
        for row in document["results"]:
            self._tasks.add(1, {"status": row["status"]})
            self._attempts.add(row["attempts"], {"status": row["status"]})
            if row.get("duration"):
                self._task_duration.record(row["duration"] / 1000, {"status": row["status"]})
        for conflict in document["conflicts"]:
            self._conflicts.add(1, {"kind": conflict["kind"], "resolution": conflict["resolution"] or "open"})
        self._questions.add(len(document["questions"]), {})
