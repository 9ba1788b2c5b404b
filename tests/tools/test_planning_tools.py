"""Tools that judge a plan before it runs: right numbers, exact texts, and what must never change a verdict."""

from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from epw.core.analysis.analysis import analyze
from epw.core.plan.validate import read_plan
from epw.tools.optimize import GOALS
from epw.tools.registry import TOOLS
from tests.support import some_slow
from tests.tools.calls import (
    NOW,
    analyze_task_parallelizability,
    create_dependency_graph,
    messages,
    optimize_batch_distribution,
    plan_to_execute,
    problems,
)

CASES = {case["name"]: case for case in json.loads((Path(__file__).parents[1] / "plans" / "cases.json").read_text())}
SETTINGS = settings(deadline=None, max_examples=60)


def subtask(id: str, description: str = "", minutes: float = 10, *, after: str = "", **more: Any) -> dict[str, Any]:
    words = description or f"work {id}"
    return {"id": id, "description": words, "estimatedMinutes": minutes, "dependsOn": after.split(), **more}


def analysis(tasks: list[dict[str, Any]], agents: int = 5) -> dict[str, Any]:
    return analyze_task_parallelizability({"taskDescription": "x", "subtasks": tasks, "maxParallelAgents": agents})


def optimized(tasks: list[dict[str, Any]], agents: int, goal: str = "minimize-time") -> dict[str, Any]:
    graph = create_dependency_graph({"tasks": tasks, "detectImplicit": False})["graph"]
    arguments = {"tasks": tasks, "dependencyGraph": graph, "maxParallelAgents": agents, "optimizationGoal": goal}
    return optimize_batch_distribution(json.loads(json.dumps(arguments)))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("agents", ["1", "2", "3", "4", "20"])
def test_the_known_plans_have_their_known_numbers(name: str, agents: str) -> None:
    case = CASES[name]
    found = analysis(case["tasks"], int(agents))
    assert found["estimatedMinutes"] == case["listSchedule"][agents]
    assert (found["totalMinutes"], found["criticalPathMinutes"]) == (case["totalMinutes"], case["criticalPathMinutes"])
    assert optimized(case["tasks"], int(agents))["estimatedTotalTime"] == case["listSchedule"][agents]


@pytest.mark.parametrize("name", [*CASES, "a circle", "files"])
def test_the_tool_and_the_command_are_one_analysis(name: str) -> None:
    """The tool also reads dependencies from descriptions, which are edges of its graph, so it is given them here."""
    more = {
        "a circle": [subtask("x", after="y"), subtask("y", after="x")],
        "files": [subtask("x", "Write a.py", files=["b.py"]), subtask("y", "Make b.py"), subtask("z", files=["b.py"])],
    }
    tasks = more[name] if name in more else CASES[name]["tasks"]
    by_tool = analysis(tasks, 3)
    after: dict[str, list[str]] = {task["id"]: [] for task in tasks}
    for edge in by_tool["dependencyGraph"]["edges"]:
        after[edge["to"]].append(edge["from"])
    by_plan = analyze(
        read_plan(
            {"tasks": [{**task, "dependsOn": after[task["id"]]} for task in tasks], "maxAgents": 3}, runnable=False
        )
    )
    implied = any(edge["type"] == "implicit" for edge in by_tool["dependencyGraph"]["edges"])
    only = ["dependencyGraph", *(["confidence", "risks"] if implied else [])]
    assert {**by_plan, **dict.fromkeys(only)} == {**by_tool, **dict.fromkeys(only)}


@pytest.mark.parametrize(
    ("minutes", "agents", "total"),
    [
        ((30, 20, 10), 2, 30),
        ((50, 30, 20, 10), 2, 60),
        ((40, 30, 20, 10), 2, 50),
        ((10,) * 10, 3, 40),
        ((10, 15, 20), 2, 25),
    ],
)
def test_independent_tasks_take_what_a_list_schedule_takes(minutes: tuple[int, ...], agents: int, total: int) -> None:
    found = optimized([subtask(f"t{n}", minutes=each) for n, each in enumerate(minutes)], agents)
    assert found["estimatedTotalTime"] == total
    assert all(len(batch["tasks"]) <= agents for batch in found["batches"])


@pytest.mark.parametrize("goal", GOALS)
def test_a_join_comes_after_its_waves_and_every_batch_named_exists(goal: str) -> None:
    tasks = [*(subtask(f"t{n}") for n in range(10)), subtask("join", after=" ".join(f"t{n}" for n in range(10)))]
    found = optimized(tasks, 3, goal)
    names = [batch["id"] for batch in found["batches"]]
    assert (found["estimatedTotalTime"], len(names), found["batches"][-1]["tasks"]) == (50, 5, ["join"])
    assert found["batches"][-1]["dependsOnBatches"] == names[:-1]


