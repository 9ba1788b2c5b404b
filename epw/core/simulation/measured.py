"""What an execution takes besides its agents' work, as `python -m benchmarks.costs --write` has measured it."""

from __future__ import annotations

from epw.core.simulation.costs import Costs

MEASURED = Costs(
    source="f18c574 · Python 3.11.7 · 2 cores · 2026-11-27",
    begin=0.00923,
    begin_task=8.18e-05,
    finish=0.0191,
    hop=0.000813,
    turn_thread=0.00297,
    turn_process=0.0075,
    event_thread=0.00107,
    activity_thread=0.00107,
    activity_process=0.000206,
    beat_thread=0.00107,
    beat_process=0.00246,
    prepare=0.0627,
    prepare_file=3.07e-07,
    directory_thread=0.0182,
    directory_process=0.0207,
    directory_pause=0.0124,
    directory_file=2.1e-05,
    program_thread=0.0239,
    program_process=0.0025,
    program_pause=0,
    landing=0.00636,
    change_thread=0.00512,
    change_process=0.00471,
    deliver=0.0239,
    deliver_change=0.00161,
    crowding=0,
    cancel=0.3,
)
