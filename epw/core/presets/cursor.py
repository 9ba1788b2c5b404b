"""Cursor's command line agent. https://cursor.com/docs/cli/reference/output-format"""

from __future__ import annotations

from collections.abc import Iterator

from epw.core.presets.events import Event, Failed, Said, Session, Used
from epw.core.presets.preset import Json, Login, LoginFile, Preset, Start, number_at, object_at, objects_at, text_at
from epw.core.presets.tool_calls import doing

_LOGIN = Login(
    "cursor",
    how="run `cursor-agent login`, or set CURSOR_API_KEY",
    files=(LoginFile(".config/cursor/auth.json", is_refreshed=True), LoginFile(".cursor/cli-config.json")),
    keys=("CURSOR_API_KEY",),
    folders={".config": "XDG_CONFIG_HOME", ".cursor": "CURSOR_CONFIG_DIR"},
)


def _arguments(start: Start) -> list[str]:
    model = ["--model", start.model] if start.model else []
    resumed = ["--resume", start.session] if start.session else []
    return ["--print", "--output-format", "stream-json", "--force", *model, *resumed]


def _read(line: Json) -> Iterator[Event]:
    kind = line.get("type")
    if session := text_at(line, "session_id"):
        yield Session(session)
    if kind == "assistant":
        for block in objects_at(line, "message", "content"):
            if text := text_at(block, "text"):
                yield Said(text)
    elif kind == "tool_call" and line.get("subtype") == "started":
        # `{"readToolCall": {"args": …}}`
        for name, call in object_at(line, "tool_call").items():
            if name.endswith("ToolCall") and isinstance(call, dict):
                yield doing(name.removesuffix("ToolCall"), call.get("args"))
    elif kind == "result":
        if usage := object_at(line, "usage"):
            names = ("inputTokens", "cacheReadTokens", "cacheWriteTokens")
            yield Used(sum(number_at(usage, name) for name in names), number_at(usage, "outputTokens"))
        if line.get("is_error"):
            yield Failed(text_at(line, "result"))


PRESET = Preset(
    "cursor",
    title="Cursor CLI",
    program="cursor-agent",
    install="curl https://cursor.com/install -fsS | bash",
    login=_LOGIN,
    arguments=_arguments,
    read=_read,
    resumes=True,
    hosts=("*.cursor.sh", "cursor.com"),
    limits=(r"you've hit your usage limit", r"usage limits? will reset"),
    rejections=(r"not logged in", r"authentication required", r"invalid api key", r"unauthenticated"),
)
