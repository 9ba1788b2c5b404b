"""Large plans are sent compressed, and read as they were."""

from __future__ import annotations

import random
from typing import Any

import pytest

from epw.core.errors import InvalidPlan
from epw.core.plan.packed import MAX_MESSAGE_BYTES, packed, unpacked
from epw.core.plan.validate import read_plan


def plan(count: int, *, length: int = 4000, noise: bool = False) -> dict[str, Any]:
    chance = random.Random(1)
    words = [f"{chance.randbytes(length // 2).hex() if noise else 'word ' * (length // 5)}{n}" for n in range(count)]
    return {"tasks": [{"id": f"t{n}", "description": each, "run": "true"} for n, each in enumerate(words)]}


def test_only_a_large_plan_is_packed_and_is_read_as_it_was() -> None:
    small, large = plan(3), plan(2000)
    assert packed(small) is small
    sent = packed(large)
    assert len(str(sent)) < MAX_MESSAGE_BYTES < len(str(large))
    assert unpacked(sent) == large
    assert read_plan(sent) == read_plan(large)


def test_what_is_too_large_though_packed_is_refused_with_both_sizes() -> None:
    with pytest.raises(InvalidPlan, match=r"has 16\d{6} bytes, 12\d{6} as it is sent; 1500000 are allowed"):
        read_plan(plan(2000, length=8000, noise=True))


@pytest.mark.parametrize("text", ["", "no base64!", "AAAA", None, 7, ["x"]])
def test_what_is_no_packed_plan_is_told(text: Any) -> None:
    with pytest.raises(InvalidPlan, match="packedPlan"):
        read_plan({"packedPlan": text})
