"""Uses follow a rename by their identifiers; where one could mean something else, nothing is rewritten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from activities.conflicts.fit import semantic_conflicts_of, with_uses_renamed
from activities.conflicts.renames.detect import with_renames
from activities.conflicts.semantic.sides import Finding
from activities.git.changes import changed_blobs
from tests.activities.conflicts.test_renames import BODY, Files, Repository, repository

__all__ = ["repository"]

PYTHON = {"lib.py": f"def total{BODY}", "app.py": "import lib\n\nA = 1\n"}
PYTHON_RENAMED = {"lib.py": f"def summed{BODY}"}


def followed(
    repository: Repository, base: Files, ours: Files, theirs: Files, said: Finding | None = None
) -> tuple[Files, dict[str, list[int]]] | None:
    """The files of the merge and the rewritten lines; None where nothing is rewritten."""
    hub = repository.hub
    began = repository.commit(base)
    sides = [repository.commit({**base, **side}, began) for side in (ours, theirs)]
    tree = hub.tree_of(repository.commit({**base, **ours, **theirs}))
    changed = changed_blobs(hub, began, *sides)
    findings = with_renames(hub, changed, [said]) if said else semantic_conflicts_of(hub, began, changed, tree)
    assert findings
    done = with_uses_renamed(hub, began, changed, tree, findings)
    if done is None:
        return None
    lines = {use.file: use.lines for rename in done.renames for use in rename.uses}
    return {path: (hub.file(done.tree, path) or b"").decode() for path in lines}, lines


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        pytest.param(
            "import lib\n\nA = 1\n\nx = lib.total([])\n",
            "import lib\n\nA = 1\n\nx = lib.summed([])\n",
            [5],
            id="member",
        ),
        pytest.param(
            "from lib import total\n\n\ndef f():\n    return total([total([1])])\n",
            "from lib import summed\n\n\ndef f():\n    return summed([summed([1])])\n",
            [1, 5],
            id="imported",
        ),
        pytest.param(
            "from lib import total as t\nimport lib\n\nx = lib.total([])\n",
            "from lib import summed as t\nimport lib\n\nx = lib.summed([])\n",
            [1, 4],
            id="by another name",
        ),
        pytest.param(
            'import lib\n\nA = 1\ntotal = lib.total([])  # total\nprint(total, "total", dict(total=1))\n',
            'import lib\n\nA = 1\ntotal = lib.summed([])  # total\nprint(total, "total", dict(total=1))\n',
            [4],
            id="a variable, a comment, a text and a keyword are something else",
        ),
        pytest.param(
            "import lib\nfrom lib import total\nx = lib.total([])\ny = total([])\n",
            "import lib\nfrom lib import summed\nx = lib.summed([])\ny = summed([])\n",
            [2, 3, 4],
            id="in both ways",
        ),
        pytest.param("from lib import total\n\ntotal = total([])\n", None, [], id="the name is bound anew"),
        pytest.param(
            "from lib import total\nfrom other import summed\n\nx = total([])\n", None, [], id="the new name is taken"
        ),
        pytest.param(
            "import lib\n\nA = 1\nx = lib.total([])\ny = cart.total\n",
            "import lib\n\nA = 1\nx = lib.summed([])\ny = cart.total\n",
            [4],
            id="a member of something else",
        ),
    ],
)
def test_of_python(repository: Repository, before: str, after: str | None, lines: list[int]) -> None:
    found = followed(repository, PYTHON, PYTHON_RENAMED, {"app.py": before})
    assert found == (({"app.py": after}, {"app.py": lines}) if after is not None else None)


def test_lines_that_the_using_side_has_not_written_stay(repository: Repository) -> None:
    base = {**PYTHON, "app.py": "import lib\n\n\ndef old(total):\n    return total\n"}
    found = followed(repository, base, PYTHON_RENAMED, {"app.py": base["app.py"] + "\n\nX = lib.total([])\n"})
    assert found is not None
    assert found[0]["app.py"] == base["app.py"] + "\n\nX = lib.summed([])\n"


def test_either_side_may_have_renamed(repository: Repository) -> None:
    found = followed(repository, PYTHON, {"app.py": "import lib\n\nA = lib.total([])\n"}, PYTHON_RENAMED)
    assert found == ({"app.py": "import lib\n\nA = lib.summed([])\n"}, {"app.py": [3]})


def test_several_files_and_several_names_follow(repository: Repository) -> None:
    base = {**PYTHON, "lib.py": f"def total{BODY}\n\ndef mean(items):\n    return max(items) - min(items)\n"}
    ours = {"lib.py": base["lib.py"].replace("total", "summed").replace("mean", "average")}
    theirs = {
        "app.py": "import lib\n\nA = lib.total([])\nB = lib.mean([])\n",
        "b.py": "from lib import mean\nmean([])\n",
    }
    found = followed(repository, base, ours, theirs)
    assert found is not None
    assert found[0] == {
        "app.py": "import lib\n\nA = lib.summed([])\nB = lib.average([])\n",
        "b.py": "from lib import average\naverage([])\n",
    }


SCRIPT = "(items) {\n  let found = 0;\n  for (const each of items) found += each;\n  return found;\n}\n"


@pytest.mark.parametrize("suffix", ["js", "ts"])
def test_of_scripts(repository: Repository, suffix: str) -> None:
    base = {f"lib.{suffix}": f"export function total{SCRIPT}", f"app.{suffix}": "export const a = 1;\n"}
    ours = {f"lib.{suffix}": f"export function summed{SCRIPT}"}
    use = "import { total } from './lib';\nexport const a = 1;\nconst b = { total };\nconst c = total([]);\n"
    found = followed(repository, base, ours, {f"app.{suffix}": use})
    assert found is not None
    assert found[0][f"app.{suffix}"] == use.replace("{ total };", "{ total: summed };").replace(
        "{ total }", "{ summed }"
    ).replace("total([", "summed([")


def test_of_names_that_are_required(repository: Repository) -> None:
    base = {"lib.js": f"function total{SCRIPT}module.exports = {{ total }};\n", "app.js": "const a = 1;\n"}
    use = "const { total } = require('./lib');\nconst a = total([]);\n"
    found = followed(repository, base, {"lib.js": base["lib.js"].replace("total", "summed")}, {"app.js": use})
    assert found == ({"app.js": use.replace("total", "summed")}, {"app.js": [1, 2]})


def test_a_parameter_in_braces_is_none_of_them(repository: Repository) -> None:
    base = {"lib.js": f"function total{SCRIPT}module.exports = {{ total }};\n", "app.js": "const a = 1;\n"}
    use = "const { total } = require('./lib');\nconst a = ({ total }) => total([]);\nconst b = total([]);\n"
    assert followed(repository, base, {"lib.js": base["lib.js"].replace("total", "summed")}, {"app.js": use}) is None


def test_of_go(repository: Repository) -> None:
    body = "(a int) int {\n\tif a > 1 {\n\t\treturn a\n\t}\n\treturn 1\n}\n"
    base = {"p/a.go": f"package p\n\nfunc Total{body}", "p/c.go": "package p\n"}
    use = "package p\n\n// Total\nfunc use() int { return Total(3) }\n"
    found = followed(repository, base, {"p/a.go": base["p/a.go"].replace("Total", "Sum")}, {"p/c.go": use})
    assert found == ({"p/c.go": use.replace("return Total", "return Sum")}, {"p/c.go": [4]})


FIELD = "class Order:\n    def __init__(self) -> None:\n        self.total = 1\n        print(self.total)\n"
SAID = Finding("total", "app.py", 2, "lib.py", 3, "no attribute", change="removed", checker="ty")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("\nx = order.total\n", "\nx = order.amount\n", id="the line that the checker names"),
        pytest.param("\nx = order.total\ny = other.total\n", None, id="one that it does not name"),
        pytest.param("\nx = Order(total=1)\n", "\nx = Order(amount=1)\n", id="a keyword"),
    ],
)
def test_of_a_field_only_what_the_checker_names_follows(repository: Repository, before: str, after: str | None) -> None:
    ours = {"lib.py": FIELD.replace("total", "amount")}
    found = followed(repository, {"lib.py": FIELD, "app.py": "\n"}, ours, {"app.py": before}, SAID)
    assert found == (({"app.py": after}, {"app.py": [2]}) if after is not None else None)


def test_what_was_removed_and_not_renamed_leaves_no_way(repository: Repository) -> None:
    ours = {"lib.py": "X = 1\n"}
    assert followed(repository, PYTHON, ours, {"app.py": "import lib\n\nA = lib.total([])\n"}) is None


def test_a_finding_in_a_file_that_its_side_has_not_changed_leaves_no_way(repository: Repository) -> None:
    said = replace(SAID, path="lib.py", line=2)
    ours = {"lib.py": FIELD.replace("total", "amount")}
    assert followed(repository, {"lib.py": FIELD, "app.py": "\n"}, ours, {"app.py": "x = 1\n"}, said) is None
