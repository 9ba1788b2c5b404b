"""ninja: a build edge a task, a shell and `sleep` each; its own critical-path order."""

from __future__ import annotations

import subprocess
import time
from itertools import count
from pathlib import Path

import ninja

from benchmarks.peers.protocol import Graph, serve


def main() -> None:
    runs, program = count(), Path(ninja.BIN_DIR, "ninja")

    def run(graph: Graph) -> float:
        folder = Path(f"run-{next(runs)}")
        folder.mkdir()
        lines = ["rule work", "  command = sleep $seconds && : > $out", "rule none", "  command = : > $out"]
        for task, before in graph.dependencies.items():
            seconds = graph.seconds[task]
            lines += [f"build {task}: {'work' if seconds else 'none'} {' '.join(before)}", f"  seconds = {seconds}"]
        (folder / "build.ninja").write_text("\n".join([*lines, ""]))
        began = time.perf_counter()
        subprocess.run([program, "-C", folder, "-j", str(graph.agents), "--quiet"], check=True)
        return time.perf_counter() - began

    serve(run, "ninja")


if __name__ == "__main__":
    main()
