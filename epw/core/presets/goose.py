"""goose. https://block.github.io/goose/docs/guides/goose-cli-commands"""

from __future__ import annotations

from collections.abc import Iterator

from epw.core.presets.events import Event, Failed, Said
from epw.core.presets.preset import Json, Login, LoginFile, Preset, Start, object_at, objects_at, text_at
from epw.core.presets.tool_calls import doing

_LOGIN = Login(
    "goose",
    how="run `goose configure` (where it keeps keys in the system's keyring: set GOOSE_DISABLE_KEYRING=1 before), or"
    " set GOOSE_PROVIDER, GOOSE_MODEL and the provider's key",
    files=(LoginFile(".config/goose/config.yaml"), LoginFile(".config/goose/secrets.yaml")),
    keys=("ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GROQ_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY"),
    settings=("ANTHROPIC_HOST", "GOOSE_MODEL", "GOOSE_PROVIDER", "OPENAI_HOST"),
    folders={".config": "XDG_CONFIG_HOME"},
)


def _arguments(start: Start) -> list[str]:
    model = ["--model", start.model] if start.model else []
    return ["run", "--no-session", "--quiet", "--output-format", "stream-json", *model, "-i", start.prompt_file]


def _read(line: Json) -> Iterator[Event]:
    if line.get("type") == "error":
        yield Failed(text_at(line, "error"))
    if line.get("type") != "message" or text_at(line, "message", "role") != "assistant":
        return
    for block in objects_at(line, "message", "content"):
        if block.get("type") == "text":
            yield Said(text_at(block, "text"), is_part=True)
        elif block.get("type") == "toolRequest":
            call = object_at(block, "toolCall", "value")
            yield doing(text_at(call, "name"), call.get("arguments"))


PRESET = Preset(
    "goose",
    title="goose",
    program="goose",
    install="curl -fsSL https://github.com/block/goose/releases/download/stable/download_cli.sh | bash",
    login=_LOGIN,
    arguments=_arguments,
    read=_read,
    prompt="file",
    # A login that the system's keyring holds is out of reach in any private home.
    variables={"GOOSE_MODE": "auto", "GOOSE_DISABLE_KEYRING": "1"},
    reports_tokens=False,
    hosts=("those of its provider",),
    limits=(r"usage limit", r"quota exceeded", r"insufficient.quota", r"credits exhausted"),
    rejections=(r"authentication", r"no provider configured", r"unauthorized"),
)
