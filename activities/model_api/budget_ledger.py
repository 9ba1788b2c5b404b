"""Budget ledger of an execution: one file, shared by its agents and workers, over restarts.

Before a call its maximum cost is reserved; afterwards the actual cost replaces the reservation. Calls that do not fit
yet wait in a queue; what becomes free goes to the first.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from activities.system import file_lock
from activities.system.atomic_write import write_atomically
from activities.system.process_identity import CURRENT_PROCESS, Process, is_alive
from epw.core.plan.parts import Budget

_POLL_SECONDS = 0.1
_ROUNDING = 1e-9


class BudgetSpent(Exception):
    """The call could exceed the budget, even when all reservations come back."""


@dataclass
class _State:
    """Contents of the file."""

    tokens: int = 0
    cost: float = 0.0
    """US dollars."""
    reserved: dict[str, tuple[int, float, Process]] = field(default_factory=dict)
    """Tokens, dollars and process of each call in flight, by its key."""
    line: dict[str, Process] = field(default_factory=dict)
    """Processes of waiting calls by key, in the order in which they came."""


class BudgetLedger:
    """Reservations and expenses of one execution."""

    def __init__(self, path: Path, budget: Budget) -> None:
        self._path = path
        self._budget = budget

    async def reserve(self, key: str, tokens: int, cost: float) -> None:
        """Wait until a call that can use so much fits into the budget; raises `BudgetSpent` where it never will."""
        try:
            while not self._try(key, tokens, cost):  # noqa: ASYNC110 (other processes spend too)
                await asyncio.sleep(_POLL_SECONDS)
        except BaseException:
            with self._changing() as state:
                state.line.pop(key, None)
            raise

    def settle(self, key: str, tokens: int, cost: float) -> None:
        """Replace the reservation of a call by what it has used."""
        with self._changing() as state:
            state.reserved.pop(key, None)
            state.tokens += tokens
            state.cost += cost

    def spent(self) -> tuple[int, float]:
        """Tokens and dollars used so far."""
        with self._changing() as state:
            return state.tokens, state.cost

    def exceeded(self) -> str | None:
        """What is spent, in words, where nothing is left of the budget; else None."""
        tokens, cost = self.unspent()
        if (tokens is None or tokens > 0) and (cost is None or cost > _ROUNDING):
            return None
        with self._changing() as state:
            return self._spent(state)

    def unspent(self) -> tuple[int | None, float | None]:
        """Tokens and dollars that are left, reservations not subtracted; None where there is no limit."""
        tokens, cost = self.spent()
        max_tokens, max_cost = self._budget.max_tokens, self._budget.max_cost_usd
        return (
            None if max_tokens is None else max_tokens - tokens,
            None if max_cost is None else max_cost - cost,
        )

    def _try(self, key: str, tokens: int, cost: float) -> bool:
        with self._changing() as state:
            others = [each for name, each in state.reserved.items() if name != key]
            is_first = next(iter(state.line), key) == key
            fits = self._fits(state, tokens + sum(each[0] for each in others), cost + sum(each[1] for each in others))
            if is_first and fits:
                state.line.pop(key, None)
                state.reserved[key] = (tokens, cost, CURRENT_PROCESS)
                return True
            if not self._fits(state, tokens, cost):
                raise BudgetSpent(self._spent(state))
            state.line.setdefault(key, CURRENT_PROCESS)
            return False

    def _spent(self, state: _State) -> str:
        budget = self._budget
        limits = [f"${budget.max_cost_usd:g}"] if budget.max_cost_usd is not None else []
        limits += [f"{budget.max_tokens} tokens"] if budget.max_tokens is not None else []
        return f"{state.tokens} tokens and ${state.cost:.4f} of {' and '.join(limits)} are spent"

    def _fits(self, state: _State, tokens: int, cost: float) -> bool:
        budget = self._budget
        within_tokens = budget.max_tokens is None or state.tokens + tokens <= budget.max_tokens
        return within_tokens and (budget.max_cost_usd is None or state.cost + cost <= budget.max_cost_usd + _ROUNDING)

    @contextmanager
    def _changing(self) -> Iterator[_State]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file_lock.exclusive(self._path.with_suffix(".lock")):
            before = self._path.read_bytes() if self._path.is_file() else b"{}"
            state = _State(**json.loads(before))
            # A process that is gone may have spent its reservation: it counts as spent.
            for key, (tokens, cost, process) in list(state.reserved.items()):
                if not is_alive(process):
                    del state.reserved[key]
                    state.tokens += tokens
                    state.cost += cost
            state.line = {key: process for key, process in state.line.items() if is_alive(process)}
            yield state
            after = json.dumps(vars(state)).encode()
            if after != before:
                write_atomically(self._path, after)
