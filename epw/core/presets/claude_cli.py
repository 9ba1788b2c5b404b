"""Claude Code, by its own program and login. https://docs.claude.com/en/docs/claude-code/headless"""

from __future__ import annotations

from collections.abc import Iterator

from epw.core.presets.events import Doing, Event, Failed, Limited, Rejected, Said, Session, Used
from epw.core.presets.preset import Json, Login, LoginFile, Preset, Start, number_at, object_at, objects_at, text_at
from epw.core.presets.tool_calls import doing

_LOGIN = Login(
    "claude",
    how="run `claude` and `/login`, or set ANTHROPIC_API_KEY or CLAUDE_CODE_OAUTH_TOKEN (`claude setup-token`)",
    files=(LoginFile(".claude/.credentials.json", is_refreshed=True),),
    keys=("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
    settings=("ANTHROPIC_BASE_URL",),
    folders={".claude": "CLAUDE_CONFIG_DIR"},
)


def _arguments(start: Start) -> list[str]:
    mode = ["-p", "--output-format", "stream-json", "--verbose", "--permission-mode", "bypassPermissions"]
    model = ["--model", start.model] if start.model else []
    return [*mode, *model, *(["--resume", start.session] if start.session else [])]


def _read(line: Json) -> Iterator[Event]:
    kind, message = line.get("type"), object_at(line, "message")
    if session := text_at(line, "session_id"):
        yield Session(session)
    if kind == "assistant":
        for block in objects_at(message, "content"):
            if block.get("type") == "tool_use":
                yield doing(text_at(block, "name"), block.get("input"))
            elif (text := text_at(block, "text")) and not line.get("error"):
                yield Said(text)
        if usage := object_at(message, "usage"):
            yield Used(_input(usage), number_at(usage, "output_tokens"), key=text_at(message, "id"))
    elif kind == "rate_limit_event":
        limit = object_at(line, "rate_limit_info")
        if limit.get("status") == "rejected" and not limit.get("isUsingOverage"):
            yield Limited("the account's usage limit is reached", number_at(limit, "resetsAt") or None)
    elif kind == "system" and line.get("subtype") == "api_retry":
        if line.get("error") == "authentication_failed":
            yield Rejected("the API does not take the login")
        else:
            yield Doing(f"waiting for the API ({line.get('error_status') or 'no answer'})")
    elif kind == "result":
        yield from _result(line)


def _result(line: Json) -> Iterator[Event]:
    text, cost, models = text_at(line, "result").strip(), line.get("total_cost_usd"), object_at(line, "modelUsage")
    used = [each for each in models.values() if isinstance(each, dict)]
    names = ("inputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    yield Used(
        sum(number_at(each, name) for each in used for name in names),
        sum(number_at(each, "outputTokens") for each in used),
        float(cost) if isinstance(cost, int | float) else None,
        number_at(line, "num_turns"),
    )
    if line.get("is_error") or line.get("subtype") != "success":
        yield Failed(text or str(line.get("subtype")))
    elif text:
        yield Said(text)


def _input(usage: Json) -> int:
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
    return sum(number_at(usage, name) for name in names)


PRESET = Preset(
    "claude-cli",
    title="Claude Code",
    program="claude",
    install="npm install -g @anthropic-ai/claude-code",
    login=_LOGIN,
    arguments=_arguments,
    read=_read,
    variables={
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "DISABLE_AUTOUPDATER": "1",
        # It refuses to work unasked as root unless it is told that it is in a sandbox.
        "IS_SANDBOX": "1",
    },
    resumes=True,
    reports_cost=True,
    hosts=("api.anthropic.com", "console.anthropic.com"),
    limits=(
        r"you've (hit|reached) your .*(limit|·)",
        r"usage limit reached",
        r"\blimit reached\b.*\bresets\b",
        r"out of usage credits",
    ),
    rejections=(r"invalid api key", r"please run /login", r"not logged in", r"oauth token (has )?(expired|revoked)"),
)
