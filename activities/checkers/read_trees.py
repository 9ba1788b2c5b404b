"""Trees that checkers have read as a whole and in which nothing is new, so that no tree is read for it twice."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from activities.state.execution_store import ExecutionStore
from activities.system.atomic_write import write_atomically


@dataclass(frozen=True)
class ReadTrees:
    """Names of the checkers that have read each tree, in a folder."""

    folder: Path

    @classmethod
    def of(cls, execution: ExecutionStore) -> ReadTrees:
        """Those of an execution's run."""
        return cls(execution.path / "checks" / execution.run_key[:8] / "read")

    def names(self, tree: str) -> list[str]:
        """The checkers that have read a tree."""
        path = self.folder / tree
        found: list[str] = json.loads(path.read_bytes()) if path.is_file() else []
        return found

    def add(self, tree: str, names: Iterable[str]) -> None:
        """Note that the checkers have read a tree."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        whole = list(dict.fromkeys([*self.names(tree), *names]))
        write_atomically(self.folder / tree, json.dumps(whole).encode(), survives_power_loss=False)
