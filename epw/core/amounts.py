"""Amounts in sentences: how many, which of many, and dollars."""

from __future__ import annotations

from collections.abc import Iterable


def count(number: int, one: str, several: str = "") -> str:
    """`1 task`, `1,204 tasks`."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def few(names: Iterable[str], most: int = 5) -> str:
    """The first names, and how many there are besides."""
    known = list(names)
    more = f" and {len(known) - most} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more


def dollars(amount: float) -> str:
    """`$1.23`, below a dollar with four digits."""
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"
