"""Path patterns, against what they cover."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import product

import pytest

from epw.core.globs import literal_prefix, matches, may_overlap


@pytest.mark.parametrize(
    ("pattern", "path", "covered"),
    [
        ("src/a.py", "src/a.py", True),
        ("./src//a.py", "src/a.py", True),
        ("src", "src/deep/a.py", True),
        ("src/*", "src/deep/a.py", False),
        ("src/*.py", "src/a.py", True),
        ("**/*.py", "a.py", True),
        ("**/*.py", "x/y/a.py", True),
        ("src/**", "src/x/y", True),
        ("src/**", "source/x", False),
        ("a?c", "abc", True),
        ("a[bc]d", "abd", True),
        ("a*", "b", False),
        ("x", "x*y", False),
        ("x[*]y", "x*y", True),
        ("x[*]y", "xzy", False),
        ("x[*]*", "x*y", True),
        ("x[*]*", "xyz", False),
        ("x[?]*", "x?y", True),
        ("x[?]*", "xyz", False),
        ("x[y]", "xy", True),
        ("x[y]", "xx", False),
        ("x[y]*", "xyz", True),
    ],
)
def test_matches(pattern: str, path: str, covered: bool) -> None:
    assert matches(pattern, path) is covered


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    """Forget cached results: code changes between runs under a mutation tool."""
    may_overlap.cache_clear()


@pytest.mark.parametrize(
    ("left", "right", "overlap"),
    [
        ("src/a.py", "src/b.py", False),
        ("src/**", "src/a/b.py", True),
        ("*.py", "a*", True),
        ("*.py", "*.js", False),
        ("**/test_*.py", "src/*_x.py", True),
        ("docs", "docs/index.md", True),
        ("a/*/c", "a/b/*", True),
        ("a/*/c", "a/b/d", False),
    ],
)
def test_may_overlap_either_way_round(left: str, right: str, overlap: bool) -> None:
    assert may_overlap(left, right) is overlap
    assert may_overlap(right, left) is overlap


_PARTS = ("a", "b", "ab", "*", "?", "a*", "*b", "[ab]", "[*]", "**")
_SEGMENTS = ("a", "b", "ab", "ba", "*", "aab")


@pytest.mark.parametrize("length", [1, 2, 3])
def test_patterns_overlap_where_some_path_is_covered_by_both(length: int) -> None:
    """All of a few parts, against all paths of a few segments."""
    paths = ["/".join(path) for size in range(1, length + 3) for path in product(_SEGMENTS[:4], repeat=size)]
    parts = _PARTS if length < 3 else ("a", "*", "**", "b*")
    patterns = ["/".join(pattern) for pattern in product(parts, repeat=length)]
    patterns = patterns[:: 1 if length == 1 else 3]
    covered = {pattern: {path for path in paths if matches(pattern, path)} for pattern in patterns}
    for left, right in product(patterns, repeat=2):
        if covered[left] & covered[right]:
            assert may_overlap(left, right), (left, right)
        elif "[" not in left + right:
            # Of these few letters every overlap has an instance here.
            assert not may_overlap(left, right), (left, right)


@pytest.mark.parametrize("pattern", ["a", "ab", "*", "?", "a*", "*b", "a?", "*a*", "??", "a*b"])
def test_a_segment_s_pattern_covers_what_a_shell_s_would(pattern: str) -> None:
    for segment in (*_SEGMENTS, "a.b", "\n", "a\nb"):
        assert matches(f"{pattern}/end", f"{segment}/end") is fnmatchcase(segment, pattern), segment


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [("a/b", ("a", "b")), ("a/*/b", ("a",)), ("./a//b?", ("a",)), ("[a]/b", ()), ("a/b[c]", ("a",))],
)
def test_the_literal_prefix_ends_before_the_first_wildcard(pattern: str, prefix: tuple[str, ...]) -> None:
    assert literal_prefix(pattern) == prefix


def test_many_wildcards_take_no_longer_than_their_number_times_the_length() -> None:
    assert not matches("*a" * 30, "a" * 60 + "b")
    assert not may_overlap("*a" * 30, "*b" * 30 + "c")
    assert not matches("**/a/" * 30 + "?", "a/" * 60 + "bc")
