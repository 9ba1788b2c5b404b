"""Textual conflicts by kind: each is named, and each side can be had whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from activities.conflicts.textual.resolve import resolved_tree
from activities.git.hub import Hub
from activities.git.merge import Merge, merge
from tests.support import make_repository, sh

TEXT = "".join(f"line {number}\n" for number in range(12))
OTHER = TEXT.replace("line", "row")
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"
BASE = {"a": TEXT, "b": OTHER, "d/x": "1\n" + TEXT, "d/y": "2\n" + OTHER, "big.bin": POINTER.format("a" * 64, 1)}
BASE["g/z"] = "".join(f"{number}\n" for number in range(40, 60))
BASE[".gitattributes"] = '# how to merge\nd/x text merge=union\n"d/y" -merge diff=trap\na merge=trap filter=trap\n'
SUBMODULE = "git update-index --add --cacheinfo 160000,{},sub; mkdir -p sub"
BINARY = "printf '\\000{}' > picture"


@dataclass
class Case:
    name: str
    ours: str
    theirs: str
    kind: str = ""
    """Empty: it merges."""
    merged: dict[str, str | None] | None = None
    """Files of the result of git's merge, or of the step `merge` where git leaves a conflict."""
    prefer_ours: dict[str, str | None] | None = None
    prefer_theirs: dict[str, str | None] | None = None
    what: str = ""