def test_words_of_a_description_are_dependencies_where_they_name_a_task() -> None:
    words = ["Set up database", "Create API using database from task 1", "Write tests based on the API"]
    found = create_dependency_graph({"tasks": [{"id": str(n), "description": each} for n, each in enumerate(words, 1)]})
    edges = [(each["from"], each["to"], each["confidence"]) for each in found["implicitDependencies"]]
    assert edges == [("1", "2", 0.8), ("2", "3", 0.7)]
    assert (found["criticalPath"], found["topologicalOrder"]) == (["1", "2", "3"], ["1", "2", "3"])


@pytest.mark.parametrize(
    ("first", "second", "confidence"),
    [
        ("Set up the auth service", "Integrate login with the auth service", 0.9),
        ("Design the invoice schema", "Draw forms after the invoice schema", 0.85),
        ("Write user.ts", "Read user.ts and list its exports", 0.75),
        ("Improve the form", "Measure performance after lunch", None),
        ("Improve the form", "Measure performance of pages", None),
        ("Draw icons", "Draw logos after a while", None),
    ],
)
def test_phrases_that_name_another_task(first: str, second: str, confidence: float | None) -> None:
    found = create_dependency_graph({"tasks": [{"id": "a", "description": first}, {"id": "b", "description": second}]})
    expected = [] if confidence is None else [("a", "b", confidence)]
    assert [(each["from"], each["to"], each["confidence"]) for each in found["implicitDependencies"]] == expected


def test_every_phrase_of_a_description_counts() -> None:
    tasks = [
        subtask("1", "Set up the invoice database"),
        subtask("2", "Draw the landing page"),
        subtask("3", "Deploy after the invoice database is there. Announce it after the landing page is done."),
    ]
    edges = [(each["from"], each["to"]) for each in create_dependency_graph({"tasks": tasks})["implicitDependencies"]]
    assert edges == [("1", "3"), ("2", "3")]


def test_a_phrase_ends_with_its_sentence() -> None:
    tasks = [subtask("1", "Set up it"), subtask("2", "Parse it using a stack. Remove what comes from task 1")]
    assert create_dependency_graph({"tasks": tasks})["implicitDependencies"] == []


