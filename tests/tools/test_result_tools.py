"""Tools that judge work under way and work done: progress of agents, conflicts of their results."""

from __future__ import annotations

from typing import Any

import pytest

from tests.tools.calls import aggregate_progress, detect_conflicts, messages


def agent(id: str, percent: float, status: str = "working", **more: Any) -> dict[str, Any]:
    return {"agentId": id, "currentTask": f"task of {id}", "percentComplete": percent, "status": status, **more}


def progress(*rows: dict[str, Any], strategy: str = "simple-average") -> dict[str, Any]:
    return aggregate_progress({"agentProgresses": list(rows), "aggregationStrategy": strategy})


def test_averages() -> None:
    assert progress(agent("a", 50), agent("b", 75), agent("c", 25))["overallProgress"] == 50
    weighted = (agent("a", 50, taskWeight=2), agent("b", 100, taskWeight=1))
    assert progress(*weighted, strategy="weighted")["overallProgress"] == 66.67
    nothing = (agent("a", 50, taskWeight=0), agent("b", 100, taskWeight=1))
    assert progress(*nothing, strategy="weighted")["overallProgress"] == 100


def test_without_a_graph_the_agents_with_most_time_left_stand_for_the_critical_path() -> None:
    rows = [agent(f"a{n}", 10 * n, estimatedTimeRemaining=100 - n) for n in range(10)]
    found = progress(*rows, strategy="critical-path")
    assert (found["criticalPath"], found["overallProgress"]) == (["a0", "a1", "a2"], 10)
    assert "no graph" in found["method"]
    assert "criticalPath" not in progress(*rows)


def test_with_a_graph_the_critical_path_is_the_one_with_most_work_left() -> None:
    tasks = {"a": 10, "b": 30, "c": 20, "d": 10, "late": 35}
    nodes = {name: {"id": name, "task": {"estimatedMinutes": minutes}} for name, minutes in tasks.items()}
    edges = [{"from": one, "to": other} for one, other in ("ab", "ac", "bd", "cd")]
    rows = [
        {**agent("1", 100, "complete"), "currentTask": "a"},
        {**agent("2", 90), "currentTask": "b"},
        {**agent("3", 0), "currentTask": "c"},
        {**agent("4", 50), "currentTask": "late"},
    ]
    asked = {"agentProgresses": rows, "aggregationStrategy": "critical-path"}
    found = aggregate_progress({**asked, "dependencyGraph": {"nodes": nodes, "edges": edges}})
    # Left: a-b-d 3 + 10, a-c-d 20 + 10 of 40, late 17.5.
    assert (found["criticalPath"], found["overallProgress"]) == (["a", "c", "d"], 25)
    assert "graph" in found["method"]
    assert aggregate_progress({**asked, "dependencyGraph": {"nodes": {}}})["criticalPath"][0] == "3"


def test_a_finished_agent_holds_nobody_up_whatever_it_had_left() -> None:
    rows = [agent("done", 100, "complete", estimatedTimeRemaining=500), agent("slow", 20, estimatedTimeRemaining=5)]
    assert progress(*rows, strategy="critical-path")["criticalPath"] == ["slow"]


@pytest.mark.parametrize(("agents", "chosen"), [(1, 1), (3, 1), (4, 2), (10, 3), (70, 21), (71, 22), (1000, 300)])
def test_three_tenths_of_the_agents_rounded_up_stand_for_the_critical_path(agents: int, chosen: int) -> None:
    rows = [agent(f"a{n}", 50) for n in range(agents)]
    assert len(progress(*rows, strategy="critical-path")["criticalPath"]) == chosen


def test_an_end_is_estimated_only_where_somebody_has_an_estimate() -> None:
    assert progress(agent("a", 50), agent("b", 60))["estimatedCompletion"] is None
    found = progress(agent("a", 50, estimatedTimeRemaining=30), agent("b", 100, "complete", estimatedTimeRemaining=90))
    assert found["estimatedCompletion"] == "2026-01-01T12:30:00+00:00"


def test_each_agent_is_one_bottleneck_at_most_its_worst() -> None:
    found = progress(
        agent("failed", 99, "failed"),
        agent("blocked", 5, "blocked", estimatedTimeRemaining=500),
        agent("far", 5),
        agent("behind", 20),
        *(agent(f"good{n}", 90, estimatedTimeRemaining=10) for n in range(6)),
        agent("idle", 0, "idle"),
        agent("done", 100, "complete"),
    )
    assert {each["agentId"]: each["impact"] for each in found["bottlenecks"]} == {
        "failed": "high",
        "blocked": "high",
        "far": "high",
        "behind": "medium",
        "idle": "low",
    }