EDIT = "sed -i 's/line 5/line five/' a"
EDITED = TEXT.replace("line 5", "line five")
BOTH = EDITED.replace("line 9", "line nine").replace("line 1\n", "line I\n")
CASES = [
    Case("a renamed file that is edited", "git mv a new", EDIT, merged={"new": EDITED, "a": None}),
    Case("a mode and an edit", "chmod +x a", EDIT, merged={"a": EDITED}),
    Case("a moved directory and an edit in it", "git mv d e", "echo 3 >> d/x", merged={"e/x": f"1\n{TEXT}3\n"}),
    Case(
        "a moved directory and a new file in it",
        "git mv d e",
        "echo 3 > d/z",
        "rename",
        merged={"e/z": "3\n", "e/x": f"1\n{TEXT}", "d/z": None},
        prefer_ours={"e/z": "3\n", "e/x": f"1\n{TEXT}", "d/z": None},
        prefer_theirs={"d/z": "3\n", "e/x": f"1\n{TEXT}", "e/z": None},
    ),
    Case(
        "a new file in a moved directory and an edited line",
        "echo 3 > d/z; sed -i 's/line 5/line five/' a",
        "git mv d e; sed -i 's/line 5/line V/' a",
        "lines",
        prefer_ours={"d/z": "3\n", "e/z": None, "a": EDITED},
        prefer_theirs={"e/z": "3\n", "d/z": None, "a": TEXT.replace("line 5", "line V")},
    ),
    Case(
        "a directory moved to two places and a new file in it",
        "mkdir e f; git mv d/x e/x; git mv d/y f/y",
        "echo 3 > d/z",
        "rename",
        prefer_ours={"d/z": "3\n", "e/x": f"1\n{TEXT}", "d/x": None},
        prefer_theirs={"d/z": "3\n", "e/x": f"1\n{TEXT}", "d/x": None},
    ),
    Case(
        "two directories moved into one and a new file of one name in both",
        "git mv d e; git mv g/z e/z",
        "echo 3 > d/n; echo 4 > g/n",
        "rename",
        prefer_ours={"d/n": "3\n", "g/n": "4\n", "e/x": f"1\n{TEXT}", "d/x": None},
        prefer_theirs={"d/n": "3\n", "g/n": "4\n", "e/x": f"1\n{TEXT}", "d/x": None},
    ),
    Case(
        "a moved directory and a new file in it, of a name that is taken where it went",
        "git mv d e",
        "mkdir e; echo 3 > d/n; echo 4 > e/n",
        "rename",
        prefer_ours={"d/n": "3\n", "e/n": "4\n", "e/x": f"1\n{TEXT}", "d/x": None},
        prefer_theirs={"d/n": "3\n", "e/n": "4\n", "e/x": f"1\n{TEXT}", "d/x": None},
    ),
    Case(
        "a deleted file that is edited, beside one that became a directory",
        "rm a b; mkdir b; echo in > b/in",
        EDIT,
        "modify-delete",
        prefer_ours={"a": None, "b": None, "b/in": "in\n"},
        prefer_theirs={"a": EDITED, "b": None, "b/in": "in\n"},
    ),
    Case(
        "a file under two new names, with two edits of a line",
        "git mv a mine; sed -i 's/line 5/line five/; s/line 9/line nine/' mine",
        "git mv a yours; sed -i 's/line 5/line V/; s/line 1$/line I/' yours",
        "rename",
        prefer_ours={"a": None, "mine": BOTH, "yours": None},
        prefer_theirs={"a": None, "mine": None, "yours": BOTH.replace("line five", "line V")},
    ),
    Case(
        "an edited file, renamed to where the other puts one",
        "git mv a new; sed -i 's/line 5/line five/' new",
        "sed -i 's/line 5/line V/' a; echo 1 > new",
        "rename",
        prefer_ours={"a": None, "new": EDITED},
        prefer_theirs={"a": None, "new": "1\n"},
    ),
    Case(
        "an edited list, renamed to where the other puts one",
        "git mv a .gitignore; sed -i 's/line 5/line five/' .gitignore",
        "sed -i 's/line 5/line V/' a; echo 1 > .gitignore",
        "rename",
        prefer_ours={"a": None, ".gitignore": EDITED},
    ),
    Case(
        "one file under two new names",
        "git mv a mine",
        "git mv a yours",
        "rename",
        prefer_ours={"a": None, "mine": TEXT, "yours": None},
        prefer_theirs={"a": None, "mine": None, "yours": TEXT},
    ),
    Case(
        "a renamed file that is deleted",
        "git mv a new",
        "rm a",
        "rename",
        prefer_ours={"a": None, "new": TEXT},
        prefer_theirs={"a": None, "new": None},
    ),
    Case("two files under one new name", "git mv a new", "git mv b new", "add-add", prefer_theirs={"new": OTHER}),
    Case("an edit and a deletion", EDIT, "rm a", "modify-delete", None, {"a": EDITED}, {"a": None}),
    Case(
        "a file and a link",
        "rm a; ln -s b a",
        EDIT,
        "symlink",
        prefer_ours={"a": "b"},
        prefer_theirs={"a": EDITED},
    ),
    Case("two links", "ln -s a new", "ln -s b new", "symlink", None, {"new": "a"}, {"new": "b"}),
    Case(
        "a file and a directory",
        "mkdir new; echo 1 > new/x",
        "echo 1 > new",
        "add-add",
        prefer_ours={"new/x": "1\n", "new": None},
        prefer_theirs={"new": "1\n", "new/x": None},
    ),
    Case(
        "a directory that became a file and an edit in it",
        "rm -r d; echo 1 > d",
        "echo 3 >> d/x",
        "modify-delete",
        prefer_ours={"d": "1\n", "d/x": None, "d/y": None},
        prefer_theirs={"d": None, "d/x": f"1\n{TEXT}3\n"},
    ),
    Case(
        "a link and a directory",
        "mkdir -p new/in; echo 1 > new/in/x; echo 2 > new/y",
        "ln -s b new",
        "symlink",
        prefer_ours={"new/in/x": "1\n", "new/y": "2\n", "new": None},
        prefer_theirs={"new": "b", "new/in/x": None, "new/y": None},
    ),
    Case(
        "a directory that became a link and a new file in it",
        "rm -r d; ln -s b d",
        "echo 3 > d/z",
        "symlink",
        prefer_ours={"d": "b", "d/z": None},
        prefer_theirs={"d": None, "d/z": "3\n"},
    ),
    Case(
        "a renamed file and a directory in its new place",
        "git mv a new",
        "mkdir new; echo 1 > new/x",
        "add-add",
        prefer_ours={"new": TEXT, "new/x": None},
        prefer_theirs={"new": None, "new/x": "1\n"},
    ),
    Case(
        "a file that became a directory and an edit",
        "rm a; mkdir a; echo 1 > a/x",
        EDIT,
        "modify-delete",
        prefer_ours={"a/x": "1\n", "a": None},
        prefer_theirs={"a": EDITED, "a/x": None},
    ),
    Case("two modes of one new file", "echo 1 > new", "echo 1 > new; chmod +x new", "mode", None, {"new": "1\n"}),
    Case("two binary files", BINARY.format(1), BINARY.format(2), "binary", None, {"picture": "\x001"}),
    Case(
        "line ends and an edit",
        "sed -i 's/$/\\r/' a",
        EDIT,
        "lines",
        merged={"a": EDITED.replace("\n", "\r\n")},
    ),
    Case(
        "an edit and line ends with more",
        EDIT,
        "sed -i 's/$/\\r/' a; printf 'more\\r\\n' >> a",
        "lines",
        merged={"a": (EDITED + "more\n").replace("\n", "\r\n")},
    ),
    Case("line ends and edits of one line", "sed -i 's/$/\\r/; s/5/V/' a", EDIT, "lines"),
    Case(
        "pointers of Git LFS",
        f"printf '{POINTER.format('b' * 64, 2)}' > big.bin".replace("\n", "\\n"),
        f"printf '{POINTER.format('c' * 64, 3)}' > big.bin".replace("\n", "\\n"),
        "binary",
        prefer_ours={"big.bin": POINTER.format("b" * 64, 2)},
        prefer_theirs={"big.bin": POINTER.format("c" * 64, 3)},
        what="Git LFS pointers",
    ),
    Case(
        "a submodule at two commits",
        SUBMODULE.format("1" * 40),
        SUBMODULE.format("2" * 40),
        "submodule",
        prefer_ours={"sub": "1" * 40},
        prefer_theirs={"sub": "2" * 40},
        what="submodules",
    ),
    Case("a file to which `union` is said", "echo A >> d/x", "echo B >> d/x", merged={"d/x": f"1\n{TEXT}A\nB\n"}),
    Case(
        "a file that is said to be binary",
        "sed -i 's/row 1$/row one/' d/y",
        "sed -i 's/row 9/row nine/' d/y",
        "binary",
        prefer_ours={"d/y": "2\n" + OTHER.replace("row 1\n", "row one\n")},
        prefer_theirs={"d/y": "2\n" + OTHER.replace("row 9", "row nine")},
    ),
    Case("a submodule that only one side has", SUBMODULE.format("1" * 40), EDIT, merged={"sub": "1" * 40}),
]


