"""File locks and atomic writes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from activities.system import file_lock
from activities.system.atomic_write import write_atomically
from activities.system.file_lock import FileLock


def test_one_holder_at_a_time_has_the_lock_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock.opened(path) as other:
        with file_lock.exclusive(path):
            assert not other.try_acquire()
        assert other.try_acquire()


def test_shared_holders_keep_out_one_that_wants_it_alone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock.opened(path) as alone:
        with FileLock.opened(path) as first, FileLock.opened(path) as second:
            first.acquire(shared=True)
            second.acquire(shared=True)
            assert not alone.try_acquire()
        assert alone.try_acquire()


async def test_who_polls_gets_the_lock_when_its_holder_has_gone(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with FileLock.opened(path) as waiting:
        with file_lock.exclusive(path):
            polling = asyncio.create_task(waiting.poll(0.001))
            done, _ = await asyncio.wait([polling], timeout=0.02)
            assert not done
        await asyncio.wait_for(polling, 10)


def test_a_write_makes_the_folder_and_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"two", 0o600)
    assert os.listdir(path.parent) == ["file"]


def test_a_write_that_fails_leaves_what_was_there_and_nothing_beside_it(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_atomically(tmp_path / "taken", b"content")
    assert os.listdir(tmp_path) == ["taken"]
