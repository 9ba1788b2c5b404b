"""Exceptions of the application, and which of them Temporal does not retry an activity for."""

from __future__ import annotations

from dataclasses import dataclass

from epw.core.failures import AGENT_FAILED, FailureKind, Retried

_MAX_PROBLEMS = 100


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an input; `path` as a user would write it: `tasks[3].dependsOn[0]`."""

    path: str
    message: str
    line: int | None = None
    """Line of the file where it stands, where there is a file."""

    def __str__(self) -> str:
        where = f" (line {self.line})" if self.line is not None else ""
        return f"{self.path}: {self.message}{where}" if self.path else f"{self.message}{where}"


class EpwError(Exception):
    """Base of all; `exit_code` is what a command ends with: 1 failed, 2 wrong input, 3 environment."""

    exit_code = 1

    @property
    def type(self) -> str:
        return type(self).__name__


class InvalidPlan(EpwError):
    """The plan cannot be run as written; has the first 100 problems."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = _first(problems)
        super().__init__("\n".join(str(problem)[:1000] for problem in self.problems))


class InvalidInput(EpwError):
    """Arguments of a tool that cannot be used; has the first 100 problems."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = _first(problems)
        super().__init__("\n".join(problem.message[:1000] for problem in self.problems))


def _first(problems: list[Problem]) -> list[Problem]:
    more = len(problems) - _MAX_PROBLEMS
    return [*problems[:_MAX_PROBLEMS], *([Problem("", f"and {more} more problems")] if more > 0 else [])]


class InvalidRequest(EpwError):
    """A command or message names something that does not exist or is not possible now."""

    exit_code = 2


class Unavailable(EpwError):
    """The environment lacks something: a server, a worker, git, disk."""

    exit_code = 3


class TaskFailed(EpwError):
    """Failure of an attempt, of a kind that results show.

    `final`: another attempt would end the same way; by default as the kind says. `command`: what was run.
    """

    def __init__(
        self, kind: FailureKind, message: str, *, final: bool | None = None, command: str | None = None
    ) -> None:
        self.kind = kind
        self.command = command
        self.final = kind.retried is Retried.NEVER if final is None else final
        super().__init__(message)

    @property
    def type(self) -> str:
        return self.kind.type


class GitError(EpwError):
    """git ended with an error; the message has the end of its stderr."""

    def __init__(self, arguments: list[str], code: int, stderr: str) -> None:
        self.code = code
        self.stderr = stderr.strip()
        super().__init__(f"git {' '.join(arguments[:3])} ended with {code}: {self.stderr[-600:]}")


class UrlAway(EpwError):
    """A git URL does not answer, or broke off: the same may succeed later."""


class UrlDenied(Unavailable):
    """A git URL does not let this user in, or has no such repository: somebody has to do something about it."""


class UrlRefuses(EpwError):
    """A git URL does not take a ref: its rules or hooks say no."""


class UrlMoved(EpwError):
    """A ref on a git URL is not where this hub knew it: another worker has pushed. What to do is found out anew."""


class Refused(EpwError):
    """A delivery would overwrite or break something of the user's; the workspace is unchanged."""


class UndoBlocked(EpwError):
    """Undoing would lose what the user did since; `commands` finish it by hand."""

    def __init__(self, message: str, commands: list[str]) -> None:
        self.commands = commands
        super().__init__(message)


class Fenced(EpwError):
    """The execution has moved on without this attempt, whose change must not land."""


# Temporal retries an activity for every error type that is not named here. After an agent's failure the workflow starts
# the next attempt (its strategy's `attempts`), never Temporal's RetryPolicy.
NOT_RETRIED = (InvalidPlan.__name__, Fenced.__name__, AGENT_FAILED.type)
