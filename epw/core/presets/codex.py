"""OpenAI Codex. https://github.com/openai/codex/blob/main/docs/exec.md"""

from __future__ import annotations

from collections.abc import Iterator

from epw.core.presets.events import Doing, Event, Failed, Said, Session, Used
from epw.core.presets.preset import Json, Login, LoginFile, Preset, Start, number_at, object_at, objects_at, text_at

_LOGIN = Login(
    "codex",
    how="run `codex login`, or set CODEX_API_KEY or OPENAI_API_KEY",
    files=(LoginFile(".codex/auth.json", is_refreshed=True), LoginFile(".codex/config.toml")),
    keys=("CODEX_API_KEY", "OPENAI_API_KEY"),
    settings=("OPENAI_BASE_URL",),
    # By itself it takes OPENAI_API_KEY only for a provider whose settings name it.
    instead={"CODEX_API_KEY": "OPENAI_API_KEY"},
    folders={".codex": "CODEX_HOME"},
)


def _arguments(start: Start) -> list[str]:
    # The plan's sandbox is around it; its own cannot be nested in that.
    options = ["--json", "--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    model = ["--model", start.model] if start.model else []
    resumed = ["resume", *options, *model, start.session] if start.session else [*options, *model]
    return ["exec", *resumed, "-"]


def _read(line: Json) -> Iterator[Event]:
    kind, item = line.get("type"), object_at(line, "item")
    if kind == "thread.started":
        yield Session(text_at(line, "thread_id"))
    elif kind == "turn.completed":
        usage = object_at(line, "usage")
        yield Used(number_at(usage, "input_tokens"), number_at(usage, "output_tokens"))
    elif kind == "turn.failed":
        yield Failed(text_at(line, "error", "message"))
    elif kind == "error":
        yield Doing(text_at(line, "message")[:2_000])
    elif kind in ("item.started", "item.completed"):
        yield from _item(item, is_done=kind == "item.completed")


def _item(item: Json, *, is_done: bool) -> Iterator[Event]:
    kind = item.get("type")
    if kind == "agent_message" and is_done:
        yield Said(text_at(item, "text"))
    elif kind == "command_execution" and not is_done:
        yield Doing(" ".join(text_at(item, "command").split())[:2_000])
    elif kind == "file_change" and is_done:
        paths = tuple(text_at(each, "path") for each in objects_at(item, "changes"))
        yield Doing(f"edit {', '.join(paths)}"[:2_000], files=paths)
    elif kind == "mcp_tool_call" and not is_done:
        yield Doing(f"{text_at(item, 'server')} {text_at(item, 'tool')}")
    elif kind == "web_search" and not is_done:
        yield Doing(f"web search {text_at(item, 'query')}"[:2_000])


PRESET = Preset(
    "codex",
    title="OpenAI Codex",
    program="codex",
    install="npm install -g @openai/codex",
    login=_LOGIN,
    arguments=_arguments,
    read=_read,
    resumes=True,
    hosts=("api.openai.com", "chatgpt.com", "auth.openai.com"),
    limits=(r"you.ve hit your usage limit", r"usage limit has been reached", r"\busage_limit_reached\b"),
    rejections=(r"\b401 Unauthorized\b", r"not logged in", r"refresh token", r"sign in again"),
)
