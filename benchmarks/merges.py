"""Replay of a local clone's merge commits through our landing's merge.

`python -m benchmarks.merges REPOSITORY [--most N]`. `kept`: merges whose tree is what git makes of them by itself, so
that a semantic conflict of ours in one would hold up what people took as it was. A merge is timed as in an execution,
where each attempt has read the symbols of its change before it lands; `reading` is what that takes of both sides.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from activities.conflicts.fit import semantic_conflicts
from activities.conflicts.semantic.tree_check import warm_symbol_cache
from activities.conflicts.textual.resolve import resolved_tree
from activities.git.command import git, run_git, text
from activities.git.hub import Hub
from activities.git.merge import merge
from benchmarks.server import revision


def _git_s_own(hub: Hub, ours: str, theirs: str) -> tuple[bool, str]:
    """Verdict and tree of plain git, without any setting of ours and with the repository's attributes."""
    show = subprocess.run(["git", "show", f"{ours}:.gitattributes"], cwd=hub.path, capture_output=True, check=False)
    with tempfile.NamedTemporaryFile() as attributes:
        attributes.write(show.stdout)
        attributes.flush()
        argv = ["git", "-c", f"core.attributesFile={attributes.name}", "merge-tree", "--write-tree", "--no-messages"]
        done = subprocess.run([*argv, ours, theirs], cwd=hub.path, capture_output=True, check=False)
    return done.returncode == 0, text(done.stdout).split("\n")[0]


def replay(repository: Path, most: int) -> tuple[Counter[str], list[tuple[float, float]], list[str]]:
    """Counts, milliseconds of reading and of merging, and the semantic conflicts of merges kept as git made them."""
    counts, times, blocked = Counter[str](), list[tuple[float, float]](), list[str]()
    with tempfile.TemporaryDirectory(prefix="epw-merges-") as scratch:
        path = Path(scratch, "hub.git")
        git("clone", "--quiet", "--bare", "--shared", str(repository.resolve()), str(path), cwd=Path(scratch))
        hub = Hub(path)
        listed = text(git("rev-list", "--merges", "--parents", f"-{most}", "HEAD", git_dir=path)).split("\n")
        for line in listed:
            commit, *parents = line.split()
            bases = run_git("merge-base", "--all", *parents, git_dir=path, codes=(0, 1)) if len(parents) == 2 else None
            if bases is None or len(text(bases.stdout).split()) != 1:
                counts["left out (octopus, no base, several bases)"] += 1
                continue
            base, (ours, theirs) = text(bases.stdout), parents
            counts["merges"] += 1
            began = time.perf_counter()
            for side in (ours, theirs):
                warm_symbol_cache(hub, base, side)
            clock = time.perf_counter()
            merged = merge(hub, ours, theirs)
            findings = semantic_conflicts(hub, base, ours, theirs, merged.tree) if merged.clean else []
            resolved = None if merged.clean else resolved_tree(hub, merged, "merge")
            times.append(((clock - began) * 1000, (time.perf_counter() - clock) * 1000))
            clean, tree = _git_s_own(hub, ours, theirs)
            counts["verdict as git's"] += clean == merged.clean
            counts["clean"] += clean
            counts["tree as git's"] += clean and tree == merged.tree
            people_s = hub.tree_of(commit)
            kept = clean and people_s == tree
            counts["kept"] += kept
            counts["semantic, kept"] += bool(findings) and kept
            counts["semantic, not kept"] += bool(findings) and not kept
            if findings and kept:
                blocked += [f"{commit[:10]} {finding.message}" for finding in findings]
            if not clean:
                counts[f"conflict: {merged.kind}"] += 1
                counts["resolved by structure"] += resolved is not None
                counts["resolved as people did"] += resolved == people_s
    return counts, times, blocked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("repository", type=Path)
    parser.add_argument("--most", type=int, default=10_000)
    arguments = parser.parse_args()
    counts, times, blocked = replay(arguments.repository, arguments.most)
    table = Table(title=f"{arguments.repository} · {revision()}")
    for name in ("what", "count"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for name, count in counts.items():
        table.add_row(name, str(count))
    for what, each in zip(("reading", "a merge"), zip(*times, strict=True), strict=False):
        table.add_row(f"ms {what}, median", f"{statistics.median(each):.1f}")
        table.add_row(
            f"ms {what}, slowest of 100", f"{statistics.quantiles(each, n=100)[-1]:.1f}" if len(each) > 1 else "–"
        )
    if counts["kept"]:
        table.add_row("semantic of kept, %", f"{100 * counts['semantic, kept'] / counts['kept']:.2f}")
    Console().print(table)
    for line in blocked[:40]:
        print(line)


if __name__ == "__main__":
    main()
