"""aider. https://aider.chat/docs/scripting.html"""

from __future__ import annotations

import re
from collections.abc import Iterator

from epw.core.presets.events import Doing, Event, Failed, Rejected, Used
from epw.core.presets.preset import Json, Login, LoginFile, Preset, Start

_LOGIN = Login(
    "aider",
    how="set the key of its provider (ANTHROPIC_API_KEY, OPENAI_API_KEY, …), or name it in `~/.aider.conf.yml`",
    files=(LoginFile(".aider.conf.yml"), LoginFile(".aider/oauth-keys.env")),
    keys=(
        "ANTHROPIC_API_KEY",
        "DEEPSEEK_API_KEY",
        "GEMINI_API_KEY",
        "GROQ_API_KEY",
        "OPENAI_API_KEY",
        "OPENROUTER_API_KEY",
    ),
    settings=("AIDER_MODEL", "ANTHROPIC_BASE_URL", "OPENAI_API_BASE"),
)
# `Tokens: 4.2k sent, 1.1k cache hit, 310 received. Cost: $0.02 message, $0.05 session.`
_TOKENS = re.compile(r"^Tokens: (?P<sent>[\d.,]+k?M?) sent.*?(?P<received>[\d.,]+k?M?) received", re.IGNORECASE)
_COST = re.compile(r"Cost: \$(?P<message>[\d.]+) message, \$(?P<session>[\d.]+) session")
_EDITED = re.compile(r"^Applied edit to (?P<path>.+)$")
_ERROR = re.compile(r"^litellm\.(?!RateLimitError)\w+Error: |^litellm\.\w*(RateLimit|Authentication)\w*: ")


def _arguments(start: Start) -> list[str]:
    quiet = ["--no-check-update", "--no-show-release-notes", "--no-pretty", "--no-stream", "--no-analytics"]
    git = ["--no-auto-commits", "--no-dirty-commits", "--no-gitignore"]
    names = {"chat": "chat-history", "input": "input-history"}
    files = [part for name, option in names.items() for part in (f"--{option}-file", f"{start.folder}/aider.{name}")]
    model = ["--model", start.model] if start.model else []
    return ["--message-file", start.prompt_file, "--yes-always", *git, *quiet, *files, *model]


def _read(line: Json) -> Iterator[Event]:
    return iter(())


def _read_text(line: str) -> Iterator[Event]:
    if found := _TOKENS.search(line):
        cost = _COST.search(line)
        # Of one message; what it says of the session is rounded sums.
        yield Used(_count(found["sent"]), _count(found["received"]), float(cost["message"]) if cost else None, key=line)
    elif found := _EDITED.match(line):
        yield Doing(f"edit {found['path']}"[:200], files=(found["path"],))
    elif line.startswith("litellm.AuthenticationError"):
        yield Rejected(line)
    elif _ERROR.match(line):
        yield Failed(line)


def _count(text: str) -> int:
    number, unit = re.fullmatch(r"([\d.,]+)([kM]?)", text).groups()  # type: ignore[union-attr]
    return round(float(number.replace(",", "")) * {"": 1, "k": 1_000, "M": 1_000_000}[unit])


PRESET = Preset(
    "aider",
    title="aider",
    program="aider",
    install="pipx install aider-chat",
    login=_LOGIN,
    arguments=_arguments,
    read=_read,
    read_text=_read_text,
    prompt="file",
    reports_cost=True,
    hosts=("those of its provider",),
    # Its lines are broken at the width of the terminal that it believes in.
    variables={"COLUMNS": "1000"},
    leaves=(".aider.tags.cache.*",),
    limits=(r"usage limit", r"quota exceeded", r"insufficient.quota"),
    rejections=(r"AuthenticationError", r"no api key"),
)
