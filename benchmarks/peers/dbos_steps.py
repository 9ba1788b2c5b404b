"""DBOS on SQLite: one workflow, a step a task."""

from __future__ import annotations

import asyncio

from dbos import DBOS

from benchmarks.peers.dbos_engine import engine
from benchmarks.peers.protocol import serve_async


async def start(_: str, seconds: float) -> None:
    await DBOS.reserve_step().run_async(None, asyncio.sleep, seconds)


if __name__ == "__main__":
    serve_async(engine(start), "dbos")
