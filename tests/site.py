"""A state directory with its server kept up: what commands and workers of a test share."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from epw.service.connection import Connection
from tests import forked
from tests.command_line import Cli, wait_for


@dataclass
class Site:
    """A state directory with its server kept up, and what is run in it."""

    cli: Cli
    folder: Path
    connection: Connection
    numbers: Counter[str] = field(default_factory=Counter)

    @property
    def server(self) -> str:
        return str(self.cli.home / "server/server.json")

    def victims(self, victim: str) -> list[str]:
        return [*([self.server] if victim != "worker" else []), *(["worker"] if victim != "server" else [])]

    def ask(self, name: str, **more: Any) -> dict[str, Any]:
        self.numbers["mark"] += 1
        return {"name": name, "mark": str(self.folder / f"mark{self.numbers['mark']}"), **more}

    def temporal(self, *arguments: str) -> list[str]:
        """Program of a failpoint that starts the `temporal` CLI as our process.

        The server answers nothing that a worker has started.
        """
        self.numbers["mark"] += 1
        asked, done = (self.folder / f"{word}{self.numbers['mark']}" for word in ("asked", "done"))

        def act() -> None:
            wait_for(asked.exists, 120)
            self.cli.temporal_cli(*arguments)
            done.touch()

        threading.Thread(target=act, daemon=True).start()
        return ["sh", "-c", f"touch {asked}; while [ ! -e {done} ]; do sleep 0.05; done"]

    async def run(
        self, plan: dict[str, Any], identifier: str, asked: list[dict[str, Any]], seconds: float = 120
    ) -> dict[str, Any]:
        """The document of `epw run` with failpoints."""
        path = self.folder / f"{identifier}.json"
        path.write_text(json.dumps(plan))
        argv = ["run", str(path), "--id", identifier, "--json"]
        env = {**self.cli.env, "EPW_FAILPOINT": json.dumps(asked)}
        done = await asyncio.to_thread(forked.run, argv, env, seconds)
        for each in asked:
            assert Path(each["mark"]).exists(), f"never came to {each['name']}: {done.stderr[-2000:]}"
        try:
            found: dict[str, Any] = json.loads(done.stdout)
        except ValueError:
            told = f"{done.stdout[:500]!r} {done.stderr[-3000:]}"
            raise AssertionError(f"no document ({done.returncode}): {told}") from None
        return found
