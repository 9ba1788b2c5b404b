"""Budget ledger of an execution: one file, shared by its agents and workers, over restarts.

Before a call its maximum cost is reserved; afterwards the actual cost replaces the reservation. Calls that do not fit
yet wait in a queue; what becomes free goes to the first. A call that was sent and whose whole answer never came is in
doubt: it may have cost nothing, or as much as was reserved. The budget counts that as spent. What a task has used is
what this file says, wherever it is told, and those of other hosts in the folder `ledgers` beside it.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from activities.model_api.task_account import Reservation, TaskAccount
from activities.system import file_lock
from activities.system.atomic_write import write_atomically
from activities.system.process_identity import CURRENT_PROCESS, Process, is_alive
from epw.core.amounts import dollars
from epw.core.messages import Usage
from epw.core.plan.parts import Budget
from epw.core.report.spending import in_words, total
from epw.core.report.spending import model_usage as of_row

OTHERS = "ledgers"
"""Folder of the ledgers of other hosts, beside this one's."""
_POLL_SECONDS = 0.1
_ROUNDING = 1e-9


class BudgetSpent(Exception):
    """The call could exceed the budget, even when all reservations come back."""


@dataclass
class _State:
    """Contents of the file."""

    tokens: int = 0
    """With `cost`, what an earlier version has counted, of no task and what was in doubt included."""
    cost: float = 0.0
    """US dollars."""
    reserved: dict[str, Reservation] = field(default_factory=dict)
    """Calls in flight, by key."""
    line: dict[str, Process] = field(default_factory=dict)
    """Processes of waiting calls by key, in the order in which they came."""
    tasks: dict[str, TaskAccount] = field(default_factory=dict)
    """What each task has spent."""
    elsewhere: dict[str, TaskAccount] = field(default_factory=dict)
    """The same on other hosts, as far as they have told; not in the file."""

    @classmethod
    def of(cls, path: Path) -> _State:
        """What is known where the file is."""
        state = cls.read(path.read_bytes() if path.is_file() else b"{}")
        for other in path.with_name(OTHERS).glob("*.json"):
            for task_id, account in cls.read(other.read_bytes(), is_here=False).tasks.items():
                state.elsewhere[task_id] = account.plus(state.elsewhere.get(task_id))
        return state

    @classmethod
    def read(cls, content: bytes, *, is_here: bool = True) -> _State:
        """From the file's content; calls of processes that are gone are in doubt, unless they were not sent.

        `is_here`: whether its processes are of this host.
        """
        state = cls(**json.loads(content))
        state.tasks = {task_id: TaskAccount(**account) for task_id, account in state.tasks.items()}  # type: ignore[arg-type]
        state.reserved = {key: Reservation(*each) for key, each in state.reserved.items()}
        for key, each in list(state.reserved.items()):
            if is_here and not is_alive(each.process):
                del state.reserved[key]
                if each.is_sent:
                    state.account(each.task_id).lose(each.tokens, each.cost)
        state.line = {key: process for key, process in state.line.items() if is_alive(process)}
        return state

    def content(self) -> bytes:
        stored = {name: value for name, value in vars(self).items() if name != "elsewhere"}
        return json.dumps(stored | {"tasks": {key: asdict(each) for key, each in self.tasks.items()}}).encode()

    def account(self, task_id: str) -> TaskAccount:
        return self.tasks.setdefault(task_id, TaskAccount())

    @property
    def everywhere(self) -> dict[str, TaskAccount]:
        """What each task has spent on all hosts."""
        names = dict.fromkeys([*self.tasks, *self.elsewhere])
        return {name: self.tasks.get(name, TaskAccount()).plus(self.elsewhere.get(name)) for name in names}

    def usage(self, task_id: str) -> Usage:
        """What a task has used on all hosts."""
        return self.account(task_id).plus(self.elsewhere.get(task_id)).usage

    @property
    def most(self) -> tuple[int, float]:
        """Tokens and dollars, those in doubt counted as spent."""
        accounts = self.everywhere.values()
        tokens = sum(each.input_tokens + each.output_tokens + each.lost_tokens for each in accounts)
        return self.tokens + tokens, self.cost + sum(each.cost + each.lost_cost for each in accounts)


