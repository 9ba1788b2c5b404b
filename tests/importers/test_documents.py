"""JSON of other programs: Task Master, GitHub issues, task-executor, spec-to-tasks, goals."""

from __future__ import annotations

from typing import Any

import pytest

from epw.importers.model import Choices
from tests.importers.reading import WHOLE, document, edges, refusal, taken

Row = dict[str, Any]


def task(number: int, *after: Any, **more: Any) -> Row:
    return {
        "id": number,
        "title": f"Task {number}",
        "description": f"Do {number}.",
        "status": "pending",
        "dependencies": list(after),
        "priority": "medium",
        "details": "",
        "testStrategy": "",
        "subtasks": [],
    } | more


TASKS = [
    task(1, status="done"),
    task(2, 1, priority="high", details="By a pool.", testStrategy="Run the pool's tests."),
    task(
        3,
        2,
        subtasks=[
            {"id": 1, "title": "Sketch", "status": "done", "dependencies": []},
            {"id": 2, "title": "Draw", "description": "Draw it.", "status": "pending", "dependencies": [1]},
            {"id": 3, "title": "Print", "status": "in-progress", "dependencies": [2, "3.1"]},
        ],
    ),
    task(4, 3, status="cancelled"),
    task(5, 4),
    task(6, 5, status="deferred"),
    task(7, 6, 2),
    task(8, 7),
    task(9, status="review"),
    task(10, 9),
]


def test_open_tasks_and_sub_tasks_of_task_master_become_a_plan() -> None:
    made = taken(document({"master": {"tasks": TASKS, "metadata": {"version": "1"}}}), "task-master")
    assert edges(made) == {"2": [], "3.2": ["2"], "3.3": ["2", "3.2"], "3": ["2", "3.2", "3.3"], "5": []}
    rows = {row["id"]: row for row in made.document["tasks"]}
    assert rows["2"]["description"] == "Task 2\n\nDo 2.\n\nBy a pool.\n\nTo test: Run the pool's tests."
    assert rows["2"]["priority"] == 1
    assert rows["3"]["description"].endswith(WHOLE)
    assert rows["3.2"]["description"] == "Draw\n\nDraw it.\n\nA part of task 3: Task 3"
    assert made.notes[:5] == (
        "took tasks.json for a Task Master tasks.json: 5 tasks of tag master",
        "left out: 2 done, 1 in review, 1 cancelled, 1 postponed",
        "left out, since they wait for what is postponed or in review: 10, 7, 8",
        "no longer wait for a cancelled task: 5",
        "a task with sub-tasks waits for them, and checks the whole",
    )


def test_the_older_form_without_tags_is_read() -> None:
    assert set(edges(taken(document({"tasks": TASKS, "metadata": {}}), "task-master"))) == {
        "2",
        "3.2",
        "3.3",
        "3",
        "5",
    }


def test_what_depends_on_a_task_in_review_waits_as_in_task_master_itself() -> None:
    tasks = [task(1, status="review"), task(2, 1), task(3, 2)]
    told = refusal(document({"tasks": tasks}), "task-master")
    assert told == "tasks.json: every open task waits for what is postponed or in review: 1 in review"
    made = taken(document({"tasks": [*tasks, task(4)]}), "task-master")
    assert edges(made) == {"4": []}
    assert "left out, since they wait for what is postponed or in review: 2, 3" in made.notes


def test_what_is_said_of_a_whole_task_holds_for_its_parts() -> None:
    parts = [{"id": 1, "title": "Part", "status": "pending"}]
    made = taken(document({"tasks": [task(1, status="done", subtasks=parts), task(2, 1)]}), "task-master")
    assert set(edges(made)) == {"2"}
    made = taken(document({"tasks": [task(1, status="deferred", subtasks=parts), task(2)]}), "task-master")
    assert set(edges(made)) == {"2"}


def test_the_tag_is_the_current_one_else_master_else_the_users_choice() -> None:
    tags = {"fix": {"tasks": [task(1)]}, "master": {"tasks": [task(2)]}, "other": {"tasks": [task(3)]}}
    file = document(tags)
    assert set(edges(taken(file, "task-master"))) == {"2"}
    assert set(edges(taken(file, "task-master", Choices(tag="fix")))) == {"1"}
    current = document(tags, **{"../state.json": '{"currentTag": "other"}'})
    assert set(edges(taken(current, "task-master"))) == {"3"}
    assert "did you mean other?" in refusal(file, "task-master", Choices(tag="othr"))
    del tags["master"]
    assert "`epw import --tag` chooses one of fix, other" in refusal(document(tags), "task-master")


