"""Workflow time in milliseconds."""

from __future__ import annotations

from temporalio import workflow


def now() -> int:
    """Epoch milliseconds of the current workflow task; the same on replay."""
    return workflow.time_ns() // 1_000_000
