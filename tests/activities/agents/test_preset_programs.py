"""The real programs of presets, installed from npm, run by plans against scripted servers of their APIs."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from activities.agents.presets.programs import described
from epw.core.plan.validate import read_plan
from epw.core.presets.registry import PRESETS
from tests.messages_api import Fault, MessagesApi, Turn
from tests.model_apis import ModelApi, Step
from tests.support import Harness, check_invariants, ended, make_repository, sh, tasks, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is missing: it installs the programs"),
]
KEY = "sk-canary-0123456789abcdef"
PACKAGES = {
    "claude-cli": "@anthropic-ai/claude-code",
    "codex": "@openai/codex",
    "gemini": "@google/gemini-cli",
    "opencode": "opencode-ai",
    "copilot": "@github/copilot",
}
AFTER_INSTALL = {"@anthropic-ai/claude-code": "install.cjs", "opencode-ai": "postinstall.mjs"}
"""Scripts of packages that npm may have been told not to run."""
Write = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Served:
    """A scripted API, and how a program is led to it."""

    url: str
    environment: dict[str, str]
    files: dict[str, str]
    requests: Callable[[], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the programs; `$EPW_TEST_PROGRAMS` names one that has them already."""
    if given := os.environ.get("EPW_TEST_PROGRAMS"):
        return Path(given)
    folder = tmp_path_factory.mktemp("npm")
    install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder), *PACKAGES.values()]
    subprocess.run(install, check=True, capture_output=True, timeout=900)
    for package, script in AFTER_INSTALL.items():
        subprocess.run(["node", script], cwd=folder / "node_modules" / package, check=True, capture_output=True)
    return folder / "node_modules/.bin"


def _tree(body: Any) -> str:
    """The directory that the program works in, from what it tells the model."""
    found = re.search(r"(/[^\s\"'\\<>]*/attempts/[^\s\"'\\<>]*/tree)\b", json.dumps(body))
    assert found, "the program does not tell the model where it is"
    return found[1]


@asynccontextmanager
async def messages(write: Callable[[str], Write]) -> AsyncIterator[MessagesApi]:
    def script(task: str, turn: int, body: dict[str, Any]) -> Turn:
        if not body.get("tools"):
            return Turn(text="A title")
        done = any("Wrote it." in json.dumps(each) for each in body["messages"])
        if turn == 0 and not done:
            return Turn(text="I write the file.", calls=[write(_tree(body))])
        return Turn(text="Wrote it.")

    async with MessagesApi(script).serving() as api:
        yield api


@asynccontextmanager
async def other(write: Callable[[str], Write]) -> AsyncIterator[ModelApi]:
    def steps(turn: int, body: dict[str, Any]) -> Step:
        return Step(text="I write the file.", calls=[write("")]) if turn == 0 else Step(text="Wrote it.")

    async with ModelApi(steps).serving() as api:
        yield api