def test_all_problems_of_a_task_master_file_are_told_with_their_paths() -> None:
    bad = [task(1, status="donne"), task(2, True, title=7), {**task(3), "id": None}, "x"]
    assert refusal(document({"tasks": bad}), "task-master").splitlines() == [
        "tasks.json: tasks[3]: must be an object, not a text",
        "tasks.json: tasks[0].status: must be one of: pending, in-progress, done, completed, review, cancelled,"
        " deferred, blocked; did you mean done?",
        "tasks.json: tasks[1].dependencies[0]: must be a text or a whole number, not a truth value",
        "tasks.json: tasks[1].title: must be a text, not a number",
        "tasks.json: tasks[2].id: is required",
    ]
    assert refusal(document({"tasks": [task(1, 9)]}), "task-master") == (
        "tasks.json: tasks[0]: Task 1 depends on non-existent task: 9"
    )


ISSUES = [
    {
        "number": 12,
        "title": "Login fails",
        "body": "It does.\r\n\r\nBlocked by #10 and #99.\r\n\r\n- [ ] Write a test\r\n- [x] Reproduce\r\n- [ ] #11\r\n",
        "state": "OPEN",
        "labels": [{"id": "x", "name": "bug", "color": "d73a4a"}],
    },
    {"number": 11, "title": "Rename the field", "body": None, "state": "OPEN", "labels": []},
    {"number": 10, "title": "Upgrade", "body": "", "state": "CLOSED", "labels": []},
    {"number": 9, "title": "Docs", "body": "", "blockedBy": {"nodes": [{"number": 12, "title": "Login fails"}]}},
]


def test_issues_wait_for_their_boxes_and_for_what_blocks_them() -> None:
    made = taken(document(ISSUES, "issues.json"), "github-issues")
    assert edges(made) == {
        "issue-12/write-a-test": [],
        "issue-12": ["issue-12/write-a-test", "issue-11"],
        "issue-11": [],
        "issue-9": ["issue-12"],
    }
    assert "not in the file, so taken as closed: #99" in made.notes
    rows = {row["id"]: row for row in made.document["tasks"]}
    assert rows["issue-12"]["context"] == {"file": "issues.json", "issue": "#12", "labels": "bug"}
    assert rows["issue-12/write-a-test"]["description"] == "Write a test\n\nA part of issue #12: Login fails"
    assert rows["issue-12"]["description"].endswith(WHOLE)
    assert rows["issue-9"]["description"] == "Docs"


def test_a_box_of_an_issue_waits_for_those_nested_in_it() -> None:
    made = taken(document({"number": 5, "title": "Users", "body": "- [ ] Docs\n  - [ ] for admins\n"}), "github-issues")
    assert edges(made) == {
        "issue-5/docs": ["issue-5/docs/for-admins"],
        "issue-5/docs/for-admins": [],
        "issue-5": ["issue-5/docs", "issue-5/docs/for-admins"],
    }
    rows = {row["id"]: row["description"] for row in made.document["tasks"]}
    assert rows["issue-5/docs"] == f"Docs\n\nA part of issue #5: Users\n\n{WHOLE}"
    assert rows["issue-5/docs/for-admins"] == "for admins\n\nA part of issue #5: Users › Docs"


def test_a_single_issue_is_read() -> None:
    assert set(edges(taken(document(ISSUES[1]), "github-issues"))) == {"issue-11"}


@pytest.mark.parametrize(
    ("description", "hours", "minutes"),
    [
        ("Write tests for the parser", None, 15),
        ("Implement the latest protocol", None, 30),
        ("Design the schema", None, 45),
        ("Research the options", None, 60),
        ("Update CHANGELOG", None, 30),
        ("Test what was implemented", None, 15),
        ("Research it", 0.5, 30),
        ("Rewrite it all", 100, 1440),
    ],
)
def test_minutes_of_a_task_executor_workflow(description: str, hours: float | None, minutes: float) -> None:
    row = {"description": description} | ({} if hours is None else {"estimatedHours": hours})
    made = taken(document({"name": "w", "projectPath": "/p", "tasks": [row]}), "task-executor")
    assert made.document["tasks"][0]["estimatedMinutes"] == minutes
    assert made.document["workspace"] == "/p"


def test_tasks_of_a_task_executor_workflow_have_no_dependencies_and_done_ones_are_left_out() -> None:
    state = {
        "workflowType": "task-executor",
        "name": "fix-123",
        "customData": {
            "tasks": [
                {"id": "1", "description": "Reproduce", "status": "verified"},
                {"id": "2", "description": "Implement the fix", "status": "pending", "estimatedHours": 2},
                {"id": "3", "description": "Tell them", "status": "pending"},
            ]
        },
    }
    made = taken(document(state), "task-executor")
    assert edges(made) == {"2": [], "3": []}
    assert made.document["name"] == "fix-123"
    rows = taken(document([{"description": "one"}, {"description": "two"}]), "task-executor")
    assert edges(rows) == {"1": [], "2": []}


