"""Every error of the application, and which of them an activity is retried for."""

from __future__ import annotations

from dataclasses import dataclass

from epw.core.failures import AGENT_FAILED, FailureKind, Retried

_MAX_PROBLEMS = 100


@dataclass(frozen=True)
class Problem:
    """One thing wrong with an input: `path` as a user would write it (`tasks[3].dependsOn[0]`)."""

    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path else self.message


class EpwError(Exception):
    """Base of all; `exit_code` is what a command ends with (CONTRACT: 1 failed, 2 input, 3 environment)."""

    exit_code = 1

    @property
    def type(self) -> str:
        return type(self).__name__


class InvalidPlan(EpwError):
    """The plan cannot be run as written; carries every problem found (the first 100), not only the first."""

    exit_code = 2

    def __init__(self, problems: list[Problem]) -> None:
        more = len(problems) - _MAX_PROBLEMS
        self.problems = problems[:_MAX_PROBLEMS]
        if more > 0:
            self.problems.append(Problem("", f"and {more} more problems"))
        super().__init__("\n".join(str(problem)[:1000] for problem in self.problems))


class InvalidRequest(EpwError):
    """A command or message names something that is not there or may not be done now."""

    exit_code = 2


class Unavailable(EpwError):
    """The environment lacks something: a server, a worker, git, disk."""

    exit_code = 3


class TaskFailed(EpwError):
    """Failure of an attempt, of a kind that a result shows.

    `final`: another attempt would end the same way; unless told, as the kind says.
    """

    def __init__(self, kind: FailureKind, message: str, *, final: bool | None = None) -> None:
        self.kind = kind
        self.final = kind.retried is Retried.NEVER if final is None else final
        super().__init__(message)

    @property
    def type(self) -> str:
        return self.kind.type


class GitError(EpwError):
    """git ended with an error; the message holds its own words."""

    def __init__(self, arguments: list[str], code: int, stderr: str) -> None:
        self.code = code
        self.stderr = stderr.strip()
        super().__init__(f"git {' '.join(arguments[:3])} ended with {code}: {self.stderr[-600:]}")


class Refused(EpwError):
    """A delivery that would overwrite or break something of the user's; the workspace is as it was."""


class UndoBlocked(EpwError):
    """What cannot be undone without losing what the user did since; `commands` finish it by hand."""

    def __init__(self, message: str, commands: list[str]) -> None:
        self.commands = commands
        super().__init__(message)


class Fenced(EpwError):
    """The execution moved on without this attempt; what it holds must not land."""


# Temporal retries an activity for every error type not named here. An agent's own failure is settled
# by the workflow (its strategy's `attempts`), never by Temporal's RetryPolicy.
NOT_RETRIED = (InvalidPlan.__name__, Fenced.__name__, AGENT_FAILED.type)
