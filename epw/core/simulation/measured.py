"""What an execution takes besides its agents' work, as `python -m benchmarks.costs --write` has measured it."""

from __future__ import annotations

from epw.core.simulation.costs import Costs

MEASURED = Costs(
    source="ea9664b · Python 3.11.7 · 2 cores · 2026-11-27",
    begin=0.0153,
    begin_task=7.17e-05,
    finish=0.0161,
    hop=0.000905,
    turn_thread=0.00118,
    turn_process=0.00404,
    event_thread=0.00132,
    activity_thread=0.00132,
    activity_process=0.000894,
    beat_thread=0.000802,
    beat_process=0.00158,
    prepare=0.0612,
    prepare_file=0.000105,
    directory_thread=0.0166,
    directory_process=0.0242,
    directory_pause=0.00269,
    directory_file=3.47e-05,
    program_thread=0.0147,
    program_process=0.0015,
    program_pause=0,
    landing=0.00633,
    change_thread=0.00566,
    change_process=0.00526,
    deliver=0.0217,
    deliver_change=0.0029,
    crowding=0.41,
    cancel=0.3,
)