def test_texts_of_progress() -> None:
    assert messages(lambda _: progress()) == ["agentProgresses array is required and cannot be empty"]
    rows = [
        agent("a", 101, "gone", taskWeight=200, estimatedTimeRemaining=-1),
        agent("a", 5),
        {**agent("b", 5), "currentTask": ""},
        {**agent("c", 0, "idle"), "currentTask": None},
    ]
    assert messages(lambda _: progress(*rows, strategy="weighted")) == [
        "Agent a: percentComplete must be between 0 and 100",
        "Agent a: status must be one of: idle, working, blocked, complete, failed",
        "Agent a: taskWeight must be between 0 and 100",
        "Agent a: estimatedTimeRemaining cannot be negative",
        "Duplicate agent ID found: a",
        "Agent b is missing required field: currentTask",
        "Weighted strategy requires taskWeight for all agents. Missing for: a, b, c",
    ]


def change(file: str, type: str = "modify", lines: tuple[int, int] | None = None, **more: Any) -> dict[str, Any]:
    numbers = {} if lines is None else {"lineNumbers": {"start": lines[0], "end": lines[1]}}
    return {"file": file, "type": type, **numbers, **more}


def result(agent: str, *changes: dict[str, Any], task: str = "", success: bool = True, **more: Any) -> dict[str, Any]:
    files = [each["file"] for each in changes]
    return {
        "agentId": agent,
        "taskId": task or f"of-{agent}",
        "success": success,
        "filesModified": files,
        "changes": list(changes),
        "duration": 1000,
        **more,
    }


def detected(*results: dict[str, Any], **more: Any) -> dict[str, Any]:
    return detect_conflicts({"agentResults": list(results), **more})


def test_lines_apart_merge_by_themselves_and_lines_that_overlap_do_not() -> None:
    first = result("A", change("src/shared.ts", lines=(1, 10)))
    apart = detected(first, result("B", change("./src/shared.ts", lines=(50, 60))))
    (conflict,) = apart["conflicts"]
    assert (conflict["severity"], conflict["resolutionOptions"][0]["strategy"]) == ("low", "merge")
    assert (conflict["resolutionOptions"][0]["automatic"], apart["resolutionStrategy"]) == (True, "auto")
    assert apart["mergedResult"]["filesModified"] == ["src/shared.ts"]
    overlap = detected(first, result("B", change("src/shared.ts", lines=(5, 15))))
    assert not overlap["conflicts"][0]["resolutionOptions"][0]["automatic"]
    assert (overlap["resolutionStrategy"], overlap["mergedResult"]) == ("manual", None)


@pytest.mark.parametrize(
    ("one", "other", "severity"),
    [
        (change("a", "delete"), change("a", lines=(1, 2)), "high"),
        (change("a", "delete"), change("a", "delete"), "low"),
        (change("package.json", lines=(1, 9)), change("package.json", lines=(3, 4)), "critical"),
        (change("package.json", lines=(1, 2)), change("package.json", lines=(3, 4)), "low"),
        (change("a"), change("a"), "medium"),
        (change("package.json"), change("package.json"), "medium"),
    ],
)
def test_severities_of_two_changes_of_one_file(one: dict[str, Any], other: dict[str, Any], severity: str) -> None:
    assert [each["severity"] for each in detected(result("A", one), result("B", other))["conflicts"]] == [severity]


def test_what_cannot_conflict() -> None:
    touch = change("a", lines=(1, 2))
    assert not detected(result("A", touch), result("B", touch, success=False))["hasConflicts"]
    assert not detected(result("A", touch, task="1"), result("A", touch, task="2"))["hasConflicts"]
    nodes = {each: {"id": each} for each in "123"}
    edges = [{"from": "1", "to": "2"}, {"from": "2", "to": "3"}]
    ordered = {"dependencyGraph": {"nodes": nodes, "edges": edges}}
    assert not detected(result("A", touch, task="1"), result("B", touch, task="3"), **ordered)["hasConflicts"]


def test_a_changed_signature_against_a_new_call_of_that_name_only() -> None:
    changes = result("A", change("lib.py", content="def total(rows, tax):\n    return 1\n"))
    calls = result("B", change("app.py", content="print(total([1]))\n"))
    others = result("C", change("other.py", content="print(subtotal([1]))\n"))
    (conflict,) = detected(changes, calls, others)["conflicts"]
    assert (conflict["type"], conflict["agents"], conflict["severity"]) == ("semantic", ["A", "B"], "high")


