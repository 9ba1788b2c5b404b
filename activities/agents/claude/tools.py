"""Tools of the `claude` backend: the SDK's file tools, a shell, and calls to the coordinator."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anthropic.lib.tools import ToolError
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from activities.agents.claude.files import SCHEMAS, Content, FileTools
from activities.agents.context import AgentContext
from activities.agents.reporter import Reporter
from activities.processes.launcher import ProcessLauncher
from activities.processes.shell import describe_exit
from activities.system.concurrency import in_thread
from epw.core.backends import DEFAULT_TOOLS
from epw.core.messages import Question

_BASH_SECONDS = 120.0
_MAX_BASH_SECONDS = 3600.0
_SEARCH_SECONDS = 60.0
_MAX_OUTPUT = 60_000
_NO_MATCH = 1
_INVALID_TEXT = re.compile(r"[\0\ud800-\udfff]")
_SCRIPT = "call.sh"


class BadCall(Exception):
    """The model called an unknown tool, or with invalid input; it gets the message and may call again."""


class ToolFailed(Exception):
    """The error of a tool, which is an ordinary result to the model."""


@dataclass(frozen=True)
class Finished:
    """The model has called `finish`."""

    summary: str


class _Input(BaseModel):
    model_config = ConfigDict(extra="forbid", alias_generator=to_camel, populate_by_name=True, strict=True)


class _Bash(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    command: str = Field(description="What bash runs, in the working directory. No state is kept between calls.")
    timeout_ms: int | None = Field(default=None, ge=1, description="Default 120000.")


class _Ask(_Input):
    question: str = Field(min_length=1, description="What a person must decide, with what they need to know for it.")
    options: list[str] = Field(default_factory=list, description="Answers to choose from, if there are such.")
    free_text: bool = Field(default=False, description="Whether an answer that is none of the options is of use too.")


class _Report(_Input):
    percent: float | None = Field(default=None, ge=0, le=100)
    operation: str | None = Field(default=None, description="What you do now, in a few words.")
    files: list[str] = Field(default_factory=list, description="Files that you are modifying.")
    minutes_left: float | None = Field(default=None, ge=0)


class _Finish(_Input):
    summary: str = Field(description="What you did, for the agents that build on it; which files; what is left open.")
    propose: list[dict[str, Any]] = Field(
        default_factory=list,
        max_length=20,
        description="More tasks, if some are needed that nobody does: id, description, dependsOn. A person decides.",
    )


_OURS: dict[str, tuple[type[BaseModel], str]] = {
    "Bash": (_Bash, "Run a shell command. Everything that it starts ends with the call. Exit code and output."),
    "ask_coordinator": (_Ask, "Ask the person in charge and wait for the answer, however long that takes."),
    "report_progress": (_Report, "Tell how far you are."),
    "finish": (_Finish, "The task is done: end it."),
}
_ALWAYS = ("ask_coordinator", "report_progress", "finish")
WITHOUT_EFFECT = ("report_progress", "finish")
"""Tools that may run again after an interruption."""


class Toolset:
    """The tools of one attempt, which reach its directory and nothing else."""

    def __init__(
        self,
        context: AgentContext,
        launcher: ProcessLauncher,
        reporter: Reporter,
        seconds_left: Callable[[], float],
    ) -> None:
        self._tree = context.tree
        self._launcher = launcher
        self._reporter = reporter
        self._seconds_left = seconds_left
        self._files = FileTools(context.tree)
        allowed = context.task.tools if context.task.tools is not None else DEFAULT_TOOLS
        self._names = [*(name for name in DEFAULT_TOOLS if name in allowed), *_ALWAYS]
        self._own: dict[str, Callable[[Any], Awaitable[Content | Finished | Question]]] = {
            "Bash": self._bash,
            "ask_coordinator": self._ask,
            "report_progress": self._report,
            "finish": self._finish,
        }

    def definitions(self) -> list[dict[str, Any]]:
        """Definitions of the tools for the API."""
        return [self._definition(name) for name in self._names]

    async def run(self, name: str, arguments: dict[str, Any]) -> Content | Finished | Question:
        """Run a tool; raises `BadCall`, or `ToolFailed` with the message of the tool."""
        if name not in self._names:
            raise BadCall(f"there is no tool {name!r}; there are: {', '.join(self._names)}")
        if name in _OURS:
            try:
                message = _OURS[name][0].model_validate(arguments)
            except ValidationError as error:
                raise BadCall(f"{name}: {_describe(error)}") from None
            return await self._own[name](message)
        content = await (self._grep(arguments) if name == "Grep" else self._file(name, arguments))
        return self._printable(content) if isinstance(content, str) else content

    async def _file(self, name: str, arguments: dict[str, Any]) -> Content:
        try:
            return await in_thread(self._files.run, name, arguments)  # type: ignore[no-any-return]
        except ToolError as error:
            raise ToolFailed(self._printable(str(error))) from None
        except ValueError:
            raise BadCall(f"{name}: the input does not fit {SCHEMAS[name].input_schema['properties']}") from None

    async def _grep(self, arguments: dict[str, Any]) -> str:
        """Search by a process, which can be ended: a pattern may take forever."""
        pattern, path = arguments.get("pattern"), arguments.get("path") or "."
        texts = [each for each in (pattern, path) if isinstance(each, str) and not _INVALID_TEXT.search(each)]
        if len(texts) < 2 or set(arguments) - {"pattern", "path"}:
            raise BadCall("Grep: the input is {pattern, path?}, both texts")
        try:
            target = await in_thread(self._files.existing, path)
        except ToolError as error:
            raise ToolFailed(f"grep: {self._printable(str(error))}") from None
        if (program := shutil.which("rg")) is not None:
            argv = [program, "--no-config", "--line-number", "--no-heading", "--regexp", pattern, "--", target]
        else:
            argv = ["grep", "-rnIE", "--exclude-dir=.git", "--exclude-dir=node_modules", "-e", pattern, "--", target]
        code, output = await self._run(argv, _SEARCH_SECONDS)
        if code == _NO_MATCH:
            return "no matches"
        if code != 0:
            raise ToolFailed(f"grep: {output or describe_exit(code)}")
        return output

    async def _bash(self, message: _Bash) -> str:
        seconds = (message.timeout_ms or _BASH_SECONDS * 1000) / 1000
        if "\0" in message.command:
            raise BadCall("Bash: a command cannot hold a NUL character")
        # By a file: an argument may have at most 128 KB.
        script = self._launcher.folder / _SCRIPT
        script.write_text(message.command, errors="replace")
        argv = ["bash", str(script)]
        code, output = await self._run(argv, min(seconds, _MAX_BASH_SECONDS, max(0.0, self._seconds_left())))
        if code != 0:
            raise ToolFailed(f"{output}\n[{describe_exit(code)}]".lstrip())
        return output or "[no output, ended with 0]"

    async def _run(self, argv: list[str], seconds: float) -> tuple[int, str]:
        """Run a process in the directory; returns its exit code and output, when none of its tree is left."""
        output = self._launcher.folder / "call.out"
        output.unlink(missing_ok=True)
        tree = await self._launcher.start(argv, output=output)
        timed_out = False
        try:
            # Not `wait_for`: it loses a cancellation that arrives as the command ends.
            async with asyncio.timeout(seconds):
                code = await tree.wait()
        except TimeoutError:
            timed_out, code = True, -1
        finally:
            await tree.end()
        text = self._printable(await in_thread(_read_capped, output))
        if timed_out:
            raise ToolFailed(f"{text}\n[ended after {seconds:g} s: it took too long]".lstrip())
        return code, text

    async def _ask(self, message: _Ask) -> Question:
        options = [self._reporter.redact(each) for each in message.options]
        return Question.cut(self._reporter.redact(message.question), options, free_text=message.free_text)

    async def _report(self, message: _Report) -> str:
        self._reporter.report(message.model_dump(by_alias=True, exclude_none=True))
        return "noted"

    async def _finish(self, message: _Finish) -> Finished:
        self._reporter.propose(message.propose)
        return Finished(self._reporter.redact(message.summary))

    def _definition(self, name: str) -> dict[str, Any]:
        if name in SCHEMAS:
            given = SCHEMAS[name].to_dict()
            schema = {key: value for key, value in given["input_schema"].items() if key not in ("title", "description")}
            return {"name": name, "description": given.get("description", ""), "input_schema": schema}
        model, description = _OURS[name]
        schema = model.model_json_schema(by_alias=True)
        schema.pop("title", None)
        return {"name": name, "description": description, "input_schema": schema}

    def _printable(self, text: str) -> str:
        """The text without absolute paths of this machine, and without secrets."""
        for root in dict.fromkeys((str(self._tree.resolve()), str(self._tree))):
            text = text.replace(f"{root}/", "").replace(root, ".")
        text = text.replace(str(self._launcher.folder / _SCRIPT), "bash")
        return self._reporter.redact(text)


def _read_capped(path: Path) -> str:
    """Output of a process; of more than `_MAX_OUTPUT` bytes the middle is left out."""
    half = _MAX_OUTPUT // 2
    try:
        with open(path, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(half if size > _MAX_OUTPUT else _MAX_OUTPUT)
            if size <= _MAX_OUTPUT:
                return head.decode(errors="replace").strip()
            file.seek(size - half)
            left_out = f"\n[{size - _MAX_OUTPUT} bytes left out]\n"
            return head.decode(errors="replace") + left_out + file.read(half).decode(errors="replace").strip()
    except OSError:
        return ""


def _describe(error: ValidationError) -> str:
    return "; ".join(f"{'.'.join(map(str, each['loc'])) or 'input'}: {each['msg']}" for each in error.errors())
