"""Recognition: a plan is never taken for something else, and a file that is two things is neither."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from epw.core.errors import InvalidPlan
from epw.core.plan.validate import read_plan
from epw.importers.formats import FORMATS, recognise
from tests.importers.reading import document, prose
from tests.tools.test_planning_tools import CASES


@pytest.mark.parametrize(
    "plan",
    [
        {"tasks": []},
        {"tasks": [{"id": "a", "description": "x"}]},
        {"tasks": [{"id": "a", "description": "x", "dependsOn": []}], "name": "n"},
        {"tasks": [{"id": "a", "description": "x", "depends_on": ["b"], "title": "t", "status": "pending"}]},
        {"tasks": [{"description": "x", "run": "true"}], "projectPath": "/p"},
        {"tasks": [{"description": "x"}], "strategy": "conservative"},
        {"tasks": "nothing", "goals": []},
        {"taks": [{"id": "a"}]},
    ],
)
def test_a_plan_with_or_without_mistakes_is_a_plan(plan: Any) -> None:
    found = recognise(document(plan))
    assert found is None or "goals" in plan


@pytest.mark.parametrize("case", CASES.values())
def test_the_plans_of_the_cases_are_plans(case: Any) -> None:
    assert recognise(document({"tasks": case["tasks"]})) is None


_TASKS = st.lists(
    st.fixed_dictionaries(
        {"id": st.text(min_size=1), "description": st.text(min_size=1)},
        optional={"dependsOn": st.just([]), "priority": st.just(1), "context": st.just({"status": "done"})},
    ),
    min_size=1,
    max_size=4,
)


@given(_TASKS, st.fixed_dictionaries({}, optional={"name": st.text(), "maxAgents": st.just(2)}))
def test_whatever_reads_as_a_plan_is_recognised_as_nothing_else(
    rows: list[dict[str, Any]], more: dict[str, Any]
) -> None:
    plan = {"tasks": rows, **more}
    try:
        read_plan(plan, runnable=False)
    except InvalidPlan:
        return
    assert recognise(document(plan)) is None


def test_a_file_that_could_be_two_things_is_refused_and_says_which() -> None:
    text = "## 1. Setup\n\n- [ ] 1.1 Begin\n- [ ] T001 Go on\n"
    with pytest.raises(InvalidPlan) as raised:
        recognise(prose(text))
    assert "spec-kit" in str(raised.value)
    assert "openspec" in str(raised.value)
    assert "epw import --from spec-kit" in str(raised.value)


def test_a_checklist_with_a_number_here_and_there_stays_a_checklist() -> None:
    found = recognise(prose("# 1. Todo\n\n- [ ] T001 is late\n- [ ] 1.2 is out\n- [ ] rest\n- [ ] more\n- [ ] end\n"))
    assert found is FORMATS["checklist"]


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_does_not_take_every_file(name: str) -> None:
    for file in (prose("Hello,\n\nworld.\n", "a.md"), document({"a": [1, {"b": None}]}), document([1, "x"])):
        assert FORMATS[name].recognise(file) == 0, json.dumps(file.value)
