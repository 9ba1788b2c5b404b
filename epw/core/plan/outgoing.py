"""What a plan hands to others: the pull request of its branch, notices of what happens."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal, get_args
from urllib.parse import urlsplit

from pydantic import Field, StringConstraints

from epw.core.errors import Problem
from epw.core.plan.parts import EnvironmentName, PlanPart, Text

CHANNELS = ("command", "webhook", "desktop", "bell")
"""Ways of a notice, each the name of a field of `NoticeRule`."""
OF_TERMINAL = "bell"
"""The channel that is not the worker's: of the terminal that follows an execution."""
MAX_RULES = 10
# They become arguments of a program.
Reviewer = Annotated[str, StringConstraints(max_length=100, pattern=r"^[A-Za-z0-9_@][A-Za-z0-9_.@/-]*$")]
Event = Literal["question", "conflict", "failed", "budget", "ended"]
"""What notices tell of."""
_ALL: tuple[Event, ...] = get_args(Event)
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>[A-Za-z_]\w*)\}|(?P<plain>[A-Za-z_]\w*))", re.ASCII)


class PullRequestWish(PlanPart):
    """The pull request that is opened for a delivered branch."""

    title: str | None = Field(default=None, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")
    """Its title; where absent, made from the plan."""
    draft: bool = False
    """Whether it is not ready for review yet."""
    reviewers: list[Reviewer] = Field(default_factory=list, max_length=20)
    """Who reviews it, by their names on the forge."""


class NoticeRule(PlanPart):
    """Whom to tell of what, by exactly one of `command`, `webhook`, `desktop` and `bell`."""

    on: list[Event] = Field(default_factory=lambda: list(_ALL), min_length=1)
    """Events: a person is asked, a change does not merge, a task has failed for good, 80 % of the budget are spent, the
    execution has ended; where absent, all."""
    command: Text | list[Text] | None = Field(default=None, min_length=1)
    """Shell text, or a program and its arguments, run like a task's command; the notice is on its standard input."""
    webhook: str | None = Field(default=None, min_length=1, max_length=2000, pattern=r"^[!-~]+$")
    """URL that gets the notice by POST, or `$NAME`: the variable of the worker that holds it."""
    format: Literal["json", "slack", "ntfy"] | None = None
    """What a webhook gets; where absent, `json`."""
    secret_env: EnvironmentName | None = None
    """Variable of the worker with the key by which a webhook's notices are signed."""
    desktop: bool = False
    """Whether the worker's desktop shows it, by `notify-send`."""
    bell: bool = False
    """Whether the terminal of `run` or `watch` rings."""

    @property
    def channels(self) -> list[str]:
        """The ways that are named; one, where the rule is valid."""
        return [name for name in CHANNELS if getattr(self, name)]

    @property
    def variables(self) -> list[str]:
        """Variables that the worker must have."""
        named = variable_of(self.webhook or "")
        return [*([named] if named else []), *([self.secret_env] if self.secret_env else [])]


def variable_of(webhook: str) -> str | None:
    """The variable that `$NAME` or `${NAME}` names; None for a URL."""
    found = _VARIABLE.fullmatch(webhook)
    return (found["braced"] or found["plain"]) if found else None


def check_url(url: str) -> str | None:
    """Why nothing can be posted to a URL, in words without it, since it may be secret; None where something can."""
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        is_web = False
    if not is_web:
        return "must be an http or https URL, or $NAME: a variable of the worker that holds one"
    if parts.username is not None or parts.password is not None:
        return "has credentials in it: put the URL into a variable of the worker, and name that: $NAME"
    return None


def check_notices(rules: Sequence[NoticeRule]) -> Iterator[Problem]:
    """What is wrong with rules beyond the types of their fields."""
    for index, rule in enumerate(rules):
        path, named = f"notify[{index}]", rule.channels
        if len(named) != 1:
            found = f", not {' and '.join(named)}" if named else ""
            yield Problem(path, f"needs exactly one of {', '.join(CHANNELS)}{found}")
        if rule.webhook is None:
            for name, value in (("format", rule.format), ("secretEnv", rule.secret_env)):
                if value is not None:
                    yield Problem(f"{path}.{name}", "needs a webhook")
        elif variable_of(rule.webhook) is None and (why := check_url(rule.webhook)) is not None:
            yield Problem(f"{path}.webhook", why)
