"""Presets at work: a program on PATH that speaks as Codex does, run by plans."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from activities.agents.registry import make_agents, missing_for, require_agents
from activities.state.state_directory import StateDirectory
from epw.core.backends import BACKENDS, preset_backend, register
from epw.core.errors import Unavailable
from epw.core.plan.validate import read_plan
from epw.core.presets.preset import Preset
from epw.core.presets.registry import PRESETS
from tests.scripted import Claude
from tests.support import Harness, check_invariants, ended, eventually, make_repository, sh, statuses, tasks, until

TUTORIAL = Path(__file__).parents[3] / "docs/tutorials/backend.md"
STREAM = (Path(__file__).with_name("streams") / "codex.jsonl").read_text()
LIMIT = (Path(__file__).with_name("streams") / "codex.limit.jsonl").read_text()
TOKENS = {"access_token": "canary-access-0123456789", "refresh_token": "canary-refresh-0123456789"}
AUTH = json.dumps({"auth_mode": "chatgpt", "tokens": TOKENS, "last_refresh": "2026-11-26T10:00:00Z"})
FRESH = AUTH.replace("0123456789", "9876543210")


class Program:
    """The user's home, with a login, and a program on PATH."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self.bin = folder / "user", folder / "bin"
        self.auth = self.home / ".codex/auth.json"
        self.auth.parent.mkdir(parents=True)
        self.auth.write_text(AUTH)
        self.auth.chmod(0o600)
        self.bin.mkdir()
        monkeypatch.setenv("HOME", str(self.home))
        monkeypatch.setenv("PATH", f"{self.bin}{os.pathsep}{os.environ['PATH']}")
        for name in ("CODEX_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL", "CODEX_HOME"):
            monkeypatch.delenv(name, raising=False)

    def write(self, *lines: str, name: str = "codex") -> None:
        """The program, as shell text; `$TASK` is the prompt, `print_stream` prints the recorded stream."""
        functions = f"print_stream() {{ cat <<'END'\n{STREAM}END\n}}\nprint_limit() {{ cat <<'END'\n{LIMIT}END\n}}"
        (self.bin / name).write_text("\n".join(("#!/bin/sh", functions, "TASK=$(cat)", *lines, "")))
        (self.bin / name).chmod(0o755)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    return Program(tmp_path, monkeypatch)


def plan_of(path: Path, *rows: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"agent": "codex", "workspace": str(path), "tasks": tasks(*(rows or ({"id": "a"},))), **fields}


def logs(harness: Harness) -> str:
    return "".join(path.read_text() for path in harness.home.rglob("*.log"))


def files_with(folder: Path, text: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


async def progress_of(handle: WorkflowHandle[Any, Any]) -> dict[str, Any]:
    """What the running attempt has reported, once it has used tokens."""
    progress: dict[str, Any] = {}
    async with asyncio.timeout(60):
        while not progress.get("tokens"):
            pending = (await handle.describe()).raw_description.pending_activities
            details = [each.heartbeat_details.payloads for each in pending]
            progress = next((json.loads(found[0].data) for found in details if found), {})
            await asyncio.sleep(0.1)
    return progress


async def test_a_program_s_work_lands_with_what_it_says_of_it(
    harness: Harness, program: Program, tmp_path: Path
) -> None:
    path = make_repository(tmp_path / "work")
    program.write(
        'case "$TASK" in *"Task: a"*"Write it."*) ;; *) exit 9 ;; esac',
        'case "$*" in *"Task: a"*) exit 8 ;; esac',
        'echo "$*" > arguments; echo "$HOME" > home; cp "$HOME/.codex/auth.json" login',
        'echo hello > made.txt; cat "$HOME/.codex/auth.json" >&2',
        "print_stream",
    )
    document = await harness.run(plan_of(path, {"id": "a", "description": "Write it."}, model="gpt-6"))
    (row,) = document["results"]
    assert (row["status"], row["landed"], row["summary"]) == ("succeeded", True, "Wrote made.txt.")
    assert row["usage"] == {"requests": 1, "inputTokens": 200, "outputTokens": 40, "costUSD": None}
    assert document["metrics"]["costUSD"] is None
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "show", f"{branch}:made.txt") == "hello\n"
    assert "--model gpt-6" in sh(path, "git", "show", f"{branch}:arguments")
    home = sh(path, "git", "show", f"{branch}:home").strip()
    assert home.startswith(str(harness.home))
    assert json.loads(sh(path, "git", "show", f"{branch}:login")) == json.loads(AUTH)
    assert row["sandbox"] in ("bubblewrap", "landlock")
    assert not (Path(home) / ".codex/auth.json").exists()
    printed = logs(harness)
    assert "> /bin/bash -lc 'echo hello > made.txt'" in printed
    assert "[codex login 1]" in printed
    assert not files_with(harness.home, "canary")
    assert not list(harness.home.rglob("*.stream"))


