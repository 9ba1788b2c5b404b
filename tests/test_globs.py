"""Path patterns, against what they cover."""

from __future__ import annotations

import pytest

from workflows.globs import matches, may_overlap


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
    ],
)
def test_matches(pattern: str, path: str, covered: bool) -> None:
    assert matches(pattern, path) is covered


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
