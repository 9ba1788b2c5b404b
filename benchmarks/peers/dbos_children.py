"""DBOS on SQLite: one workflow, a child workflow a task."""

from __future__ import annotations

import asyncio

from dbos import DBOS, SetWorkflowID

from benchmarks.peers.dbos_engine import engine
from benchmarks.peers.protocol import serve_async


async def child(seconds: float) -> None:
    await asyncio.sleep(seconds)


workflow = DBOS.workflow()(child)


async def start(identifier: str, seconds: float) -> None:
    with SetWorkflowID(identifier):
        await workflow(seconds)


if __name__ == "__main__":
    serve_async(engine(start), "dbos")