@pytest.mark.parametrize("text", ["integrate ", "using ", "after ", "after, ", "a.py ", "add a.py ", "based on "])
def test_a_long_description_is_read_once(text: str) -> None:
    """Reading it again from every word would take minutes."""
    tasks = [subtask("1", "Write a.py"), *(subtask(f"x{n}", text * (16_000 // len(text))) for n in range(40))]
    assert create_dependency_graph({"tasks": tasks})["hasCycles"] is False


def test_tasks_that_say_that_they_write_one_file_are_kept_apart_where_that_is_the_goal() -> None:
    tasks = [subtask("a", "Create users.py"), subtask("b", "Create users.py anew"), subtask("c", "Write more.py")]
    assert [optimized(tasks, 3, goal)["estimatedTotalTime"] for goal in GOALS] == [10, 10, 20]


def test_an_inferred_edge_closes_no_circle_and_repeats_no_known_order() -> None:
    tasks = [
        subtask("api", "Build the api after the database"),
        subtask("database", "Make the database after the api", after="api"),
        subtask("ui", "Draw the ui after the api", after="database"),
    ]
    found = create_dependency_graph({"tasks": tasks})
    assert (found["implicitDependencies"], found["hasCycles"]) == ([], False)
    reasons = {(each["from"], each["to"]): each["rejectedBecause"] for each in found["rejectedDependencies"]}
    assert "circle" in reasons["database", "api"]
    assert "already" in reasons["api", "ui"]


def test_a_circle_is_named_and_nothing_is_inferred() -> None:
    tasks = [subtask("x", after="y"), subtask("y", after="x")]
    found = create_dependency_graph({"tasks": tasks})
    assert (found["hasCycles"], found["cycles"]) == (True, [["x", "y", "x"]])
    judged = analysis(tasks)
    assert (judged["parallelizable"], judged["confidence"], judged["estimatedSpeedup"]) == (False, 100, 1)
    assert judged["risks"][0]["description"] == "Circular dependencies prevent parallelization"
    assert "x → y → x" in judged["reasoning"]


def test_few_subtasks() -> None:
    none, one = analysis([]), analysis([subtask("a")])
    assert (none["parallelizable"], none["confidence"], none["estimatedSpeedup"]) == (False, 0, 1)
    assert none["reasoning"] == "No subtasks provided"
    assert (one["parallelizable"], one["confidence"], one["estimatedSpeedup"]) == (False, 100, 1)
    assert (len(one["suggestedBatches"]), len(one["dependencyGraph"]["nodes"])) == (1, 1)


def test_every_problem_is_reported_at_once_with_its_path() -> None:
    tasks = [
        {"id": " ", "description": "a"},
        {"id": "b", "description": ""},
        subtask("c", minutes=1441),
        subtask("c"),
        subtask("d", after="d nowhere"),
        {"id": "e", "description": "e", "dependsOn": "c"},
        {"id": "f", "description": "f", "estimatedMinutes": "10"},
    ]
    found = problems(analyze_task_parallelizability, {"taskDescription": " ", "subtasks": tasks})
    limit = "estimatedMinutes must be above 0 and at most 1440 (24 hours)"
    for expected in (
        ("taskDescription", "taskDescription is required and cannot be empty"),
        ("subtasks[0].id", "Subtask at index 0 is missing required field: id"),
        ("subtasks[1].description", "Subtask at index 1 is missing required field: description"),
        ("subtasks[2].estimatedMinutes", f"Task c: {limit}"),
        ("subtasks[3].id", "Duplicate task ID found: c"),
        ("subtasks[4].dependsOn[0]", "Task d cannot depend on itself"),
        ("subtasks[4].dependsOn[1]", "Task d depends on non-existent task: nowhere"),
        ("subtasks[5].dependsOn", "Task e: dependsOn must be an array"),
        ("subtasks[6].estimatedMinutes", f"Task f: {limit}"),
    ):
        assert expected in found
    assert ("tasks[0].id", "Task at index 0 is missing required field: id") in problems(
        create_dependency_graph, {"tasks": [{"description": "a"}]}
    )


def test_texts_of_the_tools_own_arguments() -> None:
    long = "taskDescription exceeds maximum length of 5000 characters"
    assert problems(analyze_task_parallelizability, {"taskDescription": "x" * 5001}) == [("taskDescription", long)]
    assert problems(create_dependency_graph, {}) == [("tasks", "tasks array is required and cannot be empty")]
    assert messages(optimize_batch_distribution, {"tasks": [subtask("a")], "dependencyGraph": {}}) == [
        "dependencyGraph must contain nodes",
        "maxParallelAgents is required",
        "optimizationGoal must be one of: minimize-time, balance-load, minimize-conflicts",
    ]
    too_many = {"tasks": [subtask("a")], "maxParallelAgents": 1001, "optimizationGoal": "minimize-time"}
    assert messages(optimize_batch_distribution, too_many) == [
        "dependencyGraph is required",
        "maxParallelAgents must be between 1 and 1000",
    ]
    other = {**too_many, "maxParallelAgents": 2, "dependencyGraph": {"nodes": {"b": {"id": "b"}}, "edges": []}}
    assert messages(optimize_batch_distribution, other) == [
        "tasks without a node: a",
        "nodes without a task: b",
    ]


def test_an_analysis_is_what_the_next_tools_take() -> None:
    tasks = CASES["seven-task authentication"]["tasks"]
    found = json.loads(json.dumps(analysis(tasks, 3)))
    plan = plan_to_execute({"analysisResult": found, "executionStrategy": "aggressive", "maxParallelAgents": 3})
    assert [task["id"] for task in plan["tasks"]] == [task["id"] for task in tasks]
    assert {task["id"]: task.get("dependsOn", []) for task in plan["tasks"]} == {
        task["id"]: task.get("dependsOn", []) for task in tasks
    }
    assert (plan["strategy"], plan["maxAgents"]) == ("aggressive", 3)
    arguments = {"tasks": tasks, "maxParallelAgents": 3, "optimizationGoal": "balance-load"}
    assert optimize_batch_distribution({**arguments, "dependencyGraph": found["dependencyGraph"]})["efficiency"] == 1


def test_a_batch_list_that_contradicts_the_graph_is_an_error() -> None:
    found = analysis([subtask("a"), subtask("b", after="a"), subtask("c")])
    found["suggestedBatches"] = [{"id": "batch-1", "tasks": ["b", "a"]}]
    arguments = {"executionStrategy": "x", "maxParallelAgents": 0, "constraints": {"apiRateLimit": {}}}
    assert messages(plan_to_execute, {"analysisResult": found, **arguments}) == [
        'executionStrategy must be "conservative" or "aggressive"',
        "maxParallelAgents must be between 1 and 1000",
        "apiRateLimit.provider is required when apiRateLimit is specified",
        "apiRateLimit.maxRequestsPerMinute must be between 1 and 10000",
        "tasks in no batch: c",
        "b depends on a, which is in no earlier batch",
    ]


@pytest.mark.parametrize("goal", some_slow(GOALS, *sorted(GOALS)[:1]))
def test_every_tool_takes_ten_thousand_tasks(goal: str) -> None:
    """In well under a second each (`python -m benchmarks.tools`); a look at each pair of tasks would take minutes."""
    texts = [f"Build module{n} after step{n - 1} based on the plan" for n in range(10_000)]
    tasks = [subtask(f"step{n}", text, 5 + n % 50, files=[f"src/{n % 300}/**"]) for n, text in enumerate(texts)]
    graph = TOOLS["create_dependency_graph"].function({"tasks": tasks}, NOW)["graph"]
    arguments = {"tasks": tasks, "dependencyGraph": graph, "maxParallelAgents": 50}
    found = TOOLS["optimize_batch_distribution"].function({**arguments, "optimizationGoal": goal}, NOW)
    assert len(found["assignments"]) == 10_000
    arguments = {"taskDescription": "x", "subtasks": tasks, "maxParallelAgents": 50}
    assert TOOLS["analyze_task_parallelizability"].function(arguments, NOW)["parallelizable"] is False


plans = st.lists(st.integers(1, 60), min_size=2, max_size=8).flatmap(
    lambda minutes: st.tuples(
        st.just(minutes),
        st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=10),
        st.integers(1, 4),
    )
)


def _plan(minutes: list[int], edges: list[tuple[int, int]]) -> list[dict[str, Any]]:
    after: dict[int, list[str]] = {n: [] for n in range(len(minutes))}
    for one, other in edges:
        if one < other < len(minutes) and f"t{one}" not in after[other]:
            after[other].append(f"t{one}")
    return [subtask(f"t{n}", minutes=each, after=" ".join(after[n])) for n, each in enumerate(minutes)]


@SETTINGS
@given(plans)
def test_batches_keep_the_order_and_the_agents_and_schedules_keep_their_bounds(given_plan: Any) -> None:
    minutes, edges, agents = given_plan
    tasks = _plan(minutes, edges)
    quickest = optimized(tasks, agents)["estimatedTotalTime"]
    for goal in GOALS:
        found = optimized(tasks, agents, goal)
        batch_of = {task: n for n, batch in enumerate(found["batches"]) for task in batch["tasks"]}
        assert sorted(batch_of) == sorted(task["id"] for task in tasks)
        assert all(len(batch["tasks"]) <= agents for batch in found["batches"])
        assert all(batch_of[before] < batch_of[task["id"]] for task in tasks for before in task["dependsOn"])
        assert found["lowerBound"] <= found["estimatedTotalTime"] + 1e-6
        assert found["estimatedTotalTime"] <= quickest * 1.1 + 1e-6
        ends = {each["taskId"]: each["end"] for each in found["assignments"]}
        starts = {each["taskId"]: each["start"] for each in found["assignments"]}
        assert all(ends[before] <= starts[task["id"]] for task in tasks for before in task["dependsOn"])


@SETTINGS
@given(plans, st.randoms())
def test_verdicts_do_not_change_with_the_names_of_tasks(given_plan: Any, chance: Any) -> None:
    minutes, edges, agents = given_plan
    tasks = _plan(minutes, edges)
    names = {task["id"]: f"name-{chance.randrange(10**6)}-{n}" for n, task in enumerate(tasks)}
    renamed = [
        {**task, "id": names[task["id"]], "dependsOn": [names[each] for each in task["dependsOn"]]} for task in tasks
    ]
    one, other = analysis(tasks, agents), analysis(renamed, agents)
    same = ("parallelizable", "score", "estimatedMinutes", "estimatedSpeedup", "criticalPathMinutes", "confidence")
    assert [one[each] for each in same] == [other[each] for each in same]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_order_of_the_input_is_kept_and_changes_no_edge(order: tuple[int, ...]) -> None:
    words = ["Set up database", "Create API using database from task 1", "Write tests based on the API"]
    tasks = [{"id": str(n + 1), "description": words[n]} for n in order]
    found = create_dependency_graph({"tasks": tasks})
    assert list(found["graph"]["nodes"]) == [str(n + 1) for n in order]
    assert {(each["from"], each["to"]) for each in found["implicitDependencies"]} == {("1", "2"), ("2", "3")}
