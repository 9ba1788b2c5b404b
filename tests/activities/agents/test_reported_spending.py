"""Tokens and dollars that a command reports of itself are in its row and in the sum, however late it tells them."""

from __future__ import annotations

from tests.support import Harness, status_of, tasks, until


def says(**progress: object) -> str:
    pairs = ", ".join(f'"{name}": {value}' for name, value in progress.items())
    return f"""echo '{{"progress": {{{pairs}}}}}' >> "$EPW_EVENTS"\n"""


async def test_what_a_command_reports_right_before_its_end_counts(harness: Harness) -> None:
    last = says(tokens=10, costUSD=0.25) + says(tokens=1200, costUSD=0.5)
    rows = tasks(
        {"id": "tells", "run": last},
        {"id": "fails", "run": f"{says(costUSD=0.125, tokens=1)}exit 1"},
        {"id": "nonsense", "run": says(costUSD=-3, tokens="1e400") + says(costUSD="true", tokens='"many"')},
        {"id": "silent", "run": "true"},
    )
    document = await harness.run({"strategy": "aggressive", "tasks": rows})
    usage = {row["taskId"]: row["usage"] for row in document["results"]}
    assert usage["tells"] == {"requests": 0, "inputTokens": 1200, "outputTokens": 0, "costUSD": 0.5}
    attempts = {row["taskId"]: row["attempts"] for row in document["results"]}
    assert attempts["fails"] > 1
    assert usage["fails"]["costUSD"] == 0.125 * attempts["fails"], "each attempt has cost as much"
    assert usage["nonsense"] == usage["silent"]
    assert document["metrics"]["costUSD"] == 0.5 + usage["fails"]["costUSD"]


async def test_it_counts_into_the_budget(harness: Harness) -> None:
    rows = tasks({"id": "tells", "run": says(tokens=5, costUSD=2)})
    document = await harness.run({"constraints": {"budget": {"maxCostUSD": 1}}, "tasks": rows})
    assert document["status"] == "succeeded", "what is spent is spent; nothing is left that would spend more"
    assert document["metrics"]["costUSD"] == 2


async def test_commands_that_spend_are_held_once_the_budget_is_spent(harness: Harness) -> None:
    rows = tasks(
        {"id": "a", "run": says(costUSD=0.6)},
        {"id": "b", "run": says(costUSD=0.6), "dependsOn": ["a"]},
        {"id": "c", "run": says(costUSD=0.6), "dependsOn": ["b"]},
    )
    plan = {"strategy": "aggressive", "constraints": {"budget": {"maxCostUSD": 1}}, "tasks": rows}
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda now: status_of(now)["c"] == "waiting")
        await handle.execute_update("answer", {"questionId": "q1", "text": "5"})
        document = await handle.result()
    assert document["status"] == "succeeded"
    assert [row["attempts"] for row in document["results"]] == [1, 1, 1]
    stopped = await harness.run({**plan, "onQuestion": {"wait": False}})
    assert [row["status"] for row in stopped["results"]] == ["succeeded", "succeeded", "failed"]
    assert stopped["results"][2]["error"]["type"] == "BudgetLimit"
    assert stopped["metrics"]["costUSD"] == 1.2
    assert "notEnforced" not in stopped["results"][0]


async def test_commands_that_spend_nothing_run_though_the_budget_is_spent(harness: Harness) -> None:
    rows = tasks({"id": "a", "run": "true"}, {"id": "b", "run": says(costUSD=2), "dependsOn": ["a"]})
    document = await harness.run({"constraints": {"budget": {"maxCostUSD": 1}}, "tasks": rows})
    assert [row.get("notEnforced") for row in document["results"]] == [["constraints.budget"], None]
