"""The record of a preset: a coding program, how it runs without a terminal, and what its output means.

A new program is one file with one record, and its name in `registry.py`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from epw.core.presets.events import Event

Json = dict[str, Any]


@dataclass(frozen=True)
class LoginFile:
    """A file of a login, by its path below the home directory."""

    path: str
    is_refreshed: bool = False
    """Whether the program writes new tokens into it that replace the old ones, so that they have to come back."""


@dataclass(frozen=True)
class Login:
    """What a program needs to use the user's account: files of the home directory, variables of the worker."""

    name: str
    """Name in `logins` of a plan."""
    how: str
    """What a user does to log in, in words."""
    files: tuple[LoginFile, ...] = ()
    keys: tuple[str, ...] = ()
    """Variables that hold a key."""
    settings: tuple[str, ...] = ()
    """Variables without secrets that go with it: addresses, regions, the provider."""
    instead: Mapping[str, str] = field(default_factory=dict)
    """Variables of `keys` that get the value of another where there are neither they nor files, by name."""
    folders: Mapping[str, str] = field(default_factory=dict)
    """Variables that name another place for a folder of `files`, by the folder."""


@dataclass(frozen=True)
class Start:
    """One start of the program."""

    prompt_file: str
    """Path of the file with the prompt."""
    folder: str
    """Folder of its own, beside the directory it works in, that outlives the attempt."""
    model: str | None = None
    """The model that the plan names."""
    session: str | None = None
    """Id of the session that it goes on with; None: a new one."""


@dataclass(frozen=True)
class Preset:
    """One coding program."""

    name: str
    """Name that `agent` in a plan gives."""
    title: str
    program: str
    """Name of its executable on PATH."""
    install: str
    """Command that installs it."""
    login: Login
    arguments: Callable[[Start], list[str]]
    """Arguments of one start; the prompt is never among them: every user of the machine can read those."""
    read: Callable[[Json], Iterable[Event]]
    """Events of one JSON object, a line of its output."""
    prompt: Literal["stdin", "file"] = "stdin"
    """How it gets the prompt: on standard input, or by an argument that names `prompt_file`."""
    read_text: Callable[[str], Iterable[Event]] = lambda line: ()
    """Events of a line of its output that is not JSON."""
    variables: Mapping[str, str] = field(default_factory=dict)
    """Variables that it always gets."""
    resumes: bool = False
    """Whether `arguments` can go on with a session."""
    reports_tokens: bool = True
    reports_cost: bool = False
    hosts: tuple[str, ...] = ()
    """Hosts of its API, for a plan with `network`."""
    limits: tuple[str, ...] = ()
    """Regular expressions of messages that the account's usage limit is reached."""
    rejections: tuple[str, ...] = ()
    """Regular expressions of messages that there is no login, or that the API does not take it."""
    leaves: tuple[str, ...] = ()
    """Globs of what it leaves at the top of the directory that is no part of the work; it is removed."""
    exits: Mapping[int, str] = field(default_factory=dict)
    """Meaning of exit codes, in words."""

    def is_limit(self, message: str) -> bool:
        """Whether an error message says that the account's usage limit is reached."""
        return bool(self.limits) and self._limit.search(message) is not None

    def is_rejection(self, message: str) -> bool:
        """Whether an error message says that the login is missing or not taken."""
        return bool(self.rejections) and self._rejection.search(message) is not None

    @cached_property
    def _limit(self) -> re.Pattern[str]:
        return re.compile("|".join(self.limits), re.IGNORECASE)

    @cached_property
    def _rejection(self) -> re.Pattern[str]:
        return re.compile("|".join(self.rejections), re.IGNORECASE)


def text_at(value: Any, *keys: str) -> str:
    """The text at a path of keys in a JSON value; empty where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, str) else ""


def number_at(value: Any, *keys: str) -> int:
    """The whole number at a path of keys; 0 where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 else 0


def object_at(value: Any, *keys: str) -> Json:
    """The object at a path of keys; an empty one where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def objects_at(value: Any, *keys: str) -> list[Json]:
    """The objects in the array at a path of keys."""
    *path, last = keys
    found = object_at(value, *path).get(last)
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []
