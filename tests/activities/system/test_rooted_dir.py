"""File tools never leave their directory: not by a path, not by a link, not by one that is swapped in meanwhile."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic.lib.tools import ToolError

from activities.agents.claude.files import FileTools
from activities.system.rooted_dir import RootedDir

AT_FDCWD, RENAME_EXCHANGE = -100, 2
SECRET = "secret of the machine\n"
MINE = "mine\n"


@pytest.fixture(params=["openat2", "part by part"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if request.param == "part by part":
        monkeypatch.setattr("activities.system.rooted_dir._has_openat2", lambda: False)
    for name in ("outside", "tree/sub", "tree-sibling"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("outside/file", "tree-sibling/file"):
        (tmp_path / name).write_text(SECRET)
    tree = tmp_path / "tree"
    (tree / "file").write_text(MINE)
    (tree / "sub/file").write_text(MINE)
    (tree / "link").symlink_to(tmp_path / "outside/file")
    (tree / "up").symlink_to("../outside")
    (tree / "round").symlink_to("round")
    (tree / "dangling").symlink_to(tmp_path / "outside/new")
    (tree / "proc").symlink_to("/proc/self/root")
    os.link(tmp_path / "outside/file", tree / "hard")
    return tree


OUT = [
    "../outside/file",
    "sub/../../outside/file",
    "/etc/passwd",
    "{root}/outside/file",
    "{root}/tree-sibling/file",
    "link",
    "up/file",
    "round",
    "proc/etc/passwd",
    "/proc/self/root/etc/passwd",
    "/proc/self/cwd",
    "/dev/null",
]


@pytest.mark.parametrize("path", OUT)
@pytest.mark.parametrize("tool", ["Read", "Write", "Edit", "Glob"])
def test_paths_that_lead_out_are_refused(tree: Path, tool: str, path: str) -> None:
    path = path.format(root=tree.parent)
    arguments: dict[str, dict[str, Any]] = {
        "Read": {"file_path": path},
        "Write": {"file_path": path, "content": "changed"},
        "Edit": {"file_path": path, "old_string": "secret", "new_string": "changed"},
        "Glob": {"pattern": "*", "path": path},
    }
    with contextlib.suppress(ToolError):
        said = FileTools(tree).run(tool, arguments[tool])
        # A link may be replaced by a file of the directory's own.
        assert tool == "Write"
        assert "wrote" in said
    assert (tree.parent / "outside/file").read_text() == SECRET
    assert (tree.parent / "tree-sibling/file").read_text() == SECRET
    assert sorted(os.listdir(tree.parent / "outside")) == ["file"]


def test_what_is_inside_works(tree: Path) -> None:
    files = FileTools(tree)
    assert files.run("Read", {"file_path": "sub/../file"}) == MINE
    assert files.run("Read", {"file_path": str(tree / "sub/file")}) == MINE
    os.chmod(tree / "file", 0o755)
    files.run("Edit", {"file_path": "file", "old_string": "mine", "new_string": "ours"})
    files.run("Write", {"file_path": "new/deep/file", "content": "1"})
    assert (tree / "file").read_text() == "ours\n"
    assert (tree / "file").stat().st_mode & 0o777 == 0o755
    assert (tree / "new/deep/file").read_text() == "1"
    assert str(files.run("Glob", {"pattern": "**/file"})).split("\n")[0] == "new/deep/file"
    assert files.run("Glob", {"pattern": "*", "path": "sub"}) == "sub/file"


def test_a_pattern_of_many_stars_takes_no_time(tree: Path) -> None:
    deep = tree / "/".join("d" * 1 for _ in range(60))
    deep.mkdir(parents=True)
    (deep / "file").write_text("1")
    assert FileTools(tree).run("Glob", {"pattern": "/".join(["**"] * 40 + ["z"])}) == "no matches"
    assert FileTools(tree).run("Glob", {"pattern": "d/**/**/d/file"}) == str((deep / "file").relative_to(tree))


def test_who_has_a_hard_link_keeps_the_content(tree: Path) -> None:
    FileTools(tree).run("Write", {"file_path": "hard", "content": "changed"})
    assert (tree / "hard").read_text() == "changed"
    assert (tree.parent / "outside/file").read_text() == SECRET


def test_a_directory_that_was_replaced_by_a_link_is_refused(tree: Path) -> None:
    tree.rename(tree.parent / "away")
    tree.symlink_to("outside")
    for tool, arguments in (("Read", {"file_path": "file"}), ("Write", {"file_path": "file", "content": "changed"})):
        with pytest.raises(ToolError):
            FileTools(tree).run(tool, arguments)
    assert (tree.parent / "outside/file").read_text() == SECRET


@contextlib.contextmanager
def swapping(tree: Path) -> Iterator[None]:
    """Meanwhile `sub` is a directory, and a link out, in turn."""
    over = threading.Event()

    def swap() -> None:
        while not over.is_set():
            assert libc.renameat2(AT_FDCWD, bytes(tree / "sub"), AT_FDCWD, bytes(tree / "up"), RENAME_EXCHANGE) == 0

    libc = ctypes.CDLL(None)
    if not hasattr(libc, "renameat2"):
        pytest.skip("this C library has no renameat2")
    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_a_race_with_a_link_is_not_lost(tree: Path) -> None:
    read = 0
    with swapping(tree), RootedDir.opened(tree) as beneath:
        for _ in range(3000):
            with contextlib.suppress(OSError):
                assert beneath.read("sub/file", 100) == MINE.encode()
                read += 1
            with contextlib.suppress(OSError):
                beneath.write("sub/written", b"x")
    assert read
    assert sorted(os.listdir(tree.parent / "outside")) == ["file"]


def test_a_pipe_holds_up_nobody(tree: Path) -> None:
    os.mkfifo(tree / "pipe")
    with pytest.raises(ToolError, match="not a regular file"):
        FileTools(tree).run("Read", {"file_path": "pipe"})
