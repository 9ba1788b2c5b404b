"""A rename is recognised where it is clear, and nothing else is taken for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.conflicts.fit import semantic_conflicts
from activities.conflicts.renames.detect import with_renames
from activities.conflicts.semantic.sides import Finding
from activities.git.changes import changed_blobs
from activities.git.hub import Hub

Files = dict[str, str]
SHORT = "(a):\n    return a\n"
MEMBERS = "    a = 1\n    b = 2\n    c = 3\n"
BODY = "(items):\n    found = 0\n    for each in items:\n        found += each\n    return found\n"
USE = "from lib import total\n\n\ndef run():\n    return total([1])\n"


class Repository:
    """A hub with commits of whole trees."""

    def __init__(self, folder: Path) -> None:
        self.hub = Hub.created(folder / "hub")

    def commit(self, files: Files, *parents: str) -> str:
        tree = self.hub.with_files(
            self.hub.empty_tree(), {path: ("100644", text.encode()) for path, text in files.items()}
        )
        return self.hub.commit(tree, parents, "a commit", None, 0)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def found(repository: Repository, base: Files, ours: Files, theirs: Files) -> Finding:
    began = repository.commit(base)
    sides = [repository.commit({**base, **side}, began) for side in (ours, theirs)]
    merged = repository.commit({**base, **ours, **theirs})
    (finding,) = semantic_conflicts(repository.hub, began, sides[0], sides[1], repository.hub.tree_of(merged))
    return finding


@pytest.mark.parametrize(
    ("base", "after", "new"),
    [
        pytest.param(f"def total{BODY}", f"def summed{BODY}", "summed", id="the body is the same"),
        pytest.param(f"def total{SHORT}", f"def summed{SHORT}", "summed", id="short, in its place"),
        pytest.param(
            f"def total{BODY}\n\nX = 1\n", f"X = 1\n\n\ndef summed{BODY}", "summed", id="moved within the file"
        ),
        pytest.param(
            f"def total{BODY}".replace("+= each", "+= help(each)") + "\n\ndef help(a):\n    return a\n",
            f"def summed{BODY}".replace("+= each", "+= assist(each)") + "\n\ndef assist(a):\n    return a\n",
            "summed",
            id="what it calls was renamed too",
        ),
        pytest.param(f"class total:\n{MEMBERS}", f"class Sum:\n{MEMBERS}", "Sum", id="class"),
        pytest.param(f"def total{BODY}", "X = 1\n", "", id="nothing came in its place"),
        pytest.param(f"def total{BODY}", f"def summed{BODY}".replace("items", "rows", 1), "", id="other parameters"),
        pytest.param(f"def total{BODY}", "def mean(items):\n    return max(items)\n", "", id="another function"),
        pytest.param(f"def total{BODY}", f"def summed{BODY}\n\ndef added{BODY}", "", id="two that it could be"),
        pytest.param(f"def total{BODY}\n\ndef other{BODY}", f"def summed{BODY}", "", id="two that it could have been"),
        pytest.param(
            f"def total{BODY}", f"class A:\n def summed{BODY.replace('    ', '     ')}", "", id="in a class now"
        ),
    ],
)
def test_a_definition_was_renamed_where_one_alone_is_the_same_but_for_the_name(
    repository: Repository, base: str, after: str, new: str
) -> None:
    finding = found(repository, {"lib.py": base, "app.py": ""}, {"lib.py": after}, {"app.py": USE})
    assert (finding.change, finding.new_name) == (("renamed", new) if new else ("removed", ""))


def test_in_a_language_whose_folder_is_the_module_another_file_of_it_counts(repository: Repository) -> None:
    body = "(a int) int {\n\tif a > 1 {\n\t\treturn a\n\t}\n\treturn 1\n}\n"
    base = {"p/a.go": f"package p\n\nfunc Total{body}", "p/b.go": "package p\n"}
    ours = {"p/a.go": "package p\n", "p/b.go": f"package p\n\nfunc Sum{body}"}
    finding = found(repository, base, ours, {"p/c.go": "package p\n\nfunc use() int { return Total(3) }\n"})
    assert (finding.change, finding.new_name) == ("renamed", "Sum")


def test_what_another_file_defines_now_was_moved(repository: Repository) -> None:
    base = {"lib.py": f"def total{BODY}\n\nX = 1\n", "new.py": "Y = 1\n", "app.py": ""}
    ours = {"lib.py": "X = 1\n", "new.py": f"def total{BODY}"}
    finding = found(repository, base, ours, {"app.py": USE})
    assert (finding.change, finding.new_path) == ("moved", "new.py")


def test_a_file_that_went_elsewhere_was_moved(repository: Repository) -> None:
    began = repository.commit({"shop/__init__.py": "", "shop/a.py": f"def total{BODY}", "app.py": ""})
    ours = repository.commit({"shop/__init__.py": "", "shop/b.py": f"def total{BODY}", "app.py": ""}, began)
    use = {"app.py": "from shop.a import total\n"}
    theirs = repository.commit({"shop/__init__.py": "", "shop/a.py": f"def total{BODY}", **use}, began)
    merged = repository.commit({"shop/__init__.py": "", "shop/b.py": f"def total{BODY}", **use})
    (finding, *_) = semantic_conflicts(repository.hub, began, ours, theirs, repository.hub.tree_of(merged))
    assert (finding.change, finding.new_path) == ("moved", "shop/b.py")


FIELD = "class Order:\n    def __init__(self) -> None:\n        self.total = 1\n"


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        pytest.param("x = order.total\n", "x = order.amount\n", "amount", id="a use has followed"),
        pytest.param("x = order.total\n", "x = 1\n", "", id="no use has followed"),
    ],
)
def test_a_field_was_renamed_where_a_use_has_followed(
    repository: Repository, before: str, after: str, new: str
) -> None:
    hub = repository.hub
    base = repository.commit({"lib.py": FIELD, "app.py": before})
    ours = repository.commit({"lib.py": FIELD.replace("total", "amount"), "app.py": after}, base)
    theirs = repository.commit({"lib.py": FIELD, "app.py": before, "new.py": "y = order.total\n"}, base)
    said = Finding("total", "new.py", 1, "lib.py", 3, "no attribute", change="removed", checker="ty")
    (finding,) = with_renames(hub, changed_blobs(hub, base, ours, theirs), [said])
    assert finding.new_name == new
