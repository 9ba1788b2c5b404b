"""Current details of an execution: what the Web UI shows is what `status` says."""

from __future__ import annotations

import pytest

from epw.core.conflict_steps import ConflictStep, parse_step
from epw.core.decisions.conflicts import Conflict
from epw.core.decisions.questions import Questions
from epw.core.landing import ConflictFound
from epw.core.messages import Question
from epw.core.report.details import details
from tests.core.test_notices import execution_of


@pytest.mark.parametrize(
    ("kind", "step", "asks", "state"),
    [
        ("lines", None, True, "open: resolve it"),
        ("lines", None, False, "open: found"),
        ("lines", parse_step("retry"), False, "open: retry"),
        ("hazard", None, False, "advice"),
    ],
)
def test_an_open_conflict_is_not_advice(kind: str, step: ConflictStep | None, asks: bool, state: str) -> None:
    questions = Questions()
    conflict = Conflict("c1", ConflictFound(kind=kind, tasks=["a", "b"], paths=["p"], description="both"), [], [])
    conflict.step = step
    if asks:
        conflict.asked = questions.ask("a", Question(text="which?", options=["ours", "theirs"]), 1)
    shown = details(execution_of(), "e", "running", [conflict], questions, None)
    assert f"**Conflict c1** both → {state}" in shown


@pytest.mark.parametrize(("options", "word"), [(["yes", "no"], "CHOICE` (yes \\| no)"), ([], "TEXT`")])
def test_the_command_that_answers_says_what_it_takes(options: list[str], word: str) -> None:
    questions = Questions()
    questions.ask("a", Question(text="which?", options=options), 1)
    assert f"`epw answer e q1 {word}" in details(execution_of(), "e", "running", [], questions, None)
