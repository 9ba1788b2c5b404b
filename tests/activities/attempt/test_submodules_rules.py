"""Rules of a submodule: its own repository decides what is stored and ignored, not its parent's."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.git import transfer
from activities.git.hub import Hub
from activities.git.submodules.pointers import pointers
from activities.git.workspace import Workspace
from activities.state.state_directory import StateDirectory
from tests.activities.attempt.test_submodules import _add, _run
from tests.support import Harness, make_repository, sh


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A repository that would encode and ignore files of its submodule, if they were its own."""
    lib = make_repository(tmp_path / "lib", {"x.bin": "abc\n", "y.own": "DEF\n", "t.txt": "1\n"})
    rules = {
        ".gitattributes": "*.bin filter=upper\n*.txt text eol=crlf\n",
        ".gitignore": "*.log\n",
        "a.bin": "ABC\n",
        "a.txt": "1\n",
    }
    app = make_repository(tmp_path / "app", rules)
    _add(app, lib, "sub")
    for name, value in (("clean", "tr a-z A-Z"), ("smudge", "tr A-Z a-z")):
        for each in (app, app / "sub"):
            sh(each, "git", "config", f"filter.upper.{name}", value)
    (app / "a.bin").unlink()
    (app / "a.txt").unlink()
    sh(app, "git", "checkout", "--quiet", "--", "a.bin", "a.txt")
    return app


async def test_a_parent_s_attributes_do_not_reach_into_a_submodule(harness: Harness, path: Path) -> None:
    run = "cat a.bin sub/x.bin a.txt sub/t.txt > seen; for f in a.bin sub/x.bin sub/new.bin; do echo xyz >> $f; done"
    document = await _run(harness, path, {"id": "a", "run": run})
    assert document["status"] == "succeeded", document
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "show", f"{branch}:seen").encode() == b"abc\nabc\n1\r\n1\n".replace(b"\r\n", b"\n")
    raw = sh(path, "git", "cat-file", "-p", f"{branch}:a.bin")
    pointer = sh(path, "git", "rev-parse", f"{branch}:sub").strip()
    stored = [sh(path / "sub", "git", "cat-file", "-p", f"{pointer}:{name}") for name in ("x.bin", "new.bin", "t.txt")]
    assert (raw, stored) == ("ABC\nXYZ\n", ["abc\nxyz\n", "xyz\n", "1\n"])


async def test_what_a_parent_ignores_counts_in_a_submodule(harness: Harness, path: Path) -> None:
    document = await _run(harness, path, {"id": "a", "run": "echo 1 | tee a.log > sub/b.log"})
    assert document["results"][0]["filesModified"] == ["sub/b.log"]


async def test_a_submodule_s_own_attributes_count_wherever_they_stand(harness: Harness, path: Path) -> None:
    """Attributes in its tree, with macros that git takes from a root alone, and in its `info/attributes`."""
    sub = path / "sub"
    (sub / ".gitattributes").write_text("[attr]up filter=upper\n*.own up\n")
    sh(sub, "git", "add", "--all")
    sh(sub, "git", "commit", "--quiet", "--message", "rules")
    sh(path, "git", "commit", "--quiet", "--all", "--message", "sub")
    info = Path(sh(sub, "git", "rev-parse", "--path-format=absolute", "--git-path", "info/attributes").strip())
    info.parent.mkdir(exist_ok=True)
    info.write_text("*.priv filter=upper\n")
    for deliver in ("branch", "apply"):
        run = "cat sub/y.own > seen; echo ghi > sub/z.priv; echo ghi >> sub/y.own; echo ghi > a.priv"
        document = await _run(harness, path, {"id": "a", "run": run}, deliver=deliver)
        assert document["status"] == "succeeded", document
        if deliver == "branch":
            branch = document["delivery"]["branch"]
            pointer = sh(path, "git", "rev-parse", f"{branch}:sub").strip()
            stored = [sh(sub, "git", "cat-file", "-p", f"{pointer}:{name}") for name in ("y.own", "z.priv")]
            assert (sh(path, "git", "show", f"{branch}:seen"), stored) == ("def\n", ["DEF\nGHI\n", "GHI\n"])
            assert sh(path, "git", "cat-file", "-p", f"{branch}:a.priv") == "ghi\n"
    assert (sub / "y.own").read_text() == "def\nghi\n"
    assert (sub / "z.priv").read_text() == "ghi\n"


async def test_apply_writes_a_submodule_s_files_by_its_own_rules(harness: Harness, path: Path) -> None:
    run = "for f in a.bin sub/x.bin sub/new.bin sub/new.txt new.txt sub/t.txt; do echo xyz >> $f; done"
    for _ in range(2):
        document = await _run(harness, path, {"id": "a", "run": run}, deliver="apply")
        assert document["delivery"]["refusedBecause"] is None
    read = {name: (path / name).read_bytes() for name in ("a.bin", "sub/x.bin", "sub/new.txt", "new.txt", "sub/t.txt")}
    assert read == {
        "a.bin": b"abc\nxyz\nxyz\n",
        "sub/x.bin": b"abc\nxyz\nxyz\n",
        "sub/new.txt": b"xyz\nxyz\n",
        "new.txt": b"xyz\r\nxyz\r\n",
        "sub/t.txt": b"1\nxyz\nxyz\n",
    }


async def test_a_rule_of_the_parent_s_alone_is_kept_where_it_has_a_submodule(harness: Harness, path: Path) -> None:
    (path / ".git/info").mkdir(exist_ok=True)
    (path / ".git/info/attributes").write_text("*.priv filter=upper\n")
    document = await _run(harness, path, {"id": "a", "run": "echo ghi | tee a.priv > sub/a.priv"})
    branch = document["delivery"]["branch"]
    pointer = sh(path, "git", "rev-parse", f"{branch}:sub").strip()
    assert sh(path, "git", "cat-file", "-p", f"{branch}:a.priv") == "GHI\n"
    assert sh(path / "sub", "git", "cat-file", "-p", f"{pointer}:a.priv") == "ghi\n"


def test_pointers_are_known_from_those_before(tmp_path: Path) -> None:
    path = make_repository(tmp_path / "repo")
    hub, commits = Hub.created(StateDirectory(tmp_path / "home").hub(str(path))), list[str]()
    one, two = "1" * 40, "2" * 40
    for deed in (
        ["--add", "--cacheinfo", f"160000,{one},lib"],
        ["--add", "--cacheinfo", f"160000,{two},deep/er"],
        ["--add", "--cacheinfo", f"160000,{two},lib"],
        ["--force-remove", "deep/er"],
        ["--add", "--cacheinfo", f"100644,{sh(path, 'git', 'rev-parse', 'HEAD:README.md').strip()},lib"],
    ):
        sh(path, "git", "update-index", *deed)
        sh(path, "git", "commit", "--quiet", "--message", "next")
        commits.append(sh(path, "git", "rev-parse", "HEAD").strip())
        transfer.fetch(hub, Workspace.read(str(path)), commits[-1], "refs/epw/x")
    in_turn = [dict(pointers(hub, each)) for each in commits]
    assert in_turn == [{"lib": one}, {"lib": one, "deep/er": two}, {"lib": two, "deep/er": two}, {"lib": two}, {}]
