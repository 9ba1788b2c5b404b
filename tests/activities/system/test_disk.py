"""Disks that are full or read-only: told, nothing half-done, and undoing needs no space."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from epw.core.errors import Refused
from tests.activities.apply.test_apply import Delivery, look
from tests.support import Harness, make_repository, tasks

Mount = Callable[..., None]


@pytest.fixture
def mount() -> Iterator[Mount]:
    """Mounts for a test; skipped where this user may mount nothing."""
    mounted: list[str] = []

    def do(*arguments: str) -> None:
        done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"mounting needs root: {done.stderr.strip()}")
        mounted.append(arguments[-1])

    yield do
    for point in reversed(mounted):
        subprocess.run(["umount", "--lazy", point], check=False)


def fill(folder: Path) -> None:
    with contextlib.suppress(OSError), open(folder / "filler", "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


@pytest.fixture
def small(tmp_path: Path, mount: Mount) -> Path:
    """A repository on a disk of 3 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount("-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk))
    return make_repository(disk / "work", {"a": "1\n", "sub/b": "2\n", ".gitignore": "filler\n"})


def test_a_delivery_that_fills_the_disk_leaves_the_workspace_as_it_was(tmp_path: Path, small: Path) -> None:
    delivery = Delivery(tmp_path, small)
    before = look(small)
    head = delivery.head({"a": "changed\n"} | {f"big{n}": os.urandom(400_000).hex() for n in range(5)})
    with pytest.raises(Refused, match="DiskFull"):
        delivery.apply(head)
    assert look(small) == before


def test_undoing_needs_no_space(tmp_path: Path, small: Path) -> None:
    delivery = Delivery(tmp_path, small)
    before = look(small)
    delivery.apply(delivery.head({"a": "x" * 500_000, "sub/b": None, "new/file": "y" * 500_000, "sub": "a file\n"}))
    fill(small)
    assert os.statvfs(small).f_bavail == 0
    delivery.undo()
    (small / "filler").unlink()
    after = look(small)
    # The directory's time is the filler's.
    assert {**after, "./": ""} == {**before, "./": ""}


@pytest.mark.parametrize("part", ["sub", "."])
def test_a_read_only_directory_is_refused_and_nothing_changed(tmp_path: Path, mount: Mount, part: str) -> None:
    path = make_repository(tmp_path / "work", {"a": "1\n", "sub/b": "2\n", "z": "3\n"})
    delivery = Delivery(tmp_path, path)
    head = delivery.head({"a": "one\n", "sub/b": "two\n", "z": "three\n"})
    mount("--bind", str(path / part), str(path / part))
    mount("-o", "remount,bind,ro", str(path / part))
    before = look(path)
    with pytest.raises(Refused):
        delivery.apply(head)
    assert look(path) == before


async def test_a_full_disk_ends_as_undelivered(harness: Harness, small: Path) -> None:
    before = look(small)
    document = await harness.run(
        {
            "workspace": str(small),
            "deliver": "apply",
            "tasks": tasks({"id": "a", "run": "echo 2 > a; head -c 4000000 /dev/urandom > big"}),
        }
    )
    assert document["status"] == "undelivered"
    assert "DiskFull" in document["delivery"]["refusedBecause"]
    assert document["results"][0]["landed"] is True
    assert look(small) == before


async def test_an_agent_that_fills_the_state_directory_fails_by_name(harness: Harness, mount: Mount) -> None:
    harness.home.mkdir()
    mount("-t", "tmpfs", "-o", "size=3m", "tmpfs", str(harness.home))
    rows = tasks(
        {"id": "hog", "run": "head -c 9000000 /dev/urandom > big"},
        {"id": "modest", "run": "echo 1 > small", "dependsOn": []},
    )
    document = await harness.run({"strategy": "aggressive", "maxAgents": 1, "tasks": rows})
    errors = {row["taskId"]: (row["error"] or {}).get("type") for row in document["results"]}
    assert errors == {"hog": "DiskFull", "modest": None}
