"""Merges that git refuses, by our structural merge and by other tools, in both orders.

`python -m benchmarks.structure [--verbose]`. A row counts a merge once an order: `as wanted` is what a careful person
would make of it, or leaving alone what must not be merged; `missed` leaves alone what could be; `wrong` is anything
else. `mergiraf` is asked where it is installed.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from activities.conflicts.structural.structural_merge import merged_by_structure
from activities.git.merge_file import merge_texts
from epw.cli.layout import table
from tests.corpus.structural import rows

Merge = Callable[[str, bytes, bytes, bytes], bytes | None]
"""Merges the base and both sides of a file of a path; None: a conflict."""


def _ours(path: str, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    marked = merge_texts(base, ours, theirs)
    return None if marked is None else merged_by_structure(path, base, ours, theirs, marked)


def _by(*command: str) -> Merge:
    """A merge by a program that takes the files of ours, base and theirs, and prints the result."""

    def merged(path: str, base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
        with tempfile.TemporaryDirectory() as folder:
            files = {name: Path(folder, name, Path(path).name) for name in ("base", "ours", "theirs")}
            for name, content in (("base", base), ("ours", ours), ("theirs", theirs)):
                files[name].parent.mkdir()
                files[name].write_bytes(content)
            argv = [str(files.get(each, each)) for each in command]
            done = subprocess.run(argv, capture_output=True, check=False)
        return done.stdout if done.returncode == 0 else None

    return merged


TOOLS: dict[str, Merge] = {
    "ours": _ours,
    "git": _by("git", "merge-file", "-p", "ours", "base", "theirs"),
    "git --union": _by("git", "merge-file", "-p", "--union", "ours", "base", "theirs"),
}
if shutil.which("mergiraf"):
    TOOLS["mergiraf"] = _by("mergiraf", "merge", "base", "ours", "theirs")


def _verdict(row: dict[str, Any], found: bytes | None) -> str:
    wanted = [text.encode() for text in row["merged"]]
    if found is None:
        return "missed" if wanted else "as wanted"
    return "as wanted" if found in wanted else "wrong"


def main() -> None:
    """Judge every merge by every tool, and print a row for each tool."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--verbose", action="store_true", help="print each merge that is not as wanted")
    asked = parser.parse_args()
    cells = []
    for name, merge in TOOLS.items():
        counts, began = Counter[str](), time.perf_counter()
        for place, row in rows():
            for first, second in (("ours", "theirs"), ("theirs", "ours")):
                base, one, other = (row[side].encode() for side in ("base", first, second))
                verdict = _verdict(row, merge(row["path"], base, one, other))
                counts[verdict] += 1
                if asked.verbose and verdict != "as wanted":
                    print(f"{name}: {verdict} {place} ({first} first)")
        spent = (time.perf_counter() - began) * 1000 / counts.total()
        cells.append([name, counts["as wanted"], counts["missed"], counts["wrong"], round(spent, 1)])
    table("merges that git refuses, in both orders", ["tool", "as wanted", "missed", "wrong", "ms"], cells)


if __name__ == "__main__":
    main()