def files(hub: Hub, repository: Path, tree: str) -> dict[str, str]:
    """Contents by path; of a submodule its commit."""
    found = {}
    for entry in sh(repository, "git", "ls-tree", "-r", "-z", tree).split("\0")[:-1]:
        _, kind, name, path = entry.replace("\t", " ", 1).split(" ", 3)
        found[path] = name if kind == "commit" else hub.blob(name).decode()
    return found


def both(repository: Path, case: Case) -> tuple[Hub, Merge]:
    base = sh(repository, "git", "rev-parse", "HEAD").strip()
    commits = []
    for side in (case.ours, case.theirs):
        sh(repository, "git", "checkout", "--quiet", "--force", base)
        sh(repository, "git", "clean", "--quiet", "-fd")
        sh(repository, "bash", "-euc", side)
        sh(repository, "git", "add", "--all", ":!sub")
        sh(repository, "git", "commit", "--quiet", "--message", "side")
        commits.append(sh(repository, "git", "rev-parse", "HEAD").strip())
    hub = Hub(repository / ".git")
    return hub, merge(hub, *commits)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_git_s_verdict_its_kind_and_each_way_out(tmp_path: Path, case: Case) -> None:
    repository = make_repository(tmp_path / "work", BASE)
    hub, merged = both(repository, case)
    assert merged.clean == (not case.kind)
    if case.kind:
        assert (merged.kind, merged.what) == (case.kind, case.what)
        assert merged.paths
        assert not any("~" in path for path in merged.paths)
    expected = {"": case.merged, "ours": case.prefer_ours, "theirs": case.prefer_theirs}
    for way, wanted in expected.items():
        tree = merged.tree if merged.clean else resolved_tree(hub, merged, way or "merge")
        if wanted is None:
            assert way or tree is None or merged.clean
            continue
        assert tree is not None, way
        found = files(hub, repository, tree)
        assert {path: found.get(path) for path in wanted} == wanted, way
        assert not any("~" in path for path in found), way


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("edit", ["echo more >> a", "git mv a yours"])
def test_a_file_that_became_a_directory_is_in_no_conflict_of_others(tmp_path: Path, edit: str, swapped: bool) -> None:
    ours, theirs = "rm b; mkdir b; echo in > b/in; git mv a mine; echo 1 > mine", edit
    _, merged = both(
        make_repository(tmp_path / "work", BASE), Case("", *((theirs, ours) if swapped else (ours, theirs)))
    )
    assert not merged.clean
    assert "a" in merged.paths
    assert not {path for path in [*merged.paths, *merged.stages] if path.startswith("b")}
    assert not any("directory in the way" in message for message in merged.messages)
