"""GitHub Copilot CLI. https://docs.github.com/copilot/reference/copilot-cli-reference/cli-programmatic-reference"""

from __future__ import annotations

from collections.abc import Iterator

from epw.core.presets.events import Event, Failed, Said, Session
from epw.core.presets.preset import Json, Login, LoginFile, Preset, Start, text_at
from epw.core.presets.tool_calls import doing

_LOGIN = Login(
    "copilot",
    how="run `copilot login`, or set COPILOT_GITHUB_TOKEN",
    files=(LoginFile(".copilot/config.json"),),
    # GH_TOKEN and gh's own login would do too, and can do more: only `passEnv` gives those.
    keys=("COPILOT_GITHUB_TOKEN", "COPILOT_PROVIDER_API_KEY"),
    settings=("COPILOT_MODEL", "COPILOT_OFFLINE", "COPILOT_PROVIDER_BASE_URL", "COPILOT_PROVIDER_TYPE", "GH_HOST"),
    folders={".copilot": "COPILOT_HOME"},
)


def _arguments(start: Start) -> list[str]:
    mode = ["--allow-all-tools", "--no-ask-user", "--output-format", "json"]
    model = ["--model", start.model] if start.model else []
    return [*mode, *model, *([f"--resume={start.session}"] if start.session else [])]


def _read(line: Json) -> Iterator[Event]:
    kind, data = line.get("type"), line.get("data")
    if kind == "assistant.message":
        if text := text_at(data, "content"):
            yield Said(text)
    elif kind == "tool.execution_start":
        yield doing(text_at(data, "toolName"), data.get("arguments") if isinstance(data, dict) else None)
    elif kind == "session.error":
        yield Failed(text_at(data, "message"))
    elif kind == "result":
        yield Session(text_at(line, "sessionId"))
        if line.get("exitCode"):
            yield Failed("")


PRESET = Preset(
    "copilot",
    title="GitHub Copilot CLI",
    program="copilot",
    install="npm install -g @github/copilot",
    login=_LOGIN,
    arguments=_arguments,
    read=_read,
    variables={"COPILOT_AUTO_UPDATE": "false"},
    resumes=True,
    reports_tokens=False,
    hosts=("api.github.com", "*.githubcopilot.com"),
    limits=(r"exceeded your .*(quota|allowance|requests)", r"no quota", r"\bquota_exceeded\b", r"rate limit.*resets"),
    rejections=(
        r"no authentication information",
        r"not (logged|signed) in",
        r"authentication failed",
        r"bad credentials",
    ),
)
