"""Patterns that may overlap: found by an index as by pairs."""

from __future__ import annotations

from epw.core.globs import may_overlap
from epw.core.schedule.pattern_index import PatternIndex
from epw.core.schedule.write_sets import WriteSets

_PATTERNS = (
    *("src", "src/**", "src/*", "src/a.py", "src/*.py", "src/sub/b.py", "./src//a.py", "**", "*", "**/b.py", "s*/a.py"),
    *("doc/?.md", "doc/[ab].md", "doc/[*].md", "doc", "src/ab*", "src/a*", "src/abc", "sr", "srcx/a.py", "."),
)


def test_patterns_that_may_overlap_are_found_without_comparing_all_pairs() -> None:
    writes = WriteSets({str(index): [pattern] for index, pattern in enumerate(_PATTERNS)})
    for one in _PATTERNS:
        assert writes.rivals[one] == {other for other in _PATTERNS if may_overlap(one, other)}, one


def test_patterns_far_from_one_another_are_not_compared() -> None:
    may_overlap.cache_clear()
    WriteSets({str(n): [f"src/m{n}/**", f"test_{n:04}_*.py", "package.json"] for n in range(2000)})
    assert may_overlap.cache_info().misses < 20


def test_an_index_finds_what_is_in_it_and_nothing_else() -> None:
    index = PatternIndex[int]()
    for key, pattern in enumerate(_PATTERNS):
        index.add(key, pattern)
    kept = dict(enumerate(_PATTERNS))
    for gone in (None, *range(0, len(_PATTERNS), 2)):
        if gone is not None:
            index.remove(gone, kept.pop(gone))
            index.remove(gone, "src")
        for one in _PATTERNS:
            expected = [(key, other) for key, other in kept.items() if may_overlap(one, other)]
            assert sorted(index.overlapping(one)) == expected, one
