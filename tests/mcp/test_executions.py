"""Executions over MCP: questions, conflicts, steering, results, resources and prompts, on a real repository."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.mcp.support import LEGACY, MODERN, Agent, McpSite
from tests.support import make_repository, sh, tasks

ASK = """if [ -z "${EPW_ANSWER:-}" ]; then
  echo '{"question": "Which name?", "options": ["Ada", "Grace"]}' >> "$EPW_EVENTS"; exit 75
fi
echo "$EPW_ANSWER" > name"""


async def start(agent: Agent, *rows: dict[str, Any], **plan: Any) -> str:
    document = {"workspace": ".", "tasks": tasks(*rows), **plan}
    arguments = {"executionStrategy": plan.pop("strategy", "aggressive"), "maxParallelAgents": 3}
    started = await agent.result("execute_parallel_workflow", plan=document, **arguments)
    assert started["success"]
    return str(started["executionId"])


async def _listed(agent: Agent) -> list[str]:
    return [row["executionId"] for row in (await agent.result("list_executions"))["executions"]]


async def test_a_question_comes_back_with_the_call_that_answers_it(mcp_at_work: McpSite) -> None:
    async with mcp_at_work.agent("--allow-commands") as agent:
        identifier = await start(agent, {"id": "a", "run": ASK}, {"id": "b", "run": "cat name", "dependsOn": ["a"]})
        seen = await agent.result("get_execution", executionId=identifier, wait=True)
        assert seen["status"] == "running"
        (need,) = seen["needs"]
        assert (need["kind"], need["text"], need["options"]) == ("question", "Which name?", ["Ada", "Grace"])
        call = need["answerWith"]
        await agent.result(call["tool"], **{**call["arguments"], "text": "Grace"})
        again = await agent.error(call["tool"], **{**call["arguments"], "text": "Ada"})
        assert "answered" in again["message"]
        ended = await agent.result("get_execution", executionId=identifier, wait=True)
        assert ended["status"] == "succeeded"
        assert sh(mcp_at_work.folder, "git", "show", f"{ended['delivery']['branch']}:name") == "Grace\n"


async def test_a_start_tells_of_secrets_that_stay_out(mcp_at_work: McpSite) -> None:
    secret = mcp_at_work.folder / ".env"
    secret.write_text("API_TOKEN=abcdefgh12345\n")
    plan = {"workspace": ".", "tasks": tasks({"id": "a", "run": "true"})}
    async with mcp_at_work.agent("--allow-commands") as agent:
        arguments = {"executionStrategy": "aggressive", "maxParallelAgents": 1}
        started = await agent.result("execute_parallel_workflow", plan=plan, **arguments)
        await agent.result("get_execution", executionId=started["executionId"], wait=True)
    secret.unlink()
    (told,) = started["warnings"]
    assert told.startswith("left out: .env")


async def test_a_conflict_comes_back_with_its_sides_and_choices(mcp_at_work: McpSite) -> None:
    both: list[dict[str, Any]] = [{"id": each, "run": f"sed -i s/3/{each}/ shared"} for each in ("one", "two")]
    async with mcp_at_work.agent("--allow-commands") as agent:
        identifier = await start(agent, *both, onConflict=["ask"])
        seen = await agent.result("get_execution", executionId=identifier, wait=True)
        (need,) = seen["needs"]
        assert (need["kind"], need["paths"]) == ("conflict", ["shared"])
        assert need["hunks"][0]["path"] == "shared"
        assert need["sides"]["theirs"] == f"the change of {need['tasks'][0]}"
        choice = next(each["choice"] for each in need["choices"] if each["choice"].startswith("prefer"))
        call = need["answerWith"]
        await agent.result(call["tool"], **{**call["arguments"], "choice": choice})
        ended = await agent.result("get_execution", executionId=identifier, wait=True)
        assert ended["status"] == "succeeded", ended
        assert ended["conflicts"][0]["decidedBy"] == "user"


async def test_an_execution_is_paused_resumed_cancelled_and_retried(mcp_at_work: McpSite) -> None:
    go = mcp_at_work.folder.parent / "go"
    rows: list[dict[str, Any]] = [
        {"id": "a", "run": "echo a > a"},
        {"id": "b", "run": f"while [ ! -e {go} ]; do sleep 0.05; done; echo b > b", "dependsOn": ["a"]},
        {"id": "c", "run": "echo c > c", "dependsOn": ["b"]},
    ]
    async with mcp_at_work.agent("--allow-commands") as agent:
        identifier = await start(agent, *rows, sandbox="none")
        seen: dict[str, Any] = {"tasks": []}
        while not any(row["taskId"] == "b" and row["status"] == "running" for row in seen["tasks"]):
            seen = await agent.result("get_execution", executionId=identifier, wait=True, waitSeconds=1)
        more = [{"id": "d", "description": "last", "run": "true", "dependsOn": ["c"]}]
        assert (await agent.result("add_tasks", executionId=identifier, tasks=more))["added"] == ["d"]
        assert "Duplicate" in (await agent.error("add_tasks", executionId=identifier, tasks=more))["message"]
        changed = await agent.result("change_limits", executionId=identifier, maxAgents=2, taskId="c", priority=4)
        assert (changed["maxAgents"], changed["priority"]) == (2, 4)
        assert (await agent.error("change_limits", executionId=identifier, taskId="c"))["path"] == "priority"
        cancelled = await agent.result("cancel_task", executionId=identifier, taskId="c")
        assert cancelled["status"] == "cancelled"
        assert "has not ended" in (await agent.error("retry_task", executionId=identifier, taskId="b"))["message"]
        steering = (await agent.result("get_execution", executionId=identifier))["steering"]
        assert [each["action"] for each in steering] == ["add_tasks", "set_max_agents", "set_priority", "cancel_task"]
        assert {each["by"] for each in steering} == {"MCP: mcp"}
        assert (await agent.result("pause_execution", executionId=identifier))["status"] == "paused"
        assert (await agent.result("resume_execution", executionId=identifier))["status"] == "running"
        assert (await agent.result("cancel_execution", executionId=identifier))["cancelRequested"]
        ended = await agent.result("get_execution", executionId=identifier, wait=True)
        assert ended["status"] == "cancelled"
        assert "retry_execution" in ended["next"]
        refused = await agent.error("pause_execution", executionId=identifier)
        assert "has ended" in refused["message"]
        go.touch()
        again = await agent.result("retry_execution", executionId=identifier)
        assert again["takenOver"] == ["a"]
        assert list(again["runsAgain"]) == ["b", "c", "d"]
        done = await agent.result("get_execution", executionId=again["executionId"], wait=True, full=True)
        assert done["status"] == "succeeded"
        assert [row.get("reused", False) for row in done["results"]] == [True, False, False, False]
        listed = await agent.result("list_executions")
        assert [row["executionId"] for row in listed["executions"]][:2] == [again["executionId"], identifier]


async def test_changes_reports_and_prompts_can_be_read(mcp_at_work: McpSite) -> None:
    async with mcp_at_work.agent("--allow-commands") as agent:
        identifier = await start(agent, {"id": "a/b", "run": "seq 1 400 > numbers"})
        await agent.result("get_execution", executionId=identifier, wait=True)
        page = await agent.result("get_changes", executionId=identifier, taskId="a/b", limit=500)
        rest = await agent.result(
            "get_changes", executionId=identifier, taskId="a/b", offset=page["nextOffset"], limit=100_000
        )
        assert rest["nextOffset"] is None
        whole = page["diff"] + rest["diff"]
        assert whole.count("\n+") == 401, "400 lines and the file's name"
        unknown = await agent.error("get_changes", executionId=identifier, taskId="zzz")
        assert "has no task 'zzz'" in unknown["message"], unknown

        resources = (await agent.client.list_resources()).resources
        assert f"epw://executions/{identifier}" in [str(each.uri) for each in resources]
        for path, word in (("", '"taskId": "a/b"'), ("/report", "# "), ("/tasks/a%2Fb/diff", "+400")):
            (content,) = (await agent.client.read_resource(f"epw://executions/{identifier}{path}")).contents
            assert word in getattr(content, "text")  # noqa: B009 (of several kinds of content)
        with pytest.raises(Exception, match="no resource"):
            await agent.client.read_resource("epw://nothing")

        prompts = (await agent.client.list_prompts()).prompts
        assert [each.name for each in prompts] == ["plan_parallel_work", "review_execution"]
        prompt = await agent.client.get_prompt("review_execution", {"executionId": identifier})
        assert identifier in prompt.messages[0].content.text  # type: ignore[union-attr]
        with pytest.raises(Exception, match="goal is required"):
            await agent.client.get_prompt("plan_parallel_work", {"goal": " "})


async def test_live_progress_of_an_execution_is_aggregated(mcp_at_work: McpSite) -> None:
    go = mcp_at_work.folder.parent / "go"
    half = """echo '{"progress": {"percent": 50, "operation": "half"}}' >> "$EPW_EVENTS";"""
    wait = f"while [ ! -e {go} ]; do sleep 0.05; done"
    async with mcp_at_work.agent("--allow-commands") as agent:
        identifier = await start(
            agent,
            {"id": "a", "run": "true", "estimatedMinutes": 10},
            {"id": "b", "run": half + wait, "dependsOn": ["a"], "estimatedMinutes": 30},
            sandbox="none",
        )
        arguments = {"executionId": identifier, "aggregationStrategy": "weighted"}
        found = await agent.result("aggregate_progress", **arguments)
        while found["overallProgress"] < 62.5:
            await agent.result("get_execution", executionId=identifier, wait=True, waitSeconds=1)
            found = await agent.result("aggregate_progress", **arguments)
        assert found["overallProgress"] == 62.5
        assert [(each["currentTask"], each["progress"]) for each in found["agentStatuses"]] == [("b", 50)]
        assert found["estimatedCompletion"] is not None
        path = await agent.result("aggregate_progress", executionId=identifier, aggregationStrategy="critical-path")
        assert path["criticalPath"] == ["a", "b"]
        go.touch()
        await agent.result("get_execution", executionId=identifier, wait=True)
        ended = await agent.result("aggregate_progress", executionId=identifier, aggregationStrategy="simple-average")
        assert (ended["overallProgress"], ended["estimatedCompletion"], ended["agentStatuses"]) == (100, None, [])


@pytest.mark.parametrize("mode", [LEGACY, MODERN])
async def test_commands_of_a_model_need_the_users_leave_once(mcp_at_work: McpSite, mode: str) -> None:
    arguments = {"executionStrategy": "aggressive", "maxParallelAgents": 1, "wait": True}

    def plan(run: str) -> dict[str, Any]:
        return {"workspace": ".", "tasks": tasks({"id": "a", "run": run})}

    async with mcp_at_work.agent(mode=mode, answer=lambda question: "rm -rf" not in question) as agent:
        before = await _listed(agent)
        done = await agent.result("execute_parallel_workflow", plan=plan("echo a > a"), **arguments)
        assert done["status"] == "succeeded"
        await agent.result("execute_parallel_workflow", plan=plan("echo a > a"), **arguments)
        assert len(agent.asked) == 1, "what the user has agreed to is not asked again"
        assert "tasks[0].run: echo a > a" in agent.asked[0]
        refused = await agent.error("execute_parallel_workflow", plan=plan("rm -rf ~"), **arguments)
        assert refused["type"] == "NeedsLeave"
        assert (await _listed(agent))[2:] == before
    async with mcp_at_work.agent(mode=mode) as agent:
        silent = await agent.error("execute_parallel_workflow", plan=plan("echo a > a"), **arguments)
        assert "epw mcp --allow-commands" in silent["message"]
        simulated = {"workspace": ".", "tasks": tasks({"id": "a", "simulate": {"seconds": 0}})}
        done = await agent.result("execute_parallel_workflow", plan=simulated, **arguments)
        assert done["results"][0]["simulated"] is True


async def test_workspaces_outside_the_allowed_folders_are_refused_through_links_too(mcp_at_work: McpSite) -> None:
    outside = mcp_at_work.folder.parent / "outside"
    outside.mkdir()
    (mcp_at_work.folder / "link").symlink_to(outside)
    arguments = {"executionStrategy": "aggressive", "maxParallelAgents": 1}
    row = tasks({"id": "a", "simulate": {"seconds": 0}})
    async with mcp_at_work.agent() as agent:
        for path in ("link", "../outside", str(outside), "/", "link/../../outside"):
            plan = {"workspace": path, "tasks": row}
            refused = await agent.error("execute_parallel_workflow", plan=plan, **arguments)
            assert "outside the folders" in refused["message"], path
    async with mcp_at_work.agent("--folder", str(outside)) as agent:
        done = await agent.result(
            "execute_parallel_workflow", plan={"workspace": str(outside), "tasks": row}, wait=True, **arguments
        )
        assert done["status"] == "succeeded"
    async with mcp_at_work.agent() as agent:
        hidden = await agent.error("get_execution", executionId=done["executionId"])
        assert "outside the folders" in hidden["message"]


async def test_no_answer_holds_a_key_or_the_state_directory(mcp: McpSite) -> None:
    key = "sk-ant-very-secret-key-0123456789"
    mcp.cli.environment["ANTHROPIC_API_KEY"] = key
    async with mcp.agent("--allow-commands") as agent:
        identifier = await start(agent, {"id": "a", "run": f"echo {key} > found; exit 1"}, deliver="apply")
        texts = [
            await agent.text("get_execution", executionId=identifier, wait=True, full=True),
            await agent.text("get_changes", executionId=identifier, taskId="a"),
            await agent.text("analyze_task_parallelizability", taskDescription=key, subtasks=[{"id": key}]),
        ]
        assert not any(key in text for text in texts)
        assert not any(str(mcp.cli.home) in text for text in texts)
        assert json.loads(texts[0])["status"] != "running"


async def test_a_wait_ends_where_an_execution_rests_in_a_pause_and_says_how_to_go_on(mcp_at_work: McpSite) -> None:
    async with mcp_at_work.agent("--allow-commands") as agent:
        identifier = await start(agent, {"id": "a", "run": ASK}, {"id": "b", "run": "true", "dependsOn": ["a"]})
        (need,) = (await agent.result("get_execution", executionId=identifier, wait=True))["needs"]
        paused = await agent.result("pause_execution", executionId=identifier)
        assert "resume_execution" in paused["next"]
        await agent.result("answer_question", executionId=identifier, questionId=need["questionId"], text="Ada")
        rests = await agent.result("get_execution", executionId=identifier, wait=True)
        assert (rests["status"], rests["success"], rests["needs"]) == ("paused", True, [])
        assert "resume_execution" in rests["next"]
        await agent.result("resume_execution", executionId=identifier)
        assert (await agent.result("get_execution", executionId=identifier, wait=True))["status"] == "succeeded"


async def test_a_partial_execution_is_not_done_and_its_branch_is_named(mcp_at_work: McpSite) -> None:
    rows: list[dict[str, Any]] = [{"id": "a", "run": "echo a > a"}, {"id": "b", "run": "exit 1"}]
    async with mcp_at_work.agent("--allow-commands") as agent:
        identifier = await start(agent, *rows, {"id": "c", "run": "true", "dependsOn": ["b"]})
        ended = await agent.result("get_execution", executionId=identifier, wait=True)
        assert (ended["status"], ended["success"]) == ("partial", False)
        assert ended["delivery"]["branch"] in ended["next"]
        assert "retry_execution" in ended["next"]
        far = await agent.result("aggregate_progress", executionId=identifier, aggregationStrategy="simple-average")
        assert (far["overallProgress"], far["status"]) == (33.33, "partial")
        assert far["counts"] == {"succeeded": 1, "failed": 1, "skipped": 1}
        listed = (await agent.result("list_executions"))["executions"][0]
        assert (listed["status"], listed["failedTasks"]) == ("partial", 1)
        assert listed["startedAt"].endswith("+00:00")


async def test_what_has_landed_can_be_read_before_it_is_delivered(mcp_at_work: McpSite) -> None:
    rows: list[dict[str, Any]] = [{"id": "a", "run": "echo a > a"}, {"id": "b", "run": ASK, "dependsOn": ["a"]}]
    async with mcp_at_work.agent("--allow-commands") as agent:
        identifier = await start(agent, *rows)
        await agent.result("get_execution", executionId=identifier, wait=True)
        assert "+a" in (await agent.result("get_changes", executionId=identifier))["diff"]
        await agent.result("cancel_execution", executionId=identifier)


async def test_a_misspelt_argument_is_named(mcp_at_work: McpSite) -> None:
    async with mcp_at_work.agent() as agent:
        found = await agent.result("analyze_task_parallelizability", taskDescription="x", tasks=[])
        assert found["ignored"] == ["tasks; did you mean subtasks?"]


async def test_what_was_allowed_in_one_workspace_is_asked_again_in_another_and_for_a_retry(
    mcp_at_work: McpSite,
) -> None:
    make_repository(mcp_at_work.folder / "other")
    arguments = {"executionStrategy": "aggressive", "maxParallelAgents": 1, "wait": True}

    def plan(workspace: str) -> dict[str, Any]:
        return {"workspace": workspace, "tasks": tasks({"id": "a", "run": "exit 1"})}

    async with mcp_at_work.agent("--allow-commands") as agent:
        failed = await agent.result("execute_parallel_workflow", plan=plan("."), **arguments)
    async with mcp_at_work.agent(answer=lambda question: str(mcp_at_work.folder / "other") in question) as agent:
        refused = await agent.error("retry_execution", executionId=failed["executionId"])
        assert refused["type"] == "NeedsLeave"
        await agent.result("execute_parallel_workflow", plan=plan("other"), **arguments)
        refused = await agent.error("execute_parallel_workflow", plan=plan("."), **arguments)
        assert refused["type"] == "NeedsLeave"
        assert len(agent.asked) == 3


async def test_a_diff_can_be_applied(mcp_at_work: McpSite) -> None:
    async with mcp_at_work.agent("--allow-commands") as agent:
        identifier = await start(agent, {"id": "a", "run": "echo new >> README.md"})
        await agent.result("get_execution", executionId=identifier, wait=True)
        diff = (await agent.result("get_changes", executionId=identifier))["diff"]
    (mcp_at_work.folder / "change.patch").write_text(diff)
    sh(mcp_at_work.folder, "git", "apply", "--check", "change.patch")


async def test_what_the_system_refuses_is_an_error_of_the_call(mcp_at_work: McpSite) -> None:
    async with mcp_at_work.agent() as agent:
        plan = {"workspace": "x" * 300, "tasks": tasks({"id": "a", "simulate": {"seconds": 0}})}
        error = await agent.error("execute_parallel_workflow", plan=plan)
        assert error["type"] == "InvalidRequest"
