"""What an execution may spend on models, kept in one file: shared by its agents, and by every restart.

A call is made only after what it can cost at most has been reserved; what it did cost is then put in its place. Who
cannot have their reservation yet stand in line: what comes back goes to the first.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from activities.state.execution_store import write_atomically
from activities.system.process_identity import CURRENT_PROCESS, Process, is_alive, locked
from epw.core.plan.model import Budget

_POLL_SECONDS = 0.1
_ROUNDING = 1e-9


class BudgetSpent(Exception):
    """Another call could exceed the budget, and nothing in flight could make room for it."""


@dataclass
class _State:
    tokens: int = 0
    cost: float = 0.0
    reserved: dict[str, tuple[int, float, Process]] = field(default_factory=dict)
    """By call: tokens, dollars, and the process that makes it (id, time of its start)."""
    line: dict[str, Process] = field(default_factory=dict)
    """Calls that wait, in order, and whose they are."""


class BudgetLedger:
    """The account of one execution."""

    def __init__(self, path: Path, budget: Budget) -> None:
        self._path = path
        self._budget = budget

    async def reserve(self, key: str, tokens: int, cost: float) -> None:
        """Wait until a call of at most so much fits; raises `BudgetSpent` where it never will."""
        try:
            while not self._try(key, tokens, cost):  # noqa: ASYNC110 (other processes spend too)
                await asyncio.sleep(_POLL_SECONDS)
        except BaseException:
            with self._changing() as state:
                state.line.pop(key, None)
            raise

    def settle(self, key: str, tokens: int, cost: float) -> None:
        """The call has ended and used so much."""
        with self._changing() as state:
            state.reserved.pop(key, None)
            state.tokens += tokens
            state.cost += cost

    def spent(self) -> tuple[int, float]:
        """Tokens and dollars so far."""
        with self._changing() as state:
            return state.tokens, state.cost

    def unspent(self) -> tuple[int | None, float | None]:
        """Tokens and dollars that are left, reserved ones among them; None where there is no limit."""
        tokens, cost = self.spent()
        most_tokens, most_cost = self._budget.max_tokens, self._budget.max_cost_usd
        return (
            None if most_tokens is None else most_tokens - tokens,
            None if most_cost is None else most_cost - cost,
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
                most = self._budget
                limits = [f"${most.max_cost_usd:g}"] if most.max_cost_usd is not None else []
                limits += [f"{most.max_tokens} tokens"] if most.max_tokens is not None else []
                raise BudgetSpent(f"{state.tokens} tokens and ${state.cost:.4f} of {' and '.join(limits)} are spent")
            state.line.setdefault(key, CURRENT_PROCESS)
            return False

    def _fits(self, state: _State, tokens: int, cost: float) -> bool:
        most = self._budget
        within_tokens = most.max_tokens is None or state.tokens + tokens <= most.max_tokens
        return within_tokens and (most.max_cost_usd is None or state.cost + cost <= most.max_cost_usd + _ROUNDING)

    @contextmanager
    def _changing(self) -> Iterator[_State]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with locked(self._path.with_suffix(".lock")):
            before = self._path.read_bytes() if self._path.is_file() else b"{}"
            state = _State(**json.loads(before))
            # A process that is gone may have spent what it had reserved: it counts as spent.
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