def test_a_spec_to_tasks_payload_keeps_its_dependencies() -> None:
    payload = {
        "specName": "auth",
        "goalId": "01",
        "tasks": [
            {"key": "API", "title": "The API", "description": "Implement it", "estimatedHours": 6, "dependencies": []},
            {"key": "TEST", "description": "Integration tests", "dependencies": ["API"], "acceptanceCriteria": ["all"]},
        ],
    }
    made = taken(document(payload), "spec-to-tasks")
    assert edges(made) == {"API": [], "TEST": ["API"]}
    assert [row["estimatedMinutes"] for row in made.document["tasks"]] == [360, 15]
    assert made.document["tasks"][1]["description"] == "Integration tests\n\nAccepted when:\n- all"
    bad = {"tasks": [{"id": 1, "description": "x", "dependencies": [2, {}], "estimatedHours": -1}]}
    assert len(refusal(document(bad), "spec-to-tasks").splitlines()) == 2


HANDED_OVER: list[Any] = [
    {"name": "fix", "projectPath": "/p", "constraints": ["safe"], "tasks": [{"description": "x", "estimatedHours": 1}]},
    {
        "goalId": "01",
        "tasks": [{"id": "1", "description": "x", "dependencies": ["2"]}, {"id": "2", "description": "y"}],
    },
    {
        "handoffType": "spec-to-tasks",
        "context": {"projectPath": "/p"},
        "payload": {
            "subGoal": {"id": "1.1", "name": "Goal", "parentGoalId": "01"},
            "specification": {"acceptanceCriteria": ["it works"]},
            "dependencies": {"blockedBy": []},
        },
    },
]
GOALS = {
    "id": "01",
    "name": "Accounts",
    "subGoals": [
        {"id": "1.1", "name": "Login", "tasks": [{"description": "Design it"}, {"id": "b", "description": "Build it"}]},
        {
            "id": "1.2",
            "name": "Profile",
            "dependencies": ["1.1"],
            "tasks": [
                {"id": "a", "description": "Page"},
                {"id": "b", "description": "Photo", "dependencies": ["a"]},
            ],
        },
        {"id": "1.3", "name": "Delete an account", "description": "With all data.", "blockedBy": ["1.2"]},
    ],
}


def test_goals_become_one_plan_in_which_goals_wait_for_goals() -> None:
    made = taken(document(GOALS), "goals")
    assert edges(made) == {
        "01/1.1/1": [],
        "01/1.1/b": [],
        "01/1.2/a": ["01/1.1/1", "01/1.1/b"],
        "01/1.2/b": ["01/1.2/a"],
        "01/1.3": ["01/1.2/b"],
    }
    assert made.document["name"] == "Accounts"
    assert made.document["tasks"][0]["context"]["goals"] == ["01", "1.1"]
    assert made.document["tasks"][0]["description"] == "Design it\n\nA part of goal 01/1.1: Accounts › Login"
    assert "goal 01/1.3 has no tasks: it is one task as a whole" in made.notes


def test_hand_offs_of_sub_goals_are_goals() -> None:
    def handoff(name: str, *after: str, **payload: Any) -> Row:
        goal = {"id": name, "name": f"Goal {name}", "description": "", "parentGoalId": "01", "parentGoalName": "A"}
        rest = {"specification": {"acceptanceCriteria": ["it works"]}, "dependencies": {"blockedBy": list(after)}}
        return {
            "handoffType": "spec-to-tasks",
            "context": {"projectPath": "/p"},
            "payload": {"subGoal": goal, **rest, **payload},
        }

    rows = [handoff("1.1"), handoff("1.2", "1.1", tasks=[{"id": "1", "description": "Build", "dependencies": []}])]
    made = taken(document(rows), "goals")
    assert edges(made) == {"01/1.1": [], "01/1.2/1": ["01/1.1"]}
    assert made.document["workspace"] == "/p"
    assert made.document["tasks"][0]["description"] == (
        "Goal 1.1\n\nAccepted when:\n- it works\n\nA part of goal 01: A"
    )
    assert made.document["tasks"][1]["description"] == "Build\n\nA part of goal 01/1.2: A › Goal 1.2"


def test_problems_of_goals_are_told_with_their_paths() -> None:
    bad = {"goals": [{"id": "a", "dependsOn": ["b", "a"]}, {"name": "x"}, {"id": "a"}]}
    told = refusal(document(bad), "goals").splitlines()
    assert any(each.startswith("tasks.json: goals[0].dependsOn[0]: goal a depends on non-exist") for each in told)
    assert "tasks.json: goals[1].id: is required" in told
    assert "tasks.json: goals[2]: goal a is there twice" in told
