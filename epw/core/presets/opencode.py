"""opencode. https://opencode.ai/docs/cli"""

from __future__ import annotations

import re
from collections.abc import Iterator

from epw.core.presets.events import Doing, Event, Failed, Limited, Said, Session, Used
from epw.core.presets.preset import Json, Login, LoginFile, Preset, Start, number_at, object_at, text_at
from epw.core.presets.tool_calls import doing

_LOGIN = Login(
    "opencode",
    how="run `opencode auth login`, or set the key of its provider (ANTHROPIC_API_KEY, OPENAI_API_KEY, …)",
    files=(
        LoginFile(".local/share/opencode/auth.json", is_refreshed=True),
        LoginFile(".config/opencode/opencode.json"),
        LoginFile(".config/opencode/opencode.jsonc"),
    ),
    keys=(
        "ANTHROPIC_API_KEY",
        "GEMINI_API_KEY",
        "GROQ_API_KEY",
        "MISTRAL_API_KEY",
        "OPENAI_API_KEY",
        "OPENCODE_API_KEY",
        "OPENROUTER_API_KEY",
    ),
    folders={".local/share": "XDG_DATA_HOME", ".config": "XDG_CONFIG_HOME"},
)
_STREAM_ERROR = re.compile(r'message="stream error".*\bsmall=false\b.*\berror\.error="(.+?)(?:\\n)?"\s*$')


def _arguments(start: Start) -> list[str]:
    model = ["--model", start.model] if start.model else []
    # Without its log it says nothing while it waits for an API that refuses.
    mode = ["run", "--format", "json", "--auto", "--print-logs", "--log-level", "ERROR"]
    return [*mode, *model, *(["--session", start.session] if start.session else [])]


def _read(line: Json) -> Iterator[Event]:
    kind, part = line.get("type"), object_at(line, "part")
    if session := text_at(line, "sessionID"):
        yield Session(session)
    if kind == "text":
        yield Said(text_at(part, "text"))
    elif kind == "tool_use":
        yield doing(text_at(part, "tool"), object_at(part, "state").get("input"))
    elif kind == "step_finish":
        cache = number_at(part, "tokens", "cache", "read") + number_at(part, "tokens", "cache", "write")
        output = number_at(part, "tokens", "output") + number_at(part, "tokens", "reasoning")
        cost = part.get("cost")
        # Zero is what it says of a model whose price it does not know.
        dollars = float(cost) if isinstance(cost, int | float) and cost > 0 else None
        yield Used(number_at(part, "tokens", "input") + cache, output, dollars, key=text_at(part, "id"))
    elif kind == "error":
        error = object_at(line, "error")
        yield Failed(text_at(error, "data", "message") or text_at(error, "message") or text_at(error, "name"))


def _read_text(line: str) -> Iterator[Event]:
    if found := _STREAM_ERROR.search(line):
        yield Doing(f"waiting for the API: {found[1]}")
        if PRESET.is_limit(found[1]):
            yield Limited(found[1])


PRESET = Preset(
    "opencode",
    title="opencode",
    program="opencode",
    install="npm install -g opencode-ai",
    login=_LOGIN,
    arguments=_arguments,
    read=_read,
    read_text=_read_text,
    variables={"OPENCODE_DISABLE_AUTOUPDATE": "1"},
    resumes=True,
    reports_cost=True,
    hosts=("those of its provider", "models.dev"),
    limits=(
        r"usage limit",
        r"exceed your account's rate limit",
        r"quota exceeded",
        r"insufficient.quota",
        r"limit reached\b.*\bresets\b",
    ),
    rejections=(r"api key is missing", r"invalid (x-)?api.key", r"unauthorized", r"authentication"),
)
