"""Type checkers that a project of Python brings and configures: mypy, pyright, basedpyright."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

from activities.checkers.checker import Checker, Job, Message, Output, Place, relative
from activities.checkers.python import may_miss

_LINE = re.compile(r"(?P<path>[^:\n]+):(?P<line>\d+)(?::\d+)?: error: (?P<text>.*?)(?:\s+\[(?P<rule>[\w-]+)\])?")
_PLAIN = ("--no-pretty", "--no-error-summary", "--show-error-codes", "--hide-error-context", "--no-color-output")
_TARGETS = re.compile(r"^\s*(files|packages|modules)\s*=", re.MULTILINE)
_OTHER_RULES = frozenset(
    {
        *("import-untyped", "no-any-return", "redundant-cast", "unused-awaitable", "unused-ignore", "warn-unreachable"),
        *(
            "reportMissingModuleSource",
            "reportMissingTypeStubs",
            "reportPrivateUsage",
            "reportUnnecessaryTypeIgnoreComment",
        ),
        *("reportDeprecated", "reportImportCycles", "reportUnreachable", "reportUnusedImport", "reportUnusedVariable"),
    }
)


def _mypy_command(place: Place, job: Job) -> list[str]:
    argv = [*place.program, *_PLAIN, "--cache-dir", str(place.cache / "cache")]
    if job.files:
        return [*argv, *(str(place.tree / path) for path in job.files)]
    configs = (place.folder(job) / name for name in MYPY.configs)
    named = any(_TARGETS.search(each.read_text(errors="replace")) for each in configs if each.is_file())
    return argv if named else [*argv, "."]


def _read_mypy(place: Place, job: Job, output: Output) -> Iterator[Message]:
    found = list(filter(None, map(_LINE.fullmatch, output.out.splitlines())))
    if output.code not in (0, 1) and not found:
        raise output.failure()
    for each in found:
        path = relative(each["path"], place, job)
        if path is not None:
            yield Message(path, int(each["line"]), each["rule"] or "error", each["text"])


def _pyright_command(place: Place, job: Job) -> list[str]:
    return [*place.program, "--outputjson", *(str(place.tree / path) for path in job.files)]


def _read_pyright(place: Place, job: Job, output: Output) -> Iterator[Message]:
    try:
        found = json.loads(output.out)["generalDiagnostics"]
    except (ValueError, LookupError):
        raise output.failure() from None
    for each in found:
        path = relative(each["file"], place, job)
        if path is not None and each["severity"] == "error":
            yield Message(path, each["range"]["start"]["line"] + 1, each.get("rule", "error"), each["message"])


def _configures(*names: str, sections: str) -> re.Pattern[bytes]:
    """What a configuration says, after its name in a line of its own, where it is one of theirs."""
    return re.compile(
        rb"\A(%s)\n|^\[(%s)\b" % ("|".join(map(re.escape, names)).encode(), sections.encode()), re.MULTILINE
    )


MYPY = Checker(
    name="mypy",
    language="Python",
    suffixes=(".py", ".pyi"),
    configs=("mypy.ini", ".mypy.ini", "pyproject.toml", "setup.cfg"),
    asked_for=_configures("mypy.ini", ".mypy.ini", sections=r"mypy|tool\.mypy"),
    programs=(".venv/bin/mypy",),
    command=_mypy_command,
    read=_read_mypy,
    takes_files=True,
    left_out=_OTHER_RULES,
    may_miss=may_miss,
)
PYRIGHT = replace(
    MYPY,
    name="pyright",
    configs=("pyrightconfig.json", "pyproject.toml"),
    asked_for=_configures("pyrightconfig.json", sections=r"tool\.pyright"),
    programs=(".venv/bin/pyright", "node_modules/.bin/pyright"),
    command=_pyright_command,
    read=_read_pyright,
)
BASEDPYRIGHT = replace(
    PYRIGHT,
    name="basedpyright",
    asked_for=_configures("pyrightconfig.json", sections=r"tool\.(based)?pyright"),
    programs=(".venv/bin/basedpyright", "node_modules/.bin/basedpyright"),
)
