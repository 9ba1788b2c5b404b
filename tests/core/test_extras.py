"""A missing extra is named with the command that adds it."""

from __future__ import annotations

import pytest

from epw.core.extras import install_command, missing_extra


@pytest.mark.parametrize(
    ("prefix", "command"),
    [
        ("/home/ada/.local/share/uv/tools/epw", "uv tool install 'epw[mcp]'"),
        ("/home/ada/.local/share/pipx/venvs/epw", "pipx install --force 'epw[mcp]'"),
        ("/home/ada/project/.venv", "pip install 'epw[mcp]'"),
    ],
)
def test_the_command_is_that_of_what_made_the_environment(prefix: str, command: str) -> None:
    assert install_command("mcp", prefix) == command


def test_one_missing_module_is_a_missing_extra() -> None:
    assert missing_extra("x", "mcp", "sys") is None
    assert (missing_extra("x", "mcp", "sys", "no_such_module") or "").startswith("x needs an extra: ")
