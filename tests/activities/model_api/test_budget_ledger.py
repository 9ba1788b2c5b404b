"""The budget ledger: what is known, what is in doubt, and what costs nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from activities.model_api.budget_ledger import OTHERS, BudgetLedger, BudgetSpent
from epw.core.messages import InDoubt, Usage
from epw.core.plan.parts import Budget
from tests.command_line import ROOT

DYING = """
import asyncio, os, sys
from pathlib import Path
from activities.model_api.budget_ledger import BudgetLedger
from epw.core.messages import Usage
from epw.core.plan.parts import Budget

async def main():
    ledger = BudgetLedger(Path(sys.argv[1]), Budget())
    for key, task in (("answered", "a"), ("sent", "a"), ("waiting", "a"), ("other", "b")):
        await ledger.reserve(key, task, 1000, 0.1)
    for key in ("answered", "sent", "other"):
        ledger.sent(key)
    ledger.settle("answered", "a", Usage(requests=1, input_tokens=10, output_tokens=5, cost_usd=0.02))
    os._exit(9)

asyncio.run(main())
"""


@pytest.fixture
def left_behind(tmp_path: Path) -> Path:
    """The ledger of a process that died with calls in flight."""
    path = tmp_path / "ledger.json"
    assert subprocess.run([sys.executable, "-c", DYING, str(path)], cwd=ROOT, check=False).returncode == 9
    return path


def test_of_a_dead_process_what_was_sent_is_in_doubt_and_what_waited_costs_nothing(left_behind: Path) -> None:
    before = left_behind.read_bytes()
    usages = BudgetLedger.usages(left_behind)
    doubt = InDoubt(calls=1, tokens=1000, cost_usd=0.1)
    known = Usage(requests=1, input_tokens=10, output_tokens=5, cost_usd=0.02)
    assert usages == {"a": known.model_copy(update={"in_doubt": doubt}), "b": Usage(cost_usd=0, in_doubt=doubt)}
    assert left_behind.read_bytes() == before
    assert BudgetLedger(left_behind, Budget()).usage("a") == usages["a"]
    assert BudgetLedger.usages(left_behind) == usages


async def test_the_budget_counts_what_is_in_doubt_as_spent_and_says_so(left_behind: Path) -> None:
    ledger = BudgetLedger(left_behind, Budget(max_cost_usd=0.25))
    await ledger.reserve("fits", "a", 1, 0.03)
    ledger.release("fits")
    with pytest.raises(BudgetSpent) as spent:
        await ledger.reserve("more", "a", 1, 0.04)
    doubt = "up to $0.2000 in doubt: 2 calls whose answer never came"
    assert str(spent.value) == f"15 tokens and $0.0200 of $0.2500 are spent, and {doubt}"


def test_a_ledger_of_an_earlier_version_is_gone_on_with(tmp_path: Path) -> None:
    path = tmp_path / "ledger.json"
    old = {"tokens": 7, "cost": 0.5, "reserved": {"key": [100, 0.25, [1, 0.0]]}, "line": {}}
    path.write_text(json.dumps(old))
    ledger = BudgetLedger(path, Budget(max_cost_usd=0.7))
    assert ledger.spent() == (107, 0.75)
    assert "7 tokens and $0.5000 of $0.7000 are spent" in (ledger.exceeded() or "")


async def test_what_other_hosts_have_spent_counts_too(tmp_path: Path) -> None:
    used = Usage(requests=1, input_tokens=10, output_tokens=5, cost_usd=0.2)
    there, here = tmp_path / "there.json", tmp_path / "ledger.json"
    await BudgetLedger(there, Budget()).reserve("call", "a", 1000, 0.1)
    assert BudgetLedger(there, Budget()).settle("call", "a", used) == used
    (tmp_path / OTHERS).mkdir()
    there.rename(tmp_path / OTHERS / "there.json")
    ledger = BudgetLedger(here, Budget(max_cost_usd=0.5))
    both = Usage(requests=2, input_tokens=20, output_tokens=10, cost_usd=0.4)
    assert ledger.add("a", used, is_priced=True) == ledger.usage("a") == BudgetLedger.usages(here)["a"] == both
    assert "there" not in here.read_text()
    with pytest.raises(BudgetSpent, match=r"30 tokens and \$0.4000 of \$0.5000 are spent"):
        await ledger.reserve("more", "a", 1, 0.2)
