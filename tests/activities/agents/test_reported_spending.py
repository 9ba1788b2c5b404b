"""Tokens and dollars that a command reports of itself are in its row and in the sum, however late it tells them."""

from __future__ import annotations

from tests.support import Harness, tasks


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
