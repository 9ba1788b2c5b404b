"""Agents, workspaces and inputs that do their worst: only their own task suffers, and nothing hangs."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload, Payloads, WorkflowType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.exceptions import ApplicationError

from epw.core.globs import may_overlap
from epw.core.messages import WORKFLOW_TYPE
from epw.core.schedule.leases import Leases
from tests.support import Harness, ended, make_repository, sh, status_of, statuses, tasks, until

JSON = {"encoding": b"json/plain"}


@pytest.mark.parametrize(
    "payloads",
    [
        [Payload(metadata=JSON, data=b"[" * 20_000 + b"]" * 20_000)],
        [Payload(metadata=JSON, data=b"{nope")],
        [Payload(metadata=JSON, data=b'"\xff\xfe"')],
        [Payload(metadata=JSON, data=b'{"tasks": [{"id": "a", "description": "\\ud800", "run": "true"}]}')],
        [
            Payload(
                metadata=JSON,
                data=b'{"tasks": [{"id": "a", "description": "a", "estimatedMinutes": 1' + b"0" * 400 + b"}]}",
            )
        ],
        [Payload(metadata={"encoding": b"of/nobody"}, data=b"x")],
        [Payload(metadata=JSON, data=b"{}"), Payload(metadata=JSON, data=b"{}")],
        [Payload(metadata=JSON, data=b'{"tasks": [' + b",".join([b'{"x":1}'] * 100_000) + b"]}")],
        [Payload(metadata=JSON, data=b'{"tasks": [' + b",".join([b'{"x":1}'] * 9_000) + b"]}")],
    ],
    ids=["deep", "no json", "no utf-8", "surrogate", "huge number", "encoding", "two inputs", "too many", "all wrong"],
)
async def test_an_input_that_nobody_can_read_fails_at_once(harness: Harness, payloads: list[Payload]) -> None:
    identifier = f"raw-{uuid.uuid4().hex}"
    request = StartWorkflowExecutionRequest(
        namespace=harness.client.namespace,
        workflow_id=identifier,
        workflow_type=WorkflowType(name=WORKFLOW_TYPE),
        task_queue=TaskQueue(name=harness.queue),
        input=Payloads(payloads=payloads),
        request_id=identifier,
    )
    async with harness.working():
        await harness.client.workflow_service.start_workflow_execution(request)
        cause = await ended(harness.client.get_workflow_handle(identifier), 15)
    assert isinstance(cause, ApplicationError)
    assert cause.type == "InvalidPlan"
    assert len(cause.message) < 200_000


@pytest.mark.parametrize(
    "spoil",
    [
        "rm $EPW_EVENTS; mkfifo $EPW_EVENTS",
        "rm $EPW_EVENTS; mkdir $EPW_EVENTS",
        "ln -sf /etc/passwd $EPW_EVENTS",
        "head -c 3000000 /dev/zero > $EPW_EVENTS",
        """seq 40000 | sed 's/.*/{"progress": {"percent": 1}}/' >> $EPW_EVENTS""",
        "chmod 000 . $EPW_EVENTS",
    ],
)
async def test_a_spoiled_event_file_hurts_nobody_else(harness: Harness, spoil: str) -> None:
    plan = {
        "strategy": "aggressive",
        "tasks": tasks({"id": "spoils", "run": f"{spoil}; sleep 0.5"}, {"id": "other", "run": "sleep 0.6"}),
    }
    document = await asyncio.wait_for(harness.run(plan), 30)
    assert statuses(document) == {"spoils": "succeeded", "other": "succeeded"}


@pytest.mark.parametrize("ask", ["""seq 60000 | sed 's/.*/{"progress": {}}/' >> $EPW_EVENTS; """, ""])
async def test_a_question_is_found_after_much_and_without_a_line_s_end(harness: Harness, ask: str) -> None:
    question = '{"question": "q?", "options": [1, null]}'
    run = f"""[ -n "${{EPW_ANSWER:-}}" ] && exit 0; {ask} printf '{question}' >> $EPW_EVENTS; exit 75"""
    async with harness.working():
        handle = await harness.start({"tasks": tasks({"id": "a", "run": run})})
        await until(handle, lambda now: status_of(now)["a"] == "waiting")
        (question,) = await handle.query("questions")
        assert (question["text"], question["options"]) == ("q?", ["1", "null"])
        await handle.execute_update("answer", {"questionId": "q1", "text": "null"})
        assert await ended(handle) is None


async def test_huge_questions_stay_within_the_history(harness: Harness) -> None:
    run = """[ -n "${EPW_ANSWER:-}" ] && exit 0
    printf '{"question": "' > $EPW_EVENTS
    head -c 900000 /dev/zero | tr '\\0' q >> $EPW_EVENTS
    printf '"}\\n' >> $EPW_EVENTS; exit 75"""
    plan = {
        "onQuestion": {"wait": False, "default": "x"},
        "tasks": tasks(*({"id": str(n), "run": run} for n in range(3))),
    }
    async with harness.working():
        handle = await harness.start(plan)
        assert await ended(handle) is None
        size = sum(event.ByteSize() for event in (await handle.fetch_history()).events)
    assert size < 60_000


async def test_secrets_that_were_passed_on_do_not_leave_by_any_event(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "SECRET'CANARY\\12345")
    run = """[ -n "${EPW_ANSWER:-}" ] && { printf %s "$CANARY"; head -c 590 /dev/zero | tr '\\0' x; exit 1; }
    python3 -c 'import json, os; print(json.dumps({"question": "use " + os.environ["CANARY"]}))' >> $EPW_EVENTS
    exit 75"""
    plan = {
        "passEnv": ["CANARY"],
        "onQuestion": {"wait": False, "default": "x"},
        "tasks": tasks({"id": "a", "run": run}),
    }
    async with harness.working():
        handle = await harness.start(plan)
        await ended(handle)
        history = str([event.SerializeToString() for event in (await handle.fetch_history()).events])
    assert "use [CANARY]" in history
    assert "12345" not in history


async def test_include_never_goes_through_a_link(harness: Harness, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/model").write_text("precious\n")
    repository = make_repository(tmp_path / "repo")
    (repository / "data").symlink_to(tmp_path / "outside")
    async with harness.working():
        plan = {"workspace": str(repository), "include": ["data/model"], "tasks": tasks({"id": "a", "run": "true"})}
        cause = await ended(await harness.start(plan))
    assert "behind a link" in str(cause)
    assert (tmp_path / "outside/model").read_text() == "precious\n"


async def test_more_setups_than_threads_all_finish(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo", {".gitignore": "dep\n"})
    rows = tasks(*({"id": f"t{n}", "run": "cat dep"} for n in range(20)))
    plan = {"workspace": str(repository), "setup": "sleep 0.5; echo 1 > dep", "maxAgents": 20, "tasks": rows}
    assert (await asyncio.wait_for(harness.run(plan), 40))["success"]


async def test_no_url_of_the_users_configuration_is_followed(harness: Harness, tmp_path: Path) -> None:
    repository, marker = make_repository(tmp_path / "repo"), tmp_path / "marker"
    sh(repository, "git", "config", "url.ssh://127.0.0.1/x.insteadOf", str(tmp_path))
    sh(repository, "git", "config", "core.sshCommand", f"touch {marker}; false")
    sh(repository, "git", "config", f"remote.{harness.home}.uploadpack", f"touch {marker}; false")
    document = await harness.run({"workspace": str(repository), "tasks": tasks({"id": "a", "run": "echo 1 > a"})})
    assert document["status"] == "succeeded"
    assert not marker.exists()


@pytest.mark.parametrize(
    ("run", "error"),
    [
        ('rm -rf "$PWD"', "DirectoryLost"),
        ('d=$PWD; cd ..; rm -rf "$d"; mkdir -p ../../../../away; ln -s ../../../../away "$d"', "DirectoryLost"),
        (f"true # {'x' * 200_000}", None),
        ("mkdir sub; cd sub; git init -q; echo hi > f", None),
        ("mkdir sub; ln -s ../../.. sub/.git; echo hi > sub/f", None),
        ("touch $'caf\\xe9' $'two\\nlines' -- -dash", None),
        ("mkdir closed; touch closed/f; chmod 000 closed", None),
        ("rm -rf .git; echo broken > .git", None),
    ],
    ids=["gone", "link", "long", "nested", "nested link", "names", "closed", "git file"],
)
async def test_an_agent_s_own_fault_is_its_own_and_runs_once_an_attempt(
    harness: Harness, tmp_path: Path, run: str, error: str | None
) -> None:
    repository = make_repository(tmp_path / "repo")
    counted = tmp_path / "count"
    plan = {
        "workspace": str(repository),
        "strategy": "aggressive",
        "tasks": tasks(
            {"id": "bad", "files": ["x"], "run": f"echo x >> {counted}; {run}"}, {"id": "good", "run": "echo 1 > good"}
        ),
    }
    document = await asyncio.wait_for(harness.run(plan), 40)
    bad, good = document["results"]
    assert good["status"] == "succeeded"
    assert (bad["error"] or {}).get("type") == error
    assert len(counted.read_text().split()) == bad["attempts"]
    if "sub" in run:
        assert sh(repository, "git", "show", f"{document['delivery']['head']}:sub/f") == "hi\n"


async def test_the_same_id_again_starts_from_the_workspace_as_it_is_now(harness: Harness, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "repo")
    plan = {"workspace": str(repository), "tasks": tasks({"id": "a", "run": "cp README.md out"})}
    first = await harness.run(plan, id=f"again-{tmp_path.name}")
    (repository / "README.md").write_text("edited\n")
    second = await harness.run(plan, id=f"again-{tmp_path.name}")
    assert (first["status"], second["status"]) == ("succeeded", "succeeded")
    assert sh(repository, "git", "show", f"{second['delivery']['head']}:out") == "edited\n"


def test_leases_cost_the_depth_of_a_path_not_the_number_of_agents() -> None:
    files = {f"t{n}": [f"src/part{n}/**", f"doc/{n}.md"] for n in range(3000)}
    leases = Leases(files)
    may_overlap.cache_clear()
    assert all(leases.grant(task) for task in files)
    assert may_overlap.cache_info().misses < 10, "concurrent tasks are compared only where they can meet"
    both = Leases({"a": ["**/x"], "b": ["src/x"], "c": ["src"], "d": ["other/*.md"]})
    assert [both.grant(task) for task in "abcd"] == [True, False, False, True]
    both.release("a")
    assert [both.grant(task) for task in "bc"] == [True, False]


def _nest(name: str, depth: int) -> str:
    """A command that makes directories in one another, and a file in the last."""
    lines = f"import os\nfor _ in range({depth}): os.mkdir('{name}'); os.chdir('{name}')\nopen('f', 'w').close()"
    return f'python3 -c "{lines}"'


@pytest.mark.slow
async def test_a_deep_directory_costs_nothing_but_what_git_cannot_name(harness: Harness, tmp_path: Path) -> None:
    """Deeper than Python's limit of recursion it is saved; deeper than a path may be long its task fails, by name."""
    repository = make_repository(tmp_path / "repo")
    runs = {"deep": _nest("d", 1100), "deeper": _nest("e", 2100), "b": "echo b > b"}
    rows = tasks(*({"id": task, "run": run} for task, run in runs.items()))
    document = await harness.run({"workspace": str(repository), "strategy": "aggressive", "tasks": rows})
    found = {row["taskId"]: row for row in document["results"]}
    assert found["deep"]["filesModified"] == ["d/" * 1100 + "f"]
    assert (found["deeper"]["status"], found["deeper"]["error"]["type"]) == ("failed", "PathTooLong")
    assert found["b"]["status"] == "succeeded"
    assert not list((harness.home / "trash").iterdir())
