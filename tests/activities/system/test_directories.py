"""Directories of any depth, names and modes are walked and deleted; what cannot go is set aside and tried again."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from activities.system.directories import Trash, remove, walk


def _deep(top: Path, depth: int, name: str = "d") -> None:
    """Directories in one another, deeper than any path may be long."""
    top.mkdir()
    here = os.open(top, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)


@pytest.mark.parametrize(("depth", "name"), [(3000, "d"), (200, "long" * 50)])
def test_a_directory_of_any_depth_is_walked_and_deleted(tmp_path: Path, depth: int, name: str) -> None:
    top = tmp_path / "top"
    _deep(top, depth, name)
    found = list(walk(top))
    assert (len(found), found[-1].files) == (depth + 1, ["file"])
    remove(top)
    assert not top.exists()


def test_a_walk_needs_no_more_descriptors_the_deeper_it_goes(tmp_path: Path) -> None:
    _deep(tmp_path / "top", 300)
    before = len(os.listdir("/proc/self/fd"))
    most = max(len(os.listdir("/proc/self/fd")) for _ in walk(tmp_path / "top"))
    assert most <= before + 3
    remove(tmp_path / "top")


def test_modes_links_and_odd_names_do_not_hinder_and_links_are_not_followed(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").touch()
    top = tmp_path / "top"
    (top / "closed" / "inner").mkdir(parents=True)
    (top / "closed" / "inner" / "file").touch()
    os.mkdir(os.fsencode(top) + b"/\xff\n -rf")
    (top / "out").symlink_to(kept)
    os.mkfifo(top / "pipe")
    (top / "closed" / "inner").chmod(0)
    (top / "closed").chmod(0)
    remove(top)
    assert (top.exists(), (kept / "file").exists()) == (False, True)


def test_what_is_taken_out_of_a_folder_is_passed_over(tmp_path: Path) -> None:
    for path in ("a/b", "skip/c"):
        (tmp_path / "top" / path).mkdir(parents=True)
    seen = []
    for folder in walk(tmp_path / "top"):
        folder.folders[:] = [name for name in folder.folders if name != "skip"]
        seen.append(folder.path)
    assert seen == ["", "a", "a/b"]


def test_a_directory_that_moves_ends_a_walk_and_never_leads_it_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "top/a/b").mkdir(parents=True)
    (tmp_path / "elsewhere/secret").mkdir(parents=True)
    seen = []

    def walked() -> None:
        for folder in walk(tmp_path / "top"):
            seen.append(folder.path)
            if folder.path == "a/b":
                (tmp_path / "top/a/b").rename(tmp_path / "elsewhere/b")

    with pytest.raises(OSError, match="moved"):
        walked()
    assert seen == ["", "a", "a/b"]


def test_what_cannot_be_deleted_is_set_aside_said_and_tried_again(tmp_path: Path) -> None:
    trash = Trash(tmp_path / "trash")
    victim = tmp_path / "attempt"
    (victim / "stuck").mkdir(parents=True)
    (victim / "file").touch()
    holding = _Undeletable(victim / "stuck")
    with holding:
        trash.take(victim)
        assert not victim.exists()
        (left,) = trash.folder.iterdir()
        assert sorted(os.listdir(left)) == ["stuck"]
        (line,) = trash.empty()
        assert "cannot be deleted" in line
    assert trash.empty() == []
    assert not list(trash.folder.iterdir())


class _Undeletable:
    """A directory that nobody can delete while the block runs: something is mounted on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.held = -1

    def __enter__(self) -> None:
        if subprocess.run(["mount", "-t", "tmpfs", "none", self.path], capture_output=True, check=False).returncode:
            pytest.skip("this user may mount nothing")
        self.held = os.open(self.path, os.O_RDONLY)

    def __exit__(self, *_: object) -> None:
        # Wherever it is by now.
        path = os.readlink(f"/proc/self/fd/{self.held}")
        os.close(self.held)
        subprocess.run(["umount", path], check=True)