async def test_new_tokens_come_back_into_the_user_s_login(harness: Harness, program: Program, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    program.write(
        f"cat > \"$HOME/.codex/auth.json\" <<'END'\n{FRESH}\nEND",
        'cat "$HOME/.codex/auth.json" >&2; echo hello > made.txt; print_stream',
    )
    document = await harness.run(plan_of(path))
    assert statuses(document) == {"a": "succeeded"}
    assert json.loads(program.auth.read_text()) == json.loads(FRESH)
    assert program.auth.stat().st_mode & 0o777 == 0o600
    assert not files_with(harness.home, "9876543210")


async def test_setup_and_verify_have_nothing_of_a_login(
    harness: Harness, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-openai-0123456789")
    program.auth.unlink()
    has_none = 'test -z "${OPENAI_API_KEY-}${CODEX_API_KEY-}" && test ! -e ~/.codex'
    program.write('test "$OPENAI_API_KEY$CODEX_API_KEY" || exit 9; print_stream')
    task = {"id": "a", "verify": has_none}
    document = await harness.run(plan_of(make_repository(tmp_path / "work"), task, setup=has_none))
    assert statuses(document) == {"a": "succeeded"}


@pytest.mark.parametrize(
    "written", ["", "{}", '{"auth_mode": "chatgpt"}', "no JSON", '{"tokens": [], "auth_mode": ""}']
)
async def test_what_is_no_refresh_does_not_reach_the_user_s_login(
    written: str, harness: Harness, program: Program, tmp_path: Path
) -> None:
    program.write(f"printf %s '{written}' > \"$HOME/.codex/auth.json\"; print_stream")
    await harness.run(plan_of(make_repository(tmp_path / "work")))
    assert program.auth.read_text() == AUTH


async def test_new_tokens_reach_the_other_attempts_while_they_run(
    harness: Harness, program: Program, tmp_path: Path
) -> None:
    renew = f"cat > ~/.codex/auth.json <<'END'\n{FRESH}\nEND"
    program.write(
        f'case "$TASK" in *"Task: a"*)\n{renew}\n;; esac',
        "until grep -q 9876543210 ~/.codex/auth.json; do sleep 0.1; done",
        "print_stream",
    )
    document = await harness.run(plan_of(make_repository(tmp_path / "work"), {"id": "a"}, {"id": "b"}))
    assert statuses(document) == {"a": "succeeded", "b": "succeeded"}


async def test_progress_and_tokens_are_seen_while_the_program_runs(
    harness: Harness, program: Program, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    program.write("print_stream", f"until [ -e {seen} ]; do sleep 0.1; done")
    plan = plan_of(make_repository(tmp_path / "work"), sandbox="process")
    async with harness.working():
        handle = await harness.start(plan)
        progress = await progress_of(handle)
        seen.touch()
        assert await ended(handle) is None
    assert progress["operation"] == "/bin/bash -lc 'echo hello > made.txt'"
    assert (progress["tokens"], progress["costUSD"]) == (240, None)


async def test_a_link_in_the_private_home_leads_no_token_anywhere(
    harness: Harness, program: Program, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.write_text(FRESH)
    program.write(f'rm "$HOME/.codex/auth.json"; ln -s {target} "$HOME/.codex/auth.json"; print_stream')
    await harness.run(plan_of(make_repository(tmp_path / "work"), sandbox="process"))
    assert (program.auth.read_text(), target.read_text()) == (AUTH, FRESH)


async def test_a_usage_limit_waits_until_it_ends_and_the_session_goes_on(
    harness: Harness, program: Program, tmp_path: Path
) -> None:
    path = make_repository(tmp_path / "work")
    soon = re.sub(r"try again at [\d:]+ PM", "try again in 2 seconds", LIMIT)
    program.write(
        'if [ -e "$HOME/limited" ]; then echo "$*" > arguments; echo hello > made.txt; print_stream; exit; fi',
        'touch "$HOME/limited"',
        f"cat <<'END'\n{soon}END\nexit 1",
    )
    async with harness.working():
        handle = await harness.start(plan_of(path))
        await until(handle, lambda found: found["tasks"][0]["waitingFor"] == "usage-limit")
        assert await ended(handle) is None
        document = await harness.document(handle)
    (row,) = document["results"]
    assert (row["status"], row["attempts"]) == ("succeeded", 1)
    assert row["waitedMs"]["usageLimit"] >= 1000
    session = json.loads(LIMIT.splitlines()[0])["thread_id"]
    assert "exec resume --json" in sh(path, "git", "show", f"{document['delivery']['branch']}:arguments")
    assert session in sh(path, "git", "show", f"{document['delivery']['branch']}:arguments")


async def test_a_limit_that_the_program_would_wait_for_itself_ends_it(
    harness: Harness, program: Program, tmp_path: Path
) -> None:
    program.write(
        "echo 'Attempt 1 failed: Your quota will reset after 3h2m1s.. Retrying' >&2; sleep 600", name="gemini"
    )
    (program.home / ".gemini").mkdir()
    (program.home / ".gemini/oauth_creds.json").write_text(json.dumps(TOKENS))
    async with harness.working():
        handle = await harness.start(plan_of(make_repository(tmp_path / "work"), agent="gemini"))
        await until(handle, lambda found: found["tasks"][0]["waitingFor"] == "usage-limit")
        await handle.cancel()
        await ended(handle)


async def test_a_question_waits_for_a_person_and_the_answer_goes_on_with_the_session(
    harness: Harness, program: Program, tmp_path: Path
) -> None:
    path = make_repository(tmp_path / "work")
    program.write(
        'case "$TASK" in *"The answer to your question: blue"*) echo "$*" > arguments; print_stream; exit ;; esac',
        """command=$(echo "$TASK" | sed -n 's/.*run `\\(echo .* >> .*\\)` in.*/\\1/p')""",
        'eval "$command"; print_stream',
    )
    async with harness.working():
        handle = await harness.start(plan_of(path))
        await until(handle, lambda found: found["tasks"][0]["waitingFor"] == "question")
        (question,) = await handle.query("questions")
        assert question["options"] == ["…", "…"]
        await handle.execute_update("answer", {"questionId": question["id"], "text": "blue"})
        assert await ended(handle) is None
        document = await harness.document(handle)
    arguments = sh(path, "git", "show", f"{document['delivery']['branch']}:arguments")
    assert json.loads(STREAM.splitlines()[0])["thread_id"] in arguments


async def test_a_session_that_is_gone_is_begun_anew_with_the_whole_task(
    harness: Harness, program: Program, tmp_path: Path
) -> None:
    path = make_repository(tmp_path / "work")
    program.write(
        'case "$*" in *resume*) echo "no rollout found for the thread" >&2; exit 1 ;; esac',
        'case "$TASK" in *"Task: a"*) ;; *) exit 9 ;; esac',
        'if [ -e "$HOME/failed" ]; then echo hello > made.txt; print_stream; exit; fi',
        'touch "$HOME/failed"; print_stream; exit 3',
    )
    document = await harness.run(plan_of(path))
    (row,) = document["results"]
    assert (row["status"], row["attempts"]) == ("succeeded", 2)


async def test_a_failure_says_how_the_program_ended_and_what_it_said_last(
    harness: Harness, program: Program, tmp_path: Path
) -> None:
    program.write(f"echo 'stack trace' >&2; echo 'model {TOKENS['access_token']} is gone' >&2; exit 3")
    document = await harness.run(plan_of(make_repository(tmp_path / "work")))
    error = document["results"][0]["error"]
    assert (error["type"], error["message"]) == ("AgentError", "codex ended with 3: model [codex login 1] is gone")


async def test_an_error_after_which_the_program_went_on_is_no_failure(
    harness: Harness, program: Program, tmp_path: Path
) -> None:
    failed = '{"type":"turn.failed","error":{"message":"the API is overloaded"}}'
    program.write(f"echo '{failed}'; echo hello > made.txt; print_stream")
    document = await harness.run(plan_of(make_repository(tmp_path / "work")))
    assert document["results"][0]["summary"] == "Wrote made.txt."


async def test_a_login_that_is_not_taken_fails_at_once_and_says_how_to_log_in(
    harness: Harness, program: Program, tmp_path: Path
) -> None:
    program.write("""echo '{"type":"turn.failed","error":{"message":"unexpected status 401 Unauthorized"}}'; exit 1""")
    document = await harness.run(plan_of(make_repository(tmp_path / "work")))
    (row,) = document["results"]
    assert (row["error"]["type"], row["attempts"]) == ("AgentUnavailable", 1)
    assert "run `codex login`, or set CODEX_API_KEY" in row["error"]["message"]


async def test_tokens_over_the_budget_stop_the_execution(harness: Harness, program: Program, tmp_path: Path) -> None:
    program.write("echo hello > made.txt; print_stream")
    limits = {"constraints": {"budget": {"maxTokens": 230}}, "onQuestion": {"wait": False}, "maxAgents": 1}
    rows: list[dict[str, Any]] = [{"id": "a"}, {"id": "b", "dependsOn": ["a"]}]
    document = await harness.run(plan_of(make_repository(tmp_path / "work"), *rows, strategy="aggressive", **limits))
    assert document["results"][0]["error"]["type"] == "BudgetLimit"
    assert document["results"][0]["usage"]["inputTokens"] == 200
    assert statuses(document)["b"] == "skipped"


@pytest.mark.parametrize("sandbox", ["none", "process", "landlock", "bubblewrap"])
async def test_a_command_has_the_logins_that_its_plan_names_and_no_others(
    sandbox: str, harness: Harness, program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "canary-gemini-0123456789")
    (program.home / ".gemini").mkdir()
    (program.home / ".gemini/oauth_creds.json").write_text(json.dumps(TOKENS))
    path = make_repository(tmp_path / "work")
    run = (
        'cat ~/.codex/auth.json > codex; ls -A ~/.gemini > gemini 2> /dev/null || true; echo "${GEMINI_API_KEY-}" > key'
    )
    rows: list[dict[str, Any]] = [
        {"id": "a", "run": run},
        {"id": "b", "run": "cat ~/.codex/auth.json && exit 1; true", "logins": []},
    ]
    plan = {"workspace": str(path), "sandbox": sandbox, "logins": ["codex"], "tasks": tasks(*rows)}
    document = await harness.run({**plan, "strategy": "aggressive"})
    branch = document["delivery"]["branch"]
    has_own = sandbox == "none"
    assert statuses(document) == {"a": "succeeded", "b": "failed" if has_own else "succeeded"}
    assert sh(path, "git", "show", f"{branch}:codex") == AUTH
    assert sh(path, "git", "show", f"{branch}:gemini") == ("oauth_creds.json\n" if has_own else "")
    assert sh(path, "git", "show", f"{branch}:key") == "\n"


def test_a_program_that_is_missing_is_said_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    plan = read_plan({"agent": "gemini", "tasks": tasks({"id": "a"})})
    with pytest.raises(Unavailable, match=r"`gemini` is not on PATH; install it \(npm install -g @google/gemini-cli\)"):
        require_agents(plan)
    assert {name for name in BACKENDS if missing_for(name)} >= set(PRESETS)


@pytest.mark.parametrize(
    ("fields", "is_refused"),
    [
        ({}, True),
        ({"env": {"CODEX_API_KEY": "k"}}, False),
        ({"passEnv": ["HOME"]}, False),
        ({"sandbox": "none"}, False),
    ],
)
def test_a_login_that_is_missing_is_said_before_anything_runs(
    program: Program, fields: dict[str, Any], is_refused: bool
) -> None:
    program.write("true")
    program.auth.unlink()
    plan = read_plan({"agent": "codex", **fields, "tasks": tasks({"id": "a"})})
    with (
        pytest.raises(Unavailable, match="agent codex has no login here: run `codex login`, or set CODEX_API_KEY")
        if is_refused
        else contextlib.nullcontext()
    ):
        require_agents(plan)


def own_preset() -> Preset:
    """The preset of the tutorial: a program that `epw` does not know."""
    block = re.findall(r"^```python\n(.*?)^```", TUTORIAL.read_text(), re.DOTALL | re.MULTILINE)[-1]
    page: dict[str, Any] = {"__name__": "tutorial"}
    exec(compile(block, str(TUTORIAL), "exec"), page)
    found: Preset = page["PRESET"]
    return found


async def test_a_new_program_is_one_record(harness: Harness, program: Program, tmp_path: Path) -> None:
    path = make_repository(tmp_path / "work")
    program.write(
        'cp "$2" prompt; cat ~/.typist/token.json > login',
        """echo '{"types": "a page"}'; echo '{"said": "typed"}'""",
        name="typist",
    )
    plan = plan_of(path, agent="typist")
    (program.home / ".typist").mkdir()
    (program.home / ".typist/token.json").write_text(json.dumps(TOKENS))
    with register(preset_backend(own_preset())):
        agents = make_agents(StateDirectory(harness.home), lambda name: pytest.fail(name))
        async with harness.working(agents):
            handle = await harness.start(plan)
            assert await ended(handle) is None
            document = await harness.document(handle)
            await check_invariants(read_plan(plan), document, handle, harness.home)
    (row,) = document["results"]
    assert (row["summary"], row["usage"]["requests"], row["landed"]) == ("typed", 0, True)
    branch = document["delivery"]["branch"]
    assert "Task: a" in sh(path, "git", "show", f"{branch}:prompt")
    assert sh(path, "git", "show", f"{branch}:login") == json.dumps(TOKENS)


async def test_after_a_killed_worker_the_program_goes_on_in_its_session_and_nothing_is_counted_twice(
    idle_claude: Claude, program: Program, tmp_path: Path
) -> None:
    path = make_repository(tmp_path / "work")
    program.write(
        'case "$*" in *resume*) test -e made.txt || exit 9; echo more > more.txt; print_stream; exit ;; esac',
        f"echo hello > made.txt; print_stream; touch {tmp_path}/running; sleep 600",
    )
    plan = plan_of(path)
    async with idle_claude.worker() as worker:
        handle = await idle_claude.start(plan)
        await eventually((tmp_path / "running").exists)
        await progress_of(handle)
        worker.kill()
        await worker.wait()
    async with idle_claude.worker():
        document = await idle_claude.end(handle, plan)
    (row,) = document["results"]
    assert (row["landed"], row["attempts"], row["usage"]["inputTokens"]) == (True, 1, 400)
    branch = document["delivery"]["branch"]
    assert sh(path, "git", "ls-tree", "--name-only", str(branch)).split() == ["README.md", "made.txt", "more.txt"]
    assert not files_with(idle_claude.home, "canary")
