"""`merge-check` judges two commits; the repository is only read."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests import forked
from tests.command_line import Cli
from tests.corpus import Case, cases, repository
from tests.support import fingerprint, sh


@pytest.fixture
def cli(tmp_path: Path, temporal_binary: str) -> Cli:
    return Cli(tmp_path / "home", temporal_binary)


def case(name: str) -> Case:
    return next(each for each in cases() if str(each) == name)


def test_a_merge_that_breaks_is_a_conflict_with_its_place(cli: Cli, tmp_path: Path) -> None:
    place = repository(case("python/dataclass-field-renamed-new-reader"), tmp_path / "work")
    before = fingerprint(place)
    document = cli.json("merge-check", str(place), "ours", "theirs", code=1)
    assert document["verdict"] == "conflict"
    assert document["tree"] == subprocess.run(
        ["git", "merge-tree", "--write-tree", "ours", "theirs"], cwd=place, capture_output=True, text=True, check=True
    ).stdout.strip()  # fmt: skip
    conflict = next(each for each in document["conflicts"] if "checker" in each)
    assert (conflict["kind"], conflict["checker"]) == ("semantic", "ty")
    assert "(renamed to amount_due at reports.py:5 by ours, used by theirs)" in conflict["description"]
    assert (conflict["symbol"], conflict["use"]["line"], conflict["use"]["side"]) == ("total", 13, "theirs")
    assert (conflict["definition"]["change"], conflict["definition"]["newName"]) == ("renamed", "amount_due")
    assert conflict["alsoSaidBy"] == ["pyrefly"]
    assert [each["new"] for each in document["checks"]] == [1, 1]
    assert {each["name"] for each in document["checks"]} == {"ty", "pyrefly"}
    assert fingerprint(place) == before


def test_what_was_said_of_a_tree_is_not_asked_again(cli: Cli, tmp_path: Path) -> None:
    place = repository(case("python/dataclass-field-renamed-new-reader"), tmp_path / "work")
    found = [cli.json("merge-check", str(place), "ours", "theirs", code=1) for _ in range(2)]
    assert [each["treesRead"] for each in found[0]["checks"]] == [3, 3]
    assert [each["treesRead"] for each in found[1]["checks"]] == [0, 0]
    assert found[0]["conflicts"] == found[1]["conflicts"]


def test_a_right_merge_is_clean_and_names_of_checkers_are_chosen(cli: Cli, tmp_path: Path) -> None:
    place = repository(case("python/moved-with-reexport-kept"), tmp_path / "work")
    done = cli("merge-check", str(place), "ours", "theirs", "--checks", "ty")
    assert done.stdout.splitlines()[-1].startswith("clean · ")
    assert "pyrefly" not in done.stdout
    assert cli.json("merge-check", str(place), "ours", "theirs", "--checks", "off")["checks"] == []
    cli("merge-check", str(place), "ours", "theirs", "--checks", "tyy", code=2)


def test_what_git_does_not_merge_is_told_or_merged_by_structure(cli: Cli, tmp_path: Path) -> None:
    base = "from lib import a\n"
    sides = "from lib import a, b\n", "from lib import a, c\n"
    names = Case("python", "imports", False, "", {"x.py": base}, {"x.py": sides[0]}, {"x.py": sides[1]}, "true")
    place = repository(names, tmp_path / "names")
    document = cli.json("merge-check", str(place), "ours", "theirs", "--checks", "off")
    assert (document["verdict"], document["resolvedByStructure"]) == ("clean", ["x.py"])
    lines = Case("text", "lines", True, "", {"x": "1\n"}, {"x": "2\n"}, {"x": "3\n"}, "true")
    place = repository(lines, tmp_path / "lines")
    document = cli.json("merge-check", str(place), "ours", "theirs", code=1)
    assert (document["tree"], document["conflicts"][0]["kind"]) == (None, "lines")


def test_wrong_input_is_told(cli: Cli, tmp_path: Path) -> None:
    place = repository(case("python/moved-with-reexport-kept"), tmp_path / "work")
    assert "names no commit" in cli("merge-check", str(place), "ours", "nobody", code=2).stderr
    assert "takes two commits" in cli("merge-check", "ours", code=2).stderr
    cli("merge-check", str(tmp_path / "no"), "ours", "theirs", code=2)


@pytest.mark.parametrize("name", ["javascript/one-route-on-both-sides", "javascript/event-renamed-new-listener"])
def test_no_checker_overrules_what_it_does_not_know(cli: Cli, tmp_path: Path, name: str) -> None:
    place = repository(case(name), tmp_path / "work")
    document = cli.json("merge-check", str(place), "ours", "theirs", code=1)
    assert [each["kind"] for each in document["conflicts"]] == ["semantic"]


def test_projects_side_by_side_are_judged_as_each_alone(cli: Cli, tmp_path: Path) -> None:
    """Modules of equal names in several folders neither hide a conflict nor cause one."""
    names = ("dataclass-field-renamed-new-reader", "moved-with-reexport-kept", "parameter-made-keyword-only")
    found = [case(f"python/{name}") for name in names]
    settings = {f"{each.name}/pyproject.toml": "[project]\nname = 'x'\nversion = '1'\n" for each in found}

    def together(side: str) -> dict[str, str | None]:
        return {f"{each.name}/{path}": text for each in found for path, text in getattr(each, side).items()}

    whole = Case(
        "python", "all", True, "", {**settings, **together("base")}, together("ours"), together("theirs"), "true"
    )
    place = repository(whole, tmp_path / "work")
    document = cli.json("merge-check", str(place), "ours", "theirs", code=1)
    blamed = {path.split("/")[0] for each in document["conflicts"] for path in each["paths"]}
    assert blamed == {each.name for each in found if each.broken}


def test_in_a_large_tree_a_checker_looks_at_what_the_changes_concern(cli: Cli, tmp_path: Path) -> None:
    found = case("python/dataclass-field-renamed-new-reader")
    # With an error that nobody looks at, since nothing there has to do with the changes.
    filler = {f"other/m{number}.py": "x: int = 'no number'\n" for number in range(1001)}
    whole = replace(found, base={**filler, **found.base})
    place = repository(whole, tmp_path / "work")
    document = cli.json("merge-check", str(place), "ours", "theirs", "--checks", "ty", code=1)
    assert ["total" in each["description"] for each in document["conflicts"]] == [True] * len(document["conflicts"])
    (said,) = (tmp_path / "home/checks").glob("*/results")
    assert all(len(path.read_bytes()) < 10_000 for path in said.iterdir())
    # The second time, its directory is there.
    assert cli.json("merge-check", str(place), "theirs", "ours", "--checks", "ty", code=1)["conflicts"]


def test_it_judges_the_repository_in_which_it_is_called(cli: Cli, tmp_path: Path) -> None:
    place = repository(case("python/moved-with-reexport-kept"), tmp_path / "work")
    argv = [*forked.program(), "merge-check", "ours", "theirs", "--checks", "off"]
    done = subprocess.run(argv, cwd=place, env=cli.env, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.split(" · ")[0]) == (0, "clean"), done.stderr


def test_what_git_cannot_do_is_no_verdict(cli: Cli, tmp_path: Path) -> None:
    place = repository(case("python/moved-with-reexport-kept"), tmp_path / "work")
    for path in (place / ".git/objects").glob("[0-9a-f][0-9a-f]/*"):
        path.chmod(0o600)
        path.write_bytes(b"damaged")
    assert cli("merge-check", str(place), "ours", "theirs", code=None).returncode in (2, 3)


def test_a_rename_is_told_and_applied_where_that_is_asked_for(cli: Cli, tmp_path: Path) -> None:
    place = repository(case("python/dataclass-field-renamed-new-reader"), tmp_path / "work")
    document = cli.json("merge-check", str(place), "ours", "theirs", "--checks", "ty", code=1)
    rename = {"symbol": "total", "newName": "amount_due", "file": "models.py", "side": "ours"}
    uses = [{"file": "reports.py", "lines": [13]}]
    assert document["renames"] == [{**rename, "uses": uses, "applied": False}]
    assert {each["resolvedBy"] for each in document["conflicts"]} == {"apply-rename"}
    asked = "merge-check", str(place), "ours", "theirs", "--checks", "ty", "--apply-rename"
    applied = cli.json(*asked)
    assert (applied["verdict"], applied["conflicts"]) == ("clean", [])
    assert applied["renames"] == [{**rename, "uses": uses, "applied": True}]
    assert applied["tree"] != document["tree"]
    sh(place, "git", "switch", "--quiet", "ours")
    sh(place, "sh", "-c", *applied["finishWith"])
    assert sh(place, "git", "rev-parse", "HEAD^{tree}", "HEAD^1", "HEAD^2").split() == [
        applied["tree"],
        *sh(place, "git", "rev-parse", "HEAD~1", "theirs").split(),
    ]
    sh(place, "git", "reset", "--quiet", "--hard", "HEAD^1")
    (checked,) = applied["checks"]
    assert (checked["name"], checked["new"]) == ("ty", 0)
    assert "renamed: total → amount_due in reports.py:13" in cli(*asked).stdout
    assert "possible by --apply-rename" in cli(*asked[:-1], code=1).stdout


def test_a_rename_that_a_checker_refuses_stays_a_conflict(cli: Cli, tmp_path: Path) -> None:
    body = "(items: list[int]) -> {}:\n    found = 0\n    for each in items:\n        found += each\n"
    end = "    print(found, found)\n    print(found, found, found)\n    return {}\n"
    before, after = (
        f"def {name}{(body + end).format(*more)}"
        for name, *more in (("total", "int", "found"), ("summed", "str", "str(found)"))
    )
    base: dict[str, str | None] = {"lib.py": before, "app.py": "import lib\n"}
    use = {"app.py": "import lib\n\nX: int = lib.total([])\n"}
    place = repository(Case("python", "x", True, "", base, {"lib.py": after}, {**use}, "true"), tmp_path / "work")
    document = cli.json("merge-check", str(place), "ours", "theirs", "--checks", "ty", "--apply-rename", code=1)
    assert (document["verdict"], document["renames"]) == ("conflict", [])
    assert "apply-rename" in [each.get("refuses") for each in document["conflicts"]]
    assert "total" in [each["symbol"] for each in document["conflicts"]]
