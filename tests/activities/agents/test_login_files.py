"""Logins of programs: where they lie, which tokens they hold, and what of a changed file is a refresh."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from activities.agents import login_files
from activities.system.tokens import tokens
from epw.core.presets.registry import LOGINS

ACCESS, REFRESH = "access-0123456789abcdef", "refresh-0123456789abcdef"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    for login in LOGINS.values():
        for name in (*login.keys, *login.settings, *login.folders.values()):
            monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            json.dumps({"claudeAiOauth": {"accessToken": ACCESS, "refreshToken": REFRESH, "expiresAt": 17}}),
            [ACCESS, REFRESH],
        ),
        (json.dumps({"anthropic": {"type": "oauth", "refresh": REFRESH, "access": ACCESS}}), [REFRESH, ACCESS]),
        (json.dumps({"openai": {"type": "api", "key": ACCESS}}), [ACCESS]),
        (json.dumps({"copilot_tokens": {"https://github.com:ada": ACCESS}}), [ACCESS]),
        (
            f'model = "gpt-6"\n[model_providers.x]\nenv_key = "SOME_LONG_VARIABLE_NAME"\napi_key = "{ACCESS}"\n',
            [ACCESS],
        ),
        (
            f"openai-api-key: {ACCESS}\nmodel: a-model-with-a-long-name\napi-key:\n- gemini={REFRESH}\n",
            [ACCESS, REFRESH],
        ),
        (f"export OPENROUTER_API_KEY='{ACCESS}'\nNAME=a-value-that-is-no-secret\n", [ACCESS]),
        ("", []),
        ("[" * 5000, []),
        ("just words", []),
    ],
)
def test_tokens_are_found_by_the_names_of_their_keys(text: str, found: list[str]) -> None:
    assert tokens(text.encode()) == found


@pytest.mark.parametrize(
    ("after", "is_one"),
    [
        ({"tokens": {"access": "new", "refresh": "newer"}, "at": 2, "note": None}, True),
        ({"tokens": {"access": "new", "refresh": "newer", "id": "x"}, "at": 2.5, "note": "x", "more": 1}, True),
        ({"tokens": {"access": "new"}, "at": 2, "note": None}, False),
        ({"tokens": {"access": "", "refresh": "newer"}, "at": 2, "note": None}, False),
        ({"tokens": [], "at": 2, "note": None}, False),
        ({"tokens": {"access": "new", "refresh": "newer"}, "at": "now", "note": None}, False),
        ({}, False),
        ([], False),
    ],
)
def test_a_refresh_has_the_form_of_what_it_replaces(after: object, is_one: bool) -> None:
    before = {"tokens": {"access": "old", "refresh": "older"}, "at": 1, "note": None}
    assert login_files.is_refresh(json.dumps(before).encode(), json.dumps(after).encode()) == is_one


def test_a_folder_that_a_variable_moves_is_looked_for_there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    login = LOGINS["codex"]
    assert login_files.source(login, login.files[0]) == home / ".codex/auth.json"
    monkeypatch.setenv("CODEX_HOME", str(home / "elsewhere"))
    assert login_files.source(login, login.files[0]) == home / "elsewhere/auth.json"


def test_a_key_of_another_name_is_used_only_where_there_is_no_login(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = LOGINS["codex"]
    assert login_files.variables([login]) == {}
    monkeypatch.setenv("OPENAI_API_KEY", ACCESS)
    assert login_files.variables([login]) == {"OPENAI_API_KEY": ACCESS, "CODEX_API_KEY": ACCESS}
    (home / ".codex").mkdir()
    (home / ".codex/auth.json").write_text(json.dumps({"tokens": {"access_token": REFRESH}}))
    assert login_files.variables([login]) == {"OPENAI_API_KEY": ACCESS}
    assert login_files.found(login) == [str(home / ".codex/auth.json"), "OPENAI_API_KEY"]


def test_no_login_has_a_key_of_another_purpose() -> None:
    """A token for all of GitHub is more than Copilot needs, and settings are no place for keys."""
    for login in LOGINS.values():
        assert not {"GH_TOKEN", "GITHUB_TOKEN"} & {*login.keys, *login.settings}
        assert not [name for name in login.settings if name.endswith(("KEY", "TOKEN"))]