def test_a_call_in_another_language_is_of_another_function() -> None:
    changes = result("A", change("lib.py", content="def total(rows, tax):\n    return 1\n"))
    assert not detected(changes, result("B", change("app.ts", content="total([1])")))["hasConflicts"]
    script = result("A", change("lib.ts", content="export function total(rows) {}"))
    assert detected(script, result("B", change("app.tsx", content="total([1])")))["hasConflicts"]


def test_two_agents_on_one_task_are_not_ordered() -> None:
    graph = {"nodes": {"1": {}}, "edges": []}
    both = result("A", change("a"), task="1"), result("B", change("a"), task="1")
    assert detected(*both)["hasConflicts"]
    assert detected(*both, dependencyGraph=graph)["hasConflicts"]
    assert detected(*both, dependencyGraph={"nodes": {}, "edges": []})["hasConflicts"]


@pytest.mark.parametrize(
    ("kind", "at", "severity", "decision"),
    [
        ("modify", 5000, "low", "auto"),
        ("modify", 4995, "medium", "manual"),
        ("delete", 5000, "high", "manual"),
    ],
)
def test_many_results_on_one_file_are_one_conflict(kind: str, at: int, severity: str, decision: str) -> None:
    last = result("last", change("a", kind, (at, 5010)))
    rows = [*(result(f"agent-{n}", change("a", lines=(10 * n, 10 * n + 5))) for n in range(500)), last]
    found = detected(*rows)
    (conflict,) = found["conflicts"]
    assert (conflict["severity"], len(conflict["agents"]), found["resolutionStrategy"]) == (severity, 501, decision)


def test_many_results_on_one_file_in_order_do_not_conflict() -> None:
    nodes: dict[str, Any] = {f"of-{n}": {} for n in range(300)}
    edges = [{"from": f"of-{n}", "to": f"of-{n + 1}"} for n in range(299)]
    rows = [result(str(n), change("a")) for n in range(300)]
    graph = {"nodes": nodes, "edges": edges}
    assert not detected(*rows, dependencyGraph=graph)["hasConflicts"]
    assert detected(*rows, dependencyGraph={**graph, "edges": edges[1:]})["hasConflicts"]


def test_results_that_are_no_results() -> None:
    rows = [{"agentId": " ", "taskId": 5, "success": "yes", "filesModified": None, "changes": None}, "x"]
    assert messages(lambda _: detect_conflicts({"agentResults": rows, "executionStrategy": "x"})) == [
        "Result at index 0 is missing required field: agentId",
        "Result at index 0 is missing required field: taskId",
        "Result at index 0: success must be true or false",
        "Result at index 0: filesModified must be an array",
        "Result at index 0: changes must be an array",
        "Result at index 1 must be an object",
        'executionStrategy must be "conservative" or "aggressive"',
    ]


def test_a_task_that_succeeded_though_its_dependency_failed_or_ended_later() -> None:
    graph = {"nodes": {"1": {}, "2": {}}, "edges": [{"from": "1", "to": "2"}]}
    failed = detected(result("A", task="1", success=False), result("B", task="2"), dependencyGraph=graph)
    assert [each["type"] for each in failed["conflicts"]] == ["dependency"]
    late = result("A", task="1", finishedAt=9), result("B", task="2", finishedAt=5)
    assert [each["type"] for each in detected(*late, dependencyGraph=graph)["conflicts"]] == ["ordering"]


def test_who_decides() -> None:
    delete = [result("A", change("a", "delete")), result("B", change("a", lines=(1, 2)))]
    assert detected(*delete, executionStrategy="conservative")["resolutionStrategy"] == "rollback"
    assert detected(*delete, executionStrategy="aggressive")["resolutionStrategy"] == "manual"
    assert detected(result("A", change("a")))["resolutionStrategy"] == "auto"


def test_texts_of_conflicts() -> None:
    assert messages(lambda _: detect_conflicts({})) == ["agentResults array is required and cannot be empty"]
    bad = result("A", change("a", "rename"), duration=-1)
    bad["filesModified"] = "a"
    assert messages(lambda _: detected(bad)) == [
        "Result A: duration cannot be negative",
        "Result A: filesModified must be an array",
        "Result A, change 0: type must be one of: create, modify, delete",
    ]
