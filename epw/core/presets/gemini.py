"""Gemini CLI. https://geminicli.com/docs/cli/headless"""

from __future__ import annotations

from collections.abc import Iterator

from epw.core.presets.events import Doing, Event, Failed, Limited, Said, Session, Used
from epw.core.presets.preset import Json, Login, LoginFile, Preset, Start, number_at, object_at, text_at
from epw.core.presets.tool_calls import doing

_LOGIN = Login(
    "gemini",
    how="run `gemini` and sign in, or set GEMINI_API_KEY",
    files=(
        LoginFile(".gemini/oauth_creds.json", is_refreshed=True),
        LoginFile(".gemini/google_accounts.json"),
        LoginFile(".gemini/settings.json"),
    ),
    keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
    settings=(
        "GOOGLE_CLOUD_LOCATION",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_GEMINI_BASE_URL",
        "GOOGLE_GENAI_USE_GCA",
        "GOOGLE_GENAI_USE_VERTEXAI",
    ),
)


def _arguments(start: Start) -> list[str]:
    mode = ["--output-format", "stream-json", "--approval-mode", "yolo", "--skip-trust"]
    model = ["--model", start.model] if start.model else []
    return [*mode, *model, *(["--resume", start.session] if start.session else [])]


def _read(line: Json) -> Iterator[Event]:
    kind = line.get("type")
    if kind == "init":
        yield Session(text_at(line, "session_id"))
    elif kind == "message" and line.get("role") == "assistant":
        yield Said(text_at(line, "content"), is_part=bool(line.get("delta")))
    elif kind == "tool_use":
        yield doing(text_at(line, "tool_name"), line.get("parameters"))
    elif kind == "error":
        yield Doing(text_at(line, "message")[:200])
    elif kind == "result":
        stats = object_at(line, "stats")
        yield Used(number_at(stats, "input_tokens"), number_at(stats, "output_tokens"))
        if line.get("status") != "success":
            yield Failed(text_at(line, "error", "message"))


def _read_text(line: str) -> Iterator[Event]:
    # It says so while it waits for hours.
    if line.startswith("Attempt ") and PRESET.is_limit(line):
        yield Limited(line)


PRESET = Preset(
    "gemini",
    title="Gemini CLI",
    program="gemini",
    install="npm install -g @google/gemini-cli",
    login=_LOGIN,
    arguments=_arguments,
    read=_read,
    read_text=_read_text,
    resumes=True,
    hosts=("generativelanguage.googleapis.com", "cloudcode-pa.googleapis.com", "oauth2.googleapis.com"),
    limits=(r"exhausted your (capacity|daily quota)", r"quota will reset", r"quota exceeded .*per day"),
    rejections=(
        r"set an auth method",
        r"invalid auth method",
        r"api key not valid",
        r"specify the GEMINI_API_KEY",
        r"\"code\": ?401",
    ),
    exits={
        41: "there is no login that works",
        42: "it does not take its input",
        44: "its own sandbox fails",
        52: "its configuration is wrong",
        53: "it has used all its turns",
    },
)
