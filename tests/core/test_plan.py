"""Plans: bounds, messages, all problems at once, files of both kinds."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from epw.client.plan_file import read_plan_file
from epw.core.errors import InvalidPlan
from epw.core.plan.validate import read_plan
from tests.support import tasks


def problems(document: Any) -> dict[str, str]:
    with pytest.raises(InvalidPlan) as raised:
        read_plan(document)
    return {problem.path: problem.message for problem in raised.value.problems}


def one(**more: Any) -> dict[str, Any]:
    return {"tasks": tasks({"id": "a", "run": "true", **more})}


def test_defaults_are_the_contract_s() -> None:
    plan = read_plan(one())
    assert (plan.strategy, plan.max_agents, plan.tasks[0].estimated_minutes) == ("conservative", 5, 10)
    assert plan.backend_of(plan.tasks[0]).name == "command"


def test_all_problems_are_told_at_once_with_their_paths() -> None:
    found = problems(
        {
            "strategy": "bold",
            "maxAgents": 0,
            "tasks": [
                {"id": " ", "description": "x", "run": "true"},
                {"id": "b", "run": "true", "estimatedMinutes": "5"},
                {"id": "b", "description": "x", "run": 7, "dependsOn": ["nope", "b"]},
                {"id": "c", "description": "x", "run": "true", "dependsOn": "b", "dependOn": []},
            ],
        }
    )
    assert found["tasks[0].id"] == "Task at index 0 is missing required field: id"
    assert found["tasks[1].description"] == "Task at index 1 is missing required field: description"
    assert found["tasks[1].estimatedMinutes"] == "Task b: estimatedMinutes must be above 0 and at most 1440 (24 hours)"
    assert found["tasks[2].id"] == "Duplicate task ID found: b"
    assert found["tasks[2].dependsOn[0]"] == "Task b depends on non-existent task: nope"
    assert found["tasks[2].dependsOn[1]"] == "Task b cannot depend on itself"
    assert found["tasks[3].dependsOn"] == "Task c: dependsOn must be an array"
    assert found["tasks[3].dependOn"] == "unknown key; did you mean dependsOn?"
    assert "quotes" in found["tasks[2].run"]
    assert found["strategy"].startswith("must be one of: conservative, aggressive")
    assert "maxAgents" in found


@pytest.mark.parametrize(
    ("document", "path", "words"),
    [
        ({"tasks": []}, "tasks", "cannot be empty"),
        ({}, "tasks", "required"),
        (one(description="x" * 16385), "tasks[0].description", "16384"),
        (one(id="x" * 129), "tasks[0].id", "128"),
        (one(id="a\nb"), "tasks[0].id", "control character"),
        (one(estimatedMinutes=float("nan")), "tasks[0].estimatedMinutes", "1440"),
        (one(estimatedMinutes=1441), "tasks[0].estimatedMinutes", "1440"),
        (one(estimatedMinutes=True), "tasks[0].estimatedMinutes", "1440"),
        ({**one(), "max_agents": 2, "maxAgents": 3}, "maxAgents", "twice"),
        (
            {**one(), "constraints": {"apiRateLimit": {"maxRequestsPerMinute": 5}}},
            "constraints.apiRateLimit.provider",
            "required",
        ),
        (
            {**one(), "constraints": {"resourceLimits": {"maxMemoryMB": 99}}},
            "constraints.resourceLimits.maxMemoryMB",
            "100",
        ),
        (
            {**one(), "constraints": {"resourceLimits": {"maxCPUPercent": 101}}},
            "constraints.resourceLimits.maxCPUPercent",
            "100",
        ),
        ({**one(), "onConflict": ["merge", "guess"]}, "onConflict[1]", "one of"),
        ({**one(), "onConflict": ["prefer:zz"]}, "onConflict[0]", "non-existent"),
        ({**one(), "workspace": "here"}, "workspace", "absolute"),
        ({**one(), "base": "main"}, "base", "workspace"),
        ({**one(), "workspace": "/w", "include": ["../x"]}, "include[0]", "within"),
        ({"tasks": tasks({"id": "a", "agent": "command"})}, "tasks[0].run", "required"),
        ({**one(), "pullRequest": {}}, "pullRequest", "workspace"),
        ({**one(), "notify": [{"on": ["ended"]}]}, "notify[0]", "exactly one of command, webhook"),
        ({**one(), "notify": [{"command": "x", "bell": True}]}, "notify[0]", "not command and bell"),
        ({**one(), "notify": [{"on": ["end"], "bell": True}]}, "notify[0].on[0]", "ended"),
        ({**one(), "notify": [{"webhok": "https://example.org"}]}, "notify[0].webhok", "webhook"),
        ({**one(), "notify": [{"webhook": "file:///etc/passwd"}]}, "notify[0].webhook", "http"),
        ({**one(), "notify": [{"webhook": "https://a:b@example.org"}]}, "notify[0].webhook", "credentials"),
        ({**one(), "notify": [{"command": "x", "secretEnv": "KEY"}]}, "notify[0].secretEnv", "webhook"),
        ({**one(), "workspace": "/w", "deliver": "apply", "pullRequest": {}}, "pullRequest", "apply"),
        ({**one(), "workspace": "/w", "pullRequest": {"titel": "x"}}, "pullRequest.titel", "title"),
        ({**one(), "workspace": "/w", "pullRequest": {"reviewers": ["-x"]}}, "pullRequest.reviewers[0]", "not allowed"),
    ],
)
def test_bounds(document: dict[str, Any], path: str, words: str) -> None:
    assert words in problems(document)[path]


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/x.git",
        "https://team@dev.example.org/x",
        "http://localhost:8080/x.git",
        "ssh://git@example.org:2222/~/x.git",
        "git@example.org:x.git",
        "file:///srv/x.git",
    ],
)
def test_a_git_url_is_a_workspace(url: str) -> None:
    assert read_plan({**one(), "workspace": url, "deliver": "push"}).workspace == url


@pytest.mark.parametrize(
    ("more", "path", "words"),
    [
        ({"workspace": "https://ada:s3cret@example.org/x.git"}, "workspace", "credential helper"),
        ({"workspace": "https://ghp_0123456789@example.org/x.git"}, "workspace", "credential helper"),
        ({"workspace": "https://example.org/x.git?private_token=1"}, "workspace", "credential helper"),
        ({"workspace": "ssh://git:pw@example.org/x.git"}, "workspace", "credential helper"),
        ({"workspace": "ext::sh -c touch% /tmp/x"}, "workspace", "git URL"),
        ({"workspace": "ext::sh"}, "workspace", "remote helper"),
        ({"workspace": "git://example.org/x.git"}, "workspace", "scheme"),
        ({"workspace": "https:///x.git"}, "workspace", "no host"),
        ({"workspace": "-u:x"}, "workspace", "dash"),
        ({"workspace": "https://h/x", "deliver": "branch"}, "deliver", "push"),
        ({"workspace": "https://h/x", "deliver": "apply"}, "deliver", "push"),
        ({"workspace": "https://h/x", "urlRefs": "refs/heads/epw/x"}, "urlRefs", "delivered"),
        ({"workspace": "https://h/x", "urlRefs": "refs/heads"}, "urlRefs", "add a name"),
        ({"workspace": "https://h/x", "urlRefs": "refs/../x"}, "urlRefs", "refs/epw"),
        ({"workspace": "/w", "deliver": "push", "base": "main"}, "deliver", "needs a git URL"),
        ({"workspace": "/w", "urlRefs": "refs/heads/x"}, "urlRefs", "leave it out"),
    ],
)
def test_what_a_git_url_can_be_and_have(more: dict[str, Any], path: str, words: str) -> None:
    assert words in problems({**one(), **more})[path]


def test_a_password_in_a_url_is_not_repeated() -> None:
    assert "s3cret" not in str(problems({**one(), "workspace": "https://ada:s3cret@example.org/x.git"}))


def test_a_cycle_is_told_with_its_path() -> None:
    rows = [{"id": i, "run": "true", "dependsOn": [d]} for i, d in (("a", "c"), ("b", "a"), ("c", "b"))]
    assert problems({"tasks": tasks(*rows)}) == {"tasks": "Circular dependency: a → b → c → a"}


def test_snake_case_is_read_for_our_own_keys_and_left_alone_in_context() -> None:
    plan = read_plan(
        {"max_agents": 2, "tasks": tasks({"id": "a", "run": "true", "depends_on": [], "context": {"max_x": 1}})}
    )
    assert (plan.max_agents, plan.tasks[0].context) == (2, {"max_x": 1})


def test_a_budget_of_commands_is_handed_to_them_and_shown_as_not_enforced() -> None:
    plan = read_plan({**one(), "constraints": {"resourceLimits": {"maxMemoryMB": 512}, "budget": {"maxCostUSD": 1}}})
    assert plan.not_enforced(plan.tasks[0]) == ["constraints.budget"]


def test_yaml_and_json_files_read_the_same_and_the_workspace_is_relative_to_the_file(tmp_path: Path) -> None:
    document = {"workspace": "repo", **one()}
    (tmp_path / "p.json").write_text(json.dumps(document))
    (tmp_path / "p.yaml").write_text("workspace: repo\ntasks:\n- {id: a, run: 'true', description: do a}\n")
    read, same = (read_plan_file(str(tmp_path / name)) for name in ("p.yaml", "p.json"))
    assert read == replace(same, source=read.source)
    assert read.document["workspace"] == str(tmp_path / "repo")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.json", '{"tasks": [], "tasks": []}', "duplicate key"),
        ("a.yaml", "tasks: []\ntasks: []\n", "duplicate key"),
        ("a.json", '{"tasks": NaN}', "NaN"),
        ("a.json", "{", "valid JSON"),
        ("a.yaml", "a: [", "valid YAML"),
        ("a.yaml", "a: !!python/object:os.system x", "valid YAML"),
        ("a.json", "[" * 100_000, "deep"),
        (
            "a.yaml",
            "\n".join(["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]),
            "expands",
        ),
    ],
)
def test_a_hostile_file_is_refused_in_one_line(tmp_path: Path, name: str, text: str, words: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InvalidPlan) as raised:
        read_plan_file(str(tmp_path / name))
    assert words in str(raised.value)


def test_a_deep_plan_is_refused() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    assert "nested" in problems({**one(), "context": deep})[""]


def _paths(document: dict[str, Any]) -> list[str]:
    with pytest.raises(InvalidPlan) as refused:
        read_plan(document)
    return sorted(problem.path for problem in refused.value.problems)


def test_what_types_refuse_hides_nothing_that_rules_refuse() -> None:
    found = {
        "nmae": "x",
        "strategy": "agressive",
        "agent": "aider",
        "constraints": {"budget": {"maxCostUSD": 1}},
        "network": False,
        "commits": "kepp",
        "onConflict": ["merge", "prefer:nope"],
        "tasks": [
            {"id": "a", "description": "x", "dependsOn": ["b"]},
            {"id": "b", "description": "y", "dependsOn": ["a", "zz"], "estimatedMinutes": "x"},
        ],
    }
    assert set(_paths(found)) == {
        *("nmae", "strategy", "commits", "tasks[1].estimatedMinutes"),
        *("tasks[1].dependsOn[1]", "onConflict[1]", "tasks[0].agent", "tasks[1].agent", "tasks"),
    }


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        ({"worspace": "/x", "deliver": "branch", "verify": "true"}, ["worspace"]),
        ({"workspace": 1, "deliver": "branch"}, ["workspace"]),
        ({"tasks": [{"id": "a", "description": "d", "run": "true", "agent": "comand"}]}, ["tasks[0].agent"]),
        ({"tasks": [{"id": "a", "description": "d", "rnu": "true", "agent": "command"}]}, ["tasks[0].rnu"]),
        ({"tasks": [{"id": 1, "description": "d", "run": "true"}], "onConflict": ["prefer:a"]}, ["tasks[0].id"]),
        ({"tasks": ["a"], "onConflict": ["prefer:a"]}, ["tasks[0]"]),
    ],
)
def test_what_follows_from_another_problem_is_none_of_its_own(document: dict[str, Any], paths: list[str]) -> None:
    rows = [{"id": "a", "description": "d", "run": "true"}]
    assert _paths({"tasks": rows, **document}) == paths
