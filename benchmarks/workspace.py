"""Cost of a task's directory: made, saved and landed by us, beside `git worktree add` of the same tree.

`python -m benchmarks.workspace [--quick] [--json FILE]`. Interleaved, medians in ms. `first`: a directory that did
not exist; `next`: one whose attempt ended cleanly, moved on. Ratio: `next` in all, to `git worktree add` alone
(which neither saves nor lands).
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from activities.attempt.agent_repository import add_repositories
from activities.attempt.checkout import check_out
from activities.attempt.directory import AttemptDirectory
from activities.git.hub import Hub
from activities.git.snapshot import snapshot
from activities.git.workspace import Workspace
from activities.land import land_changes
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from benchmarks.server import revision
from epw.core.landing import Change, LandRequest
from epw.core.messages import TaskRun

# Files, the most that the ratio may be.
SIZES = {250: 0.9, 5_000: 0.2, 50_000: 0.35}
_PARTS = ("directory", "save", "land")


def repository(path: Path, files: int) -> Path:
    """Repository of about `count` files of a few KB, forty in a directory."""
    chance = random.Random(files)
    for number in range(files):
        folder = path / f"package{number // 1600}" / f"module{number // 40}"
        folder.mkdir(parents=True, exist_ok=True)
        lines = (f"value_{number}_{line} = {chance.random()}\n" for line in range(chance.randrange(10, 120)))
        (folder / f"file{number}.py").write_text("".join(lines))
    (path / ".gitignore").write_text("*.pyc\n")
    for argv in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-qm", "first"]):
        _git(path, *argv)
    return path


def _git(path: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=b", "-c", "user.email=b@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=path, check=True, capture_output=True)


class Steps:
    """Attempts of one execution in a row, as the activities run them."""

    def __init__(self, home: Path, workspace: Path) -> None:
        self.execution = ExecutionStore(StateDirectory(home), "bench", "run")
        self.workspace = Workspace.read(str(workspace))
        self.hub = Hub.created(StateDirectory(home).hub(str(workspace)))
        with self.hub.locked():
            self.head = snapshot(self.hub, self.workspace, self.execution.ref("base"), 0, False)
        self.earlier = self.head
        self.execution.keep_workspace(self.workspace, self.head)
        self.number = 0

    def attempt(self) -> dict[str, float]:
        """Milliseconds of each part of one attempt."""
        self.number += 1
        run = TaskRun(
            task_id=f"t{self.number}", attempt=1, agent_id="agent-1", hub=str(self.hub.path), base=self.earlier
        )
        directory = AttemptDirectory(self.execution, run, 1)
        spent, clock = {}, time.perf_counter()
        check_out(directory)
        add_repositories(directory)
        directory.open_to_agent()
        spent["directory"] = time.perf_counter() - clock
        self._work(directory.tree)
        clock = time.perf_counter()
        commit, _ = directory.save(self.number)
        directory.recycle()
        spent["save"] = time.perf_counter() - clock
        assert commit is not None
        request = LandRequest(
            hub=str(self.hub.path),
            head=self.head,
            changes=[Change(task_id=run.task_id, commit=commit)],
            at=self.number,
        )
        clock = time.perf_counter()
        # The next attempt has begun before this one landed: each landing is a real merge.
        self.earlier, self.head = self.head, land_changes(self.execution, request, {}).head
        spent["land"] = time.perf_counter() - clock
        return {name: seconds * 1000 for name, seconds in spent.items()}

    def _work(self, tree: Path) -> None:
        """Act as an agent: a few edits, a new file, an ignored build product."""
        edited = sorted(tree.glob(f"package0/module{self.number % 4}/*.py"))[:3]
        for path in edited:
            path.write_text(path.read_text() + f"# by {self.number}\n")
        (tree / f"new{self.number}.py").write_text("new = 1\n")
        (tree / "package0/cache.pyc").write_bytes(os.urandom(100))


def measure(files: int, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="epw-bench-") as scratch:
        folder = Path(scratch)
        path = repository(folder / "work", files)
        steps = Steps(folder / "home", path)
        first = steps.attempt()
        rival, ours = [], []
        for number in range(rounds):
            clock = time.perf_counter()
            _git(path, "worktree", "add", "--detach", str(folder / f"tree{number}"), "HEAD")
            rival.append((time.perf_counter() - clock) * 1000)
            _git(path, "worktree", "remove", "--force", str(folder / f"tree{number}"))
            ours.append(steps.attempt())
        shutil.rmtree(folder / "home/executions", ignore_errors=True)
    parts = {name: statistics.median(each[name] for each in ours) for name in _PARTS}
    total, worktree = statistics.median(sum(each.values()) for each in ours), statistics.median(rival)
    return {
        "files": files,
        "rounds": rounds,
        "first": sum(first.values()),
        **parts,
        "next": total,
        "worktreeAdd": worktree,
        "ratio": total / worktree,
        "firstRatio": sum(first.values()) / worktree,
        "limit": SIZES[files],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="250 files only, three rounds")
    parser.add_argument("--json", metavar="FILE", help="write the measurements to a file")
    options = parser.parse_args()
    sizes = {250: 3} if options.quick else {250: 15, 5_000: 9, 50_000: 5}
    found = [measure(files, rounds) for files, rounds in sizes.items()]
    table = Table(title=f"a task's directory, ms · {revision()}")
    for name in ("files", "directory", "save", "land", "next", "worktree add", "ratio", "limit", "first", "its ratio"):
        table.add_column(name, justify="right")
    for row in found:
        times = [row[name] for name in (*_PARTS, "next", "worktreeAdd")]
        table.add_row(
            str(row["files"]),
            *(f"{value:.0f}" for value in times),
            f"{row['ratio']:.2f}",
            f"{row['limit']:.2f}",
            f"{row['first']:.0f}",
            f"{row['firstRatio']:.2f}",
        )
    Console().print(table)
    if options.json:
        Path(options.json).write_text(json.dumps({"revision": revision(), "rows": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
