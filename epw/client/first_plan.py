"""The plan that `epw init` writes: one that runs, each line explained."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence

from epw.client.project_tests import TestProgram

_PLAIN = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./ -]*")
_HEAD = """\
# What `epw run` does in this repository. `epw analyze` shows what it would do; all fields: `epw schema plan`.
name: {name}

# The repository that agents work on, each in a copy of its own. Your files, index and HEAD are only read.
workspace: .

# What becomes of the result: `branch` (epw/<id>, to look at and merge), `apply` (into your files), or `none`.
deliver: branch

# After a failure: `conservative` stops and takes everything back, `aggressive` goes on with what does not depend on it.
strategy: conservative

# How many tasks run at once.
maxAgents: 3
"""
_BY_MODEL = """
# What is to be done: put your own tasks here. Each starts as soon as those in its dependsOn have landed.
tasks:
    # The name of the task, in commands and results.
  - id: test
    # What the agent is told.
    description: >-
      Find one function of this project that no test covers, and write a test for it in the style of the tests
      that are there. Change nothing else.
    # Minutes that it probably takes; its time limit is twice that, and at least ten.
    estimatedMinutes: 5

  - id: docs
    description: >-
      Find one statement in the README or in other documentation of this project that its code contradicts, and
      correct it. If there is none, change nothing.
    estimatedMinutes: 5

  - id: review
    description: >-
      Read the last commits, and correct what is wrong in them. Change nothing else.
    estimatedMinutes: 5
    # It starts when both have landed, and sees what they did.
    dependsOn:
      - test
      - docs
"""
_BY_COMMANDS = """
# What is to be done: put your own tasks here. Each starts as soon as those in its dependsOn have landed. These run
# commands; a task without `run` is done by an agent, which is told its description.
tasks:
    # The name of the task, in commands and results.
  - id: files
    # What it is for.
    description: List the files of this repository
    # What does it, by bash, in its own copy; exit code 0 is success. Any program can stand here, an agent's too.
    run: git ls-files > epw-files.txt

  - id: history
    description: List the people who wrote it
    run: git log --format=%an | sort | uniq -c > epw-people.txt

  - id: report
    description: Put both together
    run: wc -l epw-files.txt epw-people.txt > epw-report.txt
    # It starts when both have landed, and sees what they did.
    dependsOn:
      - files
      - history
"""


def first_plan(name: str, agent: str | None, others: Sequence[str], tests: TestProgram | None) -> str:
    """Text of a plan in YAML.

    `agent`: the backend of its tasks, None for commands; `others`: the backends that are not set up here.
    """
    body = _BY_COMMANDS if agent is None else _BY_MODEL
    return _HEAD.format(name=_scalar(name)) + _agent(agent, others) + _verify(tests) + body


def _agent(agent: str | None, others: Sequence[str]) -> str:
    missing = f"# Not set up here: {', '.join(others)}; `epw doctor` says what each needs.\n" if others else ""
    if agent is None:
        return f"\n# Who does tasks without `run`.\n{missing}# agent: {next(iter(others), 'claude')}\n"
    return f"\n# Who does the tasks; a task can name its own.\n{missing}agent: {agent}\n"


def _verify(tests: TestProgram | None) -> str:
    what = "\n# The command that the merged tree must pass before it is delivered"
    if tests is None:
        return f"{what}; no tests were found here.\n# verify: make test\n"
    off = "# " if tests.missing else ""
    found = f"; found by {_line(tests.sign)}" + (f", but {tests.missing} is not on PATH" if off else "")
    setup = ""
    if tests.setup is not None:
        setup = (
            f"\n# The command that prepares each new copy; its result is reused.\n{off}setup: {_scalar(tests.setup)}\n"
        )
    return f"{setup}{what}{found}.\n{off}verify: {_scalar(tests.command)}\n"


def _scalar(text: str) -> str:
    """A text as a value of YAML, in quotes where it needs them."""
    return text if _PLAIN.fullmatch(text) and not _is_other_kind(text) else json.dumps(text, ensure_ascii=True)


def _is_other_kind(text: str) -> bool:
    return (
        text != text.strip()
        or text.lower() in ("true", "false", "null", "yes", "no", "on", "off")
        or text[0] in "0123456789."
    )


def _line(text: str) -> str:
    return " ".join(text.split())
