"""The hub and the user's repository: real git, hostile settings, nothing of the user's run or changed."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from activities.git import agent_clone, transfer
from activities.git.changes import changed_blobs, changes
from activities.git.hub import Hub
from activities.git.merge import carry_over, merge
from activities.git.merge_file import hunks
from activities.git.save_tree import save_tree
from activities.git.snapshot import snapshot
from activities.git.work_tree import WorkTree
from activities.git.workspace import Workspace
from activities.state.state_directory import StateDirectory
from epw.core.errors import Fenced, InvalidPlan
from tests.support import fingerprint, make_repository, sh


def take(repository: Path, home: Path, committed: bool = False) -> tuple[Hub, str]:
    workspace = Workspace.read(str(repository))
    hub = Hub.created(StateDirectory(home).hub(str(repository)))
    return hub, snapshot(hub, workspace, "refs/epw/x/base", 1_700_000_000, committed)


def check_out(hub: Hub, commit: str, path: Path) -> WorkTree:
    tree = WorkTree(hub, path, path.with_suffix(".index"), [])
    tree.check_out(commit)
    return tree


def add_repository(tree: WorkTree, commit: str, workspace: Workspace) -> None:
    refs = tree.path.with_suffix(".refs")
    refs.write_text(agent_clone.borrowed_refs(workspace))
    agent_clone.create(tree.path / ".git", commit, tree.hub, workspace, index=tree.fresh_index, refs=refs)


def files_of(hub: Hub, commit: str) -> dict[str, str]:
    listed = sh(hub.path, "git", "ls-tree", "-r", commit).splitlines()
    return {line.split("\t")[1]: line.split()[0] for line in listed}


def test_a_clean_workspace_is_its_own_base(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    _, base = take(repository, tmp_path / "home")
    assert base == sh(repository, "git", "rev-parse", "HEAD").strip()


def test_the_snapshot_holds_staged_modified_deleted_untracked_but_not_ignored(tmp_path: Path) -> None:
    repository = make_repository(
        tmp_path / "repo", {"keep": "1\n", "gone": "2\n", "edit": "3\n", ".gitignore": "*.log\n"}
    )
    (repository / "edit").write_text("edited\n")
    (repository / "gone").unlink()
    (repository / "staged").write_text("staged only in the user's index\n")
    sh(repository, "git", "add", "staged")
    (repository / "new").write_text("new\n")
    (repository / "x.log").write_text("ignored\n")
    (repository / "private").write_text("ignored by info/exclude\n")
    (repository / ".git/info/exclude").write_text("private\n")
    before = fingerprint(repository)
    hub, base = take(repository, tmp_path / "home")
    assert set(files_of(hub, base)) == {"keep", "edit", "staged", "new", ".gitignore"}
    assert sh(hub.path, "git", "show", f"{base}:edit") == "edited\n"
    assert sh(hub.path, "git", "rev-parse", f"{base}^").strip() == sh(repository, "git", "rev-parse", "HEAD").strip()
    assert fingerprint(repository) == before


def test_links_and_modes_are_kept(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    (repository / "run.sh").write_text("#!/bin/sh\n")
    (repository / "run.sh").chmod(0o755)
    (repository / "link").symlink_to("README.md")
    hub, base = take(repository, tmp_path / "home")
    found = files_of(hub, base)
    assert (found["run.sh"], found["link"]) == ("100755", "120000")
    tree = check_out(hub, base, tmp_path / "tree")
    assert os.readlink(tree.path / "link") == "README.md"
    assert (tree.path / "run.sh").stat().st_mode & stat.S_IXUSR


def test_an_unborn_repository_has_a_base_without_parents(tmp_path: Path) -> None:
    repository = tmp_path / "repo"
    repository.mkdir()
    sh(repository, "git", "init", "--quiet")
    (repository / "a").write_text("a\n")
    hub, base = take(repository, tmp_path / "home")
    assert files_of(hub, base) == {"a": "100644"}


@pytest.mark.parametrize("kind", ["detached", "linked worktree", "split index", "bare", "shallow"])
def test_odd_repositories_work(tmp_path: Path, kind: str) -> None:
    repository = make_repository(tmp_path / "repo")
    (repository / "second").write_text("2\n")
    sh(repository, "git", "add", "second")
    sh(repository, "git", "commit", "--quiet", "--message", "second")
    if kind == "detached":
        sh(repository, "git", "checkout", "--quiet", "--detach")
    elif kind == "linked worktree":
        sh(repository, "git", "worktree", "add", "--quiet", str(tmp_path / "linked"))
        repository = tmp_path / "linked"
    elif kind == "split index":
        sh(repository, "git", "update-index", "--split-index")
    elif kind == "bare":
        sh(tmp_path, "git", "clone", "--quiet", "--bare", str(repository), str(tmp_path / "bare"))
        repository = tmp_path / "bare"
    elif kind == "shallow":
        sh(tmp_path, "git", "clone", "--quiet", "--depth", "1", f"file://{repository}", str(tmp_path / "shallow"))
        repository = tmp_path / "shallow"
    if kind != "bare":
        (repository / "dirty").write_text("dirty\n")
    hub, base = take(repository, tmp_path / "home")
    assert set(files_of(hub, base)) >= {"README.md", "second"}
    assert ("dirty" in files_of(hub, base)) == (kind != "bare")
    tree = check_out(hub, base, tmp_path / "tree")
    add_repository(tree, base, Workspace.read(str(repository)))
    assert sh(tree.path, "git", "status", "--porcelain") == ""
    assert "second" in sh(tree.path, "git", "log", "--format=%s")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("missing", "not a directory"),
        ("repo/sub", "lies inside"),
        ("conflicted", "unmerged"),
    ],
)
def test_an_unusable_workspace_is_refused_in_one_line(tmp_path: Path, name: str, words: str) -> None:
    make_repository(tmp_path / "repo", {"sub/f": "1\n"})
    broken = make_repository(tmp_path / "conflicted", {"f": "1\n"})
    sh(broken, "git", "checkout", "--quiet", "-b", "other")
    (broken / "f").write_text("2\n")
    sh(broken, "git", "commit", "--quiet", "--all", "--message", "2")
    sh(broken, "git", "checkout", "--quiet", "main")
    (broken / "f").write_text("3\n")
    sh(broken, "git", "commit", "--quiet", "--all", "--message", "3")
    with pytest.raises(AssertionError):
        sh(broken, "git", "merge", "--quiet", "other")
    with pytest.raises(InvalidPlan, match=words) as raised:
        Workspace.read(str(tmp_path / name))
    assert "\n" not in str(raised.value)


def plant_traps(repository: Path, marker: Path) -> None:
    """Every hook, a filter, a merge driver, an external diff and an fsmonitor that leave a mark when run."""
    trap = repository.parent / "trap.sh"
    trap.write_text(f'#!/bin/sh\necho "$0 $*" >> {marker}\ncat\n')
    trap.chmod(0o755)
    hooks = (
        "pre-commit post-commit pre-push post-checkout post-merge pre-receive update post-receive post-update "
        "reference-transaction post-index-change push-to-checkout proc-receive pre-auto-gc fsmonitor-watchman"
    )
    for hook in hooks.split():
        (repository / ".git/hooks").mkdir(exist_ok=True)
        (repository / ".git/hooks" / hook).symlink_to(trap)
    settings = {
        "diff.trap.command": str(trap),
        "diff.trap.textconv": str(trap),
        "merge.trap.driver": str(trap),
        "core.fsmonitor": str(trap),
        "core.sshCommand": str(trap),
        "core.alternateRefsCommand": str(trap),
        "core.pager": str(trap),
        "core.editor": str(trap),
        "gpg.program": str(trap),
        "commit.gpgSign": "true",
        "uploadpack.packObjectsHook": str(trap),
        "receive.procReceiveRefs": "refs/",
    }
    with open(repository / ".git/config", "a") as config:
        for name, value in settings.items():
            section, _, key = name.rpartition(".")
            head, _, sub = section.partition(".")
            config.write(f"[{head}{f' {chr(34)}{sub}{chr(34)}' if sub else ''}]\n\t{key} = {value}\n")
    (repository / ".gitattributes").write_text("* diff=trap merge=trap\n")


def test_no_hook_or_driver_of_the_users_runs_but_for_filters(tmp_path: Path) -> None:
    repository, marker = make_repository(tmp_path / "repo", {"f": "a\nb\nc\n"}), tmp_path / "marker"
    plant_traps(repository, marker)
    (repository / "f").write_text("changed\nb\nc\n")
    before = fingerprint(repository)
    hub, base = take(repository, tmp_path / "home")
    tree = check_out(hub, base, tmp_path / "tree")
    workspace = Workspace.read(str(repository))
    add_repository(tree, base, workspace)
    (tree.path / "f").write_text("changed\nb\nC\n")
    change = hub.commit(save_tree(tree, base).tree, [base], "change", workspace, 1)
    assert merge(hub, base, change).clean
    assert changes(hub, base, change)[0]["file"] == "f"
    assert transfer.hand_over(hub, workspace, change, "refs/heads/epw/x") is None
    assert transfer.take_back(workspace, change, "refs/heads/epw/x") is None
    assert not marker.exists(), marker.read_text()
    assert fingerprint(repository) == before


def test_the_hub_does_not_need_the_user_s_objects(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    (repository / "dirty").write_text("dirty\n")
    hub, base = take(repository, tmp_path / "home")
    repository.rename(tmp_path / "moved")
    assert "missing" not in sh(hub.path, "git", "fsck", "--full")
    assert sh(hub.path, "git", "show", f"{base}:dirty") == "dirty\n"


def test_what_setup_brought_is_no_change_of_the_agent_s(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo", {"lock": "1\n", "src": "a\nb\n"})
    hub, base = take(repository, tmp_path / "home")
    tree = check_out(hub, base, tmp_path / "tree")
    (tree.path / "lock").write_text("2\n")
    (tree.path / "generated").write_text("g\n")
    start = save_tree(tree, base).tree
    (tree.path / "src").write_text("a\nB\n")
    carried = carry_over(hub, start, save_tree(tree, base).tree, base)
    assert [row["file"] for row in changes(hub, base, carried)] == ["src"]


def test_modes_that_an_agent_took_from_itself_are_no_loss(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo", {"sub/f": "1\n"})
    hub, commit = take(repository, tmp_path / "home")
    tree = check_out(hub, commit, tmp_path / "tree")
    (tree.path / "sub/f").write_text("2\n")
    (tree.path / "sub/f").chmod(0)
    (tree.path / "sub").chmod(0)
    # With the directory itself: whoever saves sees to that first.
    assert save_tree(tree, commit).paths == ["sub/f"]


def test_a_repository_that_an_agent_makes_is_saved_as_files(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    hub, base = take(repository, tmp_path / "home")
    tree = check_out(hub, base, tmp_path / "tree")
    make_repository(tree.path / "nested", {"inner": "kept\n"})
    saved = hub.commit(save_tree(tree, base).tree, [base], "x", None, 1)
    assert sh(hub.path, "git", "show", f"{saved}:nested/inner") == "kept\n"


def test_changes_are_as_git_says(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo", {"m": "1\n2\n3\n4\n5\n", "d": "x\ny\n", 'odd "name"\tü': "1\n"})
    hub, base = take(repository, tmp_path / "home")
    (repository / "m").write_text("1\nTWO\n3\n4\n")
    (repository / "d").unlink()
    (repository / "c").write_text("diff --git a/x b/x\n@@ -1 +1 @@\n")
    (repository / "b").write_bytes(b"\0\1\2")
    (repository / 'odd "name"\tü').write_text("2\n")
    hub, after = take(repository, tmp_path / "home2")
    sh(
        hub.path,
        "git",
        "fetch",
        "--quiet",
        str(Hub.created(StateDirectory(tmp_path / "home").hub(str(repository))).path),
        base,
    )
    assert {row.pop("file"): row for row in changes(hub, base, after)} == {
        "m": {"type": "modify", "additions": 1, "deletions": 2, "lineNumbers": {"start": 2, "end": 4}},
        "d": {"type": "delete", "additions": 0, "deletions": 2, "lineNumbers": {"start": 1, "end": 2}},
        "c": {"type": "create", "additions": 2, "deletions": 0, "lineNumbers": {"start": 1, "end": 2}},
        "b": {"type": "create", "additions": None, "deletions": None, "lineNumbers": None},
        'odd "name"\tü': {"type": "modify", "additions": 1, "deletions": 1, "lineNumbers": {"start": 1, "end": 1}},
    }


@pytest.mark.parametrize(
    ("kind", "ours", "theirs"),
    [
        ("lines", "echo A > f", "echo B > f"),
        ("add-add", "echo A > new", "echo B > new"),
        ("mode", "echo A > new", "echo A > new; chmod +x new"),
        ("modify-delete", "echo A > f", "rm f"),
        ("rename", "mv long one", "mv long two"),
        ("binary", r"printf '\0A' > bin", r"printf '\0B' > bin"),
        ("symlink", "ln -sf x link", "ln -sf y link"),
        ("add-add", "mkdir n; echo 1 > n/f", "echo 2 > n"),
    ],
)
def test_every_kind_that_git_finds(tmp_path: Path, kind: str, ours: str, theirs: str) -> None:
    files = {"f": "0\n", "long": "".join(f"{n}\n" for n in range(50))}
    repository = make_repository(tmp_path / "repo", files)
    (repository / "bin").write_bytes(b"\0")
    (repository / "link").symlink_to("f")
    hub, base = take(repository, tmp_path / "home")
    sides = []
    for number, script in enumerate((ours, theirs)):
        tree = check_out(hub, base, tmp_path / f"tree{number}")
        sh(tree.path, "bash", "-c", script)
        sides.append(hub.commit(save_tree(tree, base).tree, [base], "side", None, 1))
    found = merge(hub, *sides)
    assert not found.clean
    assert found.kind == kind
    assert found.paths
    if kind == "lines":
        assert hunks(hub, found.tree, "f") == [{"line": 1, "ours": "A\n", "base": "0\n", "theirs": "B\n"}]


def test_a_head_moves_only_from_where_it_was(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    hub, base = take(repository, tmp_path / "home")
    one = hub.commit(hub.tree_of(base), [base], "one", None, 1)
    other = hub.commit(hub.tree_of(base), [base], "other", None, 1)
    hub.move_ref("refs/epw/x/head", one, base)
    hub.move_ref("refs/epw/x/head", one, base)
    with pytest.raises(Fenced):
        hub.move_ref("refs/epw/x/head", other, base)


def test_what_differs_from_one_commit_is_told_of_each_other(tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo", {"a": "1\n"})
    hub, base = take(repository, tmp_path / "home")
    other = hub.commit(hub.with_files(base, {"n\new": ("100644", b"x")}), [base], "other", None, 1)
    names = [list(each) for each in changed_blobs(hub, base, base, other, base)]
    assert names == [[], ["n\new"], []]
