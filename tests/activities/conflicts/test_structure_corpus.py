"""Merges that git refuses although both sides are independent: resolved as a careful person would, or left alone."""

from __future__ import annotations

from typing import Any

import pytest

from activities.conflicts.structural.structural_merge import merged_by_structure
from activities.git.merge_file import merge_texts
from tests.corpus.structural import rows

# Of a list in YAML nobody knows whether its order has a meaning.
MISSED = frozenset({"yaml/matrix-entries"})


def merged(row: dict[str, Any], first: str, second: str) -> str | None:
    base, ours, theirs = (row[side].encode() for side in ("base", first, second))
    marked = merge_texts(base, ours, theirs)
    assert marked is not None
    found = merged_by_structure(row["path"], base, ours, theirs, marked)
    return found.decode() if found is not None else None


@pytest.mark.parametrize("order", [("ours", "theirs"), ("theirs", "ours")], ids="-".join)
@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in rows() if name not in MISSED])
def test_both_sides_are_kept_or_it_stays_a_conflict(row: dict[str, Any], order: tuple[str, str]) -> None:
    assert merged(row, *order) in (row["merged"] or [None])


@pytest.mark.parametrize("row", [pytest.param(row, id=name) for name, row in rows() if name in MISSED])
def test_what_is_missed_is_not_merged_wrongly(row: dict[str, Any]) -> None:
    assert merged(row, "ours", "theirs") in [None, *row["merged"]]
