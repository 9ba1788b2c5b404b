"""Hazards: a task that read what a concurrent one wrote is named, with the missing edge; nothing is held up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.messages_api import Turn
from tests.scripted import MODEL_AGENTS, Claude
from tests.support import Harness, make_repository, tasks

WRITES = {"id": "writes", "agent": "command", "run": "echo 2 > config"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "shop", {"config": "1\n", "docs/a": "1\n", "report": ""})


def check(document: dict[str, Any]) -> None:
    assert document["status"] == "succeeded"
    (hazard,) = document["conflicts"]
    assert (hazard["type"], hazard["kind"], hazard["tasks"]) == ("dependency", "hazard", ["reads", "writes"])
    assert hazard["paths"] == ["config"]
    assert 'let reads depend on writes ("dependsOn": ["writes"])' in hazard["description"]
    assert hazard["resolution"] is None
    (option,) = hazard["resolutionOptions"]
    assert option["description"] == "Let reads depend on writes (`dependsOn`)"


async def test_declared_reads_meet_what_a_concurrent_task_wrote(harness: Harness, path: Path) -> None:
    rows = tasks(
        WRITES,
        {"id": "reads", "run": "cat config > report", "reads": ["config"]},
        {"id": "else", "run": "echo 2 > docs/b", "reads": ["docs"]},
        {"id": "after", "run": "cat config > later", "reads": ["config"], "dependsOn": ["writes"]},
    )
    check(await harness.run({"workspace": str(path), "tasks": rows}))


async def test_a_command_says_what_it_reads(harness: Harness, path: Path) -> None:
    said = json.dumps({"reads": ["./config", "docs/a", "/etc/passwd", 7]})
    run = f"echo '{said}' >> \"$EPW_EVENTS\"; cat config > report"
    rows = tasks(WRITES, {"id": "reads", "run": run})
    check(await harness.run({"workspace": str(path), "tasks": rows}))


async def test_who_writes_what_it_read_is_merged_and_not_told_of(harness: Harness, path: Path) -> None:
    (path / "config").write_text("".join(f"{number}\n" for number in range(9)))
    run = 'echo \'{"reads": ["config"]}\' >> "$EPW_EVENTS"; sed -i s/8/eight/ config'
    rows = tasks({**WRITES, "run": "sed -i s/0/zero/ config"}, {"id": "reads", "run": run})
    document = await harness.run({"workspace": str(path), "tasks": rows})
    assert (document["status"], document["conflicts"]) == ("succeeded", [])


@MODEL_AGENTS
async def test_what_a_model_looked_into_is_known(claude: Claude, path: Path, agent: str) -> None:
    claude.script(
        {
            "reads": [
                Turn(calls=[("Read", {"file_path": "config"}), ("Read", {"file_path": "docs/none"})]),
                Turn(calls=[("Bash", {"command": "echo 1 > report"})]),
                Turn("It is reported."),
            ]
        }
    )
    rows = tasks(WRITES, {"id": "reads", "agent": agent})
    check(await claude.run({"workspace": str(path), "tasks": rows}))
