"""Answers of questions: what a question takes, and until when an answer can be corrected."""

from __future__ import annotations

import json
from typing import Any

import pytest
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError

from tests.support import Harness, ended, status_of, tasks, until

COLOURS = ["red", "blue"]


def asking(**question: Any) -> str:
    line = json.dumps({"question": "red or blue?", **question})
    return f"""
    if [ -z "${{EPW_ANSWER:-}}" ]; then echo '{line}' >> "$EPW_EVENTS"; exit 75; fi
    [ "$EPW_ANSWER" = right ]
    """


async def _waiting(harness: Harness, **question: Any) -> WorkflowHandle[Any, Any]:
    plan = {"strategy": "aggressive", "tasks": tasks({"id": "a", "run": asking(**question)})}
    handle = await harness.start(plan)
    await until(handle, lambda now: status_of(now) == {"a": "waiting"})
    return handle


async def _answer(handle: WorkflowHandle[Any, Any], text: str) -> str:
    """Why an answer is refused; empty: it is taken."""
    try:
        await handle.execute_update("answer", {"questionId": "q1", "text": text})
    except WorkflowUpdateFailedError as error:
        return str(error.__cause__)
    return ""


async def test_what_is_no_option_is_refused_and_the_options_are_named(harness: Harness) -> None:
    async with harness.working():
        handle = await _waiting(harness, options=[*COLOURS, "right"])
        assert "'green' is not an option of q1; answer one of: red, blue, right" in await _answer(handle, "green")
        assert await _answer(handle, "right") == ""
        await ended(handle)
        assert (await harness.document(handle))["success"]


@pytest.mark.parametrize("question", [{"options": COLOURS, "freeText": True}, {"options": []}, {}])
async def test_words_of_ones_own_are_taken_where_the_agent_says_so_or_gives_no_options(
    harness: Harness, question: dict[str, Any]
) -> None:
    async with harness.working():
        handle = await _waiting(harness, **question)
        (asked,) = await handle.query("questions")
        assert asked.get("freeText", False) is question.get("freeText", False)
        assert await _answer(handle, "right") == ""
        await ended(handle)
        assert (await harness.document(handle))["success"]


async def test_an_answer_can_be_corrected_until_its_attempt_starts(harness: Harness) -> None:
    async with harness.working():
        handle = await _waiting(harness, options=[*COLOURS, "right"])
        await handle.execute_update("pause", {})
        assert await _answer(handle, "red") == ""
        assert "not an option" in await _answer(handle, "green")
        assert await _answer(handle, "right") == ""
        await handle.execute_update("resume", {})
        await until(handle, lambda now: status_of(now)["a"] in ("running", "succeeded"))
        refused = await _answer(handle, "red")
        assert "already answered" in refused or "ending" in refused
        await ended(handle)
        document = await harness.document(handle)
    assert document["success"], "the attempt got the correction"
    assert document["questions"][0]["answer"] == "right"
