"""Logins of programs on this machine: where their files lie, the tokens in them, and what is a refresh of one."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from activities.system.file_content import content
from activities.system.tokens import tokens
from epw.core.presets.preset import Login, LoginFile


def home() -> Path:
    """The user's home directory."""
    return Path(os.environ.get("HOME") or os.path.expanduser("~"))


def source(login: Login, file: LoginFile) -> Path:
    """Where the user has a file of a login, whether it exists or not."""
    for folder, variable in login.folders.items():
        moved = os.environ.get(variable)
        if moved and file.path.startswith(f"{folder}/"):
            return Path(moved, file.path.removeprefix(f"{folder}/"))
    return home() / file.path


def found(login: Login) -> list[str]:
    """Paths of the token files and names of the variables of a login that are present; empty if none is."""
    paths = [source(login, file) for file in login.files]
    with_tokens = [str(path) for path in paths if tokens(content(path))]
    return [*with_tokens, *(name for name in login.keys if os.environ.get(name))]


def may_have(login: Login, given: Collection[str] = ()) -> bool:
    """Whether a program may have a login, or settings by which it needs none: a file of its own, a variable.

    `given`: names of variables that a plan passes on.
    """
    if sys.platform == "darwin":
        # A keychain may have it, which only the program itself may ask.
        return True
    settings = any(os.environ.get(name) for name in login.settings)
    passed = any(name == "HOME" or name in (*login.keys, *login.settings, *login.folders.values()) for name in given)
    return bool(found(login)) or settings or passed or any(content(source(login, file)) for file in login.files)


def described(login: Login) -> str:
    """Where a login is, or may be, in words; agrees with `may_have`."""
    if present := found(login):
        return ", ".join(present)
    files = [str(path) for path in (source(login, file) for file in login.files) if content(path)]
    settings = [name for name in login.settings if os.environ.get(name)]
    if files or settings:
        return ", ".join([*(f"{each} (no token that is known)" for each in files), *settings])
    return "its keychain may have one" if may_have(login) else "none found"


def variables(logins: Iterable[Login]) -> dict[str, str]:
    """The worker's variables that belong to logins."""
    given: dict[str, str] = {}
    for login in logins:
        has_files = any(tokens(content(source(login, file))) for file in login.files)
        instead = {} if has_files else {name: os.environ.get(other) for name, other in login.instead.items()}
        own = {name: os.environ.get(name) for name in (*login.keys, *login.settings)}
        given |= {name: value for name, value in (*instead.items(), *own.items()) if value}
    return given


def secrets(logins: Iterable[Login]) -> dict[str, str]:
    """The keys and tokens of logins, by a name for each."""
    named: dict[str, str] = {}
    for login in logins:
        named |= {name: os.environ[name] for name in login.keys if os.environ.get(name)}
        for file in login.files:
            named |= named_tokens(login, content(source(login, file)))
    return named


def named_tokens(login: Login, data: bytes) -> dict[str, str]:
    """The tokens in a file of a login, under names that tell them apart."""
    return {f"{login.name} login {number}": token for number, token in enumerate(tokens(data), 1)}


def is_refresh(before: bytes, after: bytes) -> bool:
    """Whether the content of a login file is an earlier one with other tokens: JSON, nothing lost, no other form."""
    try:
        return _has_form(json.loads(before), json.loads(after))
    except (ValueError, RecursionError):
        return False


def _has_form(before: Any, after: Any) -> bool:
    if isinstance(before, dict):
        return isinstance(after, dict) and all(key in after and _has_form(before[key], after[key]) for key in before)
    if isinstance(before, str) and before:
        return isinstance(after, str) and bool(after)
    numbers = isinstance(before, int | float) and isinstance(after, int | float)
    return before is None or numbers or isinstance(after, type(before))
