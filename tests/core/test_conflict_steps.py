"""A conflict step is one record: what it is, when it is possible and what it does stand nowhere else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from epw.core.conflict_steps import CONFLICT_STEPS, TEXTUAL, ConflictStep, Option, StepKind, parse_step, step_kinds
from epw.core.decisions.questions import Asked
from epw.core.decisions.resolver import Resolver
from epw.core.errors import InvalidPlan
from epw.core.execution.state import ExecutionState
from epw.core.landing import ConflictFound
from epw.core.messages import TaskOutcome
from epw.core.plan.validate import read_plan
from tests.support import offered, tasks

NEWEST = StepKind(
    "newest",
    "take the side of the change that came last",
    lambda change, _: change.land_again("theirs"),
    possible=TEXTUAL,
    option=Option("prefer-agent", "Take the change of {own}, which came last", "high"),
)
KINDS = step_kinds(NEWEST, *CONFLICT_STEPS.values())
SYNTAX = ", ".join(kind.syntax for kind in CONFLICT_STEPS.values())
ROWS = tasks({"id": "a", "run": "true"}, {"id": "b", "run": "true"})


TUTORIAL = Path(__file__).parents[2] / "docs/tutorials/conflict-step.md"


def conflicting(
    *steps: str, kind: str = "lines", kinds: Mapping[str, StepKind] = KINDS
) -> tuple[ExecutionState, Resolver]:
    """An execution in which b's change did not merge with a's, which has landed."""
    plan = read_plan({"tasks": ROWS, "workspace": "/w", "onConflict": list(steps)}, steps=kinds)
    execution = ExecutionState(plan)
    resolver = Resolver(
        execution,
        lambda: 0,
        lambda task_id, question, settle, check: Asked("q1", task_id, question, 0, settle, check),
        lambda change: True,
        kinds,
    )
    for start in execution.starts(0):
        execution.completed(start.task_id, TaskOutcome(kind="completed", commit=f"commit of {start.task_id}"), 0)
    execution.to_land.clear()
    execution.landed("a", 0)
    found = ConflictFound(kind=kind, tasks=["b", "a"], paths=["x"], description="x", commit="commit of b")
    resolver.conflicted("b", found)
    return execution, resolver


def test_a_plan_can_name_a_new_step() -> None:
    plan: dict[str, Any] = {"tasks": ROWS, "onConflict": ["newest", "skip"]}
    assert read_plan(plan, steps=KINDS).on_conflict == ["newest", "skip"]
    with pytest.raises(InvalidPlan, match=re.escape(f"onConflict[0]: must be one of: {SYNTAX}")):
        read_plan(plan)


def test_a_new_step_is_taken() -> None:
    execution, resolver = conflicting("newest", "skip")
    assert (execution.to_land, resolver.merge_strategy("b")) == (["b"], "theirs")
    assert resolver.conflicts[0].document()["underWay"] == "newest"


def test_a_new_step_is_passed_over_where_it_is_not_possible() -> None:
    execution, resolver = conflicting("newest", "skip", kind="semantic")
    assert execution.tasks["b"].status == "conflicted"
    document = resolver.conflicts[0].document()
    assert (document["passedOver"], document["resolution"]) == (["newest"], "skip")


def test_a_person_can_choose_a_new_step() -> None:
    execution, resolver = conflicting("ask")
    asked = resolver.conflicts[0].asked
    assert asked is not None
    assert asked.settle is not None
    assert asked.question.options == ["newest", *map(str, offered("lines", "b", "a"))]
    (option, *_) = resolver.conflicts[0].document()["resolutionOptions"]
    assert (option["choice"], option["description"]) == ("newest", "Take the change of b, which came last")
    asked.settle("newest")
    assert (execution.to_land, resolver.merge_strategy("b")) == (["b"], "theirs")


@pytest.mark.parametrize("text", [*(str(ConflictStep(kind, "a")) for kind in CONFLICT_STEPS.values()), "prefer:a:b\nc"])
def test_a_step_is_written_as_it_is_read(text: str) -> None:
    assert str(parse_step(text)) == text


@pytest.mark.parametrize("text", ["", "prefer", "prefer:", "merge:", "skip:a", "Merge", "merge ", "newest"])
def test_what_names_no_step_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^must be one of: {SYNTAX}$"):
        parse_step(text)


@pytest.mark.parametrize(("kind", "status"), [("binary", "waiting"), ("lines", "conflicted")])
def test_the_step_of_the_tutorial_works(kind: str, status: str) -> None:
    program: dict[str, Any] = {}
    exec("\n".join(re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)), program)
    assert program["plan"].on_conflict == ["own-file", "skip"]
    execution, resolver = conflicting("own-file", "skip", kind=kind, kinds=program["kinds"])
    assert execution.tasks["b"].status == status
    assert resolver.merge_strategy("b") == ("theirs" if kind == "binary" else "")
