"""Directories that are moved on to the next attempt: as a fresh one in every respect, or not used again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from activities.attempt.agent_repository import add_repositories
from activities.attempt.checkout import check_out
from activities.attempt.directory import AttemptDirectory
from activities.attempt.worktree_pool import WorktreePool
from activities.git.hub import Hub
from activities.git.snapshot import snapshot
from activities.git.workspace import Workspace
from activities.state.execution_store import ExecutionStore
from activities.state.state_directory import StateDirectory
from activities.system.directories import Trash
from epw.core.messages import TaskRun
from tests.support import make_repository, sh

FILES = {
    "src/a.py": "a\n",
    "src/b.py": "b\n",
    "src/deep/c.py": "c\n",
    "doc/d.md": "d\n",
    "tool": "#!/bin/sh\n",
    ".gitignore": "*.o\nbuild/\n",
}


class Attempts:
    """Directories of one execution, each filled from a commit."""

    def __init__(self, folder: Path) -> None:
        self.path = make_repository(folder / "work", FILES)
        (self.path / "tool").chmod(0o755)
        (self.path / "link").symlink_to("src/a.py")
        sh(self.path, "git", "add", "-A")
        sh(self.path, "git", "commit", "-qm", "more")
        workspace = Workspace.read(str(self.path))
        self.execution = ExecutionStore(StateDirectory(folder / "home"), "x", "run")
        self.hub = Hub.created(StateDirectory(folder / "home").hub(str(self.path)))
        self.base = snapshot(self.hub, workspace, self.execution.ref("base"), 0, False)
        self.execution.keep_workspace(workspace, self.base)
        self.number = 0

    def make(self, commit: str) -> AttemptDirectory:
        self.number += 1
        run = TaskRun(task_id=f"t{self.number}", attempt=1, agent_id="agent-1", hub=str(self.hub.path), base=commit)
        directory = AttemptDirectory(self.execution, run, 1)
        check_out(directory)
        add_repositories(directory)
        directory.open_to_agent()
        return directory


def look(tree: Path) -> dict[str, str]:
    """All that an agent could find out of a tree, but when its files were written."""
    found = {}
    for folder, names, files in os.walk(tree):
        for name in (".", *files, *(each for each in names if Path(folder, each).is_symlink())):
            path = Path(folder, name)
            status = path.lstat()
            content = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
            if path.name == "index":
                content = sh(tree, "git", "ls-files", "-s")
            attributes = os.listxattr(path, follow_symlinks=False)
            links = 0 if path.is_dir() else status.st_nlink
            found[str(path.relative_to(tree))] = f"{content!r} {status.st_mode:o} {links} {attributes} {status.st_uid}"
    found["status"] = sh(tree, "git", "status", "--porcelain", "--ignored")
    return found


DEEDS = {
    "edits and deletes": "echo x >> src/a.py; rm src/b.py doc/d.md",
    "edits and hides it": "t=$(stat -c %Y src/a.py); printf 'A\\n' > src/a.py; touch -d @$t src/a.py",
    "modes": "chmod 600 src/a.py; chmod +x src/b.py; chmod -x tool; chmod 4755 tool",
    "directory modes": "chmod 777 src; chmod 700 src/deep",
    "new and ignored files": "touch new src/x.o; mkdir -p build/a; touch build/a/b .hidden",
    "empty directories": "mkdir -p empty/er src/none",
    "a directory swapped for a link": "mv src /tmp/epw-test-$$; ln -s /tmp/epw-test-$$ src",
    "a file swapped for a directory": "rm tool; mkdir tool; touch tool/x",
    "a link swapped for a file": "rm link; echo not a link > link",
    "a hard link out": "ln src/a.py ../kept-outside",
    "hard links inside": "rm src/b.py; ln src/a.py src/b.py",
    "repositories": "git init -q src; git init -q inner; cp -r .git/. inner/.git",
    "its own repository spoilt": "git checkout -qb other; git commit -qm x --allow-empty; rm -r .git/refs",
    "attributes": "setfattr -n user.x -v y src/a.py src 2> /dev/null || touch other",
    "nothing": ":",
}


@pytest.mark.parametrize("deed", DEEDS)
def test_a_directory_moved_on_is_as_a_fresh_one(tmp_path: Path, deed: str) -> None:
    attempts = Attempts(tmp_path)
    first = attempts.make(attempts.base)
    (first.tree / "src/b.py").write_text("new b\n")
    (first.tree / "landed").write_text("landed\n")
    (first.tree / "doc/d.md").unlink()
    head, _ = first.save(1)
    assert head is not None
    first.remove()

    used = attempts.make(attempts.base)
    sh(used.tree, "bash", "-euc", DEEDS[deed])
    used.save(2)
    used.recycle()
    moved = attempts.make(head)
    found = look(moved.tree)
    assert not list(moved.pool.folder.glob("*"))
    moved.remove()
    fresh = attempts.make(head)
    assert found == look(fresh.tree)
    assert (fresh.tree / "src/b.py").read_text() == "new b\n"


def test_what_an_earlier_agent_kept_a_hand_on_is_not_what_the_next_one_gets(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path)
    first = attempts.make(attempts.base)
    os.link(first.tree / "src/a.py", tmp_path / "hand")
    first.recycle()
    second = attempts.make(attempts.base)
    (tmp_path / "hand").write_text("evil\n")
    assert (second.tree / "src/a.py").read_text() == "a\n"


def test_an_untouched_file_is_not_written_again(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path)
    first = attempts.make(attempts.base)
    # Until the file system's clock has moved on from the checkout.
    while (first.tree / "src/a.py").stat().st_ctime_ns <= first.work_tree.fresh_index.stat().st_mtime_ns:
        (first.tree / "src/a.py").write_text("changed\n")
    os.utime(first.work_tree.fresh_index, ns=(0, first.work_tree.fresh_index.stat().st_mtime_ns + 1))
    before = {name: _written(first.tree / name) for name in FILES}
    first.recycle()
    second = attempts.make(attempts.base)
    after = {name: _written(second.tree / name) for name in FILES}
    assert {name for name in FILES if before[name] != after[name]} == {"src/a.py"}


def _written(path: Path) -> tuple[int, int]:
    """The file, and when it was written: a file system may give a new file the number of one that is gone."""
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def test_what_a_dead_worker_had_put_by_is_dropped_and_what_a_live_one_has_stays(tmp_path: Path) -> None:
    attempts = Attempts(tmp_path)
    made = [attempts.make(attempts.base) for _ in range(2)]
    mine, orphan = (directory.recycle() for directory in made)
    assert mine is not None
    assert orphan is not None
    pid, created, rest = orphan.name.split("_")
    orphan.rename(orphan.with_name(f"{pid}_{float(created) - 60}_{rest}"))
    WorktreePool(mine.parent, Trash(tmp_path / "trash")).discard_orphans()
    assert list(mine.parent.iterdir()) == [mine]
    mine.rename(mine.with_name(f"{pid}_{float(created) - 60}_x"))
    WorktreePool(mine.parent, Trash(tmp_path / "trash")).discard_orphans()
    assert not (attempts.execution.path / "attempts").exists()


def test_what_is_being_deleted_is_nobody_s_directory(tmp_path: Path) -> None:
    """Its files would go on vanishing, and be taken for deletions of the next agent's."""
    taken = []

    class Watched(Trash):
        def _delete(self, path: Path) -> OSError | None:
            taken.append(spares.acquire(tmp_path / "next"))
            return super()._delete(path)

    spares, directory = WorktreePool(tmp_path / ".spare", Watched(tmp_path)), tmp_path / "attempt"
    directory.mkdir()
    spares.discard(spares.release(directory))
    assert taken == [False]


def test_a_folder_that_another_attempt_removes_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, spares, directory = [], WorktreePool(tmp_path / ".spare", Trash(tmp_path / "trash")), tmp_path / "attempt"
    directory.mkdir()
    real = Path.mkdir

    def mkdir(path: Path, *arguments: object, **more: object) -> None:
        real(path, *arguments, **more)  # type: ignore[arg-type]
        made.append(path)
        if len(made) == 1:
            path.rmdir()

    monkeypatch.setattr(Path, "mkdir", mkdir)
    assert spares.release(directory).is_dir()
    assert len(made) == 2