@asynccontextmanager
async def served(name: str) -> AsyncIterator[Served]:
    made = "made.txt"
    if name in ("claude-cli", "opencode", "copilot"):
        writes: dict[str, Callable[[str], Write]] = {
            "claude-cli": lambda tree: ("Write", {"file_path": f"{tree}/{made}", "content": "hello\n"}),
            "opencode": lambda tree: ("write", {"filePath": f"{tree}/{made}", "content": "hello\n"}),
            "copilot": lambda tree: ("create", {"path": f"{tree}/{made}", "file_text": "hello\n"}),
        }
        async with messages(writes[name]) as api:
            provider = {"anthropic": {"options": {"baseURL": f"{api.url}/v1"}}}
            config = {"model": "anthropic/claude-sonnet-4-5", "provider": provider}
            environments: dict[str, dict[str, str]] = {
                "claude-cli": {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": KEY},
                "opencode": {"ANTHROPIC_API_KEY": KEY},
                "copilot": {
                    "COPILOT_OFFLINE": "true",
                    "COPILOT_PROVIDER_TYPE": "anthropic",
                    "COPILOT_PROVIDER_BASE_URL": api.url,
                    "COPILOT_PROVIDER_API_KEY": KEY,
                    "COPILOT_MODEL": "claude-sonnet-4.5",
                },
            }
            files = {".config/opencode/opencode.json": json.dumps(config)} if name == "opencode" else {}
            yield Served(api.url, environments[name], files, lambda: [each.request for each in api.calls])
        return
    other_writes: dict[str, Callable[[str], Write]] = {
        "codex": lambda tree: ("exec_command", {"cmd": f"echo hello > {made}"}),
        "gemini": lambda tree: ("write_file", {"file_path": made, "content": "hello\n"}),
    }
    async with other(other_writes[name]) as api:
        config_toml = (
            'model_provider = "scripted"\n[model_providers.scripted]\nname = "scripted"\nwire_api = "responses"\n'
            f'env_key = "OPENAI_API_KEY"\nbase_url = "{api.url}/v1"\n'
        )
        if name == "codex":
            yield Served(api.url, {"OPENAI_API_KEY": KEY}, {".codex/config.toml": config_toml}, lambda: api.requests)
        else:
            settings = json.dumps({"security": {"auth": {"selectedType": "gemini-api-key"}}})
            environment = {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": api.url}
            yield Served(api.url, environment, {".gemini/settings.json": settings}, lambda: api.requests)


MODELS = {"codex": "gpt-5.1", "gemini": "gemini-2.5-flash"}
USAGE = {"codex": (200, 40), "gemini": (200, 40), "opencode": (200, 40)}


def lead(monkeypatch: pytest.MonkeyPatch, programs: Path, home: Path, api: Served) -> None:
    """Give this process the variables and the home of a user whose program uses the scripted API."""
    home.mkdir()
    for file, text in api.files.items():
        (home / file).parent.mkdir(parents=True)
        (home / file).write_text(text)
    for preset in PRESETS.values():
        for variable in (*preset.login.keys, *preset.login.settings, *preset.login.folders.values()):
            monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    for variable, value in api.environment.items():
        monkeypatch.setenv(variable, value)


def plan_of(name: str, path: Path, api: Served, task: dict[str, Any], sandbox: str = "bubblewrap") -> dict[str, Any]:
    model = {"model": MODELS[name]} if name in MODELS else {}
    network = {"network": [api.url.removeprefix("http://")]} if sandbox == "bubblewrap" else {}
    return {"agent": name, "workspace": str(path), "sandbox": sandbox, "tasks": tasks(task), **model, **network}


@pytest.mark.parametrize("sandbox", ["bubblewrap", "landlock", "process"])
@pytest.mark.parametrize("name", PACKAGES)
async def test_a_real_program_writes_a_file_that_lands(
    name: str, sandbox: str, harness: Harness, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_repository(tmp_path / "work")
    async with served(name) as api:
        lead(monkeypatch, programs, tmp_path / "user", api)
        plan = plan_of(name, path, api, {"id": "a", "description": "Write made.txt."}, sandbox)
        async with harness.working():
            handle = await harness.start(plan)
            failed = await ended(handle, 240)
            document = await harness.document(handle)
            await check_invariants(read_plan(plan), document, handle, harness.home)
        (row,) = document["results"]
        printed = "".join(each.read_text() for each in harness.home.rglob("*.log"))
        assert failed is None, (row["error"], printed[-2000:])
        assert any("Write made.txt." in json.dumps(each) for each in api.requests())
    assert (row["status"], row["landed"], row["summary"], row["sandbox"]) == ("succeeded", True, "Wrote it.", sandbox)
    assert sh(path, "git", "show", f"{document['delivery']['branch']}:made.txt") == "hello\n"
    assert row["filesModified"] == ["made.txt"]
    if name in USAGE:
        assert (row["usage"]["inputTokens"], row["usage"]["outputTokens"]) == USAGE[name]
    if name == "claude-cli":
        assert row["usage"]["costUSD"] > 0
    assert "made.txt" in printed
    assert KEY not in printed


@pytest.mark.parametrize("name", PACKAGES)
async def test_the_next_attempt_goes_on_in_the_program_s_own_session(
    name: str, harness: Harness, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_repository(tmp_path / "work")
    async with served(name) as api:
        lead(monkeypatch, programs, tmp_path / "user", api)
        task = {"id": "a", "description": "Write made.txt.", "verify": 'test "$EPW_ATTEMPT" = 2'}
        plan = plan_of(name, path, api, task)
        async with harness.working():
            handle = await harness.start(plan)
            assert await ended(handle, 300) is None
            document = await harness.document(handle)
        last = json.dumps(api.requests()[-1], ensure_ascii=False)
    (row,) = document["results"]
    assert (row["status"], row["attempts"]) == ("succeeded", 2)
    assert "That attempt did not succeed: VerifyFailed" in last
    assert "Write made.txt." in last
    assert "I write the file." in last


async def test_claude_code_uses_the_login_in_its_file_and_waits_for_the_end_of_its_limit(
    harness: Harness, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "sk-ant-oat01-canary-0123456789abcdef"
    oauth = {"accessToken": token, "refreshToken": "sk-ant-ort01-canary", "expiresAt": 4102444800000}
    login = {"claudeAiOauth": {**oauth, "scopes": ["user:inference"], "subscriptionType": "pro"}}
    until_when = int(time.time()) + 7200
    headers = {
        "anthropic-ratelimit-unified-status": "rejected",
        "anthropic-ratelimit-unified-reset": str(until_when),
        "anthropic-ratelimit-unified-representative-claim": "five_hour",
        "retry-after": "7200",
    }
    async with MessagesApi(lambda *_: Fault(429, "rate_limit_error", "too much", headers)).serving() as messages_api:
        environment = {"ANTHROPIC_BASE_URL": messages_api.url}
        files = {".claude/.credentials.json": json.dumps(login)}
        api = Served(messages_api.url, environment, files, lambda: [each.request for each in messages_api.calls])
        lead(monkeypatch, programs, tmp_path / "user", api)
        async with harness.working():
            handle = await harness.start(plan_of("claude-cli", make_repository(tmp_path / "work"), api, {"id": "a"}))
            await until(handle, lambda found: found["tasks"][0]["waitingFor"] == "usage-limit", 120)
            history = await handle.fetch_history()
            await handle.cancel()
            await ended(handle)
        used = {each.headers.get("Authorization") for each in messages_api.calls}
    assert used == {f"Bearer {token}"}
    (timer,) = (each for each in history.events if each.HasField("timer_started_event_attributes"))
    waits = timer.timer_started_event_attributes.start_to_fire_timeout.seconds
    assert timer.event_time.seconds + waits == pytest.approx(until_when, abs=2)
    kept = [each for each in harness.home.rglob("*") if each.is_file() and token.encode() in each.read_bytes()]
    assert kept == []


def test_doctor_knows_the_version_of_each(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    for name in PACKAGES:
        assert re.match(r"\d+\.\d+", described(PRESETS[name]))
