"""Registry of the presets, and of the logins that plans can name."""

from __future__ import annotations

from epw.core.presets import aider, claude_cli, codex, copilot, cursor, gemini, goose, opencode
from epw.core.presets.preset import Login, Preset

PRESETS: dict[str, Preset] = {
    each.PRESET.name: each.PRESET for each in (claude_cli, codex, gemini, opencode, copilot, cursor, aider, goose)
}
LOGINS: dict[str, Login] = {each.login.name: each.login for each in PRESETS.values()}
