"""Answers: bounded, free of secrets, still JSON; and what of a plan needs the user's leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activities.agents.secrets import Secrets
from epw.core.errors import InvalidInput, InvalidRequest
from epw.core.plan.model import Plan, Task
from epw.core.plan.validate import read_plan
from epw.mcp.answers import Answers
from epw.mcp.leave import Leave, needs_leave
from tests.support import make_repository

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=300),
    lambda each: st.lists(each, max_size=20) | st.dictionaries(st.text(max_size=10), each, max_size=20),
    max_leaves=60,
)


@settings(deadline=None)
@given(st.dictionaries(st.text(min_size=1, max_size=10), JSON, min_size=1))
def test_an_answer_has_its_length_at_most_and_is_whole_or_says_what_is_left_out(document: dict[str, Any]) -> None:
    answers = Answers(Path("/nowhere/home"), max_tokens=100, secrets=Secrets.of({}))
    text = answers.text_of(document)
    assert len(text) <= 400
    found = json.loads(text)
    if "truncated" in found and found != document:
        assert answers.whole(found["truncated"]["whole"]) == document
    else:
        assert found == json.loads(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))


def test_an_answer_that_is_gone_cannot_be_referred_to() -> None:
    answers = Answers(Path("/nowhere/home"), max_tokens=100, secrets=Secrets.of({}))
    first = json.loads(answers.text_of({"rows": list(range(1000))}))["truncated"]["whole"]
    assert answers.resolve({"resource": first}) == {"rows": list(range(1000))}
    for number in range(50):
        answers.text_of({"rows": [number] * 1000})
    with pytest.raises(InvalidInput, match="is not kept any more"):
        answers.resolve({"resource": first})


def test_secrets_and_the_state_directory_are_not_shown() -> None:
    answers = Answers(Path("/nowhere/home"), secrets=Secrets.of({"API_KEY": "very-secret"}))
    text = answers.text_of({"message": "very-secret in /nowhere/home/hubs"})
    assert json.loads(text) == {"message": "[API_KEY] in $EPW_HOME/hubs"}


WITHOUT_LEAVE: dict[str, Any] = {
    "name": "n",
    "description": "d",
    "strategy": "aggressive",
    "maxAgents": 3,
    "workspace": "/w",
    "base": "main",
    "agent": "claude",
    "model": "m",
    "atomic": "task",
    "deliver": "apply",
    "commits": "keep",
    "network": False,
    "sandbox": "bubblewrap",
    "constraints": {"budget": {"maxTokens": 5}},
    "onConflict": ["ask"],
    "onQuestion": {"wait": False},
    "simulation": {"seed": 3},
    "checks": "off",
    "onProposal": "refuse",
}
WITH_LEAVE: dict[str, Any] = {
    "verify": "make test",
    "setup": "make",
    "env": {"A": "b"},
    "passEnv": ["SECRET"],
    "include": [".env"],
    "keep": ["dist/**"],
    "network": True,
    "sandbox": "none",
    "relock": {"*.lock": "make lock"},
    "checks": {"command": "make lint"},
    "deliver": "push",
    "urlRefs": "refs/heads/epw-refs",
    "logins": ["codex"],
    "onProposal": "take",
    "pullRequest": {},
    "notify": [{"on": ["failed"], "command": "make told"}],
}
TASK_WITH_LEAVE: dict[str, Any] = {
    "needs": ["gpu"],
    "simulate": {"writes": {"build.sh": "id"}},
    "run": "make",
    "verify": "make test",
    "env": {"A": "b"},
    "include": [".env"],
    "keep": ["dist/**"],
    "logins": ["codex"],
}


def plan(task: dict[str, Any], **fields: Any) -> Plan:
    return read_plan(
        {"workspace": "/w", "base": "main", **fields, "tasks": [{"id": "a", "description": "d", **task}]},
        runnable=False,
    )


def test_what_needs_no_leave_is_not_asked_about() -> None:
    task = {"files": ["x"], "reads": ["y"], "tools": ["Read"], "priority": 3, "simulate": {"seconds": 1}, "model": "m"}
    assert needs_leave(plan(task, **WITHOUT_LEAVE)) == []


@pytest.mark.parametrize("name", WITH_LEAVE)
def test_each_field_that_widens_what_a_plan_may_do_needs_leave(name: str) -> None:
    (found,) = needs_leave(plan({}, **{name: WITH_LEAVE[name]}))
    assert found.startswith(f"{name}: ")


@pytest.mark.parametrize("name", TASK_WITH_LEAVE)
def test_each_field_of_a_task_that_widens_what_it_may_do_needs_leave(name: str) -> None:
    (found,) = needs_leave(plan({name: TASK_WITH_LEAVE[name]}))
    assert found.startswith(f"tasks[0].{name}: ")


def test_a_program_with_the_users_login_needs_leave_and_an_agent_of_ours_does_not() -> None:
    assert needs_leave(plan({"agent": "codex"}, agent="gemini")) == ["agent: gemini", "tasks[0].agent: codex"]
    assert needs_leave(plan({"agent": "claude"}, agent="claude-code")) == []


def test_every_field_of_plans_is_known_here_with_or_without_leave() -> None:
    """A new field needs leave until somebody decides; this test makes them."""
    plan_fields = {field.alias for field in Plan.model_fields.values()}
    assert plan_fields == {"tasks", *WITHOUT_LEAVE, *WITH_LEAVE}
    task_fields = {field.alias for field in Task.model_fields.values()}
    known = "id description dependsOn estimatedMinutes priority context agent model tools files reads"
    known += " estimatedCostUSD estimatedTokens estimatedRequests"
    assert task_fields == {*known.split(), "constraints", *TASK_WITH_LEAVE}


@pytest.mark.parametrize("path", ["..", "/", "~", "a/../..", "link", "\0", "~nobody-here/x"])
def test_a_folder_outside_is_refused_however_it_is_written(tmp_path: Path, path: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/link").symlink_to(tmp_path)
    leave = Leave([tmp_path / "in"], allow_commands=False)
    with pytest.raises(Exception, match=r"outside|no path"):
        leave.check_folder(path)
    assert leave.check_folder("a/./b") == str(tmp_path / "in/a/b")


@pytest.mark.parametrize("form", ["file", "link", "commondir"])
def test_a_repository_outside_is_refused_though_its_folder_is_inside(tmp_path: Path, form: str) -> None:
    outside, inside = make_repository(tmp_path / "outside"), tmp_path / "in/work"
    inside.mkdir(parents=True)
    leave = Leave([tmp_path / "in"], allow_commands=False)
    assert leave.check_folder("work") == str(inside)
    if form == "file":
        (inside / ".git").write_text(f"gitdir: {outside}/.git\n")
    elif form == "link":
        (inside / ".git").symlink_to(outside / ".git")
    else:
        (inside / ".git").mkdir()
        (inside / ".git/commondir").write_text(str(outside / ".git"))
    with pytest.raises(InvalidRequest, match="outside the folders"):
        leave.check_folder("work")
    started_there = Leave([inside], allow_commands=False)
    assert started_there.check_folder(".") == str(inside), "the user's own linked worktree"


def test_errors_name_only_paths_that_the_caller_knows_or_may_touch(tmp_path: Path) -> None:
    leave = Leave([tmp_path], allow_commands=False)
    text = f"{tmp_path}/a lies in /home/ada/secret, not /named/before; see http://example.org/x and and/or"
    assert leave.without_outside(text, "/named/before") == (
        f"{tmp_path}/a lies in [a path outside], not /named/before; see http://example.org/x and and/or"
    )
