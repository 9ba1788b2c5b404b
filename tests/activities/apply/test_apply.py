"""Delivery into a work tree: applied whole or not at all, merged onto what the user did, undone to the byte."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from activities.apply import finish_commands
from activities.apply.tree_delivery import TreeDelivery
from activities.git.command import GitLocation, git, text
from activities.git.hub import Hub
from activities.git.snapshot import snapshot
from activities.git.workspace import Workspace
from activities.state.state_directory import StateDirectory
from epw.core.errors import Refused, UndoBlocked
from tests.support import fingerprint, make_repository, sh


class Delivery:
    """A workspace, its base, and a head made of a second directory's files."""

    def __init__(self, tmp_path: Path, workspace: Path) -> None:
        self.path, self.folder = workspace, tmp_path / "execution"
        self.workspace = Workspace.read(str(workspace))
        self.hub = Hub.created(StateDirectory(tmp_path / "home").hub(str(workspace)))
        with self.hub.locked():
            self.base = snapshot(self.hub, self.workspace, "refs/epw/x/base", 0, False)
        self.tree = tmp_path / "agent"

    def head(self, change: Mapping[str, str | None], *, executable: tuple[str, ...] = ()) -> str:
        """The base with files written (text, or `-> target` for a link) or deleted (None)."""
        index = self.folder.with_suffix(".index")
        place = GitLocation(git_dir=self.hub.path, work_tree=self.path, index=index)
        git("read-tree", self.base, **place)
        for path in change:
            git("update-index", "--force-remove", "--", path, **place)
        for path, content in change.items():
            if content is None:
                continue
            link = content.startswith("-> ")
            stdin = (content[3:] if link else content).encode()
            blob = text(git("hash-object", "-w", "--stdin", git_dir=self.hub.path, stdin=stdin))
            mode = "120000" if link else "100755" if path in executable else "100644"
            git("update-index", "--add", "--cacheinfo", f"{mode},{blob},{path}", **place)
        return self.hub.commit(text(git("write-tree", **place)), [self.base], "head", None, 0)

    @property
    def application(self) -> TreeDelivery:
        return TreeDelivery(self.hub, self.workspace, self.folder, "refs/epw/x/now")

    def apply(self, head: str) -> list[str]:
        with self.hub.locked():
            return self.application.apply(self.base, head)

    def undo(self) -> None:
        with self.hub.locked():
            self.application.undo()

    def clean_up(self) -> None:
        with self.hub.locked():
            self.application.clean_up()


FILES = {
    "same": "same\n",
    "edit": "one\n",
    "gone": "gone\n",
    "dir/inner/deep": "deep\n",
    "file": "a file\n",
    "folder/x": "x\n",
    "folder/y": "y\n",
    "private": "0600\n",
    "tool": "#!/bin/sh\n",
    ".gitignore": "*.log\n",
}
CHANGE: dict[str, str | None] = {
    "edit": "two\n",
    "gone": None,
    "dir/inner/deep": None,
    "file": None,
    "file/now/a/dir": "yes\n",
    "folder/x": None,
    "folder/y": None,
    "folder": "now a file\n",
    "private": "still 0600\n",
    "tool": "#!/bin/sh\necho\n",
    "link": "-> edit",
    "new/path": "new\n",
}


def workspace_of(tmp_path: Path, kind: str) -> Path:
    if kind == "git":
        path = make_repository(tmp_path / "work", FILES)
    else:
        path = tmp_path / "work"
        for name, text in FILES.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_text(text)
    (path / "private").chmod(0o600)
    (path / "untracked").write_text("mine\n")
    (path / "x.log").write_text("ignored\n")
    (path / "folder/empty/er").mkdir(parents=True)
    (path / "beside").mkdir()
    return path


def look(path: Path) -> dict[str, str]:
    """Everything of a workspace: files with content, modes and times; directories with modes and times."""
    found = fingerprint(path)
    for root, names, _ in os.walk(path):
        names[:] = [name for name in names if name != ".git"]
        status = os.lstat(root)
        found[f"{os.path.relpath(root, path)}/"] = f"{status.st_mode:o} {status.st_mtime_ns}"
    return found


