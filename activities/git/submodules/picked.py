"""What an agent did with submodules' repositories, kept with its change: where each is, and at which commit.

A *record* is a commit without files whose message says so and whose parents are those commits, so that they stay as
long as it does. A change names its record by a trailer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from activities.git.command import git, run_git, text
from activities.git.hub import Hub

TRAILER = "Epw-Submodules"
_RECORD = "epw: where an agent set submodules"


@dataclass(frozen=True)
class Picked:
    """The commit that an agent has set a submodule to; `is_public`: its remote has it, as far as its clone knows."""

    commit: str
    is_public: bool = False


def keep(hub: Hub, found: Mapping[str, Picked]) -> str:
    """The record of these, by path."""
    tree = text(git("hash-object", "-t", "tree", "-w", "--stdin", git_dir=hub.path))
    rows = json.dumps({path: [each.commit, each.is_public] for path, each in sorted(found.items())})
    return hub.commit(tree, sorted({each.commit for each in found.values()}), f"{_RECORD}\n\n{rows}\n", None, 0)


def picked(hub: Hub, record: str) -> Mapping[str, Picked]:
    """What a record holds, by path; nothing where it is none."""
    return _picked(hub.path, record) if record else {}


@lru_cache(maxsize=4096)
def _picked(hub: Path, record: str) -> Mapping[str, Picked]:
    done = run_git("show", "--no-patch", "--format=%B", record, git_dir=hub, codes=(0, 128))
    words = text(done.stdout).split("\n")
    if words[0] != _RECORD:
        return {}
    return {path: Picked(*row) for path, row in json.loads(words[2]).items()}


def line_of(hub: Hub, commit: str) -> str:
    """The line of a change's message that names its record, for another one with the same files; empty without."""
    form = f"--format=%(trailers:key={TRAILER},valueonly)"
    record = text(git("show", "--no-patch", form, commit, git_dir=hub.path)).strip()
    return line(record) if record else ""


def line(record: str) -> str:
    return f"{TRAILER}: {record}\n"


@dataclass(frozen=True)
class Step:
    """A commit on the way from a base to another one, with its record (the empty text: it has none)."""

    commit: str
    parents: tuple[str, ...]
    subject: str
    record: str


def way(hub: Hub, base: str, commit: str) -> tuple[Step, ...]:
    """What leads from a base to a commit, parents before what is made of them."""
    return _way(hub.path, base, commit)


@lru_cache(maxsize=1024)
def _way(hub: Path, base: str, commit: str) -> tuple[Step, ...]:
    form = f"%H%x01%P%x01%s%x01%(trailers:key={TRAILER},valueonly)"
    order = ("log", "-z", "--topo-order", "--reverse", f"--format={form}", f"{base}..{commit}")
    rows = (each.split("\x01") for each in text(git(*order, git_dir=hub)).split("\0") if each)
    return tuple(Step(name, tuple(parents.split()), subject, record.strip()) for name, parents, subject, record in rows)
