"""Records of the commits to which agents set submodules, kept with their changes.

A *record* is a commit without files: its message lists the submodules, its parents are their commits, which therefore
stay as long as the record does. A change names its record by a trailer.
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
class AgentPointer:
    """Commit to which an agent set a submodule; `is_public`: its remote has it, as far as the clone knows."""

    commit: str
    is_public: bool = False


def store_record(hub: Hub, found: Mapping[str, AgentPointer]) -> str:
    """Store a record of pointers by path; its commit."""
    rows = json.dumps({path: [each.commit, each.is_public] for path, each in sorted(found.items())})
    return hub.commit(
        hub.empty_tree(), sorted({each.commit for each in found.values()}), f"{_RECORD}\n\n{rows}\n", None, 0
    )


def read_record(hub: Hub, record: str) -> Mapping[str, AgentPointer]:
    """The pointers of a record by path; empty for a commit that is not a record."""
    return _read_record(hub.path, record) if record else {}


@lru_cache(maxsize=4096)
def _read_record(hub: Path, record: str) -> Mapping[str, AgentPointer]:
    done = run_git("show", "--no-patch", "--format=%B", record, git_dir=hub, codes=(0, 128))
    lines = text(done.stdout).split("\n")
    if lines[0] != _RECORD:
        return {}
    return {path: AgentPointer(*row) for path, row in json.loads(lines[2]).items()}


def record_trailer(hub: Hub, commit: str) -> str:
    """The line of a change's message that names its record, for another change with the same files; may be empty."""
    form = f"--format=%(trailers:key={TRAILER},valueonly)"
    record = text(git("show", "--no-patch", form, commit, git_dir=hub.path)).strip()
    return trailer_line(record) if record else ""


def trailer_line(record: str) -> str:
    """Line of a commit message that names a record."""
    return f"{TRAILER}: {record}\n"


@dataclass(frozen=True)
class Step:
    """A commit between a base and a later commit; `record` is empty if it has none."""

    commit: str
    parents: tuple[str, ...]
    subject: str
    record: str


def steps_between(hub: Hub, base: str, commit: str) -> tuple[Step, ...]:
    """The commits after a base up to a commit, parents first."""
    return _steps_between(hub.path, base, commit)


@lru_cache(maxsize=1024)
def _steps_between(hub: Path, base: str, commit: str) -> tuple[Step, ...]:
    form = f"%H%x01%P%x01%s%x01%(trailers:key={TRAILER},valueonly)"
    order = ("log", "-z", "--topo-order", "--reverse", f"--format={form}", f"{base}..{commit}")
    rows = (each.split("\x01") for each in text(git(*order, git_dir=hub)).split("\0") if each)
    return tuple(Step(name, tuple(parents.split()), subject, record.strip()) for name, parents, subject, record in rows)
