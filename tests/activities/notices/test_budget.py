"""A budget that is mostly spent is told of while the attempt that spends it still runs."""

from __future__ import annotations

from pathlib import Path

from tests.messages_api import Turn
from tests.scripted import Claude
from tests.support import tasks


async def test_it_is_told_before_the_attempt_has_ended(claude: Claude, tmp_path: Path) -> None:
    told = tmp_path / "told"
    waits = ("Bash", {"command": f"until test -e {told}; do sleep 0.05; done; touch {told}-seen"})
    claude.script({"a": [Turn(calls=[waits], input_tokens=850_000)]})
    plan = {
        "constraints": {"budget": {"maxTokens": 1_000_000}},
        "onQuestion": {"wait": False},
        "notify": [{"on": ["budget"], "command": f"cat > {told}-part; mv {told}-part {told}"}],
        "tasks": tasks({"id": "a"}),
    }
    document = await claude.run(plan)
    # Its next call did not fit.
    assert document["results"][0]["error"]["type"] == "BudgetLimit"
    assert Path(f"{told}-seen").exists()
    assert '"maxTokens": 1000000' in told.read_text()