def test_a_directory_whose_files_are_all_replaced_by_others_stays(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work", {"dir/a": "a\n", "other": "o\n"})
    delivery = Delivery(tmp_path, path)
    before = look(path)
    delivery.apply(delivery.head({"dir/a": None, "dir/b": "b\n", "dir/deep/c": "c\n"}))
    assert sorted(each.name for each in (path / "dir").iterdir()) == ["b", "deep"]
    delivery.undo()
    assert look(path) == before


@pytest.mark.parametrize("kind", ["git", "directory"])
def test_apply_changes_exactly_the_paths_of_the_change(tmp_path: Path, kind: str) -> None:
    path = workspace_of(tmp_path, kind)
    (path / "edit").write_text("dirty\n")
    delivery = Delivery(tmp_path, path)
    before = look(path)
    applied = delivery.apply(delivery.head(CHANGE, executable=("tool",)))
    delivery.clean_up()
    assert set(applied) == set(CHANGE)
    assert (path / "edit").read_text() == "two\n"
    assert (path / "file/now/a/dir").read_text() == "yes\n"
    assert (path / "folder").read_text() == "now a file\n"
    assert os.readlink(path / "link") == "edit"
    assert not (path / "gone").exists()
    assert not (path / "dir").exists()
    assert (path / "private").stat().st_mode & 0o777 == 0o600
    assert (path / "tool").stat().st_mode & 0o111
    after = look(path)
    touched = (*CHANGE, "folder/", "file/", "dir/", "new/", "./")
    untouched = {name: value for name, value in before.items() if not name.startswith(touched)}
    assert {name: after.get(name) for name in untouched} == untouched
    assert not list(path.glob(".epw-*"))


@pytest.mark.parametrize("kind", ["git", "directory"])
def test_undo_brings_back_bytes_modes_times_links_and_directories(tmp_path: Path, kind: str) -> None:
    path = workspace_of(tmp_path, kind)
    delivery = Delivery(tmp_path, path)
    before = look(path)
    delivery.apply(delivery.head(CHANGE, executable=("tool",)))
    assert look(path) != before
    delivery.undo()
    assert look(path) == before
    delivery.undo()
    assert look(path) == before


def test_applying_twice_finds_what_was_done(tmp_path: Path) -> None:
    path = workspace_of(tmp_path, "git")
    delivery = Delivery(tmp_path, path)
    head = delivery.head(CHANGE)
    first = delivery.apply(head)
    after = look(path)
    assert delivery.apply(head) == first
    assert look(path) == after


def test_what_the_user_did_meanwhile_is_merged(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work", {"text": "1\n2\n3\n4\n5\n", "other": "o\n"})
    delivery = Delivery(tmp_path, path)
    (path / "text").write_text("1\n2\n3\n4\nfive\n")
    (path / "other").write_text("mine\n")
    sh(path, "git", "commit", "-qam", "the user's")
    index = (path / ".git/index").read_bytes()
    delivery.apply(delivery.head({"text": "one\n2\n3\n4\n5\n"}))
    delivery.clean_up()
    assert (path / "text").read_text() == "one\n2\n3\n4\nfive\n"
    assert (path / "other").read_text() == "mine\n"
    assert (path / ".git/index").read_bytes() == index


def test_a_conflict_with_the_user_is_refused(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work", {"text": "1\n", "other": "o\n"})
    delivery = Delivery(tmp_path, path)
    (path / "text").write_text("mine\n")
    before = look(path)
    with pytest.raises(Refused, match="text"):
        delivery.apply(delivery.head({"text": "theirs\n", "other": "also\n"}))
    assert look(path) == before


def test_an_ignored_file_in_the_way_is_refused(tmp_path: Path) -> None:
    path = workspace_of(tmp_path, "git")
    (path / "folder/keep.log").write_text("precious\n")
    delivery = Delivery(tmp_path, path)
    before = look(path)
    for change in ({"folder": "f\n", "folder/x": None, "folder/y": None}, {"x.log": "agent's\n"}, {"x.log/y": "1\n"}):
        with pytest.raises(Refused, match="in the way"):
            delivery.apply(delivery.head(change))
        assert look(path) == before


def test_an_edit_that_git_was_told_to_overlook_is_refused(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work", {"text": "1\n"})
    sh(path, "git", "update-index", "--assume-unchanged", "text")
    (path / "text").write_text("local\n")
    delivery = Delivery(tmp_path, path)
    before = look(path)
    with pytest.raises(Refused, match="overlook"):
        delivery.apply(delivery.head({"text": "agent's\n"}))
    assert look(path) == before


def test_line_ends_are_the_user_s(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work", {"a.txt": "1\n", ".gitattributes": "*.txt text\n"})
    sh(path, "git", "config", "core.autocrlf", "true")
    (path / "a.txt").write_bytes(b"1\r\n")
    delivery = Delivery(tmp_path, path)
    delivery.apply(delivery.head({"a.txt": "1\n2\n", "b.txt": "new\n"}))
    delivery.clean_up()
    assert (path / "a.txt").read_bytes() == b"1\r\n2\r\n"
    assert (path / "b.txt").read_bytes() == b"new\r\n"


def test_undo_leaves_what_the_user_changed_since_and_says_how_to_go_on(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work", {"text": "1\n", "other": "o\n"})
    delivery = Delivery(tmp_path, path)
    delivery.apply(delivery.head({"text": "agent's\n", "other": "agent's\n"}))
    (path / "text").write_text("the user's\n")
    with pytest.raises(UndoBlocked) as blocked:
        delivery.undo()
    assert (path / "text").read_text() == "the user's\n"
    assert (path / "other").read_text() == "o\n"
    for command in blocked.value.commands:
        sh(path, "bash", "-c", command)
    assert (path / "text").read_text() == "1\n"


def test_nested_repositories_are_left_alone(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work", {"text": "1\n"})
    make_repository(path / "vendored")
    (path / "unborn").mkdir()
    sh(path / "unborn", "git", "init", "-q")
    delivery = Delivery(tmp_path, path)
    before = look(path / "vendored")
    delivery.apply(delivery.head({"text": "2\n"}))
    delivery.clean_up()
    assert look(path / "vendored") == before
    assert (path / "unborn/.git").is_dir()
    assert delivery.base == sh(path, "git", "rev-parse", "HEAD").strip()


def test_a_deletion_outside_a_sparse_checkout_is_not_lost_in_silence(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work", {"in/a": "1\n", "out/a": "1\n", "out/b": "1\n"})
    sh(path, "git", "sparse-checkout", "set", "--cone", "in")
    before, delivery = fingerprint(path), Delivery(tmp_path, path)
    with pytest.raises(Refused, match=r"out/b; git -C .* sparse-checkout disable"):
        delivery.apply(delivery.head({"out/b": None, "in/a": "2\n"}))
    assert fingerprint(path) == before
    delivery.apply(delivery.head({"out/a": "2\n", "in/a": None}))
    delivery.clean_up()
    assert sh(path, "git", "status", "--porcelain").splitlines() == [" D in/a", " M out/a"]


_BASE = {"a": "".join(f"{n}\n" for n in range(20)), "d/f": "precious\n", "t": "t\n", "w": "w\n"}
_CHANGES: dict[str, dict[str, str | None]] = {
    "a directory becomes a file": {"d/f": None, "d": "file\n"},
    "a file becomes a directory": {"t": None, "t/in": "in\n"},
    "a file becomes a link": {"t": "-> a"},
    "a file comes where the user has a directory": {"n": "n\n"},
    "a directory comes where the user has a file": {"n/in": "in\n"},
    "a file comes where the user has one": {"n": "n\n"},
    "a file goes that the user has changed": {"t": None},
    "lines change that the user has changed": {"t": "agent\n"},
}


_LATE = [name for name in _CHANGES if not name.endswith(("has a directory", "has a file"))]


@pytest.mark.parametrize(
    ("change", "is_late"), [*((each, False) for each in _CHANGES), *((each, True) for each in _LATE)]
)
def test_what_finishes_a_refused_application_destroys_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str, is_late: bool
) -> None:
    (tmp_path / "config").write_text("[diff]\n\tnoprefix = true\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "config"))
    path = make_repository(tmp_path / "it's", _BASE)
    delivery = Delivery(tmp_path, path)
    head = delivery.head({**_CHANGES[change], "a": "one\n" + _BASE["a"], "fresh": "fresh\n", "w": None})
    theirs = {"d/f": "precious\nmine\n", "d/mine": "mine\n", "t": "mine\n"}
    theirs["n/mine" if change.endswith("has a directory") else "n"] = "mine\n"
    # The user may also change files between the refusal and the use of its commands.
    commands = finish_commands.of_refused_tree(delivery.hub, delivery.base, head, path) if is_late else []
    for name, content in theirs.items():
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(content)
    told = ""
    for command in commands or finish_commands.of_refused_tree(delivery.hub, delivery.base, head, path):
        done = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode in (0, 1), done.stderr
        told += done.stdout + done.stderr
    assert {name: (path / name).read_text() for name in theirs} == theirs
    assert (path / "a").read_text() == "one\n" + _BASE["a"]
    assert (path / "fresh").read_text() == "fresh\n"
    assert not (path / "w").exists()
    for name in _CHANGES[change]:
        assert (path / f"{name}.rej").exists() or f" {name}\n" in told or f"error: {name}: " in told, (name, told)


def test_what_the_user_has_named_rej_is_not_written_over(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo", _BASE)
    delivery = Delivery(tmp_path, path)
    head = delivery.head({"t": "agent\n"})
    (path / "t").write_text("mine\n")
    (path / "t.rej").write_text("mine\n")
    (command,) = finish_commands.of_refused_tree(delivery.hub, delivery.base, head, path)
    assert "+agent" in sh(tmp_path, "bash", "-c", command)
    assert (path / "t.rej").read_text() == "mine\n"
