"""Reports of executions on a real server: one that goes on, and one with a conflict and diffs."""

from __future__ import annotations

from pathlib import Path

from pydantic import TypeAdapter

from epw.client.report import report_of
from epw.core.report.report import Report
from epw.rendering.markdown import markdown
from epw.rendering.page import page
from epw.rendering.text import text
from epw.service.connection import Connection
from epw.settings import Settings
from tests.support import Harness, ended, make_repository, tasks, until


async def test_an_execution_that_goes_on_is_told_as_far_as_it_is(harness: Harness, tmp_path: Path) -> None:
    plan = {
        "workspace": str(make_repository(tmp_path / "repo")),
        "agent": "simulated",
        "tasks": tasks(
            {"id": "done", "simulate": {"writes": {"a": "1\n"}}},
            {"id": "asks", "simulate": {"ask": "which?", "writes": {"b": "2\n"}}, "dependsOn": ["done"]},
        ),
    }
    connection = Connection(harness.client, None, is_embedded=False)
    async with harness.working():
        handle = await harness.start(plan)
        await until(handle, lambda found: found["tasks"][1]["waitingFor"] == "question")
        found = TypeAdapter(Report).validate_python(await report_of(Settings(harness.home), connection, handle.id))
        assert found["endedAt"] is None
        question = found["result"]["questions"][0]["id"]
        assert found["next"][0] == {"command": f"epw answer {handle.id} {question} TEXT", "purpose": "which?"}
        (wait,) = [each for each in found["timeline"] if each["lane"] == "wait"]
        assert (wait["taskId"], wait["end"]) == ("asks", None)
        assert [each["taskId"] for each in found["diffs"]] == ["done"]
        assert "waits for a person (asks)" in text(found, 200)
        for shown in (markdown(found), text(found, 80), page(found)):
            assert "as of" in shown
            assert f"epw answer {handle.id} {question} TEXT" in shown
        assert found["undo"] == []
        await handle.cancel()
        await ended(handle)
