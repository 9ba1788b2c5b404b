"""File leases: all of a task's files or none, never two tasks on one path."""

from __future__ import annotations

import pytest

from epw.core.globs import may_overlap
from epw.core.schedule.leases import Leases


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    """Forget cached results: code changes between runs under a mutation tool."""
    may_overlap.cache_clear()


_PATTERNS = (
    *("src", "src/**", "src/*", "src/a.py", "src/*.py", "src/sub", "src/sub/b.py", "src/sub/*.py", "./src//a.py"),
    *("**", "*", "*.md", "**/*.py", "**/b.py", "s*/a.py", "doc/x.md", "doc/?.md", "doc/[ab].md", "doc"),
)


@pytest.mark.parametrize("held", _PATTERNS)
def test_a_lease_is_refused_exactly_while_another_task_has_a_file_that_may_be_the_same(held: str) -> None:
    for wanted in _PATTERNS:
        leases = Leases({"first": [held], "second": [wanted]})
        assert leases.grant("first")
        assert leases.grant("second") is not may_overlap(held, wanted), wanted
        assert leases.release("first")
        assert leases.grant("second"), wanted


def test_of_many_tasks_each_is_refused_for_the_sake_of_any_that_holds_its_files() -> None:
    """As many as can be are held, from several first ones on; then each goes, the last one first."""
    for shift in range(len(_PATTERNS)):
        files = {pattern: [pattern] for pattern in _PATTERNS}
        leases, held = Leases(files), list[str]()
        for pattern in (*_PATTERNS[shift:], *_PATTERNS[:shift]):
            is_free = not any(may_overlap(pattern, other) for other in held)
            assert leases.grant(pattern) is is_free, (pattern, held)
            held += [pattern] if is_free else []
        while held:
            assert leases.release(held.pop())
            for pattern in set(_PATTERNS) - set(held):
                is_free = not any(may_overlap(pattern, other) for other in held)
                assert leases.grant(pattern) is is_free, (pattern, held)
                assert leases.release(pattern) is is_free


def test_a_task_gets_all_of_its_files_or_none() -> None:
    leases = Leases({"one": ["b"], "both": ["a", "b", "c"], "others": ["a", "c"]})
    assert leases.grant("one")
    assert not leases.grant("both")
    assert leases.grant("others"), "nothing is kept from a refused grant"
    assert leases.release("one")
    assert not leases.grant("both")
    assert leases.release("others")
    assert leases.grant("both")
    assert [leases.grant(task) for task in ("one", "others")] == [False, False]


def test_a_task_s_own_files_are_not_in_its_way() -> None:
    leases = Leases({"a": ["src/**", "src/x.py", "src/x.py"], "b": ["src/x.py"]})
    assert leases.grant("a")
    assert leases.grant("a"), "of another attempt that has them already"
    assert not leases.grant("b")
    assert leases.release("a")
    assert leases.grant("b")


def test_a_task_that_declares_nothing_needs_no_lease_and_has_none_to_give_back() -> None:
    leases = Leases({"all": ["**"], "none": []})
    assert leases.grant("all")
    for task in ("none", "unknown"):
        assert leases.grant(task)
        assert not leases.release(task)
    assert not leases.release("never granted")


def test_a_lease_is_given_back_once() -> None:
    leases = Leases({"a": ["x"], "b": ["x"]})
    assert not leases.release("a"), "not granted yet"
    assert leases.grant("a")
    assert not leases.grant("b")
    assert not leases.release("b"), "what was refused"
    assert leases.release("a")
    assert not leases.release("a")
    assert leases.grant("b")


@pytest.mark.parametrize("beside", ["src/a/y", "src/a", "src/*/y", "**/y"])
def test_what_one_gives_back_another_still_holds(beside: str) -> None:
    leases = Leases({"a": ["src/a/x"], "b": [beside], "c": ["src/a/y"], "d": ["src/a/x"]})
    assert leases.grant("b")
    had = leases.grant("a")
    assert leases.release("a") is had
    assert not leases.grant("c"), "b is there"
    assert leases.release("b")
    assert leases.grant("c")
    assert leases.grant("d")


def test_files_that_turn_out_to_be_needed_belong_to_the_next_grant() -> None:
    leases = Leases({"a": ["x"], "b": ["y"], "c": ["z"]})
    leases.add("a", ["y"])
    assert leases.grant("b")
    assert not leases.grant("a")
    assert leases.release("b")
    assert leases.grant("a")
    assert [leases.grant(task) for task in "bc"] == [False, True]
    assert leases.release("a")
    assert leases.grant("b")


def test_files_can_be_added_to_a_task_that_declared_none() -> None:
    leases = Leases({"a": ["x"]})
    leases.add("b", ["x", "y"])
    assert leases.grant("b")
    assert not leases.grant("a")
    assert leases.release("b")
    assert leases.grant("a")


@pytest.mark.parametrize(
    ("path", "pattern_of_it", "other"),
    [("a*", "a[*]", "ab"), ("a?", "a[?]", "ab"), ("[ab]", "[[]ab]", "a"), ("dir*/f", "dir[*]/f", "dirs/f")],
)
def test_added_paths_are_taken_by_the_letter(path: str, pattern_of_it: str, other: str) -> None:
    leases = Leases({"same": [pattern_of_it], "other": [other]})
    leases.add("a", [path])
    assert leases.grant("a")
    assert leases.grant("other")
    assert not leases.grant("same")


def test_the_files_that_were_given_stay_as_they_were() -> None:
    files = {"a": ["x"]}
    Leases(files).add("a", ["y"])
    assert files == {"a": ["x"]}