class BudgetLedger:
    """Reservations and expenses of one execution."""

    def __init__(self, path: Path, budget: Budget) -> None:
        self._path = path
        self._budget = budget

    @staticmethod
    def usages(path: Path) -> dict[str, Usage]:
        """What each task has used, as a ledger's file says; empty where there is none."""
        return {task_id: account.usage for task_id, account in _State.of(path).everywhere.items() if task_id}

    async def reserve(self, key: str, task_id: str, tokens: int, cost: float) -> None:
        """Wait until a call that can use so much fits into the budget; raises `BudgetSpent` where it never will."""
        try:
            while not self._try(key, task_id, tokens, cost):  # noqa: ASYNC110 (other processes spend too)
                await asyncio.sleep(_POLL_SECONDS)
        except BaseException:
            with self._changing() as state:
                state.line.pop(key, None)
            raise

    def sent(self, key: str) -> None:
        """Note that a call is about to be sent: from now on it may cost what is reserved."""
        with self._changing() as state:
            state.reserved[key] = state.reserved[key]._replace(is_sent=True)

    def release(self, key: str) -> None:
        """Take back the reservation of a call that was not sent, or that was refused: it costs nothing."""
        with self._changing() as state:
            state.reserved.pop(key, None)

    def settle(self, key: str, task_id: str, usage: Usage) -> Usage:
        """Replace the reservation of a call by what it has used; returns what its task has used in all."""
        with self._changing() as state:
            state.reserved.pop(key, None)
            state.account(task_id).add(usage)
            return state.usage(task_id)

    def add(self, task_id: str, usage: Usage, *, is_priced: bool) -> Usage:
        """Count what a program tells of; `is_priced`: whether it has told the cost of everything by now."""
        with self._changing() as state:
            account = state.account(task_id)
            account.add(usage)
            account.is_priced = is_priced
            return state.usage(task_id)

    def lose(self, key: str, task_id: str, known: Usage, tokens: int, cost: float) -> Usage:
        """Settle a call whose whole answer never came: `known` is paid, `tokens` and dollars beside it in doubt."""
        with self._changing() as state:
            state.reserved.pop(key, None)
            account = state.account(task_id)
            account.add(known)
            account.lose(tokens, cost)
            return state.usage(task_id)

    def usage(self, task_id: str) -> Usage:
        """What a task has used in all of its attempts."""
        with self._changing() as state:
            return state.usage(task_id)

    def spent(self) -> tuple[int, float]:
        """Tokens and dollars used so far, those in doubt included."""
        with self._changing() as state:
            return state.most

    def exceeded(self) -> str | None:
        """Amounts spent, in words, if nothing is left of the budget; else None."""
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

    def _try(self, key: str, task_id: str, tokens: int, cost: float) -> bool:
        with self._changing() as state:
            others = [each for name, each in state.reserved.items() if name != key]
            is_first = next(iter(state.line), key) == key
            all_tokens = tokens + sum(each.tokens for each in others)
            fits = self._fits(state, all_tokens, cost + sum(each.cost for each in others))
            if is_first and fits:
                state.line.pop(key, None)
                state.reserved[key] = Reservation(tokens, cost, CURRENT_PROCESS, task_id, is_sent=False)
                return True
            if not self._fits(state, tokens, cost):
                raise BudgetSpent(self._spent(state))
            state.line.setdefault(key, CURRENT_PROCESS)
            return False

    def _spent(self, state: _State) -> str:
        budget = self._budget
        limits = [dollars(budget.max_cost_usd)] if budget.max_cost_usd is not None else []
        limits += [f"{budget.max_tokens} tokens"] if budget.max_tokens is not None else []
        accounts = state.everywhere.values()
        rows = [of_row(account.usage) for account in accounts]
        tokens = state.tokens + sum(row["inputTokens"] + row["outputTokens"] for row in rows)
        cost = state.cost + sum(account.cost for account in accounts)
        spent = f"{tokens} tokens and {dollars(cost)} of {' and '.join(limits)} are spent"
        doubt = total(rows).get("inDoubt")
        return f"{spent}, and {in_words(doubt)}" if doubt else spent

    def _fits(self, state: _State, tokens: int, cost: float) -> bool:
        budget = self._budget
        spent_tokens, spent_cost = state.most
        within_tokens = budget.max_tokens is None or spent_tokens + tokens <= budget.max_tokens
        return within_tokens and (budget.max_cost_usd is None or spent_cost + cost <= budget.max_cost_usd + _ROUNDING)

    @contextmanager
    def _changing(self) -> Iterator[_State]:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with file_lock.exclusive(self._path.with_suffix(".lock")):
            before = self._path.read_bytes() if self._path.is_file() else b"{}"
            state = _State.of(self._path)
            yield state
            after = state.content()
            if after != before:
                write_atomically(self._path, after)
