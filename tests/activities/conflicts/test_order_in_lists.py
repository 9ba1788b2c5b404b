"""What both sides add to a list is joined only where its order has no meaning."""

from __future__ import annotations

import pytest

from activities.conflicts.structural.structural_merge import merged_by_structure
from activities.git.merge_file import merge_texts


def settled(path: str, base: str, ours: str, theirs: str) -> str | None:
    before, mine, yours = base.encode(), ours.encode(), theirs.encode()
    marked = merge_texts(before, mine, yours)
    assert marked is not None
    found = merged_by_structure(path, before, mine, yours, marked)
    return found.decode() if found is not None else None


def items(key: str, *values: str) -> str:
    return f"{key}:\n" + "".join(f"  - {value}\n" for value in values)


@pytest.mark.parametrize("key", ["steps", "script", "tasks", "args", "rules", "initContainers", "unknown"])
def test_items_that_run_one_after_the_other_stay_a_conflict(key: str) -> None:
    for path in ("ci.yml", ".github/workflows/a.yaml"):
        assert settled(path, items(key, "a"), items(key, "a", "mine"), items(key, "a", "theirs")) is None


@pytest.mark.parametrize("key", ["branches", "depends_on", "labels", "ports", "dependencies"])
def test_items_of_a_set_are_joined(key: str) -> None:
    found = settled("a.yml", items(key, "a"), items(key, "a", "mine"), items(key, "a", "theirs"))
    assert found == items(key, "a", "mine", "theirs")


def test_a_pattern_that_takes_something_out_again_keeps_its_place() -> None:
    key = "paths"
    assert settled("a.yml", items(key, "a"), items(key, "a", "'!b'"), items(key, "a", "'*.md'")) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "merged"),
    [
        ("*.log\n", "*.tmp\n", "a\n*.log\n*.tmp\n"),
        ("!keep.log\n", "*.log\n", None),
        ("*.log\n", "!docs/\n", None),
        ("!x\n", "!y\n", "a\n!x\n!y\n"),
        ("# mine\n!x\n", "# theirs\n", "a\n# mine\n!x\n# theirs\n"),
        ("!x\nmine\n", "!x\ntheirs\n", "a\n!x\nmine\ntheirs\n"),
    ],
)
@pytest.mark.parametrize("name", [".gitignore", ".dockerignore"])
def test_of_patterns_the_last_one_that_fits_wins(name: str, ours: str, theirs: str, merged: str | None) -> None:
    found = settled(name, "a\n", f"a\n{ours}", f"a\n{theirs}")
    assert found == merged
