"""What callers really send: nulls for what they leave out, wrong types anywhere, huge numbers, odd ids."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epw.core.errors import InvalidInput
from epw.tools.registry import TOOLS
from tests.tools.calls import (
    NOW,
    aggregate_progress,
    analyze_task_parallelizability,
    create_dependency_graph,
    detect_conflicts,
    messages,
    optimize_batch_distribution,
    plan_to_execute,
    problems,
)

_LIMIT = "estimatedMinutes must be above 0 and at most 1440 (24 hours)"
_TASKS: list[dict[str, Any]] = [
    {"id": "a", "description": "Do a"},
    {"id": "b", "description": "Do b", "dependsOn": ["a"]},
]
_GRAPH = {"nodes": {"a": {"id": "a", "task": _TASKS[0]}, "b": {"id": "b", "task": _TASKS[1]}}, "edges": []}


def test_a_null_is_what_is_not_there() -> None:
    nulls = {"dependsOn": None, "estimatedMinutes": None, "context": None, "files": None, "reads": None}
    tasks = [{**nulls, **task} for task in _TASKS]
    plain = analyze_task_parallelizability({"taskDescription": "x", "subtasks": _TASKS})
    with_nulls = {"taskDescription": "x", "subtasks": tasks, "context": None, "maxParallelAgents": None}
    assert analyze_task_parallelizability(with_nulls) == plain
    none = analyze_task_parallelizability({"taskDescription": "x", "subtasks": None})
    assert none["reasoning"] == "No subtasks provided"
    graph = create_dependency_graph({"tasks": tasks, "detectImplicit": None})
    assert graph == create_dependency_graph({"tasks": _TASKS})
    row = {"agentId": "a", "currentTask": "x", "percentComplete": 50, "status": "working"}
    row |= {"taskWeight": None, "estimatedTimeRemaining": None}
    assert aggregate_progress({"agentProgresses": [row], "aggregationStrategy": "simple-average"})["method"]
    change = {"file": "x", "type": "modify", "content": None, "lineNumbers": None}
    given = {"agentId": "a", "taskId": "a", "success": True, "changes": [change], "duration": None}
    assert detect_conflicts({"agentResults": [given], "dependencyGraph": None, "executionStrategy": None})
    nothing = {"plan": None, "constraints": None, "wait": None}
    limits = {"constraints": {"apiRateLimit": None, "resourceLimits": {"maxMemoryMB": None, "maxCPUPercent": 50}}}
    asked = {"analysisResult": plain, "executionStrategy": "aggressive", "maxParallelAgents": 2}
    assert "constraints" not in plan_to_execute({**asked, **nothing})
    assert plan_to_execute({**asked, **limits})["constraints"] == {"resourceLimits": {"maxCPUPercent": 50}}


def test_a_null_for_what_is_required_is_missing() -> None:
    arguments = {"tasks": [{"id": None, "description": None}], "dependencyGraph": None, "maxParallelAgents": None}
    assert messages(optimize_batch_distribution, {**arguments, "optimizationGoal": None}) == [
        "Task at index 0 is missing required field: id",
        "Task at index 0 is missing required field: description",
        "dependencyGraph is required",
        "maxParallelAgents is required",
        "optimizationGoal must be one of: minimize-time, balance-load, minimize-conflicts",
    ]


def test_texts_are_exact_where_a_known_task_is_near() -> None:
    tasks = [{"id": "api-1", "description": "a"}, {"id": "x", "description": "x", "dependsOn": ["api-2"]}]
    expected = ("tasks[1].dependsOn[0]", "Task x depends on non-existent task: api-2")
    assert problems(create_dependency_graph, {"tasks": tasks}) == [expected]


@pytest.mark.parametrize("minutes", ["10", True, 0, -1, 1440.5, float("nan"), float("inf"), 10**400, [], {}])
def test_estimates_that_are_no_minutes(minutes: Any) -> None:
    tasks = [{"id": "a", "description": "a", "estimatedMinutes": minutes}]
    assert problems(create_dependency_graph, {"tasks": tasks}) == [("tasks[0].estimatedMinutes", f"Task a: {_LIMIT}")]
    found = problems(analyze_task_parallelizability, {"taskDescription": "x", "subtasks": tasks})
    assert found == [("subtasks[0].estimatedMinutes", f"Task a: {_LIMIT}")]


@pytest.mark.parametrize("depends", ["a", 1, {"a": 1}, True])
def test_dependencies_that_are_no_array(depends: Any) -> None:
    tasks = [_TASKS[0], {**_TASKS[1], "dependsOn": depends}]
    assert problems(create_dependency_graph, {"tasks": tasks}) == [
        ("tasks[1].dependsOn", "Task b: dependsOn must be an array")
    ]
    nodes = {task["id"]: {"task": task} for task in tasks}
    analysed = {"suggestedBatches": [], "dependencyGraph": {"nodes": nodes, "edges": [{"from": "a", "to": "b"}]}}
    arguments = {"analysisResult": analysed, "executionStrategy": "aggressive", "maxParallelAgents": 1}
    assert problems(plan_to_execute, arguments) == [
        ("analysisResult.dependencyGraph.nodes.b.task.dependsOn", "Task b: dependsOn must be an array")
    ]


def test_a_task_without_an_id_is_called_by_its_place() -> None:
    tasks = [{"description": "a", "estimatedMinutes": 0, "dependsOn": "b"}]
    assert messages(analyze_task_parallelizability, {"taskDescription": "x", "subtasks": tasks}) == [
        "Subtask at index 0 is missing required field: id",
        f"Subtask at index 0: {_LIMIT}",
        "Subtask at index 0: dependsOn must be an array",
    ]


@pytest.mark.parametrize("name", ["", " ", "\t\n", "\u3000"])
def test_blank_ids_and_descriptions(name: str) -> None:
    found = messages(create_dependency_graph, {"tasks": [{"id": name, "description": name}]})
    assert found == [f"Task at index 0 is missing required field: {field}" for field in ("id", "description")]


@pytest.mark.parametrize("name", ["задача", "作业 1", "🚀", "a.b/c", "__proto__", "constructor", "a" * 128])
def test_ids_of_any_alphabet(name: str) -> None:
    tasks = [{"id": name, "description": "ja"}, {"id": "b", "description": "nein", "dependsOn": [name]}]
    found = create_dependency_graph({"tasks": tasks})
    assert found["topologicalOrder"] == [name, "b"]
    arguments = {"tasks": tasks, "dependencyGraph": found["graph"], "maxParallelAgents": 1}
    assert optimize_batch_distribution({**arguments, "optimizationGoal": "balance-load"})["estimatedTotalTime"] == 20


@pytest.mark.parametrize("context", ["text", 5, [1, {"a": None}], {"files": ["x"]}, False])
def test_the_context_of_a_task_is_anything_and_reaches_its_agent(context: Any) -> None:
    tasks = [{"id": "a", "description": "a", "context": context}]
    found = analyze_task_parallelizability({"taskDescription": "x", "subtasks": tasks, "context": context})
    assert found["dependencyGraph"]["nodes"]["a"]["task"]["context"] == context
    arguments = {"analysisResult": found, "executionStrategy": "aggressive", "maxParallelAgents": 1}
    assert plan_to_execute(arguments)["tasks"][0]["context"] == context


def test_a_field_that_no_task_has_is_refused_with_the_one_that_may_be_meant() -> None:
    tasks = [{"id": "a", "description": "a", "dependencies": ["b"]}]
    assert problems(create_dependency_graph, {"tasks": tasks}) == [
        ("tasks[0].dependencies", "unknown key; did you mean dependsOn?")
    ]


def test_subtasks_of_another_type_are_not_absent() -> None:
    wrong: tuple[Any, ...] = ("", 0, False, {}, "a")
    for subtasks in wrong:
        arguments = {"taskDescription": "x", "subtasks": subtasks}
        assert problems(analyze_task_parallelizability, arguments) == [("subtasks", "subtasks must be an array")]


def test_one_task_too_many() -> None:
    tasks = [{"id": str(n), "description": "x"} for n in range(10_001)]
    expected = "Maximum 10000 tasks allowed (current: 10001)"
    assert problems(create_dependency_graph, {"tasks": tasks}) == [("tasks", expected)]
    arguments = {"taskDescription": "x", "subtasks": tasks}
    assert problems(analyze_task_parallelizability, arguments) == [("subtasks", expected)]


def test_a_thousand_problems_are_the_first_hundred_and_a_count() -> None:
    found = messages(detect_conflicts, {"agentResults": [{"agentId": "a", "taskId": "a"}] * 1000})
    assert (len(found), found[-1]) == (101, "and 900 more problems")


@pytest.mark.parametrize("name", TOOLS)
def test_arguments_without_an_end_are_refused_before_anything_is_read(name: str) -> None:
    nested: Any = []
    for _ in range(5000):
        nested = [nested]
    for arguments in (nested, {"context": nested, "tasks": nested, "plan": {"a": nested}}):
        assert messages(lambda a: TOOLS[name].function(a, NOW), arguments) == [
            "the arguments are nested deeper than 100 levels"
        ]


def test_agents_are_a_whole_number_however_it_is_written() -> None:
    arguments = {"tasks": _TASKS, "dependencyGraph": _GRAPH, "optimizationGoal": "minimize-time"}
    assert optimize_batch_distribution({**arguments, "maxParallelAgents": 2.0})["estimatedTotalTime"] == 20
    for agents in (0, 1001, 2.5, "2", True, float("nan"), 10**400, -(10**400)):
        found = messages(optimize_batch_distribution, {**arguments, "maxParallelAgents": agents})
        assert found == ["maxParallelAgents must be between 1 and 1000"]


@pytest.mark.parametrize(
    ("tool", "arguments", "path"),
    [
        (optimize_batch_distribution, {"dependencyGraph": "G"}, "dependencyGraph.edges"),
        (plan_to_execute, {"analysisResult": {"suggestedBatches": [], "dependencyGraph": "G"}}, "analysisResult."),
        (plan_to_execute, {"plan": {"tasks": "T"}}, "plan.tasks"),
        (detect_conflicts, {"dependencyGraph": "G"}, "dependencyGraph.edges"),
        (aggregate_progress, {"dependencyGraph": "G"}, "dependencyGraph.edges"),
    ],
)
def test_each_circle_is_one_problem_where_its_edges_stand(tool: Any, arguments: dict[str, Any], path: str) -> None:
    names = ["a", "b", "c", "d"]
    edges = [{"from": one, "to": other} for one, other in ("ab", "ba", "cd", "dc")]
    graph = {"nodes": {each: {"id": each} for each in names}, "edges": edges}
    before = {edge["to"]: [edge["from"]] for edge in edges}
    circular = [{"id": each, "description": each, "dependsOn": before[each]} for each in names]
    read = json.loads(json.dumps(arguments).replace('"G"', json.dumps(graph)).replace('"T"', json.dumps(circular)))
    everything = {
        "tasks": [{"id": each, "description": each} for each in names],
        "maxParallelAgents": 2,
        "optimizationGoal": "minimize-time",
        "executionStrategy": "conservative",
        "agentResults": [{"agentId": "x", "taskId": "a", "success": True}],
        "agentProgresses": [{"agentId": "x", "percentComplete": 5, "status": "idle"}],
        "aggregationStrategy": "critical-path",
    }
    found = problems(tool, {**everything, **read})
    assert [text for _, text in found] == ["Circular dependency: a → b → a", "Circular dependency: c → d → c"]
    assert all(where.startswith(path) for where, _ in found)


def test_a_cyclic_analysis_has_every_field() -> None:
    tasks = [{"id": each, "description": each, "dependsOn": [other]} for each, other in ("ab", "ba")]
    found = analyze_task_parallelizability({"taskDescription": "x", "subtasks": tasks})
    assert (found["score"], found["estimatedMinutes"], found["totalMinutes"], found["criticalPath"]) == (
        0,
        None,
        20,
        [],
    )


def test_a_plan_brings_its_own_strategy_and_agents() -> None:
    plan = {"tasks": _TASKS, "strategy": "aggressive", "maxAgents": 7}
    assert plan_to_execute({"plan": plan}) == plan
    replaced = plan_to_execute({"plan": plan, "executionStrategy": "conservative", "maxParallelAgents": 2})
    assert (replaced["strategy"], replaced["maxAgents"]) == ("conservative", 2)
    assert plan_to_execute({"plan": {"tasks": _TASKS, "max_agents": 7}, "maxParallelAgents": 2})["maxAgents"] == 2


def test_constraints_of_a_call_are_put_beside_those_of_its_plan() -> None:
    own = {"budget": {"maxTokens": 5}, "resourceLimits": {"maxMemoryMB": 200, "maxCPUPercent": 10}}
    asked = {"resourceLimits": {"maxCPUPercent": 50.5}, "apiRateLimit": {"provider": "a", "maxRequestsPerMinute": 9.0}}
    found = plan_to_execute({"plan": {"tasks": _TASKS, "constraints": own}, "constraints": asked})["constraints"]
    assert found == {
        "budget": {"maxTokens": 5},
        "resourceLimits": {"maxMemoryMB": 200, "maxCPUPercent": 50.5},
        "apiRateLimit": {"provider": "a", "maxRequestsPerMinute": 9},
    }
    assert plan_to_execute({"plan": {"tasks": _TASKS, "constraints": None}, "constraints": asked})["constraints"]
    assert problems(plan_to_execute, {"plan": {"tasks": _TASKS, "constraints": 5}, "constraints": asked}) == [
        ("plan.constraints", "must be an object")
    ]


def test_problems_of_a_plan_have_its_path() -> None:
    found = problems(plan_to_execute, {"plan": {"tasks": [{"id": "a", "description": " "}], "colour": 1}})
    assert ("plan.tasks[0].description", "Task at index 0 is missing required field: description") in found
    assert "plan.colour" in [path for path, _ in found]
    assert problems(plan_to_execute, {"plan": {}, "analysisResult": {}})[0] == (
        "plan",
        "give analysisResult or plan, not both",
    )


def test_texts_of_constraints() -> None:
    asked = {"executionStrategy": "aggressive", "maxParallelAgents": 1}
    analysed = {"suggestedBatches": [], "dependencyGraph": _GRAPH}
    limits = {"maxMemoryMB": 99, "maxCPUPercent": 101, "maxDurationMs": 0}
    rate = {"provider": " ", "maxRequestsPerMinute": 10_001}
    constraints = {"apiRateLimit": rate, "resourceLimits": limits}
    assert problems(plan_to_execute, {"analysisResult": analysed, **asked, "constraints": constraints}) == [
        ("constraints.apiRateLimit.provider", "apiRateLimit.provider is required when apiRateLimit is specified"),
        (
            "constraints.apiRateLimit.maxRequestsPerMinute",
            "apiRateLimit.maxRequestsPerMinute must be between 1 and 10000",
        ),
        ("constraints.resourceLimits.maxMemoryMB", "resourceLimits.maxMemoryMB must be between 100 and 32768"),
        ("constraints.resourceLimits.maxCPUPercent", "resourceLimits.maxCPUPercent must be between 1 and 100"),
        ("constraints.resourceLimits.maxDurationMs", "resourceLimits.maxDurationMs must be at least 1"),
    ]
    others: tuple[Any, ...] = ("x", [], 5)
    for wrong in others:
        for name in ("apiRateLimit", "resourceLimits"):
            found = problems(plan_to_execute, {"analysisResult": analysed, **asked, "constraints": {name: wrong}})
            assert found == [(f"constraints.{name}", f"{name} must be an object")]


def test_texts_of_a_missing_analysis() -> None:
    asked = {"executionStrategy": "aggressive", "maxParallelAgents": 1}
    assert messages(plan_to_execute, asked) == ["analysisResult is required"]
    assert messages(plan_to_execute, {**asked, "analysisResult": {}}) == [
        "analysisResult must contain suggestedBatches",
        "analysisResult must contain dependencyGraph",
    ]
    assert messages(plan_to_execute, {"analysisResult": {"suggestedBatches": [], "dependencyGraph": _GRAPH}}) == [
        'executionStrategy must be "conservative" or "aggressive"',
        "maxParallelAgents is required",
    ]


def test_a_call_does_not_change_its_arguments() -> None:
    edges = [{"from": "b", "to": "c"}, {"from": "a", "to": "c"}]
    tasks = [*_TASKS, {"id": "c", "description": "c", "dependsOn": ["a"]}]
    graph = {"nodes": {task["id"]: {"task": task} for task in tasks}, "edges": edges}
    analysed = {"suggestedBatches": [], "dependencyGraph": graph}
    arguments = {"analysisResult": analysed, "executionStrategy": "aggressive", "maxParallelAgents": 1}
    before = json.dumps(arguments)
    assert plan_to_execute(arguments)["tasks"][2]["dependsOn"] == ["a", "b"]
    assert json.dumps(arguments) == before


def test_a_node_that_holds_another_task_is_named() -> None:
    graph = {"nodes": {"a": {"id": "a", "task": {"id": "b", "description": "b"}}}}
    asked = {"executionStrategy": "aggressive", "maxParallelAgents": 1}
    assert problems(
        plan_to_execute, {**asked, "analysisResult": {"suggestedBatches": [], "dependencyGraph": graph}}
    ) == [("analysisResult.dependencyGraph.nodes.a.task.id", "node a holds another task: b")]


def test_numbers_too_large_for_a_clock_are_no_crash() -> None:
    row = {"agentId": "a", "currentTask": "x", "percentComplete": 50, "status": "working"}
    far = {"agentProgresses": [{**row, "estimatedTimeRemaining": 1e300}], "aggregationStrategy": "simple-average"}
    assert aggregate_progress(far)["estimatedCompletion"] is None
    for field, text in (
        ("percentComplete", "percentComplete must be between 0 and 100"),
        ("estimatedTimeRemaining", "estimatedTimeRemaining must be a number"),
        ("taskWeight", "taskWeight must be between 0 and 100"),
    ):
        rows = [{**row, field: 10**400}]
        assert messages(aggregate_progress, {"agentProgresses": rows, "aggregationStrategy": "simple-average"}) == [
            f"Agent a: {text}"
        ]
    result = {"agentId": "A", "taskId": "a", "success": True, "duration": 10**400}
    assert messages(detect_conflicts, {"agentResults": [result]}) == ["Result A: duration must be a number"]


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([0, -1, 5, 10**400, 0.5, float("nan"), "", " ", "a", "x", "minimize-time", "aggressive"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    *("id", "description", "dependsOn", "nodes", "edges", "from", "to", "task", "tasks", "agentId"),
                    *("taskId", "success", "changes", "file", "type", "lineNumbers", "status", "a", "constraints"),
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("name", TOOLS)
@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_json_in_any_place_is_a_result_or_problems_and_never_a_crash(name: str, data: Any) -> None:
    example = json.loads(json.dumps(TOOLS[name].input["examples"][0]))
    place: Any = example
    while True:
        keys = list(place) if isinstance(place, dict) else range(len(place))
        key = data.draw(st.sampled_from([*keys, *(TOOLS[name].input["properties"] if place is example else [])]))
        inner = place.get(key) if isinstance(place, dict) else place[key]
        if not inner or not isinstance(inner, dict | list) or data.draw(st.booleans()):
            break
        place = inner
    place[key] = data.draw(_JSON)
    with suppress(InvalidInput):
        json.dumps(TOOLS[name].function(example, NOW))
