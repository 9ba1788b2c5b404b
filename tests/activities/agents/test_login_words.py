"""What is said of a login, beside whether a program may have one."""

from __future__ import annotations

from pathlib import Path

import pytest

from activities.agents import login_files
from epw.core.presets.registry import LOGINS


@pytest.mark.parametrize(("token", "said"), [("a" * 40, "auth.json"), ("abcd", "(no token that is known)")])
def test_a_login_that_lets_a_program_run_is_never_called_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, said: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    login = LOGINS["codex"]
    for name in (*login.keys, *login.settings, *login.folders.values()):
        monkeypatch.delenv(name, raising=False)
    assert login_files.may_have(login) is (login_files.described(login) != "none found")
    (tmp_path / ".codex").mkdir()
    (tmp_path / ".codex/auth.json").write_text(f'{{"tokens": {{"access_token": "{token}"}}}}')
    assert login_files.may_have(login)
    assert login_files.described(login).endswith(said)
