"""What is measured: a record a contestant, with the script that runs it and what outlives a kill -9 of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Contestant:
    name: str
    script: str
    """Module of this folder."""
    survives: str
    """What a kill -9 of its processes leaves, and who goes on."""
    needs: tuple[str, ...] = ()
    """Modules without which it is skipped; pip installs the distributions of the same names, with - for _ and dots."""


CONTESTANTS = (
    Contestant(
        "epw",
        "ours",
        "ended tasks, in SQLite; goes on by itself; with all processes gone, once a worker is started",
    ),
    Contestant("asyncio", "plain", "nothing"),
    Contestant(
        "bare Temporal", "bare_temporal", "ended activities, in SQLite; goes on once server and worker are started"
    ),
    Contestant("DBOS steps", "dbos_steps", "ended steps, in SQLite; goes on once its process is started", ("dbos",)),
    Contestant(
        "DBOS children", "dbos_children", "ended children, in SQLite; goes on once its process is started", ("dbos",)
    ),
    Contestant(
        "Prefect", "prefect_tasks", "states of runs, in SQLite; stays Running, another run begins anew", ("prefect",)
    ),
    Contestant(
        "Dask",
        "dask_futures",
        "nothing: what a worker had is run again, what the scheduler had is gone",
        ("distributed",),
    ),
    Contestant(
        "LangGraph",
        "langgraph_nodes",
        "ended nodes, in SQLite; goes on once it is invoked again",
        ("langgraph", "langgraph.checkpoint.sqlite"),
    ),
    Contestant("ninja", "ninja_build", "ended outputs, as files; goes on once it is called again", ("ninja",)),
)
